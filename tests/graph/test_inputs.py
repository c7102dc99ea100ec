"""The exact inputs of what matters, stage by stage."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from model import versions
from model.expectation import Expectation, expectation
from model.stage import Stage
from operations import __main__ as command_line

from .program import FINDINGS, PASSWORD, RELEASES, STAGES, STDOUT, at, run
from .recording import UNKNOWN, Secret, leaves

MESHED = [stage for stage in STAGES if stage.meshed]
OPERATIONS = [".venv/bin/python", "-m", "operations"]
PASSWORD_SECRET = "hello-redis-password-1a2b3c4d"  # noqa: S105 - as the mocks name it
DAPR_RELEASE = versions.DAPR_RELEASES[versions.DEFAULT_DAPR_VERSION]


# --- namespaces -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_the_control_planes_namespaces_are_plain(stage: Stage) -> None:
    graph = at(stage)
    assert graph["dapr-namespace"].inputs["metadata"] == {"name": "dapr-system"}
    if stage.meshed:
        assert graph["osm-namespace"].inputs["metadata"] == {"name": "osm-system"}


def test_outside_of_the_mesh_the_apps_namespace_is_plain_too() -> None:
    assert at(Stage.DAPR)["hello-namespace"].inputs["metadata"] == {"name": "dapr-test"}


@pytest.mark.parametrize("stage", MESHED)
def test_joining_the_mesh_is_one_label_and_one_annotation(stage: Stage) -> None:
    assert at(stage)["hello-namespace"].inputs["metadata"] == {
        "name": "dapr-test",
        "labels": {"openservicemesh.io/monitored-by": "osm"},
        "annotations": {"openservicemesh.io/sidecar-injection": "enabled"},
    }


# --- charts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_daprs_release_is_its_chart_with_mtls_off(stage: Stage) -> None:
    assert at(stage)["dapr-release"].inputs == {
        "name": "dapr",
        "chart": "dapr",
        "version": "1.12.0",
        "repositoryOpts": {"repo": versions.DAPR_CHART_REPOSITORY},
        "namespace": "dapr-system",
        "createNamespace": False,
        "timeout": 300,
        "values": {"global": {"mtls": {"enabled": False}, "tag": "1.12.0"}},
        "compat": "true",
    }


@pytest.mark.parametrize("stage", MESHED)
def test_osms_release_is_its_chart_with_a_closed_mesh(stage: Stage) -> None:
    assert at(stage)["osm-release"].inputs == {
        "name": "osm",
        "chart": "osm",
        "version": "1.2.4",
        "repositoryOpts": {"repo": versions.OSM_CHART_REPOSITORY},
        "namespace": "osm-system",
        "createNamespace": False,
        "timeout": 300,
        "values": {"osm": {"meshName": "osm", "enablePermissiveTrafficPolicy": False}},
        "compat": "true",
    }


@pytest.mark.parametrize("release", ["dapr-release", "osm-release"])
def test_a_release_neither_skips_its_hooks_nor_its_waiting(release: str) -> None:
    inputs = at(Stage.SMI)[release].inputs
    for risky in ("skipAwait", "disableWebhooks", "disableCRDHooks", "skipCrds", "atomic", "forceUpdate", "replace"):
        assert risky not in inputs


def test_a_chart_in_a_registry_or_folder_is_named_by_its_source() -> None:
    graph = run(stage="smi", daprChart="oci://mirror.example/charts/dapr", osmChart="oci://mirror.example/charts/osm")
    for release in ("dapr", "osm"):
        inputs = graph[f"{release}-release"].inputs
        assert inputs["chart"] == f"oci://mirror.example/charts/{release}"
        assert "repositoryOpts" not in inputs


# --- the MeshConfig ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stage", "permissive"), [(Stage.PERMISSIVE, True), (Stage.LOCKED, False), (Stage.SMI, False)])
def test_the_mesh_config_is_patched_with_permissive_mode_and_the_pages_lists(stage: Stage, permissive: bool) -> None:
    assert at(stage)["exclusions-patch"].inputs == {
        "apiVersion": "config.openservicemesh.io/v1alpha2",
        "kind": "MeshConfig",
        "metadata": {
            "name": "osm-mesh-config",
            "namespace": "osm-system",
            "annotations": {"pulumi.com/patchForce": "true", "pulumi.com/patchFieldManager": "dapr-osm"},
        },
        "spec": {
            "traffic": {
                "enablePermissiveTrafficPolicyMode": permissive,
                "outboundIPRangeExclusionList": ["10.96.0.1/32"],
                "outboundPortExclusionList": [50005, 8201, 6379],
            }
        },
    }


@pytest.mark.parametrize("stage", MESHED)
def test_nothing_else_writes_into_the_mesh_config(stage: Stage) -> None:
    assert [one.name for one in at(stage).resources.values() if "MeshConfig" in one.type] == ["exclusions-patch"]


def test_a_first_preview_shows_lists_that_are_not_known_yet() -> None:
    traffic = run(stage="smi", preview=True)["exclusions-patch"].inputs["spec"]["traffic"]
    assert traffic == {
        "enablePermissiveTrafficPolicyMode": False,
        "outboundIPRangeExclusionList": UNKNOWN,
        "outboundPortExclusionList": UNKNOWN,
    }


# --- the apps ---------------------------------------------------------------------------------------------------


def outputs(stage: Stage, component: str) -> dict[str, Any]:
    return dict(at(stage).components[component].outputs or {})


def pod(stage: Stage, app: str) -> dict[str, Any]:
    template: dict[str, Any] = at(stage)[f"hello-{app}"].inputs["spec"]["template"]
    return template


def test_outside_of_the_mesh_pods_know_dapr_and_its_state_store_only() -> None:
    store = {"dapr-osm/state-store": outputs(Stage.DAPR, "hello-redis")["access_digest"]}
    assert pod(Stage.DAPR, "nodeapp")["metadata"] == {
        "labels": {"app": "node"},
        "annotations": {"dapr.io/enabled": "true", "dapr.io/app-id": "nodeapp", "dapr.io/app-port": "3000", **store},
    }
    assert pod(Stage.DAPR, "pythonapp")["metadata"] == {
        "labels": {"app": "python"},
        "annotations": {"dapr.io/enabled": "true", "dapr.io/app-id": "pythonapp", **store},
    }


@pytest.mark.parametrize("stage", MESHED)
@pytest.mark.parametrize("app", ["nodeapp", "pythonapp"])
def test_in_the_mesh_pods_also_carry_step_6s_ports_and_what_they_were_injected_with(stage: Stage, app: str) -> None:
    annotations = pod(stage, app)["metadata"]["annotations"]
    outside = pod(Stage.DAPR, app)["metadata"]["annotations"]
    assert {key: value for key, value in annotations.items() if key not in outside} == {
        "openservicemesh.io/outbound-port-exclusion-list": "80,443",
        "dapr-osm/interception": outputs(stage, "exclusions")["injection_digest"],
    }
    assert {key: annotations[key] for key in outside} == outside


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("app", ["nodeapp", "pythonapp"])
def test_pods_say_at_every_stage_how_their_daprd_gets_into_the_state_store(stage: Stage, app: str) -> None:
    store = pod(stage, app)["metadata"]["annotations"]["dapr-osm/state-store"]
    assert store == outputs(stage, "hello-redis")["access_digest"]
    assert re.fullmatch("[0-9a-f]{16}", store)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("app", ["nodeapp", "pythonapp"])
def test_pods_run_as_their_own_service_account_from_step_10_on(stage: Stage, app: str) -> None:
    wanted = app if stage.own_service_accounts else "default"
    assert pod(stage, app)["spec"]["serviceAccountName"] == wanted


@pytest.mark.parametrize("stage", STAGES)
def test_the_node_apps_container_is_the_quickstarts_in_the_tightest_context(stage: Stage) -> None:
    assert pod(stage, "nodeapp")["spec"]["containers"] == [
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


def test_the_python_app_only_calls_and_listens_nowhere() -> None:
    container = pod(Stage.SMI, "pythonapp")["spec"]["containers"][0]
    assert (container["name"], container["image"]) == ("python", versions.PYTHON_APP_IMAGE)
    assert "ports" not in container
    assert not container["env"]


@pytest.mark.parametrize("name", ["hello-redis-server", "hello-nodeapp", "hello-pythonapp"])
def test_every_container_of_ours_is_an_ordinary_user_who_writes_nowhere(name: str) -> None:
    spec = at(Stage.SMI)[name].inputs["spec"]["template"]["spec"]
    assert spec["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    for container in spec["containers"]:
        security = container["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", ["hello-nodeapp", "hello-pythonapp", "hello-redis-server"])
def test_a_deployment_selects_just_its_own_single_pod(name: str) -> None:
    spec = at(Stage.SMI)[name].inputs["spec"]
    assert spec["replicas"] == 1
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]


def test_only_the_node_app_has_a_service() -> None:
    assert at(Stage.SMI)["hello-nodeapp-service"].inputs["spec"] == {
        "type": "ClusterIP",
        "selector": {"app": "node"},
        "ports": [{"protocol": "TCP", "port": 80, "targetPort": 3000}],
    }
    assert "hello-pythonapp-service" not in at(Stage.SMI)


@pytest.mark.parametrize("app", ["nodeapp", "pythonapp"])
def test_service_accounts_bear_the_apps_names(app: str) -> None:
    metadata = at(Stage.SMI)[f"hello-{app}-account"].inputs["metadata"]
    assert metadata == {"name": app, "namespace": "dapr-test"}


# --- who may read secrets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_the_role_reads_just_the_secret_that_the_component_names(stage: Stage) -> None:
    inputs = at(stage)["hello-secret-reader"].inputs
    assert inputs["metadata"] == {"name": "secret-reader", "namespace": "dapr-test"}
    assert inputs["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [PASSWORD_SECRET], "verbs": ["get"]}
    ]


def test_asked_for_the_role_is_the_pages() -> None:
    graph = run(readAllSecrets=True)
    assert graph["hello-secret-reader"].inputs["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_the_binding_reaches_the_default_account_and_from_step_10_on_the_apps_own(stage: Stage) -> None:
    accounts = ["default", "nodeapp", "pythonapp"] if stage.own_service_accounts else ["default"]
    inputs = at(stage)["hello-dapr-secret-reader"].inputs
    assert inputs["metadata"] == {"name": "dapr-secret-reader", "namespace": "dapr-test"}
    assert inputs["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": "secret-reader",
    }
    assert inputs["subjects"] == [
        {"kind": "ServiceAccount", "name": account, "namespace": "dapr-test"} for account in accounts
    ]


# --- the state store --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_the_component_names_redis_and_the_secret_with_its_password(stage: Stage) -> None:
    assert at(stage)["hello-redis-component"].inputs == {
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "statestore", "namespace": "dapr-test"},
        "spec": {
            "type": "state.redis",
            "version": "v1",
            "metadata": [
                {"name": "redisHost", "value": "redis:6379"},
                {"name": "redisPassword", "secretKeyRef": {"name": PASSWORD_SECRET, "key": "redis-password"}},
            ],
        },
    }


def test_the_secret_leaves_its_name_to_pulumi_so_that_a_new_password_rolls_redis() -> None:
    inputs = at(Stage.SMI)["hello-redis-password"].inputs
    assert inputs["metadata"] == {"namespace": "dapr-test"}
    assert set(inputs) == {"apiVersion", "kind", "metadata", "stringData"}


def test_the_secret_holds_the_password_and_the_file_that_redis_reads() -> None:
    data = at(Stage.SMI)["hello-redis-password"].inputs["stringData"]
    assert isinstance(data, Secret), "it must never stand in the state in the clear"
    assert data.value == {
        "redis-password": PASSWORD,
        "redis.conf": 'requirepass "correct\\x20horse\\x20\\x27battery\\x27\\x20\\x22staple\\x22"\n'
        'save ""\nappendonly no\n',
    }


@pytest.mark.parametrize("stage", STAGES)
def test_redis_stays_out_of_the_mesh_and_has_its_password_from_a_file(stage: Stage) -> None:
    spec = at(stage)["hello-redis-server"].inputs["spec"]
    assert spec["strategy"] == {"type": "Recreate"}
    assert spec["template"]["metadata"] == {
        "labels": {"app": "redis"},
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


def test_redis_service_has_the_port_that_is_excluded() -> None:
    spec = at(Stage.SMI)["hello-redis-service"].inputs["spec"]
    assert spec == {
        "selector": {"app": "redis"},
        "ports": [{"name": "redis", "port": 6379, "targetPort": "redis", "protocol": "TCP"}],
    }


# --- SMI --------------------------------------------------------------------------------------------------------

OWNED = {"namespace": "dapr-test", "labels": {"app.kubernetes.io/managed-by": "dapr-osm"}}


def test_the_policies_are_the_pages_with_a_label_to_know_them_by() -> None:
    graph = at(Stage.SMI)
    assert graph["smi-routes"].inputs == {
        "apiVersion": "specs.smi-spec.io/v1alpha4",
        "kind": "HTTPRouteGroup",
        "metadata": {"name": "nodeapp-service-routes", **OWNED},
        "spec": {"matches": [{"name": "new-order"}]},
    }
    assert graph["smi-traffic-target"].inputs == {
        "apiVersion": "access.smi-spec.io/v1alpha3",
        "kind": "TrafficTarget",
        "metadata": {"name": "pythodapp-traffic-target", **OWNED},
        "spec": {
            "destination": {"kind": "ServiceAccount", "name": "nodeapp", "namespace": "dapr-test"},
            "rules": [{"kind": "HTTPRouteGroup", "name": "nodeapp-service-routes", "matches": ["new-order"]}],
            "sources": [{"kind": "ServiceAccount", "name": "pythonapp", "namespace": "dapr-test"}],
        },
    }


def test_a_traffic_target_stands_in_its_destinations_namespace() -> None:
    inputs = at(Stage.SMI)["smi-traffic-target"].inputs
    assert inputs["metadata"]["namespace"] == inputs["spec"]["destination"]["namespace"], "OSM's validator refuses else"


# --- commands ---------------------------------------------------------------------------------------------------


def environment(stage: Stage, name: str) -> dict[str, Any]:
    return dict(at(stage)[name].inputs["environment"])


@pytest.mark.parametrize("stage", STAGES)
def test_commands_run_the_projects_own_python_and_print_only_progress(stage: Stage) -> None:
    for command in at(stage).of_type("command:local:Command"):
        inputs = command.inputs
        assert inputs["interpreter"] == OPERATIONS, "relative, so that another checkout can destroy the stack"
        assert inputs["logging"] == "stderr"
        assert set(inputs) <= {"create", "delete", "interpreter", "environment", "logging"}, (
            "no triggers, which would replace, and no dir, which would name a machine's folder"
        )


@pytest.mark.parametrize("stage", STAGES)
def test_every_command_runs_an_operation_that_exists(stage: Stage) -> None:
    for command in at(stage).of_type("command:local:Command"):
        assert command.inputs["create"] in command_line.OPERATIONS
        assert command.inputs.get("delete", "verify") in command_line.OPERATIONS


def test_each_command_has_its_one_task_and_only_the_cluster_wide_ones_undo_something() -> None:
    commands = {
        one.name: (one.inputs["create"], one.inputs.get("delete"))
        for one in at(Stage.SMI).of_type("command:local:Command")
    }
    assert commands == {
        "dapr-cluster-wide": ("record-cluster-wide", "remove-cluster-wide"),
        "dapr-crds": ("update-crds", None),
        "dapr-injector-ready": ("await-injector", None),
        "dapr-services": ("look-up-services", None),
        "osm-cluster-wide": ("record-cluster-wide", "remove-cluster-wide"),
        "osm-mesh-ready": ("await-mesh", None),
        "smi-withdraw": ("withdraw-policies", None),
        "verification-run": ("verify", None),
    }


def test_daprs_definitions_are_what_its_chart_leaves() -> None:
    assert environment(Stage.SMI, "dapr-cluster-wide") == {
        "OPERATION_NAMESPACE": "dapr-system",
        "OPERATION_CRDS": json.dumps(DAPR_RELEASE.crds),
        "OPERATION_OTHERS": "{}",
    }


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("stage", STAGES)
def test_daprs_definitions_are_brought_to_its_chart_and_nobody_elses(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    assert graph["dapr-crds"].inputs["environment"] == {
        "OPERATION_CHART": versions.DAPR_CHART_REPOSITORY,
        "OPERATION_CHART_NAME": "dapr",
        "OPERATION_CHART_VERSION": version,
        "OPERATION_RECORD": STDOUT["record-cluster-wide"],
    }


def test_osms_leftovers_are_definitions_webhooks_and_its_hooks_roles() -> None:
    given = environment(Stage.SMI, "osm-cluster-wide")
    assert set(given) == {"OPERATION_NAMESPACE", "OPERATION_CRDS", "OPERATION_OTHERS"}
    assert given["OPERATION_NAMESPACE"] == "osm-system"
    assert json.loads(given["OPERATION_CRDS"]) == list(versions.OSM_RELEASE.crds)
    assert json.loads(given["OPERATION_OTHERS"]) == {
        "mutatingwebhookconfigurations": ["osm-webhook-osm"],
        "validatingwebhookconfigurations": ["osm-validator-mesh-osm"],
        "clusterroles": ["osm-cleanup", "osm-preinstall"],
        "clusterrolebindings": ["osm-cleanup", "osm-preinstall"],
    }


def test_a_mesh_is_ready_with_all_its_definitions_webhooks_and_its_config() -> None:
    given = environment(Stage.SMI, "osm-mesh-ready")
    assert json.loads(given.pop("OPERATION_CRDS")) == list(versions.OSM_RELEASE.crds)
    assert json.loads(given.pop("OPERATION_WEBHOOKS")) == {
        "mutatingwebhookconfigurations": ["osm-webhook-osm"],
        "validatingwebhookconfigurations": ["osm-validator-mesh-osm"],
    }
    assert re.fullmatch("[0-9a-f]{16}", given.pop("OPERATION_RELEASE"))
    assert given == {
        "OPERATION_NAMESPACE": "osm-system",
        "OPERATION_MESH_CONFIG": "osm-mesh-config",
    }


def test_dapr_is_ready_when_its_injector_is_asked() -> None:
    given = environment(Stage.SMI, "dapr-injector-ready")
    assert re.fullmatch("[0-9a-f]{16}", given.pop("OPERATION_RELEASE")), "another release has another injector"
    assert given == {"OPERATION_NAMESPACE": "dapr-system"}


@pytest.mark.parametrize("stage", STAGES)
def test_the_services_that_every_daprd_talks_to_are_looked_up_for_a_release(stage: Stage) -> None:
    given = environment(stage, "dapr-services")
    assert set(given) == {"OPERATION_SERVICES", "OPERATION_RELEASE"}
    assert json.loads(given["OPERATION_SERVICES"]) == [
        "default/kubernetes",
        "dapr-system/dapr-placement-server",
        "dapr-system/dapr-api",
        "dapr-system/dapr-sentry",
    ]
    assert re.fullmatch("[0-9a-f]{16}", given["OPERATION_RELEASE"])


@pytest.mark.parametrize("stage", STAGES)
def test_what_was_looked_up_is_daprs_output(stage: Stage) -> None:
    assert outputs(stage, "dapr")["services"] == {
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


@pytest.mark.parametrize("stage", STAGES)
def test_no_command_is_told_how_long_to_wait(stage: Stage) -> None:
    for command in at(stage).of_type("command:local:Command"):
        assert "OPERATION_SECONDS" not in command.inputs["environment"], "a change of it would run the Command again"


@pytest.mark.parametrize("stage", [Stage.LOCKED, Stage.SMI])
def test_policies_that_are_not_declared_are_withdrawn(stage: Stage) -> None:
    given = environment(stage, "smi-withdraw")
    assert given["OPERATION_NAMESPACE"] == "dapr-test"
    assert json.loads(given["OPERATION_DECLARED"]) == (
        ["HTTPRouteGroup/nodeapp-service-routes", "TrafficTarget/pythodapp-traffic-target"]
        if stage is Stage.SMI
        else []
    )


@pytest.mark.parametrize("stage", STAGES)
def test_the_verification_is_given_what_the_stage_promises(stage: Stage) -> None:
    given = environment(stage, "verification-run")
    assert set(given) == {"OPERATION_EXPECTATION", "OPERATION_COVERS"}
    assert given["OPERATION_EXPECTATION"] == expectation(stage, DAPR_RELEASE, versions.OSM_RELEASE, 120).to_json()


# --- outputs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_the_stacks_outputs_answer_what_an_operator_asks_first(stage: Stage) -> None:
    outputs = at(stage).stack_outputs
    assert outputs["stage"] == stage.value
    osm_version, osm_namespace = ({"osm": "1.2.4"}, {"osm": "osm-system"}) if stage.meshed else ({}, {})
    assert outputs["versions"] == {"dapr": "1.12.0", **osm_version}
    assert outputs["namespaces"] == {"dapr": "dapr-system", "apps": "dapr-test", **osm_namespace}
    assert outputs["verification"] == FINDINGS
    assert outputs["watchOrders"] == "kubectl logs -n dapr-test deploy/nodeapp -c node -f"
    assert outputs["expectation"] == environment(stage, "verification-run")["OPERATION_EXPECTATION"]
    assert set(outputs) == {
        "stage",
        "versions",
        "namespaces",
        "exclusions",
        "verification",
        "expectation",
        "watchOrders",
    }


@pytest.mark.parametrize("stage", STAGES)
def test_the_expectation_in_the_outputs_is_one_to_verify_by(stage: Stage) -> None:
    text = at(stage).stack_outputs["expectation"]
    assert Expectation.from_json(text) == expectation(stage, DAPR_RELEASE, versions.OSM_RELEASE, 120)


def test_without_a_mesh_nothing_is_excluded_from_it() -> None:
    assert at(Stage.DAPR).stack_outputs["exclusions"] == {"ipRanges": [], "meshPorts": [], "podPorts": []}


@pytest.mark.parametrize("stage", STAGES)
def test_no_output_is_without_a_value(stage: Stage) -> None:
    assert None not in [value for value, _ in leaves(at(stage).stack_outputs)], "Pulumi would leave it out"


@pytest.mark.parametrize("stage", MESHED)
def test_the_exclusions_in_force_are_an_output_with_the_reason_for_each(stage: Stage) -> None:
    exclusions = at(stage).stack_outputs["exclusions"]
    assert [row["cidr"] for row in exclusions["ipRanges"]] == ["10.96.0.1/32"]
    assert [row["port"] for row in exclusions["meshPorts"]] == [50005, 8201, 6379]
    assert {row["port"] for row in exclusions["podPorts"]} == {80, 443}
    assert all(row["reason"] for rows in exclusions.values() for row in rows)
