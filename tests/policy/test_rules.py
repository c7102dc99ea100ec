"""Each rule: what it lets pass, and what it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policy.found import Found, Gone, NotKnown, Plan
from policy.images import Image, is_from, parse
from policy.objects import POD_SPECS, UNKNOWN, Object
from policy.rules import RULES, Asks
from tests.policy.objects import SAFE, mesh_config, pods, thing, unknowns, wrongs

# --- images -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("redis", Image(repository="docker.io/library/redis")),
        ("redis:7.2", Image(repository="docker.io/library/redis", tag="7.2")),
        ("daprio/daprd:1.18.2", Image(repository="docker.io/daprio/daprd", tag="1.18.2")),
        ("index.docker.io/daprio/daprd:1", Image(repository="docker.io/daprio/daprd", tag="1")),
        ("localhost/app", Image(repository="localhost/app")),
        ("registry:5000/app", Image(repository="registry:5000/app")),
        ("registry.example:5000/app:2", Image(repository="registry.example:5000/app", tag="2")),
        ("ghcr.io/dapr/daprd@sha256:ab", Image(repository="ghcr.io/dapr/daprd", digest="sha256:ab")),
        ("ghcr.io/dapr/daprd:1@sha256:ab", Image(repository="ghcr.io/dapr/daprd", tag="1", digest="sha256:ab")),
    ],
)
def test_an_image_is_taken_apart_as_container_clients_do(name: str, image: Image) -> None:
    assert parse(name) == image


def test_a_registry_is_no_prefix_of_another_ones_name() -> None:
    assert is_from(parse("registry.example/a/b:1"), ["registry.example"])
    assert is_from(parse("registry.example/a/b:1"), ["registry.example/a/"])
    assert not is_from(parse("registry.example.evil/a:1"), ["registry.example"])
    assert not is_from(parse("registry.example/ab/c:1"), ["registry.example/a"])


@pytest.mark.parametrize("image", ["ghcr.io/dapr/daprd:1.18.2", "redis:7.2", "ghcr.io/dapr/x@sha256:ab"])
def test_an_image_of_a_version_from_an_allowed_registry_passes(image: str) -> None:
    assert wrongs("images", pods({"image": image})) == []


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ("quay.io/x/y:1", 'container main has "quay.io/x/y:1", which is not from docker.io/curlimages/curl'),
        ("redis", 'container main has "redis": without a tag it is latest'),
        ("redis:latest", 'container main has "redis:latest": latest is another image from day to day'),
    ],
)
def test_any_other_image_is_refused(image: str, says: str) -> None:
    (wrong,) = wrongs("images", pods({"image": image}))
    assert wrong.startswith(says)


def test_a_digest_says_which_image_it_is_whatever_the_tag() -> None:
    assert wrongs("images", pods({"image": "ghcr.io/dapr/daprd:latest@sha256:ab"})) == []


@pytest.mark.parametrize("key", ["initContainers", "containers", "ephemeralContainers"])
def test_every_kind_of_container_is_looked_at(key: str) -> None:
    spec: dict[str, Any] = {"containers": [], key: [{"name": "other", "image": "quay.io/x:1"}]}
    item = thing("Deployment", spec={"template": {"spec": spec}})
    assert len(wrongs("images", item)) == 1


@pytest.mark.parametrize("kind", POD_SPECS)
def test_every_kind_with_pods_is_looked_at(kind: str) -> None:
    body: Any = {"spec": {"containers": [{"name": "main", "image": "quay.io/x:1"}]}}
    for key in reversed([key for key in POD_SPECS[kind] if isinstance(key, str)]):
        body = {key: body}
    assert len(wrongs("images", thing(kind, **body))) == 1
    assert len(wrongs("privileged", thing(kind, **body))) == 1


def test_sidecars_that_injectors_are_told_of_count_too() -> None:
    injector = pods({"env": [{"name": "SIDECAR_IMAGE", "value": "quay.io/daprd:1"}, {"name": "X_IMAGE"}]})
    assert "variable SIDECAR_IMAGE" in wrongs("images", injector)[0]
    annotated = pods({}, annotations={"dapr.io/sidecar-image": "quay.io/daprd:1"})
    assert "annotation dapr.io/sidecar-image" in wrongs("images", annotated)[0]
    config = thing("MeshConfig", spec={"sidecar": {"envoyImage": "envoyproxy/envoy"}})
    assert "the mesh's envoyImage" in wrongs("images", config)[0]
    preset = thing(
        "ConfigMap", data={"preset-mesh-config.json": json.dumps({"sidecar": {"envoyImage": "quay.io/e:1"}})}
    )
    assert "the mesh's envoyImage" in wrongs("images", preset)[0]


def test_an_image_that_is_not_known_yet_is_no_reason_to_stop_and_none_to_pass() -> None:
    item = pods({"image": UNKNOWN})
    assert wrongs("images", item) == []
    assert unknowns("images", item) == [("spec", "template", "spec", "containers", 0, "image")]


def test_an_image_that_is_secret_is_not_quoted() -> None:
    item = pods({"image": "quay.io/hunter2:1"}, marked=frozenset({("spec", "template", "spec")}))
    assert "hunter2" not in wrongs("images", item)[0]
    assert "a secret value" in wrongs("images", item)[0]


def test_an_image_that_is_mounted_is_one() -> None:
    volumes = [{"name": "model", "image": {"reference": "quay.io/x/model:1"}}, {"name": "tmp", "emptyDir": {}}]
    (wrong,) = wrongs("images", pods({}, volumes=volumes))
    assert wrong.startswith('volume model has "quay.io/x/model:1", which is not from')


# --- privileged -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", [SAFE, {"runAsUser": 1000}, {**SAFE, "privileged": False}])
def test_an_ordinary_container_passes(context: dict[str, Any]) -> None:
    assert wrongs("privileged", pods({"securityContext": context})) == []


def test_what_the_pod_says_holds_for_its_containers() -> None:
    assert wrongs("privileged", pods({"securityContext": {}}, securityContext={"runAsUser": 1000})) == []
    assert wrongs("privileged", pods({"securityContext": None}, securityContext={"runAsNonRoot": True})) == []
    empty = {"securityContext": {"runAsUser": None, "runAsNonRoot": None}}
    assert wrongs("privileged", pods(empty, securityContext={"runAsUser": 1000})) == []
    assert "runs as root" in wrongs("privileged", pods(empty, securityContext={"runAsUser": 0}))[0]
    assert len(wrongs("privileged", pods({"securityContext": {"runAsUser": 0}}, securityContext=SAFE))) == 1


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ({**SAFE, "privileged": True}, "is privileged"),
        ({"runAsUser": 0}, "runs as root"),
        ({"runAsUser": 0, "runAsNonRoot": True}, "runs as root"),
        ({}, "may run as root"),
        ({"runAsNonRoot": False}, "may run as root"),
        ({**SAFE, "allowPrivilegeEscalation": True}, "may gain rights"),
        ({**SAFE, "capabilities": {"add": ["NET_ADMIN"]}}, "adds the capabilities NET_ADMIN"),
    ],
)
def test_a_container_with_rights_of_its_node_is_refused(context: dict[str, Any], says: str) -> None:
    (wrong,) = wrongs("privileged", pods({"securityContext": context}))
    assert says in wrong


def test_a_container_of_osms_name_is_refused_like_any_other() -> None:
    """OSM's injector adds the real one on the cluster; one in the stack is somebody else's."""
    item = thing(
        "Deployment",
        spec={
            "template": {"spec": {"initContainers": [{"name": "osm-init", "securityContext": {"privileged": True}}]}}
        },
    )
    assert any("osm-init is privileged" in wrong for wrong in wrongs("privileged", item))


@pytest.mark.parametrize("key", ["hostNetwork", "hostPID", "hostIPC"])
def test_the_nodes_own_namespaces_are_refused(key: str) -> None:
    off: dict[str, Any] = {key: False}
    on: dict[str, Any] = {key: True}
    assert wrongs("privileged", pods({}, **off)) == []
    assert key in wrongs("privileged", pods({}, **on))[0]


def test_the_nodes_own_folders_are_refused() -> None:
    assert wrongs("privileged", pods({}, volumes=[{"name": "a", "emptyDir": {}}])) == []
    assert "volume a" in wrongs("privileged", pods({}, volumes=[{"name": "a", "hostPath": {"path": "/"}}]))[0]


def test_a_volume_of_the_stack_is_no_folder_of_the_node_either() -> None:
    assert wrongs("privileged", thing("PersistentVolume", namespace="", spec={"csi": {"driver": "d"}})) == []
    for source in ({"hostPath": {"path": "/"}}, {"local": {"path": "/mnt"}}):
        assert "a folder of the node" in wrongs("privileged", thing("PersistentVolume", namespace="", spec=source))[0]


def test_the_nodes_own_ports_are_refused() -> None:
    assert wrongs("privileged", pods({"ports": [{"containerPort": 80}]})) == []
    (wrong,) = wrongs("privileged", pods({"ports": [{"containerPort": 80, "hostPort": 8080}]}))
    assert "container main takes the node's own port 8080" in wrong


@pytest.mark.parametrize("own", [True, False])
def test_a_process_of_a_windows_node_is_refused(own: bool) -> None:
    context = {"windowsOptions": {"hostProcess": True}}
    item = pods({"securityContext": {**SAFE, **context}}) if own else pods({}, securityContext=context)
    assert "a process of the node" in wrongs("privileged", item)[0]


def test_pods_that_are_not_known_yet_are_asked_about_later() -> None:
    item = thing("Deployment", spec={"template": UNKNOWN})
    assert wrongs("privileged", item) == []
    assert unknowns("privileged", item) == [("spec", "template", "spec")]


# --- exclusions -------------------------------------------------------------------------------------------------


def test_single_addresses_and_a_few_ports_pass() -> None:
    config = mesh_config(outboundPortExclusionList=[6379, 50005], outboundIPRangeExclusionList=["10.96.0.1/32"])
    assert wrongs("exclusions", config) == []
    assert (
        wrongs("exclusions", pods({}, annotations={"openservicemesh.io/outbound-port-exclusion-list": "80,443"})) == []
    )


@pytest.mark.parametrize("key", ["outboundPortExclusionList", "inboundPortExclusionList"])
def test_the_sidecars_own_port_never_bypasses_the_mesh(key: str) -> None:
    (wrong,) = wrongs("exclusions", mesh_config(**{key: [6379, 50002]}))
    assert "50002" in wrong


@pytest.mark.parametrize("key", ["outbound-port-exclusion-list", "inbound-port-exclusion-list"])
def test_nor_does_it_by_a_pods_annotation(key: str) -> None:
    (wrong,) = wrongs("exclusions", pods({}, annotations={f"openservicemesh.io/{key}": "80, 50002"}))
    assert "50002" in wrong


def test_ranges_are_refused_up_to_what_the_environment_allows() -> None:
    config = mesh_config(outboundIPRangeExclusionList=["10.0.0.0/24"])
    assert "a range of 256 addresses" in wrongs("exclusions", config)[0]
    assert wrongs("exclusions", config, prefix=24) == []
    everything = pods({}, annotations={"openservicemesh.io/outbound-ip-range-exclusion-list": "0.0.0.0/0"})
    assert "a range of 4294967296 addresses" in wrongs("exclusions", everything, prefix=8)[0]


@pytest.mark.parametrize("entry", ["50001-50003", "50001:50003", "*", ""])
def test_what_is_no_single_port_is_refused(entry: str) -> None:
    assert "no single port" in wrongs("exclusions", mesh_config(outboundPortExclusionList=[entry]))[0]
    annotated = pods({}, annotations={"openservicemesh.io/inbound-port-exclusion-list": f"80, {entry}"})
    assert bool(wrongs("exclusions", annotated)) is bool(entry), "nothing behind a comma is nothing"


@pytest.mark.parametrize("entry", ["::/0", "10.0.0.1-10.0.0.9", "redis.shop", "10.0.0.0/33"])
def test_what_is_no_range_of_addresses_is_refused(entry: str) -> None:
    assert "no range of IPv4" in wrongs("exclusions", mesh_config(outboundIPRangeExclusionList=[entry]), prefix=8)[0]


def test_a_range_may_be_written_with_a_mask() -> None:
    config = mesh_config(outboundIPRangeExclusionList=["10.0.0.0/255.255.255.0", "10.9.9.9"])
    assert ["256" in wrong for wrong in wrongs("exclusions", config)] == [True]


@pytest.mark.parametrize("key", ["outboundIPRangeInclusionList", "networkInterfaceExclusionList"])
def test_a_list_by_which_all_the_rest_bypasses_envoy_is_refused(key: str) -> None:
    assert wrongs("exclusions", mesh_config(**{key: []})) == []
    assert "bypasses Envoy" in wrongs("exclusions", mesh_config(**{key: ["x"]}))[0]
    assert unknowns("exclusions", mesh_config(**{key: UNKNOWN})) == [("spec", "traffic", key)]


def test_nor_may_a_pod_have_one() -> None:
    annotated = pods({}, annotations={"openservicemesh.io/outbound-ip-range-inclusion-list": "10.0.0.0/8"})
    assert "every address that is not in it" in wrongs("exclusions", annotated)[0]


def test_fifteen_ports_pass_and_sixteen_do_not() -> None:
    assert wrongs("exclusions", mesh_config(outboundPortExclusionList=list(range(1, 16)))) == []
    assert "16 ports" in wrongs("exclusions", mesh_config(outboundPortExclusionList=list(range(1, 17))))[0]


def test_a_pods_ports_and_the_meshs_are_counted_together_whichever_comes_first() -> None:
    config = mesh_config(outboundPortExclusionList=list(range(1, 11)))
    ports = ",".join(map(str, range(6, 17)))
    app = pods({}, annotations={"openservicemesh.io/outbound-port-exclusion-list": ports})
    assert "16 ports" in wrongs("exclusions", app, config)[0]
    assert "16 ports" in wrongs("exclusions", config, app)[0]
    assert wrongs("exclusions", app) == []


def test_inbound_and_outbound_ports_are_different_rules_of_iptables() -> None:
    config = mesh_config(outboundPortExclusionList=list(range(1, 11)), inboundPortExclusionList=list(range(20, 30)))
    assert wrongs("exclusions", config) == []


def test_lists_that_are_not_known_yet_are_asked_about_later_beside_what_is_wrong_already() -> None:
    config = mesh_config(outboundPortExclusionList=UNKNOWN, outboundIPRangeExclusionList=["10.0.0.0/8"])
    assert len(wrongs("exclusions", config)) == 1
    assert unknowns("exclusions", config) == [("spec", "traffic", "outboundPortExclusionList")]
    annotated = pods({}, annotations={"openservicemesh.io/outbound-port-exclusion-list": UNKNOWN})
    assert len(unknowns("exclusions", annotated)) == 1
    assert len(unknowns("exclusions", pods({}, annotations=UNKNOWN))) == 1


# --- permissive, one mTLS ---------------------------------------------------------------------------------------


def test_permissive_mode_is_refused() -> None:
    assert wrongs("permissive", mesh_config(enablePermissiveTrafficPolicyMode=False)) == []
    assert "permissive mode is on" in wrongs("permissive", mesh_config(enablePermissiveTrafficPolicyMode=True))[0]
    assert len(unknowns("permissive", mesh_config(enablePermissiveTrafficPolicyMode=UNKNOWN))) == 1


def test_permissive_mode_is_refused_in_the_preset_too() -> None:
    preset = {"traffic": {"enablePermissiveTrafficPolicyMode": True}}
    item = thing("ConfigMap", data={"preset-mesh-config.json": json.dumps(preset)})
    assert len(wrongs("permissive", item)) == 1
    assert wrongs("permissive", thing("ConfigMap", data={"preset-mesh-config.json": "no json"})) == []


def test_daprs_own_mtls_is_refused_where_there_is_a_mesh_whichever_comes_first() -> None:
    on = thing("Configuration", "daprsystem", "dapr-system", spec={"mtls": {"enabled": True}})
    off = thing("Configuration", "daprsystem", "dapr-system", spec={"mtls": {"enabled": False}})
    config = mesh_config()
    assert wrongs("one-mtls", on) == [], "without a mesh it is the only mTLS there is"
    assert wrongs("one-mtls", off, config) == wrongs("one-mtls", config, off) == []
    assert "Dapr's own mTLS is on" in wrongs("one-mtls", on, config)[0]
    assert "Dapr's own mTLS is on" in wrongs("one-mtls", config, on)[0]
    assert wrongs("one-mtls", pods({}), on, config) == [], "it is said once"


# --- wildcards --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Role", "ClusterRole"])
def test_a_role_lists_what_it_grants(kind: str) -> None:
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    assert wrongs("wildcards", thing(kind, rules=[rule])) == []
    for key in rule:
        assert f"in its {key}" in wrongs("wildcards", thing(kind, rules=[{**rule, key: ["*"]}]))[0]
    assert "nonResourceURLs" in wrongs("wildcards", thing(kind, rules=[{"nonResourceURLs": ["/healthz/*"]}]))[0]


@pytest.mark.parametrize("kind", ["RoleBinding", "ClusterRoleBinding"])
@pytest.mark.parametrize("everybody", ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:shop"])
def test_a_binding_names_each_one(kind: str, everybody: str) -> None:
    assert wrongs("wildcards", thing(kind, subjects=[{"kind": "ServiceAccount", "name": "app"}])) == []
    assert everybody in wrongs("wildcards", thing(kind, subjects=[{"kind": "Group", "name": everybody}]))[0]


def test_a_role_that_takes_in_every_other_is_a_wildcard() -> None:
    def adding(**selector: Any) -> Object:
        return thing("ClusterRole", namespace=None, aggregationRule={"clusterRoleSelectors": [selector]})

    assert wrongs("wildcards", adding(matchLabels={"team": "shop"})) == []
    assert "every ClusterRole" in wrongs("wildcards", adding())[0]
    assert "every ClusterRole" in wrongs("wildcards", adding(matchLabels={}))[0]


@pytest.mark.parametrize("kind", ["RoleBinding", "ClusterRoleBinding"])
def test_a_binding_of_the_role_that_may_do_everything_is_a_wildcard(kind: str) -> None:
    subjects = [{"kind": "ServiceAccount", "name": "app"}]
    assert wrongs("wildcards", thing(kind, subjects=subjects, roleRef={"kind": "ClusterRole", "name": "view"})) == []
    role = {"kind": "ClusterRole", "name": "cluster-admin"}
    assert "may do everything" in wrongs("wildcards", thing(kind, subjects=subjects, roleRef=role))[0]
    assert "its subject is app-*" in wrongs("wildcards", thing(kind, subjects=[{"kind": "User", "name": "app-*"}]))[0]


def test_a_traffic_target_names_each_one() -> None:
    one = {"kind": "ServiceAccount", "name": "app", "namespace": "shop"}
    assert wrongs("wildcards", thing("TrafficTarget", spec={"destination": one, "sources": [one]})) == []
    for spec in (
        {"destination": {**one, "name": "*"}, "sources": [one]},
        {"destination": one, "sources": [one, {**one, "namespace": "*"}]},
        {"destination": one, "sources": [{**one, "name": "app-*"}]},
    ):
        assert len(wrongs("wildcards", thing("TrafficTarget", spec=spec))) == 1


def test_a_route_says_which_paths_and_methods_or_nothing() -> None:
    def route(**match: Any) -> Object:
        return thing("HTTPRouteGroup", spec={"matches": [{"name": "m", **match}]})

    assert wrongs("wildcards", route()) == [], "the walkthrough's own"
    assert wrongs("wildcards", route(pathRegex="/orders/.*", methods=["GET"])) == []
    assert wrongs("wildcards", route(pathRegex="/dapr.proto.internals.v1.ServiceInvocation/CallLocal")) == []
    for every in (".*", ".+", "/.*", "^/.*$", "^.*", "(/.*)?", "[^ ]*", "/[^?]*", r"[\s\S]*", "/.*|/orders", "*"):
        assert len(wrongs("wildcards", route(pathRegex=every))) == 1, every
    for refused in ("(", "a{99999999999999999999}"):
        assert wrongs("wildcards", route(pathRegex=refused)) == [], "Envoy refuses it"
    assert len(wrongs("wildcards", route(methods=["*"]))) == 1


# --- secrets ----------------------------------------------------------------------------------------------------


def test_a_secret_in_a_variable_is_refused_and_not_repeated() -> None:
    taken = {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}
    assert wrongs("secrets", pods({"env": [taken, {"name": "PORT", "value": "80"}]})) == []
    (wrong,) = wrongs("secrets", pods({"env": [{"name": "DB_PASSWORD", "value": "hunter2"}]}))
    assert "variable DB_PASSWORD of container main" in wrong
    assert "hunter2" not in wrong


@pytest.mark.parametrize("value", ["host=db password=hunter2", "postgres://app:hunter2@db.example/app"])
def test_a_variable_of_any_name_may_have_one_in_its_value(value: str) -> None:
    entry = {"name": "DB", "value": value}
    assert "variable DB of" in wrongs("secrets", pods({"env": [entry]}))[0]
    assert "DB stands in it" in wrongs("secrets", thing("Component", spec={"metadata": [entry]}))[0]
    reference = {"name": "DB", "value": "postgres://app:$(DB_PASSWORD)@db.example:5432/app"}
    assert wrongs("secrets", pods({"env": [reference]})) == []


def test_a_file_of_a_secret_is_none() -> None:
    assert wrongs("secrets", pods({"env": [{"name": "TOKEN_FILE", "value": "/var/run/token"}]})) == []


@pytest.mark.parametrize("key", ["data", "stringData"])
def test_a_secret_that_pulumi_does_not_know_is_refused(key: str) -> None:
    body: dict[str, Any] = {key: {"password": "aHVudGVyMg==", "empty": ""}}
    for path in ((key,), (key, "password"), ()):
        assert wrongs("secrets", thing("Secret", marked=frozenset({path}), **body)) == []
    (wrong,) = wrongs("secrets", thing("Secret", **body))
    assert wrong.startswith(f"password of its {key} is no secret to Pulumi")
    assert "aHVudGVyMg" not in wrong
    assert wrongs("secrets", thing("Secret")) == [], "a chart's that is filled later"


def test_a_component_takes_its_password_from_a_secret() -> None:
    taken = {"name": "redisPassword", "secretKeyRef": {"name": "redis", "key": "password"}}
    assert wrongs("secrets", thing("Component", spec={"metadata": [taken, {"name": "redisHost", "value": "r"}]})) == []
    given = {"name": "redisPassword", "value": "hunter2"}
    (wrong,) = wrongs("secrets", thing("Component", spec={"metadata": [given]}, marked=frozenset({("spec",)})))
    assert "redisPassword stands in it in the clear" in wrong
    assert "hunter2" not in wrong


def test_a_config_map_holds_no_secret() -> None:
    assert wrongs("secrets", thing("ConfigMap", data={"level": "info"})) == []
    assert "api-key stands in a ConfigMap" in wrongs("secrets", thing("ConfigMap", data={"api-key": "x"}))[0]


@pytest.mark.parametrize(
    "text",
    [
        "db.password=hunter2",
        "  apiKey: 'hunter2'  ",
        '{"level": 1, "token": "hunter2"}',
        "url: https://x.example/?access_key=hunter2",
        "url: redis://app:hunter2@redis:6379",
        "db:\n  password: |\n    hunter2\n  user: app",
        "-----BEGIN RSA PRIVATE KEY-----\nhunter2",
    ],
)
def test_nor_does_a_text_in_one(text: str) -> None:
    (wrong,) = wrongs("secrets", thing("ConfigMap", data={"app.conf": f"first: 1\n{text}\nlast: 2"}))
    assert "of a ConfigMap. Put that into a Secret" in wrong
    assert "hunter2" not in wrong


@pytest.mark.parametrize(
    "text",
    [
        "# password: see the vault",
        "password: ${DB_PASSWORD}",
        "password: {{ .Values.x }}",
        "token: /var/run/secrets/token",
        "max_tokens: 100",
        "automountServiceAccountToken: false",
        "password:",
        "secretName: db",
    ],
)
def test_a_text_may_say_where_a_secret_is(text: str) -> None:
    assert wrongs("secrets", thing("ConfigMap", data={"app.conf": text})) == []


def test_nor_do_its_bytes() -> None:
    assert "password stands in a ConfigMap" in wrongs("secrets", thing("ConfigMap", binaryData={"password": "eA=="}))[0]
    assert wrongs("secrets", thing("ConfigMap", binaryData={"logo.png": "eA=="})) == []


def test_a_private_key_is_a_secret_whatever_it_is_called() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nhunter2"
    assert "variable KEY" in wrongs("secrets", pods({"env": [{"name": "KEY", "value": key}]}))[0]
    assert (
        "cert stands in it"
        in wrongs("secrets", thing("Component", spec={"metadata": [{"name": "cert", "value": key}]}))[0]
    )


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--redis-password=hunter2"], "redis-password"),
        (["run", "--api-token", "hunter2"], "api-token"),
        (["PASSWORD=hunter2"], "PASSWORD"),
    ],
)
@pytest.mark.parametrize("key", ["args", "command"])
def test_no_container_is_started_with_a_secret(words: list[str], name: str, key: str) -> None:
    (wrong,) = wrongs("secrets", pods({key: words}))
    assert wrong.startswith(f"{name} stands in the clear in what container main is started with")
    assert "hunter2" not in wrong


@pytest.mark.parametrize(
    "words",
    [
        ["--redis-password=$(REDIS_PASSWORD)"],
        ["--token", "--verbose"],
        ["--token"],
        ["--token-file", "/run/token"],
        ["sh", "-c", "token=$(cat /run/token) password=x run"],
    ],
)
def test_a_container_may_be_told_where_its_secret_is(words: list[str]) -> None:
    assert wrongs("secrets", pods({"args": words})) == []


# --- accounts ---------------------------------------------------------------------------------------------------


def strangers(*objects: Object) -> list[Found | NotKnown]:
    return list(RULES["accounts"].of_stack(objects))


def target(name: str, namespace: Any = "shop") -> Object:
    return thing("TrafficTarget", spec={"destination": account("app"), "sources": [account(name, namespace)]})


def account(name: str, namespace: Any = "shop") -> dict[str, Any]:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def test_a_policy_may_name_whom_a_pod_runs_as_or_whom_the_stack_makes() -> None:
    runs, made = pods({}, serviceAccountName="caller"), thing("ServiceAccount", "app")
    assert strangers(runs, made, target("caller")) == []
    assert strangers(target("caller"), made, runs) == [], "whatever the order"


def test_a_policy_may_not_name_whom_nobody_is() -> None:
    (wrong,) = strangers(thing("ServiceAccount", "app"), target("stranger"))
    assert isinstance(wrong, Found)
    assert "its source is ServiceAccount shop/stranger" in wrong.wrong
    (wrong,) = strangers(thing("ServiceAccount", "app"), target("app", "elsewhere"))
    assert isinstance(wrong, Found)
    assert "elsewhere/app" in wrong.wrong
    assert wrong.urn == "urn:TrafficTarget/shop/one", "Pulumi shows it at its resource"


@pytest.mark.parametrize("kind", ["RoleBinding", "ClusterRoleBinding"])
def test_nor_may_a_binding(kind: str) -> None:
    assert strangers(thing("ServiceAccount", "app"), thing(kind, subjects=[account("app")])) == []
    assert strangers(thing(kind, subjects=[account("default"), {"kind": "User", "name": "jane"}])) == []
    assert len(strangers(thing(kind, subjects=[account("stranger")]))) == 1


def test_a_namespace_that_is_not_known_yet_may_be_any() -> None:
    assert strangers(thing("ServiceAccount", "app", UNKNOWN), target("app")) == []
    assert strangers(thing("ServiceAccount", "app"), target("app", UNKNOWN)) == []
    (wrong,) = strangers(thing("ServiceAccount", "app"), target("stranger", UNKNOWN))
    assert isinstance(wrong, Found)
    assert "?/stranger" in wrong.wrong


def test_sources_that_are_not_known_yet_are_asked_about_later() -> None:
    item = thing("TrafficTarget", spec={"destination": account("default"), "sources": UNKNOWN})
    assert [type(one) for one in strangers(item)] == [NotKnown]


# --- plans ------------------------------------------------------------------------------------------------------


def forbidden(rule: str, plan: Plan) -> list[str]:
    return [f"{one.object}: {one.wrong}" for one in RULES[rule].of_plan(plan)]


def gone(kind: str, title: str, *, replaced: bool = False) -> Plan:
    return Plan(gone=(Gone(object=title, kind=kind, replaced=replaced),))


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("CustomResourceDefinition", "CustomResourceDefinition components.dapr.io"),
        ("Namespace", "Namespace dapr-test"),
        ("Step", "step osm-runtime"),
    ],
)
def test_what_others_lose_with_it_is_not_deleted(kind: str, title: str) -> None:
    (wrong,) = forbidden("deletes", gone(kind, title))
    assert wrong.startswith(title)


def test_a_replacement_is_a_delete_but_for_a_step_that_runs_again() -> None:
    assert (
        "replaced, which deletes it first" in forbidden("deletes", gone("Namespace", "Namespace a", replaced=True))[0]
    )
    assert forbidden("deletes", gone("Step", "step osm-runtime", replaced=True)) == []


def test_other_deletes_are_nobodys_loss() -> None:
    assert forbidden("deletes", gone("Deployment", "Deployment shop/app")) == []
    assert forbidden("deletes", gone("Step", "step hello-injection")) == []
    assert forbidden("deletes", Plan()) == []


@pytest.mark.parametrize(
    ("before", "after"), [("dapr", "smi"), ("locked", "locked"), (None, "dapr"), ("smi", None), ("smi", "[unknown]")]
)
def test_a_stage_moves_forward_stays_comes_and_goes(before: str | None, after: str | None) -> None:
    assert forbidden("stage-forward", Plan(stage_before=before, stage_after=after)) == []


@pytest.mark.parametrize(("before", "after"), [("smi", "locked"), ("locked", "permissive"), ("permissive", "dapr")])
def test_a_stage_does_not_go_back(before: str, after: str) -> None:
    (wrong,) = forbidden("stage-forward", Plan(stage_before=before, stage_after=after))
    assert wrong.startswith(f"stage {after}: the stage would go back, from {before}")


# --- all of them ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [rule.name for rule in RULES.values() if rule.asks is Asks.OBJECT])
@pytest.mark.parametrize(
    "item",
    [
        Object(body={}),
        Object(body={"kind": "Deployment", "spec": None}),
        Object(body={"kind": "Deployment", "spec": UNKNOWN}),
        Object(body={"kind": "Deployment", "spec": {"template": {"spec": {"containers": [None, "x", UNKNOWN]}}}}),
        Object(body={"kind": "MeshConfig", "spec": {"traffic": "x", "sidecar": UNKNOWN}}),
        Object(body={"kind": "Role", "rules": [None, {"verbs": None}]}),
        Object(body={"kind": "TrafficTarget", "spec": {"sources": [None]}}),
        Object(body={"kind": "Secret", "data": UNKNOWN}),
        Object(body={"kind": "Component", "spec": {"metadata": [None]}}),
        Object(body={"kind": "HTTPRouteGroup", "spec": {"matches": [None]}}),
    ],
    ids=lambda item: str(item.kind),
)
def test_no_rule_falls_over_what_no_cluster_would_take(rule: str, item: Object) -> None:
    assert wrongs(rule, item) == []
