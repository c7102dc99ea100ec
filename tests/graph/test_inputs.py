"""The exact inputs of what matters, stage by stage.

What a way through the mesh changes is said of the page's release here; how others differ from it stands in
test_dapr_releases.py and test_dapr_by_address.py, and what becomes of charts in test_charts.py.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from model import versions
from model.expectation import Expectation
from model.stage import Stage
from settings import VERSION
from steps import __main__ as command_line

from .charts import ADDRESS, DNS_NAME, own
from .program import FINDINGS, MESHED, PAGE, PASSWORD, STAGES, STDOUT, WAYS, at, run
from .recording import UNKNOWN, Graph, Secret, leaves
from .views import (
    IN_ONE_STEP,
    MARK,
    PORT_LIST,
    again_with,
    annotations_of,
    arguments,
    container_of,
    excluded,
    fingerprint,
    outputs,
    owned,
    traffic,
    without_note,
)

SIDECARS = {DNS_NAME: [], ADDRESS: ["osm-healthcheck"], versions.DEFAULT_DAPR_VERSION: ["osm-healthcheck"]}
PASSWORD_SECRET = "hello-redis-password-1a2b3c4d"  # noqa: S105 - as the mocks name it


def promised(stage: Stage, version: str) -> dict[str, Any]:
    """What the stage promises of the walkthrough's own apps and policy."""
    mesh = ["envoy", *SIDECARS[version]] if stage.meshed else []
    routes = "TCPRoute" if version == ADDRESS else "HTTPRouteGroup"
    policies = [f"{routes}/dapr-test/nodeapp-service-routes", "TrafficTarget/dapr-test/pythodapp-traffic-target"]
    return {
        "stack": "test",
        "stage": stage.value,
        "apps": [
            {
                "name": name,
                "namespace": "dapr-test",
                "port": port,
                "container": container,
                "containers": sorted([container, "daprd", *mesh]),
                "init_containers": ["osm-init"] if stage.meshed else [],
                "service_account": name if stage in (Stage.LOCKED, Stage.SMI) else "default",
            }
            for name, container, port in (("nodeapp", "node", 3000), ("pythonapp", "python", None))
        ],
        "named": [{"policy": "pythodapp-traffic-target", "source": "pythonapp", "destination": "nodeapp"}],
        "named_pass": stage is Stage.SMI,
        "through_envoys": stage is not Stage.DAPR,
        "by_http": version != ADDRESS,
        "policies": {Stage.LOCKED: [], Stage.SMI: policies}.get(stage),
        "seconds": 120,
        "level": "calls",
    }


# --- namespaces -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_the_control_planes_namespaces_are_plain(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    assert graph["dapr-namespace"].inputs["metadata"] == owned("dapr-system")
    if stage.meshed:
        assert graph["osm-namespace"].inputs["metadata"] == owned("osm-system")


@pytest.mark.parametrize("version", WAYS)
def test_outside_of_the_mesh_the_apps_namespace_is_plain_too(version: str) -> None:
    assert at(Stage.DAPR, version)["hello-namespace"].inputs["metadata"] == owned("dapr-test")


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", MESHED)
def test_joining_the_mesh_is_one_label_and_one_annotation(stage: Stage, version: str) -> None:
    assert at(stage, version)["hello-namespace"].inputs["metadata"] == owned(
        "dapr-test",
        labels={"openservicemesh.io/monitored-by": "osm"},
        annotations={"openservicemesh.io/sidecar-injection": "enabled"},
    )


# --- the MeshConfig ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stage", "permissive"), [(Stage.PERMISSIVE, True), (Stage.LOCKED, False), (Stage.SMI, False)])
def test_the_mesh_config_is_patched_with_permissive_mode_and_the_pages_lists(stage: Stage, permissive: bool) -> None:
    assert without_note(at(stage, PAGE)) == {
        "apiVersion": "config.openservicemesh.io/v1alpha2",
        "kind": "MeshConfig",
        "metadata": {
            "name": "osm-mesh-config",
            "namespace": "osm-system",
            "annotations": {"pulumi.com/patchForce": "true", "pulumi.com/patchFieldManager": "dapr-osm"},
        },
        "spec": {
            "traffic": {
                "enableEgress": True,
                "enablePermissiveTrafficPolicyMode": permissive,
                "outboundIPRangeExclusionList": ["10.96.0.1/32"],
                "outboundPortExclusionList": [50005, 8201, 6379],
            }
        },
    }


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", MESHED)
def test_nothing_else_writes_into_the_mesh_config(stage: Stage, version: str) -> None:
    assert [one.name for one in at(stage, version).resources.values() if "MeshConfig" in one.type] == [
        "exclusions-patch"
    ]


def test_a_first_preview_shows_lists_that_are_not_known_yet() -> None:
    assert traffic(run(stage="smi", preview=True)) == {
        "enableEgress": True,
        "enablePermissiveTrafficPolicyMode": False,
        "outboundIPRangeExclusionList": UNKNOWN,
        "outboundPortExclusionList": UNKNOWN,
    }


# --- the apps ---------------------------------------------------------------------------------------------------


def pod(stage: Stage, version: str, app: str) -> dict[str, Any]:
    template: dict[str, Any] = at(stage, version)[f"hello-{app}-pods"].inputs["spec"]["template"]
    return template


@pytest.mark.parametrize("version", WAYS)
def test_outside_of_the_mesh_pods_know_dapr_and_its_state_store_only(version: str) -> None:
    graph = at(Stage.DAPR, version)
    known = {
        "dapr-osm/dapr": outputs(graph, "dapr")["sidecars"],
        "dapr-osm/state-store": outputs(graph, "hello-redis")["access_digest"],
    }
    if version == versions.DEFAULT_DAPR_VERSION:
        spec = graph["hello-configuration"].inputs["spec"]
        known |= {"dapr.io/config": "mesh-names", "dapr-osm/configuration": fingerprint(spec)}
    assert pod(Stage.DAPR, version, "nodeapp")["metadata"] == {
        "labels": {"app": "node", **MARK},
        "annotations": {"dapr.io/enabled": "true", "dapr.io/app-id": "nodeapp", "dapr.io/app-port": "3000", **known},
    }
    assert pod(Stage.DAPR, version, "pythonapp")["metadata"] == {
        "labels": {"app": "python", **MARK},
        "annotations": {"dapr.io/enabled": "true", "dapr.io/app-id": "pythonapp", **known},
    }


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", MESHED)
@pytest.mark.parametrize("app", ["nodeapp", "pythonapp"])
def test_in_the_mesh_pods_also_carry_step_6s_ports_and_what_they_were_injected_with(
    stage: Stage, version: str, app: str
) -> None:
    annotations = annotations_of(at(stage, version), f"hello-{app}-pods")
    outside = annotations_of(at(Stage.DAPR, version), f"hello-{app}-pods")
    assert {key: value for key, value in annotations.items() if key not in outside} == {
        PORT_LIST: "80,443",
        "dapr-osm/interception": outputs(at(stage, version), "exclusions")["injection_digest"],
    }
    assert {key: annotations[key] for key in outside} == outside


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("app", ["nodeapp", "pythonapp"])
def test_pods_say_at_every_stage_how_their_daprd_gets_into_the_state_store(
    stage: Stage, version: str, app: str
) -> None:
    store = annotations_of(at(stage, version), f"hello-{app}-pods")["dapr-osm/state-store"]
    assert store == outputs(at(stage, version), "hello-redis")["access_digest"]
    assert re.fullmatch("[0-9a-f]{16}", store)


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("app", ["nodeapp", "pythonapp"])
def test_pods_say_at_every_stage_which_dapr_their_daprd_is_of(stage: Stage, version: str, app: str) -> None:
    assert (
        annotations_of(at(stage, version), f"hello-{app}-pods")["dapr-osm/dapr"]
        == again_with(at(stage, version), "hello-injection")["OPERATION_RELEASE"]
        == outputs(at(stage, version), "dapr")["sidecars"]
    ), "another release needs another pod"


def test_no_two_releases_have_the_same_fingerprint() -> None:
    assert len({annotations_of(at(Stage.SMI, version))["dapr-osm/dapr"] for version in WAYS}) == len(WAYS)


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("app", ["nodeapp", "pythonapp"])
def test_pods_run_as_their_own_service_account_from_step_10_on(stage: Stage, version: str, app: str) -> None:
    wanted = app if stage.own_service_accounts else "default"
    assert pod(stage, version, app)["spec"]["serviceAccountName"] == wanted


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_the_node_apps_container_is_the_quickstarts_in_the_tightest_context(stage: Stage, version: str) -> None:
    assert pod(stage, version, "nodeapp")["spec"]["containers"] == [
        {
            "name": "node",
            "image": versions.NODE_APP_IMAGE,
            "env": [{"name": "APP_PORT", "value": "3000"}],
            "ports": [{"containerPort": 3000}],
            "securityContext": {
                "runAsUser": 1000,
                "runAsGroup": 1000,
                "runAsNonRoot": True,
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "resources": {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "192Mi"}},
        }
    ]


@pytest.mark.parametrize("version", WAYS)
def test_the_python_app_only_calls_and_listens_nowhere(version: str) -> None:
    container = container_of(at(Stage.SMI, version), "hello-pythonapp-pods")
    assert (container["name"], container["image"]) == ("python", versions.PYTHON_APP_IMAGE)
    assert "ports" not in container
    assert not container["env"]


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("name", ["hello-redis-server", "hello-nodeapp-pods", "hello-pythonapp-pods"])
def test_every_container_of_ours_is_an_ordinary_user_who_writes_nowhere(version: str, name: str) -> None:
    spec = at(Stage.SMI, version)[name].inputs["spec"]["template"]["spec"]
    assert spec["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    for container in spec["containers"]:
        security = container["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("name", ["hello-nodeapp-pods", "hello-pythonapp-pods", "hello-redis-server"])
def test_a_deployment_selects_just_its_own_single_pod(version: str, name: str) -> None:
    spec = at(Stage.SMI, version)[name].inputs["spec"]
    assert spec["replicas"] == 1
    labels = spec["template"]["metadata"]["labels"]
    assert labels == {**spec["selector"]["matchLabels"], **MARK}


@pytest.mark.parametrize("version", WAYS)
def test_only_the_node_app_has_a_service(version: str) -> None:
    assert at(Stage.SMI, version)["hello-nodeapp-service"].inputs["spec"] == {
        "type": "ClusterIP",
        "selector": {"app": "node"},
        "ports": [{"protocol": "TCP", "port": 80, "targetPort": 3000}],
    }
    assert "hello-pythonapp-service" not in at(Stage.SMI, version)


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("app", ["nodeapp", "pythonapp"])
def test_service_accounts_bear_the_apps_names(version: str, app: str) -> None:
    assert at(Stage.SMI, version)[f"hello-{app}-account"].inputs["metadata"] == owned(app, "dapr-test")


# --- who may read secrets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_the_role_reads_just_the_secret_that_the_component_names(stage: Stage, version: str) -> None:
    inputs = at(stage, version)["hello-secret-reader"].inputs
    assert inputs["metadata"] == owned("secret-reader", "dapr-test")
    assert inputs["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [PASSWORD_SECRET], "verbs": ["get"]}
    ]


def test_asked_for_the_role_is_the_pages() -> None:
    graph = run(readAllSecrets=True)
    assert graph["hello-secret-reader"].inputs["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}
    ]


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_the_binding_reaches_the_default_account_and_from_step_10_on_the_apps_own(stage: Stage, version: str) -> None:
    accounts = ["default", "nodeapp", "pythonapp"] if stage.own_service_accounts else ["default"]
    inputs = at(stage, version)["hello-dapr-secret-reader"].inputs
    assert inputs["metadata"] == owned("dapr-secret-reader", "dapr-test")
    assert inputs["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": "secret-reader",
    }
    assert inputs["subjects"] == [
        {"kind": "ServiceAccount", "name": account, "namespace": "dapr-test"} for account in accounts
    ]


# --- the state store --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_the_component_names_redis_and_the_secret_with_its_password(stage: Stage, version: str) -> None:
    assert at(stage, version)["hello-redis-component"].inputs == {
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Component",
        "metadata": owned("statestore", "dapr-test"),
        "spec": {
            "type": "state.redis",
            "version": "v1",
            "metadata": [
                {"name": "redisHost", "value": "redis:6379"},
                {"name": "redisPassword", "secretKeyRef": {"name": PASSWORD_SECRET, "key": "redis-password"}},
            ],
        },
    }


@pytest.mark.parametrize("version", WAYS)
def test_the_secret_leaves_its_name_to_pulumi_so_that_a_new_password_rolls_redis(version: str) -> None:
    inputs = at(Stage.SMI, version)["hello-redis-password"].inputs
    assert inputs["metadata"] == owned(None, "dapr-test")
    assert set(inputs) == {"apiVersion", "kind", "metadata", "stringData"}


@pytest.mark.parametrize("version", WAYS)
def test_the_secret_holds_the_password_and_the_file_that_redis_reads(version: str) -> None:
    data = at(Stage.SMI, version)["hello-redis-password"].inputs["stringData"]
    assert isinstance(data, Secret), "it must never stand in the state in the clear"
    assert data.value == {
        "redis-password": PASSWORD,
        "redis.conf": 'requirepass "correct\\x20horse\\x20\\x27battery\\x27\\x20\\x22staple\\x22"\n'
        'save ""\nappendonly no\n',
    }


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_redis_stays_out_of_the_mesh_and_has_its_password_from_a_file(stage: Stage, version: str) -> None:
    spec = at(stage, version)["hello-redis-server"].inputs["spec"]
    assert spec["strategy"] == {"type": "Recreate"}
    assert spec["template"]["metadata"] == {
        "labels": {"app": "redis", **MARK},
        "annotations": {"openservicemesh.io/sidecar-injection": "disabled"},
    }
    pod_spec = spec["template"]["spec"]
    container = pod_spec["containers"][0]
    assert pod_spec["automountServiceAccountToken"] is False
    assert container["command"] == ["redis-server", "/etc/redis/redis.conf"]
    assert container["image"] == versions.REDIS_IMAGE
    assert "env" not in container
    assert container["volumeMounts"] == [{"name": "config", "mountPath": "/etc/redis", "readOnly": True}]
    assert pod_spec["volumes"] == [
        {
            "name": "config",
            "secret": {"secretName": PASSWORD_SECRET, "items": [{"key": "redis.conf", "path": "redis.conf"}]},
        }
    ]
    assert container["readinessProbe"]["tcpSocket"] == {"port": "redis"}


@pytest.mark.parametrize("version", WAYS)
def test_redis_service_has_the_port_that_is_excluded(version: str) -> None:
    spec = at(Stage.SMI, version)["hello-redis-service"].inputs["spec"]
    assert spec == {
        "selector": {"app": "redis"},
        "ports": [{"name": "redis", "port": 6379, "targetPort": "redis", "protocol": "TCP"}],
    }


# --- SMI --------------------------------------------------------------------------------------------------------


def test_the_policies_are_the_pages_with_the_stacks_mark() -> None:
    graph = at(Stage.SMI, PAGE)
    assert graph["smi-routes"].inputs == {
        "apiVersion": "specs.smi-spec.io/v1alpha4",
        "kind": "HTTPRouteGroup",
        "metadata": owned("nodeapp-service-routes", "dapr-test", annotations=IN_ONE_STEP),
        "spec": {"matches": [{"name": "new-order"}]},
    }
    assert graph["smi-traffic-target"].inputs == {
        "apiVersion": "access.smi-spec.io/v1alpha3",
        "kind": "TrafficTarget",
        "metadata": owned("pythodapp-traffic-target", "dapr-test", annotations=IN_ONE_STEP),
        "spec": {
            "destination": {"kind": "ServiceAccount", "name": "nodeapp", "namespace": "dapr-test"},
            "rules": [{"kind": "HTTPRouteGroup", "name": "nodeapp-service-routes", "matches": ["new-order"]}],
            "sources": [{"kind": "ServiceAccount", "name": "pythonapp", "namespace": "dapr-test"}],
        },
    }


@pytest.mark.parametrize("version", WAYS)
def test_a_traffic_target_stands_in_its_destinations_namespace(version: str) -> None:
    inputs = at(Stage.SMI, version)["smi-traffic-target"].inputs
    assert inputs["metadata"]["namespace"] == inputs["spec"]["destination"]["namespace"], "OSM's validator refuses else"


# --- commands ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_every_command_runs_an_operation_that_exists(stage: Stage, version: str) -> None:
    for command in at(stage, version).of_type("command:local:Command"):
        assert command.inputs["create"] in command_line.OPERATIONS
        assert command.inputs.get("delete", "verify-up") in command_line.OPERATIONS


COMMANDS = {
    "cluster-noted": ("note-cluster", "sweep"),
    "dapr-release-change": ("pause-injector", None),
    "dapr-runtime": ("record-runtime", "remove-runtime"),
    "dapr-definitions": ("note-definitions", "check-definitions"),
    "dapr-injector-ready": ("await-injector", "withdraw-webhooks"),
    "dapr-services": ("look-up-services", None),
    "hello-injection": ("await-injection", None),
    "hello-redis-ready": ("await-workloads", None),
    "hello-ready": ("await-apps", None),
    "dapr-chart/ready/dapr-sentry": ("await-workloads", None),
    "dapr-chart/ready/dapr-operator": ("await-workloads", None),
    "verification-run": ("verify-up", None),
    "teardown-check": ("note-teardown", "check-teardown"),
}
COMMANDS_OF_THE_MESH = {
    "osm-runtime": ("record-runtime", "remove-runtime"),
    "osm-mesh-ready": ("await-mesh", "withdraw-webhooks"),
    "osm-chart/ready/osm-bootstrap": ("await-workloads", None),
    "osm-chart/ready/osm-controller": ("await-workloads", None),
}
COMMANDS_OF_POLICIES = {"smi-withdraw": ("withdraw-policies", None), "smi-revoke": ("revoke-calls", None)}


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_each_command_has_its_one_task_and_undoes_what_it_has_to(stage: Stage, version: str) -> None:
    commands = {
        one.name: (one.inputs["create"], one.inputs.get("delete"))
        for one in at(stage, version).of_type("command:local:Command")
    }
    assert commands == {
        **COMMANDS,
        **(COMMANDS_OF_THE_MESH if stage.meshed else {}),
        **(COMMANDS_OF_POLICIES if stage.enforces else {}),
    }


def runtime_of(graph: Graph, command: str) -> dict[str, Any]:
    """What a control plane is said to make by itself."""
    assert again_with(graph, command) == {}
    given = arguments(graph, command)
    assert given.pop("keep") is False
    assert given.pop("namespace") in ("dapr-system", "osm-system")
    return given


@pytest.mark.parametrize("version", WAYS)
def test_dapr_leaves_nothing_behind_but_its_schedulers_claims(version: str) -> None:
    assert runtime_of(at(Stage.SMI, version), "dapr-runtime") == {
        "definitions": [],
        "cluster_wide": {},
        "namespaced": {"persistentvolumeclaims": ["dapr-scheduler-data-dir-*"]},
    }


WEBHOOKS = {
    "mutatingwebhookconfigurations": ["osm-webhook-osm"],
    "validatingwebhookconfigurations": ["osm-validator-mesh-osm"],
}


@pytest.mark.parametrize("version", WAYS)
def test_osm_leaves_definitions_webhooks_its_authority_and_its_configuration_behind(version: str) -> None:
    assert runtime_of(at(Stage.SMI, version), "osm-runtime") == {
        "definitions": list(versions.OSM_RELEASE.crds),
        "cluster_wide": WEBHOOKS,
        "namespaced": {
            "secrets": ["osm-ca-bundle"],
            "meshconfigs.config.openservicemesh.io": ["osm-mesh-config"],
            "meshrootcertificates.config.openservicemesh.io": ["osm-mesh-root-certificate"],
        },
    }


@pytest.mark.parametrize("version", WAYS)
def test_nobody_elses_objects_of_daprs_definitions_go_with_them(version: str) -> None:
    given = arguments(at(Stage.SMI, version), "dapr-definitions")
    charts = {item["metadata"]["name"] for item in own("dapr", version) if item["kind"] == "CustomResourceDefinition"}
    listed = given.pop("definitions")
    assert len(listed) == len(charts)
    assert set(listed) == charts == set(versions.DAPR_RELEASES[version].crds)
    assert given == {"namespace": "dapr-system", "keep": False}


@pytest.mark.parametrize("version", WAYS)
def test_a_release_change_knows_the_release(version: str) -> None:
    given = arguments(at(Stage.SMI, version), "dapr-release-change")
    assert given == {"namespace": "dapr-system", "release": version}


@pytest.mark.parametrize("version", WAYS)
def test_a_mesh_is_ready_with_all_its_definitions_webhooks_and_its_config(version: str) -> None:
    graph = at(Stage.SMI, version)
    assert re.fullmatch("[0-9a-f]{16}", again_with(graph, "osm-mesh-ready")["OPERATION_RELEASE"])
    assert arguments(graph, "osm-mesh-ready") == {
        "namespace": "osm-system",
        "webhooks": WEBHOOKS,
        "keep": False,
        "seconds": 300,
        "mesh": {
            "mesh_config": "osm-mesh-config",
            "crds": list(versions.OSM_RELEASE.crds),
            "record": STDOUT["record-runtime"],
        },
    }


@pytest.mark.parametrize("version", WAYS)
def test_dapr_is_ready_when_its_injector_is_asked_and_gone_when_nobody_asks_it(version: str) -> None:
    because = again_with(at(Stage.SMI, version), "dapr-injector-ready")
    assert re.fullmatch("[0-9a-f]{16}", because.pop("OPERATION_RELEASE")), "another release has another injector"
    assert because == {"OPERATION_AFTER": STDOUT["pause-injector"]}
    assert arguments(at(Stage.SMI, version), "dapr-injector-ready") == {
        "namespace": "dapr-system",
        "webhooks": {"mutatingwebhookconfigurations": ["dapr-sidecar-injector"]},
        "keep": False,
        "seconds": 300,
        "mesh": None,
    }


@pytest.mark.parametrize("stage", STAGES)
def test_apps_are_waited_for_with_the_control_planes_that_serve_them(stage: Stage) -> None:
    serving = ["dapr-system", *(["osm-system"] if stage.meshed else [])]
    assert arguments(at(stage), "hello-ready")["served_by"] == serving


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_probe_looks_for_every_sidecar_in_each_namespace(stage: Stage, version: str) -> None:
    given = arguments(at(stage, version), "hello-injection")
    assert given.pop("images").keys() == {"dapr-test"}
    wanted = ["daprd", *(["envoy", *SIDECARS[version]] if stage.meshed else [])]
    serving = ["dapr-system", *(["osm-system"] if stage.meshed else [])]
    assert given == {"sidecars": wanted, "pull_secret": "", "served_by": serving, "seconds": 300}
    mesh = outputs(at(stage, version), "exclusions")["injection_digest"] if stage.meshed else ""
    assert again_with(at(stage, version), "hello-injection") == {
        "OPERATION_RELEASE": outputs(at(stage, version), "dapr")["sidecars"],
        "OPERATION_MESH": mesh,
    }


@pytest.mark.parametrize("stage", STAGES)
def test_the_services_that_every_daprd_talks_to_are_looked_up_for_a_release(stage: Stage) -> None:
    assert arguments(at(stage, PAGE), "dapr-services") == {
        "services": [
            "default/kubernetes",
            "dapr-system/dapr-placement-server",
            "dapr-system/dapr-api",
            "dapr-system/dapr-sentry",
        ]
    }
    assert re.fullmatch("[0-9a-f]{16}", again_with(at(stage, PAGE), "dapr-services")["OPERATION_RELEASE"])


@pytest.mark.parametrize("stage", STAGES)
def test_what_was_looked_up_is_daprs_output(stage: Stage) -> None:
    assert outputs(at(stage, PAGE), "dapr")["services"] == {
        "default/kubernetes": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443}]},
        "dapr-system/dapr-placement-server": {
            "clusterIP": "None",
            "ports": [{"name": "api", "port": 50005}, {"name": "raft-node", "port": 8201}],
        },
        "dapr-system/dapr-api": {"clusterIP": "10.96.0.80", "ports": [{"name": "", "port": 80}]},
        "dapr-system/dapr-sentry": {
            "clusterIP": "10.96.0.44",
            "ports": [{"name": "grpc", "port": 443}, {"name": "legacy", "port": 80}],
        },
    }


def test_in_a_first_preview_nothing_is_looked_up_yet() -> None:
    assert (run(preview=True).components["dapr"].outputs or {})["services"] is UNKNOWN


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", [Stage.LOCKED, Stage.SMI])
def test_policies_that_are_not_declared_are_withdrawn(stage: Stage, version: str) -> None:
    routes = "TCPRoute" if version == ADDRESS else "HTTPRouteGroup"
    policies = [f"{routes}/dapr-test/nodeapp-service-routes", "TrafficTarget/dapr-test/pythodapp-traffic-target"]
    assert arguments(at(stage, version), "smi-withdraw") == {
        "namespaces": ["dapr-test"],
        "declared": policies if stage is Stage.SMI else [],
    }


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", [Stage.LOCKED, Stage.SMI])
def test_what_is_declared_to_stay_are_the_policies_that_are_made(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    made = {
        f"{one.inputs['kind']}/{one.inputs['metadata']['namespace']}/{one.object_name}"
        for one in graph.resources.values()
        if "smi-spec.io" in one.type
    }
    assert made == set(arguments(graph, "smi-withdraw")["declared"])


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", [Stage.LOCKED, Stage.SMI])
def test_calls_that_no_policy_allows_any_more_are_revoked(stage: Stage, version: str) -> None:
    assert arguments(at(stage, version), "smi-revoke") == {
        "calls": [{"source": "pythonapp", "destination": "nodeapp"}] if stage is Stage.SMI else [],
        "apps": {"nodeapp": "dapr-test", "pythonapp": "dapr-test"},
    }


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_the_verification_is_given_what_the_stage_promises(stage: Stage, version: str) -> None:
    assert set(again_with(at(stage, version), "verification-run")) == {"OPERATION_COVERS"}
    assert arguments(at(stage, version), "verification-run") == promised(stage, version)


# --- outputs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_the_stacks_outputs_answer_what_an_operator_asks_first(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    outputs = graph.stack_outputs
    assert outputs["stage"] == stage.value
    osm_version, osm_namespace = ({"osm": "1.2.4"}, {"osm": "osm-system"}) if stage.meshed else ({}, {})
    assert outputs["versions"] == {"program": VERSION, "dapr": version, **osm_version}
    assert outputs["namespaces"] == {"dapr": "dapr-system", "apps": ["dapr-test"], **osm_namespace}
    assert outputs["verification"] == FINDINGS
    assert outputs["watchOrders"] == "kubectl logs -n dapr-test deploy/nodeapp -c node -f"
    assert outputs["expectation"] == graph["verification-run"].inputs["stdin"]
    assert set(outputs) == {
        "stage",
        "versions",
        "namespaces",
        "exclusions",
        "verification",
        "expectation",
        "watchOrders",
    }


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_the_expectation_in_the_outputs_is_one_to_verify_by(stage: Stage, version: str) -> None:
    text = at(stage, version).stack_outputs["expectation"]
    assert json.loads(Expectation.from_json(text).to_json()) == promised(stage, version)


@pytest.mark.parametrize("level", ["pods", "off"])
def test_a_verification_looks_at_as_much_as_the_stack_asks_for(level: str) -> None:
    graph = run(verify=level)
    assert arguments(graph, "verification-run")["level"] == level
    assert json.loads(graph.stack_outputs["expectation"])["level"] == level


@pytest.mark.parametrize("version", WAYS)
def test_without_a_mesh_nothing_is_excluded_from_it(version: str) -> None:
    assert at(Stage.DAPR, version).stack_outputs["exclusions"] == {"ipRanges": [], "meshPorts": [], "podPorts": []}


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_no_output_is_without_a_value(stage: Stage, version: str) -> None:
    assert None not in [value for value, _ in leaves(at(stage, version).stack_outputs)], "Pulumi would leave it out"


@pytest.mark.parametrize("stage", MESHED)
def test_the_exclusions_in_force_are_an_output_with_the_reason_for_each(stage: Stage) -> None:
    exclusions = at(stage, PAGE).stack_outputs["exclusions"]
    assert [row["cidr"] for row in exclusions["ipRanges"]] == ["10.96.0.1/32"]
    assert excluded(at(stage, PAGE), "meshPorts") == [
        (50005, "dapr-placement-server"),
        (8201, "dapr-placement-server"),
        (6379, "redis"),
    ]
    assert excluded(at(stage, PAGE), "podPorts") == [(80, "dapr-api"), (443, "dapr-sentry"), (80, "dapr-sentry")]
    assert all(row["reason"] for rows in exclusions.values() for row in rows)
