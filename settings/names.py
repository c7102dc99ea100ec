"""Names, by what becomes of them on the cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from pydantic import StringConstraints

from model.names import REDIS
from model.versions import DAPR_RELEASES, OSM_RELEASE
from settings.declaration import Kind, Refusal, Rule, as_json
from settings.problem import Words

# Dapr's Service of an app is called <app id>-dapr, and a Service's name has at most 63 characters.
DAPR_SERVICE_SUFFIX: Final = "-dapr"
LONGEST_LABEL: Final = 63
LONGEST_APP_ID: Final = LONGEST_LABEL - len(DAPR_SERVICE_SUFFIX)

# An app's id is also the name of its container, of its label and of its ServiceAccount.
TAKEN: Final[Mapping[str, str]] = {
    REDIS: "the state store's",
    "node": "nodeapp's label",
    "python": "pythonapp's label",
    "default": "the ServiceAccount of pods without one of their own",
    **{
        container: "a container that Dapr's or OSM's injector adds to pods"
        for release in DAPR_RELEASES.values()
        for container in (
            *release.containers,
            *release.mesh_containers,
            *OSM_RELEASE.containers,
            *OSM_RELEASE.init_containers,
        )
    },
}

Text = Annotated[str, StringConstraints(strip_whitespace=True), Kind("a text", "Put it between quotes.")]


def is_label(value: str, longest: int = LONGEST_LABEL) -> bool:
    """Whether this can be the name of a namespace, a container or a Deployment (RFC 1123)."""
    return len(value) <= longest and re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", value) is not None


def label_rule(longest: int = LONGEST_LABEL) -> str:
    """What :func:`is_label` asks for, in words."""
    return f"a name of at most {longest} lower-case letters, digits and dashes in between"


def is_clusters_own(namespace: str) -> bool:
    """Whether a namespace is there for the cluster itself."""
    return namespace == "default" or namespace.startswith("kube-")


def nearest_label(value: str, otherwise: str, longest: int = LONGEST_LABEL) -> str:
    """Ask about the name that a text would be with small letters and dashes, if it would be one."""
    near = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")
    return Words('Did you mean "{near}"?', near=near) if near != value and is_label(near, longest) else otherwise


def label(value: str) -> Iterator[Refusal]:
    """What keeps a text from being an object's name."""
    if not is_label(value):
        yield Refusal(rule=f"is not {label_rule()}", mend=nearest_label(value, "Choose another name."))


def own_namespace(value: str) -> Iterator[Refusal]:
    """What keeps a namespace from being a stack's."""
    if is_clusters_own(value):
        yield Refusal(rule="is a namespace of the cluster's own", mend="The stack makes its namespaces itself.")


Label = Annotated[Text, Rule("label", label, label_rule())]
OwnNamespace = Annotated[Label, Rule("own-namespace", own_namespace)]


def app_id(value: str) -> Iterator[Refusal]:
    """What keeps a text from being an app's id.

    It names a Deployment, a container, a label, a ServiceAccount and a Service, and Dapr makes another Service of it,
    whose name has to begin with a letter (RFC 1035).
    """
    if not is_label(value, LONGEST_APP_ID):
        yield Refusal(
            rule=f"is not named by {label_rule(LONGEST_APP_ID)}",
            mend=nearest_label(value, f"Dapr makes a Service {value}{DAPR_SERVICE_SUFFIX} of it.", LONGEST_APP_ID),
        )
    elif not value[0].isalpha():
        yield Refusal(
            rule="begins with a digit, and a Service's name may not",
            mend=f"Dapr would make a Service {value}{DAPR_SERVICE_SUFFIX} of it. Begin it with a letter.",
        )
    elif value in TAKEN:
        yield Refusal(rule=f"is a name that is taken: {TAKEN[value]}", mend="Choose another app id.")


def policy_name(value: str) -> Iterator[Refusal]:
    """What keeps a text from being a policy's name."""
    if not is_label(value):
        mend = nearest_label(value, "It is the name of a TrafficTarget.")
        yield Refusal(rule=f"is not named by {label_rule()}", mend=mend)


# --- labels and annotations -------------------------------------------------------------------------------------

_PART: Final = r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?"
# What this program, Pulumi, Kubernetes, OSM and Dapr write themselves, by the prefix or the whole of the key.
RESERVED: Final[Mapping[str, str]] = {
    "openservicemesh.io/": "the mesh's own: who belongs to it follows from the stage",
    "pulumi.com/": "Pulumi's own",
    "dapr-osm/": "this program's own",
    "kubernetes.io/metadata.name": "Kubernetes' own",
}


def is_qualified(name: str) -> bool:
    """Whether this can be the key of a label or an annotation: ``team`` or ``example.com/team``."""
    prefix, slash, part = name.rpartition("/")
    if len(part) > LONGEST_LABEL or not re.fullmatch(_PART, part):
        return False
    return not slash or (len(prefix) <= 253 and all(is_label(one) for one in prefix.split(".")))


def is_label_value(value: str) -> bool:
    """Whether this can be the value of a label."""
    return len(value) <= LONGEST_LABEL and re.fullmatch(f"({_PART})?", value) is not None


def reserved(name: str) -> str | None:
    """Whose a label or an annotation is, where it isn't a stack's to set."""
    return next((whose for start, whose in RESERVED.items() if name == start or _begins(name, start)), None)


def _begins(name: str, start: str) -> bool:
    # "x.openservicemesh.io/" as well.
    prefix, slash, _ = name.rpartition("/")
    return start.endswith("/") and bool(slash) and f".{prefix}/".endswith(f".{start}")


def marks(kind: str, given: Mapping[str, object]) -> Iterator[Refusal]:
    """What keeps an object from being some labels or annotations.

    Args:
        kind: ``label`` or ``annotation``.
        given: Their values by key.
    """
    for name, value in given.items():
        if not is_qualified(name):
            mend = "Write it as example.com/name or name: letters, digits, dashes, dots, at most 63 after the slash."
            yield Refusal(rule=f"is not the key of {_a(kind)}", mend=mend, inside=(name,), show=False)
        elif whose := reserved(name):
            yield Refusal(rule=f"may not be set: it is {whose}", mend="Remove it.", inside=(name,), show=False)
        elif not isinstance(value, str):
            yield Refusal(
                rule=Words("is {value}, which is not a text", value=as_json(value)),
                mend='Put it between quotes: "true", "1".',
                inside=(name,),
                show=False,
            )
        elif kind == "label" and not is_label_value(value):
            yield Refusal(
                rule=Words("is {value}, which is not the value of a label", value=as_json(value)),
                mend="It has at most 63 letters, digits, dashes, underlines and dots. An annotation may be any text.",
                inside=(name,),
                show=False,
            )


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
