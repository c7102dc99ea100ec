"""Where secrets go, and where they never do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from model.stage import Stage

from .program import CORNERS, CREDENTIALS, PASSWORD, STAGES, WAYS, at, run
from .recording import Graph, Secret, leaves
from .views import owned

CONF = 'requirepass "correct\\x20horse'
NAMESPACES = ("dapr-namespace", "osm-namespace", "hello-namespace")


def holders(graph: Graph, *needles: str) -> dict[str, bool]:
    """Names of the resources that hold one of these texts, and whether all of it is marked secret."""
    found: dict[str, bool] = {}
    for one in graph.everything:
        for value, secret in leaves([one.inputs, one.outputs, one.read_id]):
            if isinstance(value, str) and any(needle in value for needle in needles):
                found[one.name] = found.get(one.name, True) and secret
    return found


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_redis_password_reaches_one_secret_only_and_is_marked_there(stage: Stage, version: str) -> None:
    assert holders(at(stage, version), PASSWORD, CONF) == {"hello-redis-password": True}


@pytest.mark.parametrize(("stage", "version"), CORNERS)
def test_no_output_and_no_message_of_the_program_holds_a_secret(stage: Stage, version: str) -> None:
    graph = run(stage=stage.value, daprVersion=version, registryCredentials=CREDENTIALS)
    said = json.dumps(graph.stack_outputs, default=repr) + repr(graph.messages)
    assert "battery" not in said
    assert "c29tZW9uZTpzZWNyZXQ=" not in said
    assert not [value for value, secret in leaves(graph.stack_outputs) if secret], "none is even a function of one"


def test_in_the_component_the_password_is_still_marked_secret() -> None:
    graph = run(redisPasswordIn="component")
    assert holders(graph, PASSWORD, CONF) == {"hello-redis-password": True, "hello-redis-component": True}
    metadata = component_metadata(graph)
    assert metadata == [
        {"name": "redisHost", "value": "redis:6379"},
        {"name": "redisPassword", "value": PASSWORD},
    ]


def component_metadata(graph: Graph) -> Any:
    return graph["hello-redis-component"].plain["spec"]["metadata"]


def test_a_password_in_the_component_is_warned_about_without_being_shown() -> None:
    graph = run(redisPasswordIn="component", excludeApiServer=False)
    assert len(graph.warnings()) == 1
    assert "redisPasswordIn is component" in graph.warnings()[0]
    assert PASSWORD not in graph.warnings()[0]


@pytest.mark.parametrize("stage", STAGES)
def test_a_password_in_a_secret_is_nothing_to_warn_about(stage: Stage) -> None:
    assert at(stage).warnings() == []


def test_redis_still_reads_its_password_from_the_secret_where_the_component_holds_it_too() -> None:
    one, other = run(redisPasswordIn="component")["hello-redis-server"], at(Stage.SMI)["hello-redis-server"]
    assert one.inputs == other.inputs


@pytest.mark.parametrize(("stage", "version"), CORNERS)
def test_no_digest_is_one_of_a_secret(stage: Stage, version: str) -> None:
    one, other = (
        at(stage, version),
        run(stage=stage.value, daprVersion=version, redisPassword="another", registryCredentials=None),
    )
    changed = {name for name in one.resources if one[name].inputs != other[name].inputs}
    assert changed == {"hello-redis-password"}, "a digest of a password is a way to guess it"


def test_a_secret_in_the_cluster_is_secret_in_its_outputs_too() -> None:
    assert {"data", "stringData"} <= at(Stage.SMI)["hello-redis-password"].additional_secret_outputs


# --- pull secrets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_without_credentials_there_is_no_pull_secret_anywhere(stage: Stage) -> None:
    graph = at(stage)
    secrets = [one.name for one in graph.of_type("kubernetes:core/v1:Secret") if "-chart/" not in one.name]
    assert secrets == ["hello-redis-password"]
    assert "imagePullSecrets" not in repr([one.inputs for one in graph.everything])


def test_credentials_make_one_pull_secret_in_every_namespace_of_ours() -> None:
    graph = run(registryCredentials=CREDENTIALS)
    for namespace in NAMESPACES:
        secret = graph[f"{namespace}-registry-credentials"]
        assert secret.inputs["type"] == "kubernetes.io/dockerconfigjson"
        assert secret.inputs["metadata"] == owned("registry-credentials", graph[namespace].object_name)
        assert secret.plain["stringData"] == {".dockerconfigjson": CREDENTIALS}
        assert graph.parent_of(secret) == graph.parent_of(graph[namespace])
    assert holders(graph, "c29tZW9uZTpzZWNyZXQ=") == {f"{n}-registry-credentials": True for n in NAMESPACES}


def test_pull_secrets_come_before_what_pulls_with_them() -> None:
    graph = run(registryCredentials=CREDENTIALS)
    for puller, namespace in (
        ("dapr-runtime", "dapr-namespace"),
        ("dapr-chart/deployment/dapr-sentry", "dapr-namespace"),
        ("osm-runtime", "osm-namespace"),
        ("osm-chart/deployment/osm-bootstrap", "osm-namespace"),
        ("hello-injection", "hello-namespace"),
        ("hello-redis-server", "hello-namespace"),
        ("hello-nodeapp-pods", "hello-namespace"),
        ("hello-pythonapp-pods", "hello-namespace"),
    ):
        assert f"{namespace}-registry-credentials" in graph.before(puller)


def test_without_a_mesh_there_are_two_pull_secrets() -> None:
    graph = run(stage="dapr", registryCredentials=CREDENTIALS)
    named = [one.name for one in graph.resources.values() if one.name.endswith("registry-credentials")]
    assert sorted(named) == ["dapr-namespace-registry-credentials", "hello-namespace-registry-credentials"]


def test_a_preview_keeps_secrets_marked_too() -> None:
    graph = run(preview=True, registryCredentials=CREDENTIALS)
    assert set(holders(graph, PASSWORD, CONF, "c29tZW9uZTpzZWNyZXQ=").values()) == {True}


@pytest.mark.parametrize(("stage", "version"), CORNERS)
def test_every_secrets_content_is_marked(stage: Stage, version: str) -> None:
    graph = run(stage=stage.value, daprVersion=version, registryCredentials=CREDENTIALS)
    secrets = [one for one in graph.of_type("kubernetes:core/v1:Secret") if "-chart/" not in one.name]
    assert len(secrets) == (4 if stage.meshed else 3)
    for secret in secrets:
        data = secret.inputs["stringData"]
        values = [data] if isinstance(data, Secret) else list(data.values())
        assert all(isinstance(value, Secret) for value in values)
