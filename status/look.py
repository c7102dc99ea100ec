"""One look at a stack, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from cluster.client import Cluster, Object
from cluster.diagnosis import explain_namespace
from cluster.waiting import is_observed, readiness
from model import names
from model.names import Namespaces
from model.owner import mark_of
from settings import VERSION
from status import certificates, drift, mesh, orders
from status.find import WORKLOADS, Found, find
from status.problems import problems
from status.shape import Mesh, Policy, Status, Versions, Workload
from status.sight import Sight
from status.stage import stage
from verification.pods import is_living
from verification.policies import POLICY_PATHS

VERSION_LABEL = "app.kubernetes.io/version"


def look(
    cluster: Cluster, *, context: str | None = None, stack: str | None = None, namespaces: Sequence[str] = ()
) -> Status:
    """How a stack is doing.

    Args:
        cluster: The cluster.
        context: The kubeconfig's context that it was reached by, to be told.
        stack: The stack's name, or None for the only one there is.
        namespaces: Where to look where this user may not see the whole cluster, beside the default names.

    Raises:
        OperationError: There is no such stack to be seen, or no cluster.
    """
    usual = Namespaces()
    kubernetes = cluster.server_version()
    sight = Sight(cluster, [*dict.fromkeys([*namespaces, usual.dapr, usual.osm, usual.apps])])
    found = find(sight, stack)
    refused = [one for one in sight.unseen if one.what.startswith(WORKLOADS)]
    # What was refused elsewhere than where the stack lives is nobody's loss.
    sight = Sight(cluster, found.namespaces)
    if refused and not (found.dapr and found.osm):
        sight.note("control planes", refused[0].why)
    config = _mesh_config(sight, found)
    spaces = {item["metadata"]["name"]: item for item in _spaces(sight, found)}
    listed = _pods(sight, found, spaces)
    seen = mesh.pods(listed, spaces, config, found.mark)
    policies = _policies(sight, found)
    stage_name, stage_why = stage(found, config, policies)
    one_each = {pod.app: pod for pod in seen if pod.of_stack and pod.app and "envoy" in pod.sidecars}
    chosen = [pod for pod in listed if pod["metadata"]["name"] in {one.name for one in one_each.values()}]
    authorities = certificates.authorities(sight, found)
    status = Status(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        context=context,
        server=cluster.server,
        stack=found.mark,
        namespaces={
            "dapr": tuple(filter(None, (found.dapr,))),
            "osm": tuple(filter(None, (found.osm,))),
            "apps": found.apps,
        },
        stage=stage_name,
        stage_why=stage_why,
        versions=Versions(
            program=VERSION,
            dapr=_version(found, found.dapr),
            osm=_version(found, found.osm),
            kubernetes=kubernetes,
        ),
        workloads=_workloads(sight, found),
        pods=tuple(seen),
        mesh=config,
        policies=policies,
        orders=orders.orders(sight, [pod for pod in listed if mark_of(pod["metadata"]) == found.mark]),
        certificates=tuple(certificates.certificates(sight, found, authorities, chosen, datetime.now(UTC))),
        lost=tuple(certificates.lost(authorities)),
        drift=tuple(drift.drift(sight, found)),
        unseen=sight.unseen,
    )
    return problems(status)


def _mesh_config(sight: Sight, found: Found) -> Mesh | None:
    if found.osm is None:
        return None
    path = names.MESH_CONFIG_PATH.format(found.osm, names.MESH_CONFIG)
    return mesh.mesh(sight.get("the MeshConfig", path))


def _spaces(sight: Sight, found: Found) -> list[Object]:
    """The stack's namespaces, and those that others have joined to the mesh."""
    own = [sight.get(f"namespace {name}", f"/api/v1/namespaces/{name}") for name in found.apps]
    joined = (
        sight.everywhere(
            "namespaces that others have joined to the mesh",
            "/api/v1/namespaces",
            None,
            lambda path: sight.cluster.items(path, {"labelSelector": f"{names.MONITORED}={names.MESH_NAME}"}),
        )
        if found.osm
        else []
    )
    return [item for item in own if item is not None] + joined


def _pods(sight: Sight, found: Found, spaces: Mapping[str, Object]) -> list[Object]:
    wanted = sorted({*found.apps, *spaces})
    lists = sight.side_by_side(
        partial(sight.sees, f"pods in {name}", partial(sight.cluster.pods, name), list[Object]()) for name in wanted
    )
    return [pod for pods in lists for pod in pods if is_living(pod)]


def _policies(sight: Sight, found: Found) -> tuple[Policy, ...]:
    if found.osm is None:
        return ()
    return tuple(
        mesh.policy(kind, item, found.mark)
        for kind, (version, _) in POLICY_PATHS.items()
        for item in sight.all(version, kind)
    )


def _workloads(sight: Sight, found: Found) -> tuple[Workload, ...]:
    states = [(kind, item, *_ready(kind, item)) for kind, item in found.workloads]
    lacking: dict[str, list[tuple[str, str]]] = {}
    for kind, item, ready, wanted in states:
        if ready < wanted:
            lacking.setdefault(item["metadata"]["namespace"], []).append((kind, item["metadata"]["name"]))
    causes = {
        (namespace, name): sight.sees(
            f"why pods in {namespace} are not ready",
            partial(_causes, sight.cluster, namespace, kind, name),
            tuple[str, ...](),
        )
        for namespace, workloads in lacking.items()
        for kind, name in workloads
    }
    made = [
        Workload(
            part=found.part_of(item),
            kind=kind,
            namespace=item["metadata"]["namespace"],
            name=item["metadata"]["name"],
            ready=ready,
            wanted=wanted,
            causes=causes.get((item["metadata"]["namespace"], item["metadata"]["name"]), ()),
        )
        for kind, item, ready, wanted in states
    ]
    parts = ("dapr", "osm", "state store", "app")
    return tuple(sorted(made, key=lambda one: (parts.index(one.part), one.namespace, one.name)))


def _ready(kind: str, item: Object) -> tuple[int, int]:
    ready, wanted = readiness(kind, item)
    # What its controller has not seen yet, nobody knows to be ready.
    return (ready if is_observed(item) else min(ready, wanted - 1)), wanted


def _causes(cluster: Cluster, namespace: str, kind: str, name: str) -> tuple[str, ...]:
    return tuple(str(finding) for finding in explain_namespace(cluster, namespace, [(kind, name)]))


def _version(found: Found, namespace: str | None) -> str | None:
    """A control plane's version, by the label that its chart has; else by its images' tags."""
    for _, item in found.workloads:
        if namespace is None or item["metadata"]["namespace"] != namespace:
            continue
        label = (item["metadata"].get("labels") or {}).get(VERSION_LABEL)
        # A digest behind a tag is no version.
        images = [one["image"].partition("@")[0] for one in item["spec"]["template"]["spec"]["containers"]]
        tag = images[0].rpartition(":")[2] if images and ":" in images[0].rpartition("/")[2] else None
        if label or tag:
            return str(label or tag).removeprefix("v")
    return None
