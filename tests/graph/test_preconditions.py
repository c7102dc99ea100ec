"""A cluster that lacks what the stack needs, or that it would harm, stops the program before anything is registered."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from cluster.errors import ApiError, OperationError
from model.stage import Stage
from model.versions import DEFAULT_DAPR_VERSION
from preflight.preconditions import DEFAULT_CLASS, ED25519, STORAGE_CLASSES
from tests.unit.fake_cluster import REVIEWS, FakeCluster

from .charts import ADDRESS, DNS_NAME
from .live import MINE, assert_only_looked
from .program import BY_HTTP, SCHEDULED, at, empty_cluster, noted, run
from .recording import Recorded

CLAIMS = "/api/v1/namespaces/dapr-system/persistentvolumeclaims"
BUNDLE = "/api/v1/namespaces/{namespace}/configmaps/dapr-trust-bundle"
OTHER = "/apis/apps/v1/namespaces/{namespace}/{plural}/{name}"


def without_storage() -> FakeCluster:
    """A cluster without a StorageClass."""
    cluster = empty_cluster()
    del cluster.objects[f"{STORAGE_CLASSES}/standard"]
    return cluster


def refused(cluster: FakeCluster, *, preview: bool = False, **overrides: Any) -> str:
    registered: list[Recorded] = []
    with pytest.raises(pulumi.RunError) as caught:
        run(cluster=cluster, into=registered, preview=preview, **overrides)
    assert [one.name for one in registered] == ["cluster"], "only the provider is there, which touches nothing"
    assert_only_looked(cluster)
    return str(caught.value)


def runs(cluster: FakeCluster, **overrides: Any) -> bool:
    graph = run(cluster=cluster, state=noted(), **overrides)
    assert_only_looked(cluster)
    return "dapr-injector-ready" in graph


def with_app(
    annotations: Mapping[str, str], *, namespace: str = "theirs", plural: str = "deployments", name: str = "cart"
) -> FakeCluster:
    """A cluster with somebody's app on it."""
    cluster = empty_cluster()
    path = OTHER.format(namespace=namespace, plural=plural, name=name)
    cluster.add(path, spec={"template": {"metadata": {"annotations": dict(annotations)}}})
    return cluster


def with_root_key(kind: bytes, namespace: str = "dapr-system") -> FakeCluster:
    """A cluster with Dapr's root certificate, whose key is of this kind."""
    cluster = empty_cluster()
    body = base64.b64encode(b"0\x82 a certificate " + kind + b" and so on").decode()
    text = f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
    cluster.add(BUNDLE.format(namespace=namespace), metadata={"labels": MINE}, data={"ca.crt": text})
    return cluster


# --- the scheduler's volumes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
@pytest.mark.parametrize("version", SCHEDULED)
@pytest.mark.parametrize("stage", [Stage.DAPR, Stage.SMI])
def test_without_a_storage_class_nothing_is_registered(stage: Stage, version: str, preview: bool) -> None:
    message = refused(without_storage(), stage=stage.value, daprVersion=version, preview=preview)
    assert "the cluster has no default StorageClass. There is none." in message


def test_a_storage_class_that_is_not_the_default_is_none() -> None:
    cluster = without_storage()
    cluster.add(f"{STORAGE_CLASSES}/slow")
    cluster.add(f"{STORAGE_CLASSES}/fast", metadata={"annotations": {DEFAULT_CLASS: "false"}})
    assert "no default StorageClass. There are fast, slow." in refused(cluster)
    values = {"dapr_scheduler": {"cluster": {"storageClassName": "slow"}}}
    assert runs(cluster, daprValues=values)
    del cluster.objects[f"{STORAGE_CLASSES}/slow"]
    assert "StorageClass slow, which does not exist" in refused(cluster, daprValues=values)


def test_a_storage_class_that_was_given_as_secret_is_not_told() -> None:
    values = {"dapr_scheduler": {"cluster": {"storageClassName": "slow"}}}
    secret = ("dapr-osm:redisPassword", "dapr-osm:daprValues")
    message = refused(without_storage(), daprValues=values, secret_keys=secret)
    assert "StorageClass [secret], which does not exist" in message
    assert "slow" not in message


def test_a_scheduler_in_memory_needs_no_volume() -> None:
    assert runs(without_storage(), daprValues={"dapr_scheduler": {"cluster": {"inMemoryStorage": True}}})


def test_a_release_without_a_scheduler_needs_no_volume() -> None:
    assert runs(without_storage(), daprVersion=DNS_NAME)


def test_a_scheduler_that_has_its_volumes_needs_no_class_any_more() -> None:
    cluster = without_storage()
    for number in range(3):
        path = f"{CLAIMS}/dapr-scheduler-data-dir-dapr-scheduler-server-{number}"
        cluster.add(path, status={"phase": "Bound"})
    assert runs(cluster)


def test_claims_are_looked_for_in_daprs_own_namespace() -> None:
    cluster = empty_cluster()
    assert "no default StorageClass" in refused(without_storage(), daprNamespace="a-dapr")
    with pytest.raises(OperationError, match="Service a-dapr/dapr-placement-server does not exist"):
        run(cluster=cluster, daprNamespace="a-dapr")
    assert ("GET", f"{CLAIMS.replace('dapr-system', 'a-dapr')}") in cluster.requests


# --- other people's apps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
@pytest.mark.parametrize(("kind", "plural"), [("Deployment", "deployments"), ("StatefulSet", "statefulsets")])
def test_other_peoples_apps_stop_a_release_that_would_stop_serving_them(kind: str, plural: str, preview: bool) -> None:
    cluster = with_app({"dapr.io/enabled": "true"}, plural=plural)
    message = refused(cluster, daprVersion=ADDRESS, preview=preview)
    assert f"no longer look after the Services of {kind} theirs/cart, which are not of this stack" in message


@pytest.mark.parametrize("version", BY_HTTP)
def test_other_releases_leave_other_peoples_apps_as_they_are(version: str) -> None:
    assert runs(with_app({"dapr.io/enabled": "true"}), daprVersion=version)


@pytest.mark.parametrize("annotations", [{}, {"dapr.io/enabled": "false"}], ids=str)
def test_apps_without_dapr_are_nobodys_business(annotations: dict[str, str]) -> None:
    assert runs(with_app(annotations), daprVersion=ADDRESS)


def test_the_stacks_own_apps_are_no_other_peoples() -> None:
    version = ADDRESS
    graph = at(Stage.SMI, version)
    cluster = empty_cluster()
    for app in ("nodeapp", "pythonapp"):
        deployment = graph[f"hello-{app}-pods"].inputs
        path = OTHER.format(namespace="dapr-test", plural="deployments", name=app)
        cluster.add(path, metadata=deployment["metadata"], spec={"template": deployment["spec"]["template"]})
    assert runs(cluster, daprVersion=version)
    dropped = {"apps": {"third": {"image": "i:1"}, "nodeapp": None, "pythonapp": None}}
    assert runs(cluster, daprVersion=version, policies={"pythodapp-traffic-target": None}, **dropped), (
        "apps that the config has dropped are there until the update deletes them"
    )


# --- Dapr's root key --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
@pytest.mark.parametrize("version", [DNS_NAME, ADDRESS])
@pytest.mark.parametrize("stage", [Stage.DAPR, Stage.SMI])
def test_a_root_key_that_sentry_can_not_read_stops_the_way_back(stage: Stage, version: str, preview: bool) -> None:
    message = refused(with_root_key(ED25519), stage=stage.value, daprVersion=version, preview=preview)
    assert "Dapr's root key in dapr-system is of kind ed25519" in message
    assert f"the sentry of {version} can't read it" in message


@pytest.mark.parametrize("version", [DNS_NAME, ADDRESS])
def test_a_root_key_of_the_older_kind_is_read_by_all(version: str) -> None:
    assert runs(with_root_key(bytes.fromhex("06072a8648ce3d0201")), daprVersion=version)


def test_a_root_key_of_the_newer_kind_is_read_by_newer_releases() -> None:
    assert runs(with_root_key(ED25519), daprVersion=DEFAULT_DAPR_VERSION)


def test_a_root_key_is_looked_for_in_daprs_own_namespace() -> None:
    cluster = with_root_key(ED25519, namespace="a-dapr")
    assert "root key in a-dapr" in refused(cluster, daprVersion=DNS_NAME, daprNamespace="a-dapr")


# --- together ---------------------------------------------------------------------------------------------------


def test_everything_that_is_wrong_is_said_at_once() -> None:
    cluster = with_root_key(ED25519)
    del cluster.objects[f"{STORAGE_CLASSES}/standard"]
    others = with_app({"dapr.io/enabled": "true"})
    cluster.objects.update({path: one for path, one in others.objects.items() if "/apis/apps/" in path})
    message = refused(cluster, daprVersion=ADDRESS)
    assert "this stack can't be brought to this cluster as it is:" in message
    for part in ("no default StorageClass", "Deployment theirs/cart", "of kind ed25519"):
        assert part in message


class ForbiddenCluster(FakeCluster):
    """A cluster whose API server lets this user do nothing, and says so when it is asked."""

    def allows(self, asked: Mapping[str, Any]) -> bool:
        """Nothing."""
        del asked
        return False

    def exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        *,
        accept: str = "",
        content: str | None = None,
    ) -> str:
        """Refuse all but questions."""
        if path.endswith(REVIEWS) or path in ("/api", "/apis") or path.count("/") < 4:
            return super().exchange(method, path, query, body, accept=accept, content=content)
        self.requests.append((method, path))
        raise ApiError(method, path, 403, json.dumps({"message": "not yours to see"}))


def test_who_may_not_do_what_the_stack_needs_is_told_before_anything_is_made() -> None:
    registered: list[Recorded] = []
    with pytest.raises(pulumi.RunError, match="user somebody may not do all that this stack needs") as caught:
        run(cluster=ForbiddenCluster(), into=registered)
    assert [one.name for one in registered] == ["cluster"], "only the provider is there, which touches nothing"
    for part in ("create", "namespaces", "in the whole cluster", "kubectl apply -f"):
        assert part in str(caught.value)


def test_who_may_only_look_still_has_a_preview_and_is_told_in_it() -> None:
    graph = run(cluster=ForbiddenCluster(), preview=True)
    assert set(graph.resources) == set(at(Stage.SMI).resources)
    (said,) = graph.warnings()
    assert "user somebody may not do all that this stack needs" in said


# --- who may not even ask ---------------------------------------------------------------------------------------

QUESTIONS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@pytest.mark.parametrize("status", [403, 404, 405])
def test_where_rights_can_not_be_asked_for_a_run_says_so_and_goes_on(status: int) -> None:
    cluster = empty_cluster()
    cluster.refused_with["POST", QUESTIONS] = status
    graph = run(cluster=cluster, state=noted())
    (said,) = graph.warnings()
    assert "not looked at:\n  what this user may do can't be asked" in said


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/api/v1/namespaces/dapr-test", "no"),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles/dapr-operator-admin", "no"),
        ("/api/v1/namespaces/dapr-system/secrets", "no"),
    ],
)
def test_what_nobody_can_tell_whose_it_is_is_not_taken_over(path: str, named: str) -> None:
    cluster = empty_cluster()
    cluster.refused_with["POST", QUESTIONS] = 403
    cluster.refused_with["GET", path] = 403
    message = refused(cluster)
    assert message.startswith("this user may not look at all that has a name this stack wants. Nothing was touched.")
    assert "`up` would take it over. Have an administrator give the right to look:" in message
    assert message.splitlines()[-1].strip() == named
    graph = run(cluster=cluster, preview=True)
    assert any("this user may not look at all" in said for said in graph.warnings()), "a preview is for whoever looks"


def test_what_could_not_be_looked_at_is_told_by_kind_and_name() -> None:
    class Refusing(FakeCluster):
        def _get(self, path: str, query: Mapping[str, Any]) -> str:
            if "/clusterroles/dapr-" in path:
                name = path.rpartition("/")[2]
                said = f'clusterroles.rbac.authorization.k8s.io "{name}" is forbidden: User "x" cannot get resource'
                raise ApiError("GET", path, 403, json.dumps({"message": said}))
            return super()._get(path, query)

    message = refused(Refusing(empty_cluster().objects))
    line = message.splitlines()[-1]
    assert line.startswith("  clusterroles.rbac.authorization.k8s.io dapr-")
    assert line.count("dapr-") >= 3, "a line for a kind"
