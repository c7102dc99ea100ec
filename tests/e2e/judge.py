"""What a stage must look like on the cluster, told from the cluster alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.kubectl import OUTBOUND_PORTS, Kubectl

NODE_INBOUND = "cluster.dapr-test/nodeapp-dapr|50002|local"
PYTHON_OUTBOUND = "cluster.dapr-test/nodeapp-dapr|50002"
# Without calls, orders are watched for so long; with them, until there are so many.
SECONDS = 8
ORDERS = 3
DEFAULT = "1.18.2"


@dataclass(frozen=True)
class Promise:
    """One row of the walkthrough's table of stages."""

    sidecars: frozenset[str]
    osm: bool
    permissive: bool | None
    own_accounts: bool
    policies: bool
    orders: bool


@dataclass(frozen=True)
class Release:
    """What of the stages differs between Dapr's releases."""

    mesh_ports: tuple[int, ...]
    pod_ports: str
    extra_sidecars: frozenset[str]
    routes: str
    counter: str
    least: int
    """What an order adds to that counter at the least."""


HEALTH = frozenset({"osm-healthcheck"})
RELEASES = {
    "1.12.0": Release((50005, 8201, 6379), "80,443", frozenset(), "HTTPRouteGroup", "upstream_rq_total", 1),
    "1.16.0": Release((50005, 8201, 6379, 50006), "80,443", HEALTH, "TCPRoute", "upstream_cx_tx_bytes_total", 64),
    "1.17.5": Release((50005, 8201, 6379, 50006), "80,443", HEALTH, "TCPRoute", "upstream_cx_tx_bytes_total", 64),
    "1.18.2": Release((50005, 8201, 6379, 50006), "80,443", HEALTH, "HTTPRouteGroup", "upstream_rq_total", 1),
}

DAPRD, BOTH = frozenset({"daprd"}), frozenset({"daprd", "envoy"})
PROMISES = {
    "dapr": Promise(DAPRD, False, None, False, False, True),
    "permissive": Promise(BOTH, True, True, False, False, True),
    "locked": Promise(BOTH, True, False, True, False, False),
    "smi": Promise(BOTH, True, False, True, True, True),
}


def judge(kubectl: Kubectl, stage: str, dapr: str = DEFAULT) -> None:
    """Assert that the cluster is what the stage promises with this release."""
    promise, release = PROMISES[stage], RELEASES[dapr]
    _pods(kubectl, promise, release)
    _mesh(kubectl, promise, release)
    _identity(kubectl, promise, release)
    _orders(kubectl, promise, release)


def _pods(kubectl: Kubectl, promise: Promise, release: Release) -> None:
    sidecars = promise.sidecars | (release.extra_sidecars if promise.osm else frozenset())
    for app in ("node", "python"):
        (pod,) = kubectl.living_pods("dapr-test", app)
        found = {container["name"] for container in pod["spec"]["containers"]}
        assert found == {app, *sidecars}, f"pod {pod['metadata']['name']}"
        assert all(status["ready"] for status in pod["status"]["containerStatuses"])
        account = f"{app}app" if promise.own_accounts else "default"
        assert pod["spec"]["serviceAccountName"] == account
    (redis,) = kubectl.living_pods("dapr-test", "redis")
    assert all(status["ready"] for status in redis["status"]["containerStatuses"])
    assert [container["name"] for container in redis["spec"]["containers"]] == ["redis"], "Redis stays out of the mesh"


def _mesh(kubectl: Kubectl, promise: Promise, release: Release) -> None:
    namespaces = {item["metadata"]["name"] for item in kubectl.items("namespaces")}
    assert ("osm-system" in namespaces) is promise.osm
    crds = [item["metadata"]["name"] for item in kubectl.items("crds")]
    assert any("openservicemesh" in name or "smi-spec" in name for name in crds) is promise.osm
    metadata = kubectl.get("namespace", "dapr-test")["metadata"]
    assert metadata.get("labels", {}).get("openservicemesh.io/monitored-by") == ("osm" if promise.osm else None)
    injection = metadata.get("annotations", {}).get("openservicemesh.io/sidecar-injection")
    assert injection == ("enabled" if promise.osm else None)
    if not promise.osm:
        return
    traffic: dict[str, Any] = kubectl.get("meshconfig", "osm-mesh-config", "-n", "osm-system")["spec"]["traffic"]
    api_server = kubectl.get("service", "kubernetes", "-n", "default")["spec"]["clusterIP"]
    assert traffic["enablePermissiveTrafficPolicyMode"] is promise.permissive
    assert traffic["outboundIPRangeExclusionList"] == [f"{api_server}/32"]
    assert traffic["outboundPortExclusionList"] == list(release.mesh_ports)
    assert traffic["enableEgress"] is True, "what the patch doesn't name is osm-bootstrap's preset"
    for app in ("node", "python"):
        (pod,) = kubectl.living_pods("dapr-test", app)
        exclusion = pod["metadata"]["annotations"][OUTBOUND_PORTS]
        assert exclusion == release.pod_ports


def _identity(kubectl: Kubectl, promise: Promise, release: Release) -> None:
    accounts = {item["metadata"]["name"] for item in kubectl.items("serviceaccounts", "-n", "dapr-test")}
    own = {"nodeapp", "pythonapp"} if promise.own_accounts else set()
    assert accounts == {"default", *own}
    binding = kubectl.get("rolebinding", "dapr-secret-reader", "-n", "dapr-test")
    assert {subject["name"] for subject in binding["subjects"]} == {"default", *own}
    kinds = ("httproutegroups", "tcproutes", "traffictargets")
    policies = [
        f"{item['kind']}/{item['metadata']['name']}"
        for kind in kinds
        for item in kubectl.items(kind, "-n", "dapr-test")
    ]
    wanted = [f"{release.routes}/nodeapp-service-routes", "TrafficTarget/pythodapp-traffic-target"]
    assert sorted(policies) == (wanted if promise.policies else [])


def _orders(kubectl: Kubectl, promise: Promise, release: Release) -> None:
    if not promise.orders:
        assert kubectl.received(SECONDS) == 0, "orders must stop"
        # Nothing else has stopped them: pythonapp goes on asking, and nodeapp could keep one.
        assert kubectl.log_of("python", "python", SECONDS), "pythonapp is told that its orders don't arrive"
        assert kubectl.kept_by_dapr("nodeapp", "judge", "kept") == "kept", "the state store works"
        return
    before = _crossed(kubectl, release) if promise.osm else {}
    persisted = kubectl.persisted(SECONDS, least=ORDERS)
    assert persisted >= ORDERS, f"orders must flow, but {persisted} were persisted in {SECONDS} s"
    after = _crossed(kubectl, release) if promise.osm else {}
    for side, count in after.items():
        wanted = (persisted - 1) * release.least
        assert count - before[side] >= wanted, f"{side} did not send on the calls: {before} -> {after}"


def _crossed(kubectl: Kubectl, release: Release) -> dict[str, int]:
    return {
        "pythonapp's Envoy": kubectl.envoy_counter("pythonapp", f"{PYTHON_OUTBOUND}.{release.counter}"),
        "nodeapp's Envoy": kubectl.envoy_counter("nodeapp", f"{NODE_INBOUND}.{release.counter}"),
    }
