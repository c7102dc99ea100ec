"""A stack's status, from what a cluster has: told in full, and by whoever may not see all of it."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args, get_type_hints

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from rich.console import Console

from cluster.client import Answer, Cluster
from cluster.errors import ApiError, ForbiddenError, OperationError
from model import drift
from model.exclusions import DECLARED_ANNOTATION
from settings import ROOT
from status import __main__ as command
from status import certificates, mesh, orders
from status.look import look
from status.render import render
from status.shape import Status

from .fake_cluster import FakeCluster

MARK = {"dapr-osm/stack": "dev"}
META = "/apis/config.openservicemesh.io/v1alpha2/namespaces/osm-system/meshconfigs/osm-mesh-config"
SCRIPT = """
-A OSM_PROXY_OUTBOUND -d 127.0.0.1/32 -j RETURN
-A OSM_PROXY_OUTBOUND -d 10.96.0.1/32 -j RETURN
-A OSM_PROXY_OUTBOUND -p tcp --match multiport --dports {} -j RETURN
"""
DECLARED = {
    "ipRanges": [{"cidr": "10.96.0.1/32", "reason": "r"}],
    "meshPorts": [{"port": 6379}, {"port": 50005}],
    "podPorts": [{"port": 443}, {"port": 80}],
}


class Lab(FakeCluster):
    """A stack ``dev`` at stage smi, all well. Lists may be refused by path."""

    def __init__(self) -> None:
        super().__init__()
        self.envoy: Answer | Exception = Answer(status=200, body="{}")
        self.refused: tuple[str, ...] = ()
        self.add("/api/v1/namespaces/dapr-system", metadata={"labels": MARK})
        self.add("/api/v1/namespaces/osm-system", metadata={"labels": MARK})
        self.add(
            "/api/v1/namespaces/dapr-test",
            metadata={
                "labels": {**MARK, "openservicemesh.io/monitored-by": "osm"},
                "annotations": {"openservicemesh.io/sidecar-injection": "enabled"},
            },
        )
        self.workload("dapr-system", "dapr-sentry", version="1.18.2")
        for namespace, name in (("dapr-system", "dapr-trust-bundle"), ("osm-system", "osm-ca-bundle")):
            self.add(f"/api/v1/namespaces/{namespace}/secrets/{name}", data={})
        self.workload("osm-system", "osm-controller", version="v1.2.4")
        for name in ("nodeapp", "pythonapp", "redis"):
            self.workload("dapr-test", name)
        for name in ("nodeapp", "pythonapp"):
            self.pod(name)
        self.add(
            META,
            metadata={
                "labels": MARK,
                "annotations": {DECLARED_ANNOTATION: json.dumps(DECLARED)},
                "managedFields": [written("dapr-osm")],
            },
            spec={
                "traffic": {
                    "enableEgress": True,
                    "enablePermissiveTrafficPolicyMode": False,
                    "outboundPortExclusionList": [50005, 6379],
                    "outboundIPRangeExclusionList": ["10.96.0.1/32"],
                }
            },
        )
        self.add(
            "/apis/access.smi-spec.io/v1alpha3/namespaces/dapr-test/traffictargets/t",
            metadata={"labels": MARK},
            spec={
                "destination": {"namespace": "dapr-test", "name": "nodeapp"},
                "sources": [{"namespace": "dapr-test", "name": "pythonapp"}],
            },
        )
        self.container_logs["dapr-test/nodeapp-1/node"] = [
            "2026-01-01T00:00:01.5Z Got a new order! Order ID: 7",
            "2026-01-01T00:00:01.6Z Successfully persisted state for Order ID: 7",
        ]

    def workload(self, namespace: str, name: str, *, ready: int = 1, version: str = "") -> None:
        labels = {**MARK, **({"app.kubernetes.io/version": version} if version else {})}
        self.add(
            f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
            metadata={"labels": labels, "generation": 1},
            spec={"replicas": 1, "template": {"spec": {"containers": [{"name": "c", "image": "r:5000/i:9"}]}}},
            status={"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": ready},
        )

    def pod(
        self, app: str, *, sidecars: tuple[str, ...] = ("daprd", "envoy"), ports: str = "6379,50005,80,443"
    ) -> None:
        names = ["node", *sidecars]
        init = [{"name": "osm-init", "args": ["-c", SCRIPT.format(ports)]}] if "envoy" in sidecars else []
        self.add(
            f"/api/v1/namespaces/dapr-test/pods/{app}-1",
            metadata={
                "labels": MARK,
                "annotations": {
                    "dapr.io/enabled": "true",
                    "dapr.io/app-id": app,
                    "openservicemesh.io/outbound-port-exclusion-list": "80,443",
                },
            },
            spec={"containers": [{"name": name} for name in names], "initContainers": init},
            status={
                "phase": "Running",
                "containerStatuses": [{"name": name, "ready": True, "restartCount": 0} for name in names],
            },
        )

    def exchange(self, method: str, path: str, *rest: Any, **more: Any) -> str:
        if path == "/version":
            return '{"gitVersion": "v1.36.5"}'
        if method == "GET" and any(part in path for part in self.refused):
            raise ApiError("GET", path, 403, json.dumps({"message": f"may not see {path}"}))
        return super().exchange(method, path, *rest, **more)

    def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
        assert (port, path) == (15000, "/certs")
        if isinstance(self.envoy, Exception):
            raise self.envoy
        return self.envoy


def written(manager: str, **fields_of: Any) -> dict[str, Any]:
    traffic: dict[str, Any] = {"f:outboundPortExclusionList": {}, "f:outboundIPRangeExclusionList": {}}
    given = fields_of or {"f:spec": {"f:traffic": traffic}}
    return {"manager": manager, "operation": "Apply", "time": "2026-01-01T00:00:00Z", "fieldsV1": given}


def test_a_stack_that_is_well_is_told_in_full() -> None:
    status = look(Lab(), context="here")
    assert status.problems == ()
    assert status.unseen == ()
    assert (status.stack, status.context, status.stage) == ("dev", "here", "smi")
    assert status.namespaces == {"dapr": ("dapr-system",), "osm": ("osm-system",), "apps": ("dapr-test",)}
    assert (status.versions.dapr, status.versions.osm, status.versions.kubernetes) == ("1.18.2", "1.2.4", "v1.36.5")
    assert [(one.part, one.name, one.ready, one.wanted) for one in status.workloads] == [
        ("dapr", "dapr-sentry", 1, 1),
        ("osm", "osm-controller", 1, 1),
        ("state store", "redis", 1, 1),
        ("app", "nodeapp", 1, 1),
        ("app", "pythonapp", 1, 1),
    ]
    assert [(one.app, one.sidecars, one.missing, one.stale) for one in status.pods] == [
        ("nodeapp", ("daprd", "envoy"), (), False),
        ("pythonapp", ("daprd", "envoy"), (), False),
    ]
    assert status.pods[0].excluded_ports == (80, 443, 6379, 50005)
    assert status.pods[0].excluded_ip_ranges == ("10.96.0.1/32",)
    assert status.mesh is not None
    assert status.mesh.ports == status.mesh.declared_ports == (6379, 50005)
    assert status.mesh.declared_pod_ports == (80, 443)
    assert status.mesh.declared_by == ("dapr-osm",)
    assert [(one.kind, one.of_stack, one.allows) for one in status.policies] == [
        ("TrafficTarget", True, ("dapr-test/pythonapp -> dapr-test/nodeapp",))
    ]
    assert status.orders is not None
    assert (status.orders.received, status.orders.persisted, status.orders.last) == (1, 1, 7)
    assert status.orders.last_at == "2026-01-01T00:00:01+00:00"


def test_a_status_is_json_of_the_documented_fields() -> None:
    told = json.loads(json.dumps(look(Lab()).as_dict()))
    assert told["format"] == 1
    page = (ROOT / "docs" / "status.md").read_text()
    for name in sorted(every_field(Status)):
        assert f"`{name}`" in page, f"docs/status.md does not say what {name} is"


def every_field(shape: Any) -> set[str]:
    names: set[str] = set()
    hints = get_type_hints(shape)
    for one in fields(shape):
        names.add(one.name)
        for inner in [hints[one.name], *get_args(hints[one.name])]:
            if is_dataclass(inner):
                names |= every_field(inner)
    return names


@pytest.mark.parametrize(
    ("permissive", "policies", "stage"), [(True, True, "permissive"), (False, False, "locked"), (False, True, "smi")]
)
def test_the_stage_is_told_by_permissive_mode_and_policies(permissive: bool, policies: bool, stage: str) -> None:
    fake = Lab()
    fake.objects[META]["spec"]["traffic"]["enablePermissiveTrafficPolicyMode"] = permissive
    if not policies:
        del fake.objects["/apis/access.smi-spec.io/v1alpha3/namespaces/dapr-test/traffictargets/t"]
    assert look(fake).stage == stage


def test_without_a_mesh_it_is_the_first_stage_and_nothing_is_said_of_a_mesh() -> None:
    fake = Lab()
    del fake.objects["/apis/apps/v1/namespaces/osm-system/deployments/osm-controller"]
    status = look(fake)
    assert (status.stage, status.mesh, status.policies, status.versions.osm) == ("dapr", None, (), None)


def test_orders_that_come_where_none_may_or_stay_away_are_problems() -> None:
    fake = Lab()
    fake.container_logs["dapr-test/nodeapp-1/node"] = []
    assert look(fake).problems == ("no order was persisted in the last 60 s (nodeapp got 0)",)
    fake = Lab()
    del fake.objects["/apis/access.smi-spec.io/v1alpha3/namespaces/dapr-test/traffictargets/t"]
    assert look(fake).problems == ("stage locked lets no order through, and nodeapp got 1 in the last minute",)


def test_orders_are_found_behind_a_container_of_a_teams_own() -> None:
    fake = Lab()
    fake.objects["/api/v1/namespaces/dapr-test/pods/nodeapp-1"]["spec"]["containers"].insert(0, {"name": "agent"})
    status = look(fake)
    assert status.orders is not None
    assert status.orders.last == 7


@pytest.mark.parametrize(
    ("image", "version"), [("r:5000/i:v9@sha256:ab", "9"), ("r:5000/i@sha256:ab", None), ("r:5000/i", None)]
)
def test_a_version_is_an_images_tag_and_never_its_digest(image: str, version: str | None) -> None:
    fake = Lab()
    controller = fake.objects["/apis/apps/v1/namespaces/osm-system/deployments/osm-controller"]
    del controller["metadata"]["labels"]["app.kubernetes.io/version"]
    controller["spec"]["template"]["spec"]["containers"][0]["image"] = image
    assert look(fake).versions.osm == version


def test_a_workload_that_is_not_ready_is_told_with_its_cause() -> None:
    fake = Lab()
    fake.workload("dapr-test", "nodeapp", ready=0)
    fake.objects["/apis/apps/v1/namespaces/dapr-test/deployments/nodeapp"]["status"]["conditions"] = [
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too slow"}
    ]
    [problem] = look(fake).problems
    assert problem == (
        "Deployment dapr-test/nodeapp has 0 of 1 pods ready: Deployment nodeapp: ProgressDeadlineExceeded: too slow"
    )


def test_a_pod_without_its_sidecar_or_with_exclusions_of_before_is_a_problem() -> None:
    fake = Lab()
    fake.pod("nodeapp", sidecars=("daprd",))
    fake.pod("pythonapp", ports="6379,80,443")
    assert [line[:60] for line in look(fake).problems] == [
        "pod dapr-test/nodeapp-1 lacks envoy",
        "pod dapr-test/pythonapp-1 still has the exclusions of before",
    ]


def test_a_sidecar_among_the_init_containers_counts_like_the_others() -> None:
    fake = Lab()
    fake.pod("nodeapp", sidecars=("envoy",))
    pod = fake.objects["/api/v1/namespaces/dapr-test/pods/nodeapp-1"]
    pod["spec"]["initContainers"].append({"name": "daprd", "restartPolicy": "Always"})
    ended = {"name": "osm-init", "ready": False, "restartCount": 1, "state": {"terminated": {"exitCode": 0}}}
    for ready in (True, False):
        sidecar = {"name": "daprd", "ready": ready, "restartCount": 7}
        pod["status"]["initContainerStatuses"] = [ended, sidecar]
        [seen] = [one for one in look(fake).pods if one.name == "nodeapp-1"]
        assert (seen.sidecars, seen.missing, seen.ready, seen.restarts) == (("daprd", "envoy"), (), ready, 7)


def test_an_envoy_of_a_teams_own_is_not_taken_for_the_meshs() -> None:
    fake = Lab()
    fake.add(
        "/api/v1/namespaces/dapr-test/pods/gateway",
        metadata={"annotations": {"openservicemesh.io/sidecar-injection": "disabled"}},
        spec={"containers": [{"name": "envoy"}]},
        status={"phase": "Running"},
    )
    status = look(fake)
    assert [pod.sidecars for pod in status.pods if pod.name == "gateway"] == [()]
    assert status.problems == (), "it has no exclusions that could be those of before"


def test_an_exclusion_that_was_written_on_a_pod_later_and_is_no_port_ends_nothing() -> None:
    fake = Lab()
    annotations = fake.objects["/api/v1/namespaces/dapr-test/pods/nodeapp-1"]["metadata"]["annotations"]
    annotations["openservicemesh.io/outbound-port-exclusion-list"] = "80, 443,redis"
    assert look(fake).problems == ()


def test_others_in_the_mesh_are_shown_and_judged_by_their_own_annotations() -> None:
    fake = Lab()
    fake.add(
        "/api/v1/namespaces/theirs",
        metadata={
            "labels": {"openservicemesh.io/monitored-by": "osm"},
            "annotations": {"openservicemesh.io/sidecar-injection": "enabled"},
        },
    )
    for name, given in (("bare", {}), ("free", {"openservicemesh.io/sidecar-injection": "disabled"})):
        fake.add(
            f"/api/v1/namespaces/theirs/pods/{name}",
            metadata={"annotations": given},
            spec={"containers": [{"name": "a"}]},
            status={"phase": "Running"},
        )
    others = {pod.name: pod for pod in look(fake).pods if not pod.of_stack}
    assert others["bare"].missing == ("envoy",)
    assert others["free"].missing == ()


def test_exclusions_that_somebody_else_wrote_are_told_with_who_and_what() -> None:
    fake = Lab()
    fake.objects[META]["spec"]["traffic"]["outboundPortExclusionList"] = [1]
    fake.objects[META]["metadata"]["managedFields"] = [written("kubectl-patch")]
    problems = look(fake).problems
    assert (
        "the MeshConfig excludes the ports 1, and the stack declared 6379, 50005; `pulumi up --refresh` mends it"
        in problems
    )
    assert "the MeshConfig's exclusions were written by kubectl-patch, not by the stack" in problems


def test_a_stack_of_before_that_noted_nothing_is_not_judged_by_it() -> None:
    fake = Lab()
    fake.objects[META]["metadata"]["annotations"] = {}
    status = look(fake)
    assert status.mesh is not None
    assert status.mesh.declared_ports is None
    assert status.problems == ()
    for edited in ("no json", "[1]", '{"meshPorts": [6379]}', '{"podPorts": 5}', '{"ipRanges": [{}]}'):
        fake.objects[META]["metadata"]["annotations"] = {DECLARED_ANNOTATION: edited}
        assert look(fake).problems == ()


# --- which stack --------------------------------------------------------------------------------------------------


def test_of_several_stacks_one_has_to_be_named() -> None:
    fake = Lab()
    fake.add("/apis/apps/v1/namespaces/x/deployments/y", metadata={"labels": {"dapr-osm/stack": "other"}})
    with pytest.raises(OperationError, match=r"several stacks .*: dev, other. Choose one: --stack NAME"):
        look(fake)
    assert look(fake, stack="dev").stack == "dev"
    with pytest.raises(OperationError, match=r"there is no stack third .*; there is dev, other"):
        look(fake, stack="third")


def test_where_there_is_none_the_line_says_what_was_looked_for() -> None:
    fake = Lab()
    fake.objects.clear()
    with pytest.raises(OperationError, match=r"no stack is to be seen .*dapr-osm/stack. Is it the right cluster"):
        look(fake)


# --- few rights ---------------------------------------------------------------------------------------------------


def test_who_may_not_read_secrets_or_ask_envoys_is_told_what_is_missing() -> None:
    fake = Lab()
    fake.refused = ("/secrets/",)
    fake.envoy = ForbiddenError("can't forward ports there")
    status = look(fake)
    assert {one.what for one in status.unseen} == {
        "Secret osm-system/osm-ca-bundle",
        "Secret dapr-system/dapr-trust-bundle",
        "certificates of sidecars",
    }
    assert status.problems == (), "what can't be seen is no problem"


class OfOneNamespace(Lab):
    """A user who may see one namespace and nothing of the whole cluster."""

    def exchange(self, method: str, path: str, *rest: Any, **more: Any) -> str:
        discovers = path in ("/version", "/api", "/apis") or path.count("/") <= 3 and "namespaces" not in path
        open_to_all = discovers and not path.endswith(("deployments", "namespaces", "pods"))
        if method == "GET" and not open_to_all and "/namespaces/dapr-test/" not in path:
            raise ApiError("GET", path, 403, json.dumps({"message": f"may not see {path}"}))
        return super().exchange(method, path, *rest, **more)


def test_who_may_see_one_namespace_alone_sees_the_stack_as_far_as_it_goes() -> None:
    status = look(OfOneNamespace())
    assert status.namespaces["apps"] == ("dapr-test",)
    assert [one.name for one in status.workloads if one.part == "app"] == ["nodeapp", "pythonapp"]
    assert status.orders is not None
    assert status.stage is None, "there may be a mesh that this user does not see"
    assert "control planes" in {one.what for one in status.unseen}


def test_who_may_see_nothing_is_told_so_in_one_line() -> None:
    fake = Lab()
    fake.refused = ("deployments", "statefulsets", "daemonsets", "namespaces")
    with pytest.raises(OperationError) as caught:
        look(fake)
    said = str(caught.value)
    assert "This user may not see everything" in said
    assert "--namespace" in said
    assert len(said) < 500


# --- parts --------------------------------------------------------------------------------------------------------


def certificate(days: float) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    end = datetime.now(UTC) + timedelta(days=days)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(end - timedelta(days=400))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(built.public_bytes(serialization.Encoding.PEM)).decode()


@pytest.mark.parametrize(("days", "warn"), [(400.0, False), (31.0, False), (29.0, True), (-1.0, True)])
def test_a_certificate_that_nobody_renews_is_a_problem_a_month_before_its_end(days: float, warn: bool) -> None:
    fake = Lab()
    path = "/api/v1/namespaces/osm-system/secrets/osm-ca-bundle"
    fake.add(path, data={"ca.crt": certificate(days), "private.key": "bm8="})
    status = look(fake)
    [one] = status.certificates
    assert (one.name, one.where, one.warn) == ("the mesh's authority ca.crt", "Secret osm-system/osm-ca-bundle", warn)
    assert abs(one.days_left - days) < 0.1
    assert bool(status.problems) is warn


@pytest.mark.parametrize(("namespace", "name"), [("osm-system", "osm-ca-bundle"), ("dapr-system", "dapr-trust-bundle")])
def test_the_key_of_an_authority_that_is_gone_is_a_problem(namespace: str, name: str) -> None:
    fake = Lab()
    del fake.objects[f"/api/v1/namespaces/{namespace}/secrets/{name}"]
    status = look(fake)
    assert status.lost == (f"{namespace}/{name}",)
    [one] = status.problems
    assert f"Secret {namespace}/{name} is gone" in one


def test_daprs_certificate_is_told_to_who_may_not_read_secrets() -> None:
    fake = Lab()
    fake.refused = ("/secrets/",)
    text = base64.b64decode(certificate(100)).decode()
    fake.add("/api/v1/namespaces/dapr-system/configmaps/dapr-trust-bundle", data={"ca.crt": text})
    assert [one.where for one in look(fake).certificates] == ["ConfigMap dapr-system/dapr-trust-bundle"]


def test_a_bundle_that_is_no_certificate_is_passed_over() -> None:
    assert list(certificates.read("bm8=", name="x", where="y", now=datetime.now(UTC))) == []
    assert list(certificates.read("%", name="x", where="y", now=datetime.now(UTC))) == []


def test_an_authority_that_can_not_be_read_and_an_envoy_that_is_not_well_are_told() -> None:
    fake = Lab()
    fake.objects["/api/v1/namespaces/osm-system/secrets/osm-ca-bundle"]["data"] = {"ca.crt": "bm8="}
    fake.envoy = Answer(status=503, body="shutting down")
    told = {one.what: one.why for one in look(fake).unseen}
    assert told["the certificate the mesh's authority ca.crt"] == (
        "what Secret osm-system/osm-ca-bundle has under ca.crt is none"
    )
    assert told["certificates of sidecars"] == "the Envoy of dapr-test/nodeapp-1 answers 503"


ENVOY = {
    "certificates": [
        {
            "ca_cert": [{"expiration_time": "2030-01-01T00:00:00Z"}],
            "cert_chain": [
                {
                    "expiration_time": "2026-01-02T00:00:00Z",
                    "subject_alt_names": [{"dns": "nodeapp.dapr-test.cluster.local"}],
                }
            ],
        }
    ]
}


def test_a_sidecars_certificate_is_renewed_by_itself_and_a_problem_only_when_it_is_over() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    [one] = certificates.of_envoy(json.dumps(ENVOY), "Envoy of a", now)
    assert (one.name, one.days_left, one.renewed, one.warn) == (
        "sidecar nodeapp.dapr-test.cluster.local",
        1,
        True,
        False,
    )
    [late] = certificates.of_envoy(json.dumps(ENVOY), "Envoy of a", now + timedelta(days=2))
    assert late.warn
    assert certificates.of_envoy("[]", "x", now) == []


def changed(manager: str, **more: Any) -> list[str]:
    entry = {"manager": manager, "time": "2026-02-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}, **more}
    ours = {"manager": "pulumi-kubernetes-0a1b2c3d", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {}}}
    metadata = {"name": "x", "namespace": "n", "managedFields": [ours, entry]}
    return [f"{one.object} {one.manager} {' '.join(one.fields)}" for one in drift.of_object("Deployment", metadata)]


def test_only_what_others_wrote_is_drift() -> None:
    assert changed("kubectl-edit") == ["Deployment n/x kubectl-edit spec.replicas"]
    for own in ("dapr-osm", "dapr-osm-revocation", "pulumi-kubernetes-99aa88bb"):
        assert changed(own) == []
    for controller in ("kube-controller-manager", "osm-bootstrap", "osm-injector", "operator", "sentry", "injector"):
        assert changed(controller) == []
    assert changed("anybody", subresource="status") == []
    assert changed("kubectl", fieldsV1={"f:status": {"f:x": {}}}) == []
    restart: dict[str, Any] = {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}
    assert changed("kubectl-rollout", fieldsV1={"f:spec": {"f:template": {"f:metadata": restart}}}) == []


def test_what_was_there_before_the_stack_is_drift_only_when_it_came_after() -> None:
    def told(when: str) -> int:
        annotations = {"dapr-osm/there-before": "true"}
        ours = {"manager": "pulumi-kubernetes-1", "time": "2026-01-02T00:00:00Z"}
        theirs = {"manager": "helm", "time": when, "fieldsV1": {"f:spec": {"f:x": {}}}}
        metadata = {"name": "x", "annotations": annotations, "managedFields": [ours, theirs]}
        return len(list(drift.of_object("CustomResourceDefinition", metadata)))

    assert told("2026-01-01T00:00:00Z") == 0
    assert told("2026-01-03T00:00:00Z") == 1


def test_fields_are_written_as_people_do() -> None:
    given = {
        "f:metadata": {"f:labels": {"f:a.b/c": {}}},
        "f:spec": {"f:containers": {'k:{"name":"app"}': {".": {}, "f:image": {}}}, "f:finalizers": {'v:"x"': {}}},
    }
    assert drift.paths(given) == [
        "metadata.labels.a.b/c",
        "spec.containers[name=app].image",
        "spec.finalizers[x]",
    ]


def test_the_rules_in_a_pod_say_what_bypasses_its_envoy() -> None:
    pod = {"spec": {"initContainers": [{"name": "osm-init", "args": ["-c", SCRIPT.format("80,443")]}]}}
    assert mesh.intercepted(pod) == ((80, 443), ("10.96.0.1/32",))
    assert mesh.intercepted({"spec": {"initContainers": [{"name": "other", "args": [SCRIPT]}]}}) == ((), ())


def test_orders_are_counted_and_the_last_is_the_latest_of_all_replicas() -> None:
    lines = [
        "2026-01-01T00:00:09Z Successfully persisted state for Order ID: 2",
        "2026-01-01T00:00:05Z Successfully persisted state for Order ID: 90",
        "nonsense Successfully persisted state for Order ID: 4",
    ]
    found = orders.counted(lines, 30)
    assert (found.persisted, found.per_minute, found.last) == (2, 4.0, 2)
    none = orders.counted([], 60)
    assert (none.persisted, none.last, none.last_at) == (0, None, None)


# --- for people ---------------------------------------------------------------------------------------------------


def shown(status: Status) -> str:
    console = Console(width=160, file=io.StringIO())
    with console.capture() as captured:
        console.print(render(status))
    return captured.get()


def test_a_person_sees_what_is_well_what_is_not_and_what_was_not_seen() -> None:
    text = shown(look(Lab()))
    for part in (
        "dev on the cluster",
        "stage smi",
        "Dapr 1.18.2, OSM 1.2.4, Kubernetes 1.36.5",
        "All is well.",
        "daprd, envoy",
    ):
        assert part in text, text
    fake = Lab()
    fake.refused = ("/secrets/",)
    fake.pod("nodeapp", sidecars=())
    text = shown(look(fake))
    assert "Not seen:" in text
    assert "lacks daprd, envoy" in text
    assert "All is well" not in text


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> Lab:
    fake = Lab()

    def connect(context: str | None) -> Lab:
        assert context == "here"
        return fake

    monkeypatch.setattr(Cluster, "connect", connect)
    monkeypatch.setattr(command, "check_context", lambda context, environ: context)
    return fake


def test_watching_goes_on_when_the_cluster_is_away_for_a_while_and_ends_when_somebody_ends_it(
    reached: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pass_by(seconds: float) -> None:
        if reached.refused:
            raise KeyboardInterrupt
        reached.refused = ("deployments", "statefulsets", "daemonsets", "namespaces")

    monkeypatch.setattr("status.__main__.time.sleep", pass_by)
    assert command.main(["--context", "here", "--watch"]) == 130
    shown = capsys.readouterr().out
    assert "no stack is to be seen" in shown, "the second look failed, and was no end"


def test_watching_shows_an_error_as_it_is(
    reached: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(*_: Any, **__: Any) -> Status:
        raise OperationError("no answer at https://[fd00::1]:6443: [/api/v1]")

    def end(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("status.__main__.look", away)
    monkeypatch.setattr("status.__main__.time.sleep", end)
    assert command.main(["--context", "here", "--watch"]) == 130
    assert "no answer at https://[fd00::1]:6443: [/api/v1]" in capsys.readouterr().out


def test_the_command_ends_with_0_where_all_is_well_and_3_where_not(
    reached: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--context", "here", "--json"]) == 0
    told: Mapping[str, Any] = json.loads(capsys.readouterr().out)
    assert told["stack"] == "dev"
    reached.pod("nodeapp", sidecars=())
    assert command.main(["--context", "here"]) == 3
    assert "Problems:" in capsys.readouterr().out
    assert command.main(["--context", "here", "--stack", "nothing"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: there is no stack nothing")
    assert len(said.splitlines()) == 1
