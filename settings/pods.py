"""What of an app's pods a team may lay something over, and what the mesh depends on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from model.apps import App
from model.quantity import quantity
from settings.declaration import All, Kind, Refusal, Rule, did_you_mean
from settings.kubernetes_schema import POD_SPEC, called, faults
from settings.names import TAKEN, marks
from settings.networks import FIRST_PORT_OF_USERS, HELD_PORTS, UNPRIVILEGED_SYSCTL
from settings.problem import Path, Words
from settings.quantities import resources

SECTIONS: Final = ("metadata", "spec")
METADATA: Final = ("labels", "annotations")
# OSM leaves alone what this user sends, which is Envoy's. Sources: OSM 1.2.4, pkg/constants, pkg/injector/iptables.go.
ENVOY_USER: Final = 1500
POWERS: Final = ("ALL", "NET_ADMIN", "SYS_ADMIN")
# Sources: Dapr, pkg/injector/consts; OSM 1.2.4, pkg/injector.
SIDECARS_VOLUMES: Final = ("dapr-identity-token", "dapr-components-unix-domain-socket", "envoy-bootstrap-config-volume")

# Fields of a pod's spec that are not a team's to set.
PROTECTED: Final[Mapping[str, str]] = {
    "serviceAccountName": "policies know an app by its ServiceAccount, which is named after it",
    "serviceAccount": "policies know an app by its ServiceAccount, which is named after it",
    "automountServiceAccountToken": "daprd reads Secrets with the account's token",
    "hostNetwork": "Envoy would intercept the node's traffic instead of the pod's",
    "shareProcessNamespace": "the app could reach into its sidecars, and read their keys",
    "dnsPolicy": "daprd and Envoy find everything by the cluster's names",
    "dnsConfig": "daprd and Envoy find everything by the cluster's names",
    "restartPolicy": "a Deployment's pods are always restarted",
    "activeDeadlineSeconds": "a Deployment's pods have no end",
    "ephemeralContainers": "they are added to running pods only (kubectl debug)",
    "os": "the sidecars are Linux programs",
}
# What of an app's own container is set elsewhere.
CONTAINER_PROTECTED: Final[Mapping[str, str]] = {
    "image": "apps.{app}.image",
    "ports": "apps.{app}.port",
    "resources": "apps.{app}.resources",
}
OWN_LABELS: Final[Mapping[str, str]] = {
    "app": "what the Deployment and its Services select pods by",
    "osm-proxy-uuid": "the mesh's own, one for each pod",
}
OWN_ANNOTATIONS: Final[Mapping[str, str]] = {
    "dapr.io/enabled": "set by this program: without daprd it is no app of this stack",
    "dapr.io/app-id": "set by this program: the app's key in apps",
    "dapr.io/app-port": "set by this program, from the app's port",
    "dapr.io/app-protocol": "http: the verification calls the app through daprd",
    "dapr.io/app-ssl": "off: the verification calls the app through daprd",
    "dapr.io/app-channel-address": "the pod itself",
    "dapr.io/config": "set by this program: it tells daprd how to find other apps in the mesh",
    "dapr.io/sidecar-image": "the release's: choose that by daprVersion",
    "dapr.io/sidecar-listen-addresses": "what Envoy sends calls to",
    "dapr.io/unix-domain-socket-path": "not there: Envoy sees no sockets of files",
    **dict.fromkeys(
        ("dapr.io/grpc-port", "dapr.io/internal-grpc-port", "dapr.io/metrics-port"),
        "what the mesh and the verification know daprd by",
    ),
    **dict.fromkeys(
        ("dapr.io/placement-host-address", "dapr.io/scheduler-host-address", "dapr.io/sentry-address"),
        "in Dapr's namespace: only that is excluded from the mesh",
    ),
}
_QUANTITIES: Final = tuple(
    f"dapr.io/sidecar-{resource}-{kind}" for resource in ("cpu", "memory") for kind in ("request", "limit")
)


def template(given: Mapping[str, Any]) -> Iterator[Refusal]:
    """What of an overlay Kubernetes would not know."""
    for section, value in given.items():
        inside = (section,)
        if section not in SECTIONS:
            mend = did_you_mean(section, SECTIONS, "There are metadata and spec, as in a Deployment's template.", "{}")
            yield Refusal(rule="is not a key that there is here", mend=mend, inside=inside, show=False)
        elif value is not None and not isinstance(value, Mapping):
            yield Refusal(rule="is not an object", mend="Write it as in a Deployment's template.", inside=inside)
        elif section == "spec":
            yield from faults(value, POD_SPEC, inside)
        else:
            yield from _metadata(value or {})


def _metadata(given: Mapping[str, Any]) -> Iterator[Refusal]:
    for name, value in given.items():
        inside = ("metadata", name)
        if name not in METADATA:
            mend = did_you_mean(name, METADATA, "Only labels and annotations are a template's to give.", "{}")
            yield Refusal(rule="is not a key that there is here", mend=mend, inside=inside, show=False)
        elif value is not None and not isinstance(value, Mapping):
            yield Refusal(rule="is not an object of texts", mend="Write it as key: value.", inside=inside)


def protected_fields(given: Mapping[str, Any]) -> Iterator[Refusal]:
    """What of a pod the mesh depends on, whichever app's it is."""
    for name in _object(given, "spec"):
        if name in PROTECTED:
            yield _not_here(f"may not be set: {PROTECTED[name]}", "spec", name)
    for volume in _objects(_object(given, "spec"), "volumes"):
        if volume.get("name") in SIDECARS_VOLUMES:
            yield _not_here("is a volume that an injector adds", "spec", "volumes", str(volume["name"]))


def sidecar_quantities(given: Mapping[str, Any]) -> Iterator[Refusal]:
    """Annotations that size daprd; Dapr's injector passes over one that it can't read."""
    for name, value in _object(_object(given, "metadata"), "annotations").items():
        if name in _QUANTITIES and (quantity(value) or 0) <= 0:
            inside = ("metadata", "annotations", name)
            yield Refusal(rule="is not a quantity", mend='Write it like "100m" or "128Mi".', inside=inside)


def pod_marks(given: Mapping[str, Any]) -> Iterator[Refusal]:
    """Labels and annotations that are not a team's to set, or none."""
    metadata = _object(given, "metadata")
    for plural, kind, own in (("labels", "label", OWN_LABELS), ("annotations", "annotation", OWN_ANNOTATIONS)):
        here = {name: value for name, value in _object(metadata, plural).items() if value is not None}
        for refusal in marks(kind, {name: value for name, value in here.items() if name not in own}):
            yield Refusal(
                rule=refusal.rule, mend=refusal.mend, show=False, inside=("metadata", plural, *refusal.inside)
            )
        for name in _object(metadata, plural):
            if name in own:
                yield _not_here(f"may not be set: it is {own[name]}", "metadata", plural, name)


def security(given: Mapping[str, Any]) -> Iterator[Refusal]:
    """What would let a container out of the mesh: OSM catches traffic by rules in the pod's own network."""
    spec = _object(given, "spec")
    yield from _user(_object(spec, "securityContext"), ("spec", "securityContext"))
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(_objects(spec, kind)):
            inside = ("spec", kind, called(container, index), "securityContext")
            context = _object(container, "securityContext")
            yield from _user(context, inside)
            if context.get("privileged") is True:
                yield _not_here("may not be true: a privileged container can leave the mesh", *inside, "privileged")
            for power in _object(context, "capabilities").get("add") or []:
                if str(power).removeprefix("CAP_") in POWERS:
                    rule = f"may not hold {power}: with it a container can leave the mesh"
                    yield _not_here(rule, *inside, "capabilities", "add")


def _user(context: Mapping[str, Any], inside: Path) -> Iterator[Refusal]:
    if context.get("runAsUser") == ENVOY_USER:
        yield Refusal(
            rule="is Envoy's own user, whose traffic the mesh leaves alone",
            mend="Choose another.",
            inside=(*inside, "runAsUser"),
        )


def containers(app: App, given: Mapping[str, Any]) -> Iterator[Refusal]:
    """What is wrong with an overlay's containers for one app."""
    spec = _object(given, "spec")
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(_objects(spec, kind)):
            inside = ("spec", kind, called(container, index))
            name = container.get("name")
            if not isinstance(name, str):
                yield Refusal(rule="has no name", mend=f"The app's own is {app.container}.", inside=inside, show=False)
            elif name == app.container:
                yield from _own(app, container, inside) if kind == "containers" else _twice(app, inside)
            else:
                yield from _further(app, name, container, inside)


def _twice(app: App, inside: Path) -> Iterator[Refusal]:
    yield Refusal(rule="is the name of the app's own container", mend="Choose another.", inside=inside, show=False)


def _own(app: App, container: Mapping[str, Any], inside: Path) -> Iterator[Refusal]:
    for field, setting in CONTAINER_PROTECTED.items():
        if field in container:
            yield _not_here(f"is set by {setting.format(app=app.name)}", *inside, field)
    for variable in _objects(container, "env"):
        name = variable.get("name")
        if name in app.environment or name in app.secret_environment:
            yield _not_here("is set by the app or by apps.*.env already", *inside, "env", str(name))


def _further(app: App, name: str, container: Mapping[str, Any], inside: Path) -> Iterator[Refusal]:
    if name in TAKEN and TAKEN[name].startswith("a container"):
        yield _not_here(f"is a name that is taken: {TAKEN[name]}", *inside)
    if not container.get("image"):
        yield Refusal(
            rule="is not set",
            mend=f"A further container needs one; the app's own is {app.container}.",
            inside=(*inside, "image"),
        )
    for port in _objects(container, "ports"):
        number = port.get("containerPort")
        if isinstance(number, int) and (number in HELD_PORTS or number == app.port):
            whose = HELD_PORTS.get(number, "the app's own")
            yield Refusal(
                rule=Words(f"holds {{port}}, which is taken in the pod: {whose}", port=number),
                mend="Let it listen elsewhere.",
                inside=(*inside, "ports"),
                show=False,
            )
    for refusal in resources(_object(container, "resources")):
        yield Refusal(
            rule=refusal.rule, mend=refusal.mend, show=refusal.show, inside=(*inside, "resources", *refusal.inside)
        )


def may_listen(port: int, overlay: Mapping[str, Any], container: str) -> bool:
    """Whether an app's user may listen on a port: below 1024 only root, or where the pod's kernel is told so."""
    if port >= FIRST_PORT_OF_USERS:
        return True
    spec = _object(overlay, "spec")
    context = _object(spec, "securityContext")
    for setting in _objects(context, "sysctls"):
        if setting.get("name") == UNPRIVILEGED_SYSCTL and str(setting.get("value")).isdecimal():
            return int(str(setting["value"])) <= port
    own = next((one for one in _objects(spec, "containers") if one.get("name") == container), {})
    return _object(own, "securityContext").get("runAsUser") == 0


def _not_here(rule: str, *inside: str) -> Refusal:
    return Refusal(rule=rule, mend="Remove it.", inside=inside, show=False)


def _object(given: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = given.get(key)
    return value if isinstance(value, Mapping) else {}


def _objects(given: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = given.get(key)
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


Pod = Annotated[
    dict[str, Any],
    Kind("an object with metadata and spec", "Write it as in a Deployment's template."),
    All(
        Rule("pod-template", template),
        Rule("pod-protected", protected_fields),
        Rule("pod-marks", pod_marks),
        Rule("pod-security", security),
        Rule("sidecar-quantities", sidecar_quantities),
    ),
]
