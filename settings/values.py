"""Helm values that a stack adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

from model import helm_values
from settings.declaration import All, Kind, Refusal, Rule


def leaves_alone(protected: Mapping[str, str]) -> Callable[[Any], Iterator[Refusal]]:
    """The rule that values set nothing that the mesh depends on."""

    def check(values: Any) -> Iterator[Refusal]:
        for path, reason in helm_values.overridden(values, protected).items():
            yield Refusal(rule=f"may not set {path}: {reason}", mend=f"Remove {path} from it.", show=False)

    return check


def gone_apis(values: Any) -> Iterator[Refusal]:
    """What of OSM's chart no cluster of today can take."""
    for path, reason in helm_values.switched_on(values, helm_values.OSM_GONE).items():
        yield Refusal(rule=f"may not switch on {path}: {reason}", mend=f"Remove {path} from it.", show=False)


_VALUES = Kind("an object of Helm values", "Set it in the stack file, as YAML.")
DaprValues = Annotated[dict[str, Any], _VALUES, Rule("dapr-values", leaves_alone(helm_values.DAPR_PROTECTED))]
OsmValues = Annotated[
    dict[str, Any],
    _VALUES,
    All(Rule("osm-values", leaves_alone(helm_values.OSM_PROTECTED)), Rule("osm-gone-apis", gone_apis)),
]
