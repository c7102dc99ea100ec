"""Every check of the preflight, through the program: what can't work is refused before anything is registered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pulumi
import pytest

import stack
from cluster.client import Object
from cluster.errors import OperationError
from cluster.transport import CONNECTIONS
from preflight.checks import CHECKS, examine
from tests.unit.fake_cluster import FakeCluster

from .charts import ADDRESS, DNS_NAME
from .live import MINE, assert_only_looked
from .program import CLUSTER, empty_cluster, noted, run
from .recording import Recorded, RefusedError, Values

NAMESPACES: Final = "/api/v1/namespaces"
NODE: Final = "/api/v1/nodes/n"
CLAIM: Final = f"{NAMESPACES}/dapr-system/persistentvolumeclaims/dapr-scheduler-data-dir-dapr-scheduler-server-0"
CLASSES: Final = "/apis/storage.k8s.io/v1/storageclasses"
ENFORCE: Final = "pod-security.kubernetes.io/enforce"
# Told by tests of their own: test_ownership, test_preconditions and, in tests/unit, test_parts.
ELSEWHERE: Final = ("parts", "ownership", "rights", "others", "root-key", "storage")


class Admission(FakeCluster):
    """A cluster with rules of its own about pods.

    Attributes:
        rule: Says why a pod of a namespace is refused, or None.
    """

    rule: Callable[[str, Object], str | None] = staticmethod(lambda namespace, pod: None)

    def admits(self, path: str, body: Object) -> str | None:
        """Ask the rule, which is about pods unless it says otherwise."""
        rule = type(self).rule
        if path.endswith("/pods") or getattr(rule, "of_all", False):
            return rule(path.split("/namespaces/")[1].split("/")[0] if "/namespaces/" in path else "", body)
        return None


def admitting(rule: Callable[[str, Object], str | None]) -> FakeCluster:
    """An empty cluster with this rule about pods."""
    made: FakeCluster = type("Ruled", (Admission,), {"rule": staticmethod(rule)})(empty_cluster().objects, CLUSTER)
    return made


def of_all(rule: Callable[[str, Object], str | None]) -> Callable[[str, Object], str | None]:
    """The same rule about objects of every kind."""
    rule.of_all = True  # type: ignore[attr-defined]
    return rule


def denied(message: str) -> str:
    """As the API server says it."""
    return f'pods "x-abcde" is forbidden: {message}'


@dataclass(frozen=True, kw_only=True)
class Case:
    """A cluster, or a config, that does not fit.

    Attributes:
        check: Who tells.
        says: What is said.
        there: What is on the cluster: by path, an object.
        config: What the config sets.
        cluster: Makes the cluster.
        warned: Whether it is a warning only.
    """

    check: str
    says: str
    there: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    cluster: Callable[[], FakeCluster] = empty_cluster
    warned: bool = False

    def __str__(self) -> str:
        """What a test report shows."""
        return f"{self.check}: {self.says}"[:80]

    def made(self) -> FakeCluster:
        """The cluster."""
        made = self.cluster()
        for path, content in self.there.items():
            if path == "version":
                made.version = str(content["is"])
            else:
                made.add(path, **content)
        return made


def marked(**content: Any) -> dict[str, Any]:
    """An object of the stack's own."""
    return {"metadata": {"labels": MINE}, **content}


def deployment(namespace: str, name: str) -> str:
    """Where a Deployment is."""
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"


def labelled(app: str, maker: str = "") -> dict[str, Any]:
    """A pod of somebody's."""
    made = {"ownerReferences": [{"kind": "ReplicaSet", "name": f"{maker}-6d5f"}]} if maker else {}
    return {"metadata": {"labels": {"app": app}, **made}, "spec": {"containers": []}}


def levelled(level: str) -> dict[str, Any]:
    """A namespace of the stack's own that enforces a level of Pod Security."""
    return {"metadata": {"labels": {**MINE, ENFORCE: level}}}


def claim(size: str = "16Gi", storage_class: str = "standard") -> dict[str, Any]:
    """A claim of Dapr's scheduler that has its volume."""
    spec = {"storageClassName": storage_class, "resources": {"requests": {"storage": size}}}
    return {"spec": spec, "status": {"phase": "Bound"}}


def node(cpu: str = "8", memory: str = "16Gi", pods: str = "110", **spec: Any) -> dict[str, Any]:
    """A node that is ready."""
    return {
        "metadata": {},
        "spec": spec,
        "status": {
            "allocatable": {"cpu": cpu, "memory": memory, "pods": pods},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def pod(address: str, **spec: Any) -> dict[str, Any]:
    """A pod with an address."""
    return {"spec": spec, "status": {"podIP": address}}


def quota(**hard: str) -> dict[str, Any]:
    """A quota of which nothing is used."""
    given = {name.replace("_", "."): value for name, value in hard.items()}
    return {"spec": {"hard": given}, "status": {"hard": given, "used": dict.fromkeys(given, "0")}}


def in_images(prefix: str) -> Callable[[str, Object], str | None]:
    """A rule that lets in only images of a registry."""

    def rule(namespace: str, body: Object) -> str | None:
        images = [container["image"] for container in body["spec"]["containers"]]
        bad = [image for image in images if not image.startswith(prefix)]
        return denied("ValidatingAdmissionPolicy 'registries' denied request: no such registry") if bad else None

    return rule


def about(*kinds: str) -> FakeCluster:
    """An empty cluster that refuses objects of these kinds."""

    @of_all
    def rule(namespace: str, body: Object) -> str | None:
        return denied("no label team") if body.get("kind") in kinds else None

    return admitting(rule)


APPS: Final = {f"{NAMESPACES}/dapr-test": {"metadata": {"labels": MINE}}}
JOINED: Final = {"existingNamespaces": ["dapr-test"]}
THERE: Final[Mapping[str, Mapping[str, Any]]] = {f"{NAMESPACES}/dapr-test": {}}
RUNNING: Final[Mapping[str, Mapping[str, Any]]] = {
    deployment("dapr-test", name): marked() for name in ("redis", "nodeapp", "pythonapp")
}
RANGES: Final = "extraIpRangeExclusions"
SERVICE: Final = f"{NAMESPACES}/default/services/kubernetes"
MANY: Final = list(range(20000, 20012))

CASES: Final[tuple[Case, ...]] = (
    Case(check="version", says="is Kubernetes v1.21.14, before 1.22.9", there={"version": {"is": "v1.21.14"}}),
    Case(check="version", says="v1.22.8-eks-1234, before", there={"version": {"is": "v1.22.8-eks-1234"}}),
    Case(check="version", says="v1.9.0+k3s1, before 1.22.9", there={"version": {"is": "v1.9.0+k3s1"}}),
    Case(check="version", says="newer than what this was tried on", there={"version": {"is": "v1.99.0"}}, warned=True),
    # --- where control planes run ---
    Case(
        check="moves",
        says="daprNamespace is elsewhere, and this stack's Dapr runs in dapr-system",
        there={deployment("dapr-system", "dapr-sentry"): marked()},
        config={"daprNamespace": "elsewhere"},
    ),
    Case(
        check="moves",
        says="daprNamespace is dapr-system, and this stack's Dapr runs in old",
        there={deployment("old", "dapr-sentry"): marked()},
        config={"stage": "dapr"},
    ),
    Case(
        check="moves",
        says="pulumi config set dapr-osm:osmNamespace osm-system",
        there={deployment("osm-system", "osm-controller"): marked()},
        config={"osmNamespace": "elsewhere"},
    ),
    # --- namespaces that would go ---
    Case(
        check="namespaces",
        says="existingNamespaces names dapr-test, which this stack has made itself",
        there=APPS,
        config=JOINED,
    ),
    Case(
        check="namespaces",
        says="existingNamespaces names dapr-system, which this stack has made itself",
        there={f"{NAMESPACES}/dapr-system": {"metadata": {"labels": MINE}}},
        config={"existingNamespaces": ["dapr-system"]},
    ),
    Case(
        check="namespaces",
        says="namespace shops goes with this update, and also holds ConfigMap theirs",
        there={f"{NAMESPACES}/shops": marked(), f"{NAMESPACES}/shops/configmaps/theirs": {}},
    ),
    Case(
        check="namespaces",
        says="namespace osm-system goes with this update, and also holds Deployment theirs",
        there={f"{NAMESPACES}/osm-system": marked(), deployment("osm-system", "theirs"): {}},
        config={"stage": "dapr"},
    ),
    Case(
        check="namespaces",
        says="Pod dapr-test/cache-0 has the label app=redis, by which the stack's Deployment and Service redis know",
        there={**THERE, f"{NAMESPACES}/dapr-test/pods/cache-0": labelled("redis")},
        config=JOINED,
    ),
    Case(
        check="namespaces",
        says="Pod shops/web-legacy-1 has the label app=web, by which the stack's Deployment and Service web know",
        there={f"{NAMESPACES}/shops": {}, f"{NAMESPACES}/shops/pods/web-legacy-1": labelled("web", "web-legacy")},
        config={"apps": {"web": {"image": "i:1", "namespace": "shops"}}, "existingNamespaces": ["shops"]},
    ),
    Case(
        check="namespaces",
        says="Pod dapr-test/theirs has the label app=node, by which the stack's Deployment and Service nodeapp know",
        there={**APPS, f"{NAMESPACES}/dapr-test/pods/theirs": labelled("node"), **RUNNING},
        warned=True,
    ),
    Case(
        check="namespaces",
        says="namespace dapr-test of this stack is still being deleted, as by a destroy that was interrupted",
        there={f"{NAMESPACES}/dapr-test": {"metadata": {"labels": MINE, "deletionTimestamp": "2026-01-01T00:00:00Z"}}},
        warned=True,
    ),
    # --- the scheduler's volumes ---
    Case(
        check="volumes",
        says="asked to have 16Gi, and dapr-scheduler-data-dir-dapr-scheduler-server-0 have 1Gi",
        there={CLAIM: claim("1Gi")},
    ),
    Case(
        check="volumes",
        says='patch pvc dapr-scheduler-data-dir-dapr-scheduler-server-0 -p \'{"spec"',
        there={CLAIM: claim("8Gi"), f"{CLASSES}/standard": {"allowVolumeExpansion": True}},
    ),
    Case(
        check="volumes",
        says="asked to be of StorageClass slow, and dapr-scheduler-data-dir-dapr-scheduler-server-0 are of standard",
        there={CLAIM: claim(), f"{CLASSES}/slow": {}},
        config={"daprValues": {"dapr_scheduler": {"cluster": {"storageClassName": "slow"}}}},
    ),
    Case(
        check="volumes",
        says="Dapr 1.12.0 has no scheduler, and 1 volumes of this stack's scheduler hold jobs",
        there={CLAIM: claim()},
        config={"daprVersion": DNS_NAME},
        warned=True,
    ),
    Case(
        check="volumes",
        says="the scheduler would keep its jobs in memory",
        there={CLAIM: claim()},
        config={"daprValues": {"dapr_scheduler": {"cluster": {"inMemoryStorage": True}}}},
        warned=True,
    ),
    # --- addresses and ports ---
    *(
        Case(check="addresses", says=f"IPv6 addresses first: default/kubernetes is {address}", there=there)
        for address in ("fd00::1", "2001:db8::1", "fd12:3456::a")
        for there in [{SERVICE: {"spec": {"clusterIP": address}}}]
    ),
    Case(check="ports", says="iptables rule, which takes 15", config={"extraPortExclusions": MANY}),
    Case(check="ports", says="iptables rule", config={"extraPortExclusions": MANY[:10], "portScope": "pod"}),
    Case(check="ports", says="iptables", config={"extraPortExclusions": MANY[:11], "daprVersion": ADDRESS}),
    # --- ranges ---
    Case(
        check="ranges",
        says="holds 10.0.0.0/8, in which pods live (node n gives them 10.244.0.0/24)",
        there={NODE: node(podCIDR="10.244.0.0/24")},
        config={RANGES: ["10.0.0.0/8"]},
    ),
    Case(
        check="ranges",
        says="holds 10.244.0.16/28, in which pods live (node n gives them 10.244.0.0/24)",
        there={NODE: node(podCIDR="10.244.0.0/24", podCIDRs=["10.244.0.0/24", "fd00::/64"])},
        config={RANGES: ["192.0.2.1/32", "10.244.0.16/28"]},
    ),
    Case(
        check="ranges",
        says="holds 172.16.0.0/12, in which pods live (theirs/p has 172.31.4.5)",
        there={f"{NAMESPACES}/theirs/pods/p": pod("172.31.4.5")},
        config={RANGES: ["172.16.0.0/12"]},
    ),
    Case(
        check="ranges",
        says="holds 172.31.4.5/32, in which pods live",
        there={f"{NAMESPACES}/dapr-test/pods/p": {**pod("172.31.4.5"), "metadata": {"labels": MINE}}},
        config={RANGES: ["172.31.4.5/32"]},
    ),
    Case(
        check="ranges",
        says="holds 10.96.0.0/11, in which all Services live (10.96.0.0/12)",
        there={"/apis/networking.k8s.io/v1/servicecidrs/kubernetes": {"spec": {"cidrs": ["10.96.0.0/12"]}}},
        config={RANGES: ["10.96.0.0/11"]},
    ),
    Case(
        check="ranges",
        says="in which Services get their addresses (the API server's is 10.96.0.1)",
        there={SERVICE: {"spec": {"clusterIP": "10.96.0.1"}}},
        config={RANGES: ["10.96.0.0/16"]},
        warned=True,
    ),
    # --- Pod Security, quotas, room ---
    Case(
        check="pod-security",
        says="namespace dapr-test enforces the Pod Security level restricted",
        there={f"{NAMESPACES}/dapr-test": levelled("restricted")},
    ),
    Case(
        check="pod-security",
        says="namespace dapr-test enforces the Pod Security level baseline",
        there={f"{NAMESPACES}/dapr-test": {"metadata": {"labels": {ENFORCE: "baseline"}}}},
        config=JOINED,
    ),
    Case(
        check="pod-security",
        says="kubectl label namespace shops --overwrite",
        there={f"{NAMESPACES}/shops": levelled("baseline")},
        config={"apps": {"shop": {"image": "i:1", "namespace": "shops"}}},
    ),
    Case(
        check="quotas",
        says="quota dapr-test/q leaves 2 of pods, and the stack's pods there want 3",
        there={**THERE, f"{NAMESPACES}/dapr-test/resourcequotas/q": quota(pods="2")},
        config=JOINED,
    ),
    Case(
        check="quotas",
        says="leaves 0.02 of requests.cpu, and the stack's pods there want 0.03",
        there={**THERE, f"{NAMESPACES}/dapr-test/resourcequotas/q": quota(requests_cpu="20m")},
        config=JOINED,
    ),
    Case(
        check="quotas",
        says="leaves 100Mi of limits.memory, and the stack's pods there want 512Mi",
        there={**THERE, f"{NAMESPACES}/dapr-test/resourcequotas/q": quota(limits_memory="100Mi")},
        config=JOINED,
    ),
    Case(check="room", says="none of the 1 nodes takes pods", there={NODE: node(unschedulable=True)}, warned=True),
    Case(check="room", says="no room for", there={NODE: node(cpu="100m")}, warned=True),
    Case(
        check="room",
        says="Deployment dapr-test/big asks for 9 CPU",
        there={NODE: node()},
        config={"apps": {"big": {"image": "i:1", "resources": {"requests": {"cpu": "9"}}}}},
        warned=True,
    ),
    Case(check="room", says="no room for", there={NODE: node(pods="4")}, warned=True),
    # --- admission ---
    Case(
        check="objects",
        says="Deployment dapr-system/dapr-operator, Deployment dapr-system/dapr-sidecar-injector would be refused in",
        there={f"{NAMESPACES}/dapr-system": {}},
        config={"existingNamespaces": ["dapr-system"], "stage": "dapr"},
        cluster=lambda: about("Deployment"),
    ),
    Case(
        check="objects",
        says="ClusterRole dapr-injector would be refused by the cluster: no label team",
        cluster=lambda: about("ClusterRole"),
    ),
    Case(
        check="objects",
        says="Service osm-system/osm-bootstrap would be refused in osm-system: no label team",
        there={f"{NAMESPACES}/osm-system": {}},
        config={"existingNamespaces": ["osm-system"]},
        cluster=lambda: about("Service"),
    ),
    Case(
        check="pods",
        says="would be refused in dapr-test: ValidatingAdmissionPolicy 'registries' denied request",
        there=THERE,
        config=JOINED,
        cluster=lambda: admitting(in_images("mirror.example/")),
    ),
    Case(
        check="pods",
        says="pods of Deployment dapr-test/redis would be refused in dapr-test: no redis here",
        there=THERE,
        config=JOINED,
        cluster=lambda: admitting(
            lambda namespace, body: (
                denied("no redis here") if "redis" in body["spec"]["containers"][0]["name"] else None
            )
        ),
    ),
    Case(
        check="pods",
        says="must specify limits.cpu",
        there=THERE,
        config=JOINED,
        cluster=lambda: admitting(
            lambda namespace, body: (
                denied("failed quota: q: must specify limits.cpu for: x") if namespace == "dapr-test" else None
            )
        ),
    ),
    Case(
        check="pods",
        says="refused in default, where they were tried since osm-system, dapr-test are not there yet",
        cluster=lambda: admitting(
            lambda namespace, body: denied("no") if "dapr" not in body["metadata"]["generateName"] else None
        ),
        warned=True,
    ),
    Case(
        check="pods",
        says='are not there yet: violates PodSecurity "baseline:latest"',
        cluster=lambda: admitting(
            lambda namespace, body: (
                denied('violates PodSecurity "baseline:latest": non-default capabilities')
                if body["spec"].get("initContainers")
                else None
            )
        ),
        warned=True,
    ),
)


@pytest.mark.parametrize("kind", ["Deployment", "Service", "ServiceAccount", "StatefulSet"])
def test_a_rule_about_objects_is_met_where_their_namespace_is_not_there_yet(kind: str) -> None:
    cluster = about(kind)
    graph = run(cluster=cluster, state=noted())
    (said,) = graph.warnings()
    assert f"{kind} " in said
    assert "would be refused in default, where they were tried since" in said
    assert_only_looked(cluster)


def test_a_webhook_that_hangs_is_waited_for_once_and_stops_no_run() -> None:
    asked: list[str] = []

    class Hanging(FakeCluster):
        def admits(self, path: str, body: Object) -> str | None:
            asked.append(path)
            raise OperationError("the cluster does not answer")

    graph = run(cluster=Hanging(empty_cluster().objects, CLUSTER), state=noted())
    (said,) = graph.warnings()
    assert "not looked at:\n" in said
    assert "can't be tried: there was no answer in 15 s, as where a webhook does not answer" in said
    assert len(asked) < 2 * CONNECTIONS + 1, "those that were on their way, of objects and of pods"


@pytest.mark.parametrize(
    ("webhook", "level"), [("policy.example.com", "this may not work"), ("osm-inject.k8s.io", "not looked at")]
)
def test_a_webhook_that_is_away_is_named_and_the_stacks_own_is_for_up_to_mend(webhook: str, level: str) -> None:
    cluster = admitting(lambda namespace, body: f'Internal error occurred: failed calling webhook "{webhook}": refused')
    graph = run(cluster=cluster, state=noted())
    (said,) = graph.warnings()
    assert said.startswith(level)
    assert f'failed calling webhook "{webhook}"' in said


def test_a_namespace_that_is_on_its_way_out_is_none() -> None:
    there = {f"{NAMESPACES}/dapr-test": {"metadata": {"labels": {**MINE, ENFORCE: "restricted"}}}}
    there[f"{NAMESPACES}/dapr-test"]["metadata"]["deletionTimestamp"] = "2026-11-29T16:00:00Z"  # type: ignore[assignment]
    (said,) = run(cluster=Case(check="", says="", there=there).made(), state=noted()).warnings()
    assert "is still being deleted" in said
    assert "Pod Security" not in said


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_does_not_fit_is_told_before_anything_is_made(case: Case) -> None:
    for preview in (False, True):
        registered: list[Recorded] = []
        cluster = case.made()
        if case.warned:
            graph = run(cluster=cluster, state=noted(), preview=preview, into=registered, **case.config)
            assert any(case.says in said for said in graph.warnings()), graph.warnings()
        else:
            with pytest.raises(pulumi.RunError) as caught:
                run(cluster=cluster, state=noted(), preview=preview, into=registered, **case.config)
            assert case.says in str(caught.value)
            assert [one.name for one in registered] == ["cluster"], "only the provider is there, which touches nothing"
        assert_only_looked(cluster)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_without_its_check_nothing_of_it_is_told(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    others = tuple(check for check in CHECKS if check.name != case.check)
    monkeypatch.setattr(stack, "examine", lambda subject: examine(subject, others))
    try:
        graph = run(cluster=case.made(), state=noted(), preview=True, **case.config)
    except pulumi.RunError as error:
        assert case.says not in str(error)
    except ValueError as error:
        # What the check keeps out is met half-way.
        assert case.check in ("ports", "addresses"), error
    else:
        assert not [said for said in graph.warnings() if case.says in said]


def test_every_check_has_three_cases_at_least() -> None:
    counted = Counter(case.check for case in CASES)
    assert {check.name for check in CHECKS} == {*counted, *ELSEWHERE}
    assert [name for name, count in counted.items() if count < 3] == []


@pytest.mark.parametrize(
    ("there", "config"),
    [
        ({SERVICE: {"spec": {"clusterIP": "10.96.0.1"}}}, {RANGES: ["10.96.0.1/32"]}),
        ({NODE: node(podCIDR="10.244.0.0/24")}, {RANGES: ["10.245.0.0/16", "192.168.0.0/16"]}),
        ({f"{NAMESPACES}/x/pods/p": pod("10.0.0.5", hostNetwork=True)}, {RANGES: ["10.0.0.0/8"]}),
        ({f"{NAMESPACES}/x/pods/p": pod("172.31.4.5")}, {RANGES: ["172.31.4.5/32"]}),
        ({f"{NAMESPACES}/dapr-test": levelled("restricted")}, {"stage": "dapr"}),
        ({f"{NAMESPACES}/dapr-test": levelled("privileged")}, {}),
        ({NODE: node()}, {}),
        ({CLAIM: claim("32Gi")}, {}),
        ({deployment("dapr-system", "dapr-sentry"): marked()}, {}),
        ({deployment("theirs", "dapr-sentry"): {}}, {"daprNamespace": "elsewhere", "stage": "dapr"}),
        ({f"{NAMESPACES}/shops": marked()}, {}),
        (
            {
                **THERE,
                f"{NAMESPACES}/dapr-test/pods/web-1": labelled("web"),
                f"{NAMESPACES}/dapr-test/pods/unmarked": labelled("node", "nodeapp"),
                f"{NAMESPACES}/dapr-test/pods/marked": {"metadata": {"labels": {**MINE, "app": "redis"}}, "spec": {}},
                f"{NAMESPACES}/elsewhere/pods/redis-0": labelled("redis"),
            },
            JOINED,
        ),
    ],
    ids=str,
)
def test_what_fits_is_not_told(there: Mapping[str, Mapping[str, Any]], config: Mapping[str, Any]) -> None:
    cluster = Case(check="", says="", there=there).made()
    try:
        graph = run(cluster=cluster, state=noted(), preview=True, **config)
    except pulumi.RunError as error:  # pragma: no cover - says why
        pytest.fail(str(error))
    assert graph.warnings() == []


def test_what_runs_already_is_warned_about_and_stops_no_destroy() -> None:
    there = {deployment("dapr-test", name): marked() for name in ("redis", "nodeapp", "pythonapp")}
    case = Case(check="", says="", there={**there, f"{NAMESPACES}/dapr-test": levelled("restricted")})
    graph = run(cluster=case.made(), state=noted())
    (said,) = graph.warnings()
    assert "namespace dapr-test enforces the Pod Security level restricted" in said


def test_a_chart_that_can_not_be_rendered_is_told_with_what_is_wrong_with_the_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(options: Values) -> list[Values]:
        raise RefusedError("chart requires kubeVersion: >= 1.22.9-0 which is incompatible with Kubernetes v1.20.0")

    monkeypatch.setattr("tests.graph.program.rendered", refuse)
    cluster = Case(check="", says="", there={"version": {"is": "v1.20.0"}}).made()
    with pytest.raises(pulumi.RunError) as caught:
        run(cluster=cluster, state=noted())
    assert "dapr-osm:daprChart" in str(caught.value)
    assert "the cluster is Kubernetes v1.20.0, before 1.22.9" in str(caught.value)


def test_a_secret_in_an_apps_pod_is_not_quoted_from_what_the_api_server_says() -> None:
    cluster = admitting(lambda namespace, body: denied("Invalid value: hunter2") if namespace == "dapr-test" else None)
    cluster.add(f"{NAMESPACES}/dapr-test")
    overlay = {"metadata": {"annotations": {"token": "hunter2"}}}
    config: dict[str, Any] = {"apps": {"nodeapp": {"pod": overlay}, "pythonapp": {"pod": overlay}}, **JOINED}
    secret = ("dapr-osm:redisPassword", "dapr-osm:apps")
    with pytest.raises(pulumi.RunError) as caught:
        run(cluster=cluster, state=noted(), secret_keys=secret, **config)
    redis, apps = (line for line in str(caught.value).splitlines() if "would be refused" in line)
    assert "hunter2" in redis, "nothing of it was given as secret"
    assert "hunter2" not in apps
