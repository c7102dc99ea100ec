"""What of an app's pods a team may lay something over, and what the mesh depends on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from model.apps import App
from model.names import PROXY_LABEL
from settings import daprd, environment, images
from settings.declaration import All, Kind, Refusal, Rule, did_you_mean
from settings.kubernetes_schema import POD_SPEC, called, faults
from settings.names import TAKEN, is_label, label_rule, marks, nearest_label
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
    "hostPID": "the app could reach into every sidecar of the node, and read their keys",
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
    PROXY_LABEL: "the mesh's own, one for each pod",
}
OWN_ANNOTATIONS: Final[Mapping[str, str]] = {f"{daprd.PREFIX}{name}": whose for name, whose in daprd.OWN.items()}


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


def daprd_annotations(given: Mapping[str, Any]) -> Iterator[Refusal]:
    """Annotations for daprd that mean nothing, or not what they say."""
    for refusal in daprd.unread(_object(_object(given, "metadata"), "annotations")):
        yield replace(refusal, inside=("metadata", "annotations", *refusal.inside))


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
            powers = _object(context, "capabilities").get("add")
            for power in powers if isinstance(powers, list) else ():
                # Runtimes take them in any letters.
                if str(power).upper().removeprefix("CAP_") in POWERS:
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
    if "containers" in spec and spec["containers"] is None:
        rule = f"is null, which would take away {app.container}, the app's own"
        yield _not_here(rule, "spec", "containers")
    ports = {**HELD_PORTS, **({} if app.port is None else {app.port: "the app's own"})}
    names: set[str] = set()
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(_objects(spec, kind)):
            inside = ("spec", kind, called(container, index))
            name = container.get("name")
            if not isinstance(name, str):
                yield Refusal(rule="has no name", mend=f"The app's own is {app.container}.", inside=inside, show=False)
                continue
            if name in names:
                yield Refusal(rule="is there twice", mend="Give each a name of its own.", inside=inside, show=False)
            elif name == app.container:
                yield from _own(app, container, inside) if kind == "containers" else _twice(inside)
            else:
                yield from _further(app, name, container, inside)
                yield from _ports(container, ports, inside)
            names.add(name)
            yield from _variables(container, inside)
            yield from _mounts(spec, container, inside)


def _twice(inside: Path) -> Iterator[Refusal]:
    yield Refusal(rule="is the name of the app's own container", mend="Choose another.", inside=inside, show=False)


def _own(app: App, container: Mapping[str, Any], inside: Path) -> Iterator[Refusal]:
    for field, setting in CONTAINER_PROTECTED.items():
        if field in container:
            yield _not_here(f"is set by {setting.format(app=app.name)}", *inside, field)
    for index, variable in enumerate(_objects(container, "env")):
        if variable.get("name") in (*app.environment, *app.secret_environment):
            yield _not_here("is set by the app or by apps.*.env already", *inside, "env", called(variable, index))
    context = _object(container, "securityContext")
    # A container of ours says that it runs as no root, which null takes away.
    if context.get("runAsUser") == 0 and context.get("runAsNonRoot", True):
        rule = "is root, and the kubelet starts no such container where runAsNonRoot is true, as it is here"
        mend = "Set runAsNonRoot to false beside it, or choose another."
        yield Refusal(rule=rule, mend=mend, inside=(*inside, "securityContext", "runAsUser"))


def _further(app: App, name: str, container: Mapping[str, Any], inside: Path) -> Iterator[Refusal]:
    if not is_label(name):
        mend = nearest_label(name, "Choose another name.")
        yield Refusal(rule=f"is not named by {label_rule()}", mend=mend, inside=inside, show=False)
    if name in TAKEN and TAKEN[name].startswith("a container"):
        yield _not_here(f"is a name that is taken: {TAKEN[name]}", *inside)
    image = container.get("image")
    if not image:
        yield Refusal(
            rule="is not set",
            mend=f"A further container needs one; the app's own is {app.container}.",
            inside=(*inside, "image"),
        )
    elif fault := images.fault_of(str(image).strip()):
        yield Refusal(
            rule=f"is not an image name: {fault}",
            mend=images.WRITE,
            inside=(*inside, "image"),
            show=images.may_be_shown(str(image)),
        )
    for refusal in resources(_object(container, "resources")):
        yield Refusal(
            rule=refusal.rule, mend=refusal.mend, show=refusal.show, inside=(*inside, "resources", *refusal.inside)
        )


def _ports(container: Mapping[str, Any], taken: dict[int, str], inside: Path) -> Iterator[Refusal]:
    """Ports that something else in the pod holds; those of this container are taken from now on."""
    for port in _objects(container, "ports"):
        for field in ("containerPort", "hostPort"):
            number = port.get(field)
            if isinstance(number, int) and not 1 <= number <= 65535:
                rule = Words("holds {port}, which is not a port (1-65535)", port=number)
                yield Refusal(rule=rule, mend="Set for example 8081.", inside=(*inside, "ports"), show=False)
        number = port.get("containerPort")
        if not isinstance(number, int) or port.get("protocol", "TCP") != "TCP":
            continue
        if number in taken:
            rule = Words(f"holds {{port}}, which is taken in the pod: {taken[number]}", port=number)
            yield Refusal(rule=rule, mend="Let it listen elsewhere.", inside=(*inside, "ports"), show=False)
        taken.setdefault(number, "another container's")


def _variables(container: Mapping[str, Any], inside: Path) -> Iterator[Refusal]:
    for index, variable in enumerate(_objects(container, "env")):
        name = variable.get("name")
        if not isinstance(name, str):
            yield Refusal(
                rule="has no name", mend="Write it as name and value.", inside=(*inside, "env", str(index)), show=False
            )
            continue
        given = {name: variable.get("value") or ""}
        for refusal in (*environment.names(given), *environment.texts(given)):
            yield replace(refusal, inside=(*inside, "env", called(variable, index)))


def _mounts(spec: Mapping[str, Any], container: Mapping[str, Any], inside: Path) -> Iterator[Refusal]:
    volumes = [str(volume.get("name")) for volume in _objects(spec, "volumes")]
    for mount in _objects(container, "volumeMounts"):
        name = mount.get("name")
        if isinstance(name, str) and name not in volumes:
            rule = Words("mounts {name}, which is no volume of the pod", name=name)
            mend = Words("{mend}", mend=did_you_mean(name, volumes, "Add it to spec.volumes.", "{}"))
            yield Refusal(rule=rule, mend=mend, inside=(*inside, "volumeMounts"), show=False)


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
        Rule("daprd-annotations", daprd_annotations),
    ),
]
