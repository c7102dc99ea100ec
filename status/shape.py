"""What a status says. As JSON it is these fields by these names: docs/status.md."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from model.drift import Drift

# Raised when a field goes or changes its meaning; new fields may come at any time.
FORMAT: Final = 1


@dataclass(frozen=True, kw_only=True)
class Versions:
    """What runs.

    Attributes:
        program: This program's version, which is not always the one that deployed the stack.
        dapr: Dapr's version, or None where its control plane can't be seen.
        osm: OSM's version, or None where there is no mesh.
        kubernetes: The API server's version.
    """

    program: str
    dapr: str | None
    osm: str | None
    kubernetes: str


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What makes pods.

    Attributes:
        part: ``dapr``, ``osm``, ``state store`` or ``app``.
        kind: Its kind.
        namespace: Its namespace.
        name: Its name.
        ready: How many of its latest pods are ready.
        wanted: How many there should be.
        causes: Why they are not, in the cluster's own words.
    """

    part: str
    kind: str
    namespace: str
    name: str
    ready: int
    wanted: int
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod of an app, or of somebody else's in a namespace of the mesh.

    Attributes:
        namespace: Its namespace.
        name: Its name.
        app: Its app id for Dapr, or None.
        of_stack: Whether it is this stack's.
        ready: Whether all of its containers are ready.
        restarts: How often its containers have been started anew.
        sidecars: The sidecars that it has: ``daprd``, ``envoy``.
        missing: Those that it should have, and lacks.
        excluded_ports: The outbound ports that bypass its Envoy, as the rules in the pod say.
        excluded_ip_ranges: The outbound addresses that do.
        stale: Whether those are others than a new pod would get.
    """

    namespace: str
    name: str
    app: str | None
    of_stack: bool
    ready: bool
    restarts: int
    sidecars: tuple[str, ...]
    missing: tuple[str, ...]
    excluded_ports: tuple[int, ...]
    excluded_ip_ranges: tuple[str, ...]
    stale: bool


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """What the MeshConfig says.

    Attributes:
        permissive: Whether everybody may call everybody.
        egress: Whether Envoy sends on what it knows nothing of.
        ports: The outbound ports that bypass every Envoy.
        ip_ranges: The outbound addresses that do.
        declared_ports: The ports that the stack declared last, or None where it has not said so.
        declared_ip_ranges: The addresses that it declared, or None.
        declared_pod_ports: The ports that it declared for its own pods beside those, or None.
        declared_by: Field managers that wrote the lists last; the stack's own is ``dapr-osm``.
    """

    permissive: bool
    egress: bool
    ports: tuple[int, ...]
    ip_ranges: tuple[str, ...]
    declared_ports: tuple[int, ...] | None
    declared_ip_ranges: tuple[str, ...] | None
    declared_pod_ports: tuple[int, ...] | None
    declared_by: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """An SMI object.

    Attributes:
        kind: Its kind.
        namespace: Its namespace.
        name: Its name.
        of_stack: Whether it is this stack's.
        allows: For a TrafficTarget, who may call whom: ``dapr-test/pythonapp -> dapr-test/nodeapp``.
    """

    kind: str
    namespace: str
    name: str
    of_stack: bool
    allows: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Orders:
    """The walkthrough's orders, as nodeapp logs them.

    Attributes:
        seconds: Over how long they were counted.
        received: How many nodeapp got.
        persisted: How many it persisted.
        per_minute: How many of those a minute has.
        last: The number of the last one that was persisted, or None where the time has none.
        last_at: When that was, by the clock of its node.
    """

    seconds: int
    received: int
    persisted: int
    per_minute: float
    last: int | None
    last_at: str | None


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate that things end with.

    Attributes:
        name: Whose it is.
        where: Where it was read.
        not_after: Until when it is valid.
        days_left: The days until then; below 0 where they are over.
        renewed: Whether its owner renews it by itself.
        warn: Whether somebody has to do something about it soon.
    """

    name: str
    where: str
    not_after: str
    days_left: float
    renewed: bool
    warn: bool


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """What this user may not see, or what does not answer.

    Attributes:
        what: What is missing in the status.
        why: Why.
    """

    what: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Status:
    """How a stack is doing.

    Attributes:
        at: When it was looked at, by this machine's clock.
        context: The kubeconfig's context, or None in a pod.
        server: The API server.
        stack: The stack's mark: its name, shortened where a label can't hold it.
        namespaces: Its namespaces, by part: ``dapr``, ``osm``, ``apps``.
        stage: The walkthrough's stage that the cluster looks like, or None where that can't be told.
        stage_why: By what.
        versions: What runs.
        workloads: The control planes, the state store and the apps.
        pods: Pods of the apps, and those of others in namespaces of the mesh.
        mesh: What the MeshConfig says, or None where there is none or it may not be read.
        policies: All SMI objects; those of others allow calls as well.
        orders: The walkthrough's orders, or None where there is no nodeapp or its log may not be read.
        certificates: Those that things end with.
        lost: Secrets of authorities that are gone, as ``namespace/name``: what runs goes on with what it holds.
        drift: What others have written into the stack's objects.
        unseen: What of all this could not be seen.
        problems: What is not as it should be, a line each; none where all is well as far as it was seen.
        format: The number of this shape.
    """

    at: str
    context: str | None
    server: str
    stack: str
    namespaces: dict[str, tuple[str, ...]]
    stage: str | None
    stage_why: str
    versions: Versions
    workloads: tuple[Workload, ...]
    pods: tuple[Pod, ...]
    mesh: Mesh | None
    policies: tuple[Policy, ...]
    orders: Orders | None
    certificates: tuple[Certificate, ...]
    lost: tuple[str, ...]
    drift: tuple[Drift, ...]
    unseen: tuple[Unseen, ...]
    problems: tuple[str, ...] = field(default=())
    format: int = FORMAT

    def as_dict(self) -> dict[str, Any]:
        """As plain lists and dictionaries."""
        return asdict(self)
