"""Helm values that a stack adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any

from model import helm_values
from settings.declaration import All, Kind, Refusal, Rule, did_you_mean
from settings.networks import excluded_ports
from settings.pods import ENVOY_USER


def leaves_alone(protected: Mapping[str, str]) -> Callable[[Any], Iterator[Refusal]]:
    """The rule that values set nothing that the mesh depends on."""

    def check(values: Any) -> Iterator[Refusal]:
        for path, reason in helm_values.overridden(values, protected).items():
            yield Refusal(rule=f"may not set {path}: {reason}", mend=f"Remove {path} from it.", show=False)

    return check


def parts_of(chart: tuple[str, ...]) -> Callable[[Any], Iterator[Refusal]]:
    """The rule that a part of a chart is written as the chart does: Helm passes over what it doesn't know.

    A chart of a team's own may have more parts, so what is near none of them is fine.
    """

    def check(values: Any) -> Iterator[Refusal]:
        for name in values:
            if name not in chart and (mend := did_you_mean(name, chart, "", "{}")):
                rule = "is not a part of the chart, and Helm would pass over it"
                yield Refusal(rule=rule, mend=mend, inside=(name,), show=False)

    return check


def daprs_user(values: Any) -> Iterator[Refusal]:
    """Daprd as the user whose traffic the mesh leaves alone."""
    path = ("dapr_sidecar_injector", "sidecarRunAsUser")
    # To the chart a text is a number as well.
    if str(helm_values.at(values, path)).strip() in (str(ENVOY_USER), str(float(ENVOY_USER))):
        rule = "is Envoy's own user, whose traffic the mesh leaves alone"
        yield Refusal(rule=rule, mend="Choose another.", inside=path)


def inbound_ports(values: Any) -> Iterator[Refusal]:
    """Calls that Envoy would let in unseen, and what are no ports."""
    inside = ("osm", "inboundPortExclusionList")
    ports = helm_values.at(values, inside)
    # OSM reads no others, and its control plane would never start.
    if ports is not None and not isinstance(ports, list):
        yield Refusal(rule="is not a list of TCP ports", mend="Write it like [9090].", inside=inside)
    for refusal in excluded_ports(ports) if isinstance(ports, list) else ():
        yield replace(refusal, inside=inside)


def gone_apis(values: Any) -> Iterator[Refusal]:
    """What of OSM's chart no cluster of today can take."""
    for path, reason in helm_values.switched_on(values, helm_values.OSM_GONE).items():
        yield Refusal(rule=f"may not switch on {path}: {reason}", mend=f"Remove {path} from it.", show=False)


_VALUES = Kind("an object of Helm values", "Set it in the stack file, as YAML.")
DaprValues = Annotated[
    dict[str, Any],
    _VALUES,
    All(
        Rule("dapr-values", leaves_alone(helm_values.DAPR_PROTECTED)),
        Rule("dapr-value-parts", parts_of(helm_values.DAPR_PARTS)),
        Rule("daprs-user", daprs_user),
    ),
]
OsmValues = Annotated[
    dict[str, Any],
    _VALUES,
    All(
        Rule("osm-values", leaves_alone(helm_values.OSM_PROTECTED)),
        Rule("osm-value-parts", parts_of(helm_values.OSM_PARTS)),
        Rule("osm-gone-apis", gone_apis),
        Rule("osm-inbound-ports", inbound_ports),
    ),
]
