"""The rules of single values, held against what becomes of the values."""

from __future__ import annotations

import ipaddress
import re
import tarfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from model.apps import App
from model.exclusions import MAX_PORTS, any_per_pod
from model.helm_values import OSM_GONE, switched_on
from model.pod_overlay import merged
from model.quantity import quantity
from model.versions import DEFAULT_DAPR_VERSION
from settings import charts, environment, images, names, networks, pods, quantities
from settings.declaration import did_you_mean
from settings.kubernetes_schema import POD_SPEC, faults
from settings.problem import Problem, Words

from .config import only_problem, parsed, refused

SHOP: dict[str, Any] = {"image": "registry.example/shop:1", "port": 8080}

# --- images -----------------------------------------------------------------------------------------------------

parts = st.from_regex(r"\A[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}\Z")
domains = st.from_regex(r"\A[a-z0-9]{1,6}(\.[a-zA-Z0-9]{1,6}){1,2}(:[1-9][0-9]{0,3})?\Z") | st.just("localhost:5000")
tags = st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}\Z")


@given(st.none() | domains, st.lists(parts, min_size=1, max_size=3), st.none() | tags, st.booleans())
def test_every_name_of_the_grammar_is_an_image(domain: str | None, path: list[str], tag: str | None, pin: bool) -> None:
    assume(domain or len(path) == 1 or "." not in path[0])  # else the first part is taken for a registry
    name = "/".join([*([domain] if domain else []), *path]) + (f":{tag}" if tag else "")
    assert images.fault_of(name + ("@sha256:" + "0a" * 32 if pin else "")) is None


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("registry.example/Shop:1", "its name has capital letters"),
        ("shop:" + "a" * 129, "its tag is not 1 to 128"),
        ("shop@sha256:" + "A" * 64, "its digest is not sha256: and 64"),
        ("registry.example:70000/shop", "its registry is not host or host:port"),
        ("registry.example:65536/shop", "its registry is not host or host:port"),
        ("registry.example:0/shop", "its registry is not host or host:port"),
        ("registry..example/shop", "its registry is not host or host:port"),
        ("a" * 256, "more than 255 characters"),
        ("0" * 64, "an image's id"),
        ("shop//x", "its name is not small letters"),
    ],
)
def test_an_image_is_refused_with_the_part_that_is_wrong(name: str, fault: str) -> None:
    assert fault in str(images.fault_of(name))


@pytest.mark.parametrize(
    ("name", "registry"),
    [
        ("app", ""),
        ("team/app", ""),
        ("localhost/app", "localhost"),
        ("localhosts/app", ""),
        ("registry.example/app", "registry.example"),
        ("registry:5000/app", "registry:5000"),
        ("Registry/app", "Registry"),
        ("registry.example:65535/team/app", "registry.example:65535"),
    ],
)
def test_a_registry_is_told_from_a_path_as_runtimes_do(name: str, registry: str) -> None:
    assert images.split_domain(name) == (registry, name.removeprefix(f"{registry}/"))
    assert images.fault_of(name) is None


@pytest.mark.parametrize(
    "name", ["team/app", "registry.example/team", "localhost:5000", "openservicemesh", "a.b:5000/c/d"]
)
def test_a_registry_is_what_may_stand_before_a_name(name: str) -> None:
    assert list(images.registry(name)) == []


# --- names ------------------------------------------------------------------------------------------------------


@given(st.text(max_size=70))
def test_an_app_id_makes_a_service_that_kubernetes_takes(name: str) -> None:
    if not list(names.app_id(name)):
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", f"{name}-dapr"), "RFC 1035"
        assert len(f"{name}-dapr") <= 63


@pytest.mark.parametrize("name", ["team", "example.com/team", "a.b-c_d", "x" * 63, "sub.example.com/x"])
def test_keys_of_labels(name: str) -> None:
    assert names.is_qualified(name)


@pytest.mark.parametrize("name", ["", "/x", "x/", "a b", "-a", "x" * 64, "Example.com/x", "a/b/c", "example..com/x"])
def test_what_is_no_key_of_a_label(name: str) -> None:
    assert not names.is_qualified(name)


@pytest.mark.parametrize(
    "name", ["openservicemesh.io/x", "config.openservicemesh.io/x", "pulumi.com/x", "dapr-osm/stack"]
)
def test_marks_that_are_somebodys(name: str) -> None:
    assert names.reserved(name)


@pytest.mark.parametrize("name", ["myopenservicemesh.io/x", "openservicemesh.io", "team", "dapr.io/log-level"])
def test_marks_that_are_free(name: str) -> None:
    assert names.reserved(name) is None


@given(st.text(st.characters(codec="ascii"), max_size=6))
def test_a_variables_name_is_one_that_every_kubernetes_takes(name: str) -> None:
    if environment.is_name(name):
        assert re.fullmatch(r"[-._a-zA-Z][-._a-zA-Z0-9]*", name)
        assert "=" not in name


# --- exclusions, as OSM reads them ------------------------------------------------------------------------------

# Source: OSM 1.2.4, cmd/osm-bootstrap/crds/config_meshconfig.yaml.
CRD_PATTERN = re.compile(r"((?:\d{1,3}\.){3}\d{1,3})\/(\d{1,2})$")
free = st.integers(min_value=1, max_value=65535).filter(lambda port: port != 50002)


@given(st.lists(free, max_size=MAX_PORTS - 1))
def test_accepted_ports_are_a_list_as_osm_reads_it(ports: list[int]) -> None:
    found = parsed(extraPortExclusions=ports).extra_ports
    annotation = ",".join(map(str, found))
    assert [int(one) for one in annotation.split(",") if one] == list(found)
    assert all(0 < port < 65536 for port in found)
    assert len(set(found)) == len(found)


@given(
    st.lists(st.ip_addresses(v=4).flatmap(lambda ip: st.integers(0, 32).map(lambda bits: f"{ip}/{bits}")), max_size=5)
)
def test_accepted_ranges_are_a_list_as_osm_reads_it(ranges: list[str]) -> None:
    if list(networks.excluded_ranges(ranges)):
        return
    for given_range in parsed(extraIpRangeExclusions=ranges).extra_ip_ranges:
        assert CRD_PATTERN.fullmatch(given_range)
        assert str(ipaddress.ip_network(given_range)) == given_range, "Go's ParseCIDR takes it as it stands"


def test_as_many_ports_as_fit_beside_rediss_own_are_accepted_here() -> None:
    assert len(parsed(extraPortExclusions=list(range(7000, 7000 + MAX_PORTS - 1))).extra_ports) == MAX_PORTS - 1
    assert len(parsed(extraPortExclusions=[6379, *range(7000, 7000 + MAX_PORTS - 1)]).extra_ports) == MAX_PORTS
    line = only_problem(extraPortExclusions=list(range(7000, 7000 + MAX_PORTS)))
    assert f"takes {MAX_PORTS}" in line


# --- ports of apps ----------------------------------------------------------------------------------------------


def test_too_many_ports_are_counted_and_not_repeated() -> None:
    line = only_problem(extraPortExclusions=list(range(10000, 10015)))
    assert line.startswith("dapr-osm:extraPortExclusions makes it 16 excluded ports with Redis's own")


@pytest.mark.parametrize(("port", "whose"), [(8080, "the app's own"), (3500, networks.HELD_PORTS[3500])])
def test_a_further_containers_port_that_is_taken_is_told_with_who_has_it(port: int, whose: str) -> None:
    container = {"name": "proxy", "image": "proxy:1", "ports": [{"containerPort": port}]}
    line = only_problem(apps={"shop": {**SHOP, "port": 8080, "pod": {"spec": {"containers": [container]}}}})
    assert f"holds {port}, which is taken in the pod: {whose}. Let it listen elsewhere." in line


def test_the_ports_that_are_taken_are_daprds_and_those_that_osm_gives_envoy() -> None:
    daprd, envoy = {3500, 3501, 9090, 50001, 50002}, {15000, 15001, 15003, 15010, 15901, 15902, 15903, 15904}
    assert set(networks.HELD_PORTS) == daprd | envoy


@pytest.mark.parametrize("port", networks.HELD_PORTS)
def test_no_app_listens_where_a_sidecar_does(port: int) -> None:
    line = only_problem(apps={"shop": {**SHOP, "port": port}})
    assert line.startswith(f"dapr-osm:apps.shop.port: {port} is taken in every pod: {networks.HELD_PORTS[port]}.")


LOW_PORTS = {"spec": {"securityContext": {"sysctls": [{"name": networks.UNPRIVILEGED_SYSCTL, "value": "80"}]}}}
AS_ROOT = {"spec": {"containers": [{"name": "shop", "securityContext": {"runAsUser": 0, "runAsNonRoot": False}}]}}


@pytest.mark.parametrize("overlay", [LOW_PORTS, AS_ROOT])
def test_a_port_below_1024_is_for_who_may_listen_there(overlay: dict[str, Any]) -> None:
    assert parsed(apps={"shop": {**SHOP, "port": 80, "pod": overlay}}).apps["shop"].port == 80
    assert "is below 1024" in only_problem(apps={"shop": {**SHOP, "port": 80}})


def test_a_port_below_the_one_that_the_kernel_is_told_of_is_still_roots() -> None:
    assert not pods.may_listen(79, LOW_PORTS, "shop")
    assert not pods.may_listen(80, AS_ROOT, "other")


@pytest.mark.parametrize("root", [False, None])
def test_an_app_may_be_root_where_its_container_says_so(root: bool | None) -> None:
    context = {"runAsUser": 0, "runAsNonRoot": root}
    overlay = {"spec": {"containers": [{"name": "shop", "securityContext": context}]}}
    assert parsed(apps={"shop": {"image": "shop:1", "pod": overlay}}).apps["shop"].pod_overlay == overlay


@pytest.mark.parametrize("replicas", ["hpa"])
def test_replicas_may_be_left_to_an_autoscaler(replicas: str) -> None:
    given = parsed(apps={"nodeapp": {"replicas": replicas}, "shop": {**SHOP, "replicas": replicas}})
    assert [given.apps[name].replicas for name in ("nodeapp", "shop", "pythonapp")] == [None, None, 1]


# --- quantities -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("100m", "0.1"),
        ("1", "1"),
        (2, "2"),
        (0.5, "0.5"),
        (".5", "0.5"),
        ("1.", "1"),
        ("1k", "1000"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("1E", "1e18"),
        ("-1", "-1"),
        ("5n", "5e-9"),
    ],
)
def test_a_quantity_is_read_as_kubernetes_reads_it(text: Any, number: str) -> None:
    assert quantity(text) == Decimal(number)


@pytest.mark.parametrize(
    "text", ["", "1GB", "1 Gi", "Gi", "1ki", "1K", "1e", "0x1", "1,5", None, True, [], "1MiB", "１"]
)
def test_what_kubernetes_would_not_read_is_no_quantity(text: Any) -> None:
    assert quantity(text) is None


@pytest.mark.parametrize(
    ("suffix", "factor"),
    [
        *[("n", Decimal("1e-9")), ("u", Decimal("1e-6")), ("m", Decimal("0.001")), ("", Decimal(1))],
        *[("k", Decimal(1000)), ("M", Decimal("1e6")), ("G", Decimal("1e9")), ("T", Decimal("1e12"))],
        *[("P", Decimal("1e15")), ("E", Decimal("1e18"))],
        *[("Ki", Decimal(2**10)), ("Mi", Decimal(2**20)), ("Gi", Decimal(2**30)), ("Ti", Decimal(2**40))],
        *[("Pi", Decimal(2**50)), ("Ei", Decimal(2**60))],
    ],
)
def test_a_suffix_is_worth_what_it_is_to_kubernetes(suffix: str, factor: Decimal) -> None:
    assert quantity(f"3{suffix}") == 3 * factor


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("cpus", "Did you mean cpu?"),
        ("disk", "There are cpu, memory, ephemeral-storage, hugepages-2Mi, example.com/gpu."),
    ],
)
def test_a_resource_that_containers_have_not_is_refused_with_those_that_they_have(name: str, mend: str) -> None:
    (refusal,) = quantities.resources({"limits": {name: 1}})
    assert refusal.mend == mend


@given(st.decimals(0, 10**6, places=3), st.decimals(0, 10**6, places=3))
def test_what_is_asked_for_is_within_its_limit(request_: Decimal, limit: Decimal) -> None:
    given_resources = {"requests": {"cpu": str(request_)}, "limits": {"cpu": str(limit)}}
    assert bool(list(quantities.resources(given_resources))) is (request_ > limit)


@pytest.mark.parametrize("amount", ["1.1Gi", "0.5Gi", "100M", "1Mi", "1e400", 10**30, "99999999999Ei", "0", 0])
def test_memory_is_whatever_kubernetes_takes_for_it(amount: Any) -> None:
    assert list(quantities.resources({"requests": {"memory": amount}})) == [], "a fraction of a byte is rounded up"


def test_quantities_of_an_overlay_may_be_numbers_as_in_kubernetes_own_files() -> None:
    container = {"name": "proxy", "image": "i", "resources": {"requests": {"cpu": 0.5}, "limits": {"cpu": 1}}}
    pod = {"spec": {"containers": [container], "volumes": [{"name": "v", "emptyDir": {"sizeLimit": 1048576}}]}}
    assert parsed(apps={"shop": {**SHOP, "pod": pod}}).apps["shop"].pod_overlay == pod


def test_other_resources_than_kubernetes_own_have_a_domain() -> None:
    resources = {"limits": {"nvidia.com/gpu": 1, "hugepages-2Mi": "4Mi", "ephemeral-storage": "1Gi"}}
    assert parsed(apps={"shop": {**SHOP, "resources": resources}}).apps["shop"].resources == resources


# --- pods -------------------------------------------------------------------------------------------------------

APP = App(name="shop", namespace="n", image="i", label="shop", container="shop", port=8080)
TEAMS_WISHES = yaml.safe_load("""
metadata:
  labels: {team: shop, example.com/tier: front}
  annotations:
    dapr.io/log-level: debug
    dapr.io/sidecar-memory-limit: 128Mi
    prometheus.io/scrape: "true"
spec:
  priorityClassName: high
  nodeSelector: {disk: ssd}
  tolerations: [{key: team, operator: Equal, value: shop, effect: NoSchedule}]
  terminationGracePeriodSeconds: 5
  securityContext: {fsGroup: 2000, runAsUser: 2000}
  volumes:
    - {name: scratch, emptyDir: {sizeLimit: 1Gi}}
    - {name: config, configMap: {name: shop}}
  topologySpreadConstraints:
    - {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: shop}}}
  initContainers:
    - {name: migrate, image: "shop:1", command: [migrate]}
  containers:
    - name: shop
      command: [serve]
      envFrom: [{secretRef: {name: shop}}]
      env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
      readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 2}
      livenessProbe: {tcpSocket: {port: 8080}}
      lifecycle: {preStop: {exec: {command: [sleep, "5"]}}}
      securityContext: {runAsUser: 2000, readOnlyRootFilesystem: false}
      volumeMounts: [{name: scratch, mountPath: /tmp}]
    - name: metrics
      image: exporter:1
      ports: [{containerPort: 9100, name: metrics}]
      resources: {limits: {memory: 32Mi}}
""")


def test_what_teams_want_of_their_pods_is_accepted_as_it_is() -> None:
    given = parsed(apps={"shop": {**SHOP, "pod": TEAMS_WISHES}, "nodeapp": {"pod": {"spec": {"hostIPC": False}}}})
    assert given.apps["shop"].pod_overlay == TEAMS_WISHES
    assert given.apps["nodeapp"].pod_overlay == {"spec": {"hostIPC": False}}


protected = st.sampled_from(sorted(pods.PROTECTED))


@given(protected, st.none() | st.booleans() | st.text(max_size=3))
def test_no_accepted_overlay_changes_what_the_mesh_depends_on(field: str, value: Any) -> None:
    assert list(pods.protected_fields({"spec": {field: value}})), "null would remove it"


@pytest.mark.parametrize("name", [*pods.OWN_LABELS, "app.kubernetes.io/managed-by", "openservicemesh.io/x"])
def test_null_removes_no_label_that_is_not_a_teams(name: str) -> None:
    found = [*pods.pod_marks({"metadata": {"labels": {name: None}}})]
    assert bool(found) is (name in pods.OWN_LABELS), "all others are not in the template anyway"


def test_an_accepted_overlay_keeps_the_apps_own_container() -> None:
    pod = {"spec": {"containers": [{"name": "shop", "image": "i", "ports": [{"containerPort": 8080}]}]}}
    first, *others = merged(pod, TEAMS_WISHES)["spec"]["containers"]
    assert (first["name"], first["image"], first["ports"]) == ("shop", "i", [{"containerPort": 8080}])
    assert [other["name"] for other in others] == ["metrics"]


def test_a_field_that_kubernetes_does_not_know_is_asked_about_at_any_depth() -> None:
    overlay = {"spec": {"containers": [{"name": "shop", "livenessProbe": {"httpGet": {"pth": "/"}}}]}}
    line = only_problem(apps={"shop": {**SHOP, "pod": overlay}})
    assert line == (
        "dapr-osm:apps.shop.pod.spec.containers.shop.livenessProbe.httpGet.pth "
        "is not a field that Kubernetes knows. Did you mean path?"
    )


def test_a_pods_spec_is_held_against_its_whole_type() -> None:
    assert list(faults({"containers": [{"name": "a", "image": "b"}], "nodeSelector": {"a": "b"}}, POD_SPEC)) == []
    assert list(faults(None, POD_SPEC)) == []
    wrong = faults({"priority": True, "hostAliases": [{"ip": 5}], "overhead": {"cpu": 1}}, POD_SPEC)
    assert [(refusal.inside, refusal.rule) for refusal in wrong] == [
        (("priority",), "is not a whole number"),
        (("hostAliases", "0", "ip"), "is not a text"),
        (("overhead", "cpu"), "is not a text"),
    ]


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "metadata",
                    "spec",
                    "labels",
                    "annotations",
                    "containers",
                    "name",
                    "env",
                    "ports",
                    "securityContext",
                    "add",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("spec", "mend"),
    [
        ({"priorityClassName": 1}, "Put it between quotes."),
        ({"terminationGracePeriodSeconds": "x"}, "See kubectl explain pod."),
    ],
)
def test_a_field_of_the_wrong_kind_is_refused_with_the_mend_that_its_kind_has(spec: Any, mend: str) -> None:
    assert only_problem(apps={"shop": {**SHOP, "pod": {"spec": spec}}}).endswith(mend)


@given(junk)
def test_no_overlay_makes_the_check_itself_fail(value: Any) -> None:
    try:
        parsed(apps={"shop": {**SHOP, "pod": value}, "nodeapp": {"pod": value}})
    except ValueError as error:
        assert "dapr-osm:apps." in str(error)
        assert "can't be used. " not in str(error), "every refusal has words of its own"


# --- charts -----------------------------------------------------------------------------------------------------


def test_a_password_in_a_charts_url_is_refused_without_being_shown() -> None:
    line = only_problem(daprChart="https://me:hunter2@charts.example")
    assert "hunter2" not in line
    assert "Set dapr-osm:chartCredentials with --secret" in line


@pytest.mark.parametrize(
    "url", ["https://me:hunter2@", "https://me:hunter2@charts.example:0", "https://hunter2 .example"]
)
def test_nothing_of_a_url_that_is_none_is_shown(url: str) -> None:
    line = only_problem(daprChart=url)
    assert "hunter2" not in line
    assert line.endswith("is not a URL with a host. Write it as https://host/path.")


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ({"name": "dapr", "version": DEFAULT_DAPR_VERSION}, None),
        ({"name": "dapr", "version": "1.0.0"}, "holds version 1.0.0"),
        ({"name": "osm", "version": DEFAULT_DAPR_VERSION}, "holds the chart osm, not dapr"),
    ],
)
def test_an_archive_is_looked_into(
    said: dict[str, str], rule: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("settings.project.ROOT", tmp_path)
    (tmp_path / "dapr" / "charts" / "other").mkdir(parents=True)
    (tmp_path / "dapr" / "charts" / "other" / "Chart.yaml").write_text("version: 0.0.1\n")
    (tmp_path / "dapr" / "Chart.yaml").write_text(yaml.safe_dump(said))
    with tarfile.open(tmp_path / "dapr.tgz", "w:gz") as archive:
        archive.add(tmp_path / "dapr", arcname="dapr")
    if rule is None:
        assert parsed(daprChart="dapr.tgz").dapr_chart.source == "dapr.tgz"
    else:
        assert rule in only_problem(daprChart="dapr.tgz")


@pytest.mark.parametrize("length", [0, 1, 10, 30, 100, 150])
def test_an_archive_that_breaks_off_anywhere_is_none(
    length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("settings.project.ROOT", tmp_path)
    (tmp_path / "dapr").mkdir()
    (tmp_path / "dapr" / "Chart.yaml").write_text(yaml.safe_dump({"name": "dapr", "version": DEFAULT_DAPR_VERSION}))
    with tarfile.open(tmp_path / "dapr.tgz", "w:gz") as archive:
        archive.add(tmp_path / "dapr", arcname="dapr")
    whole = (tmp_path / "dapr.tgz").read_bytes()
    assert length < len(whole)
    (tmp_path / "dapr.tgz").write_bytes(whole[:length])
    assert "is a file that is no chart's archive" in only_problem(daprChart="dapr.tgz")


def test_an_archive_of_something_else_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("settings.project.ROOT", tmp_path)
    (tmp_path / "values.yaml").write_text("a: 1\n")
    with tarfile.open(tmp_path / "dapr.tgz", "w:gz") as archive:
        archive.add(tmp_path / "values.yaml", arcname="dapr/values.yaml")
    assert "is a file that is no chart's archive" in only_problem(daprChart="dapr.tgz")


@pytest.mark.parametrize("place", range(24, 200, 8))
@pytest.mark.parametrize("packed", ["gz", "xz"])
def test_an_archive_that_is_damaged_anywhere_ends_in_no_traceback(
    packed: str, place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("settings.project.ROOT", tmp_path)
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump({"name": "dapr", "version": "1.0.0", "x": "0123456789" * 99}))
    with tarfile.open(tmp_path / "dapr.tgz", f"w:{packed}") as archive:  # type: ignore[call-overload]
        archive.add(tmp_path / "Chart.yaml", arcname="dapr/Chart.yaml")
    whole = (tmp_path / "dapr.tgz").read_bytes()
    (tmp_path / "dapr.tgz").write_bytes(whole[:place] + b"\xff\xff\xff" + whole[place + 3 :])
    assert only_problem(daprChart="dapr.tgz").startswith("dapr-osm:daprChart: ")


@pytest.mark.parametrize("key", ["daprChart", "osmChart", "daprRegistry", "envoyImage", "redisImage"])
@pytest.mark.parametrize("scheme", ["HTTPS://", "ftp://"])
def test_a_password_in_what_only_looks_like_a_url_is_not_shown(key: str, scheme: str) -> None:
    line = only_problem(**{key: f"{scheme}user:hunter2@registry.example/dapr"})
    assert line.startswith(f"dapr-osm:{key} ")
    assert "hunter2" not in line


def test_a_chart_of_a_release_is_looked_for_only_where_there_is_such_a_release() -> None:
    assert only_problem(daprVersion="9.9.9", daprChart="charts/dapr-{version}").startswith("dapr-osm:daprVersion")
    told = [problem.path for problem in refused(daprVersion="9.9.9", osmChart="charts/none").problems]
    assert told == [("daprVersion",), ("osmChart",)], "OSM's depends on no version of Dapr"


def test_a_chart_of_a_registry_is_named_without_its_version() -> None:
    assert list(charts.location("oci://registry.example:5000/charts/dapr")) == []
    assert list(charts.location("oci://registry.example/charts/dapr:1.18.1"))


# --- charts' values ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", OSM_GONE)
@pytest.mark.parametrize("off", [False, None, "", 0])
def test_what_is_off_asks_for_no_api_that_is_gone(path: str, off: Any) -> None:
    values: Any = off
    for part in reversed(path.split(".")):
        values = {part: values}
    assert switched_on(values, OSM_GONE) == {}
    assert parsed(osmValues=values).osm_values == values


@pytest.mark.parametrize("part", ["osm", "smi", "contour"])
def test_every_part_of_osms_chart_may_be_set(part: str) -> None:
    values = {part: {"note": "x"}}
    assert parsed(osmValues=values).osm_values == values


# --- words ------------------------------------------------------------------------------------------------------


def test_words_know_how_they_read_without_what_they_quote() -> None:
    said = Words("holds {port}, which is not a TCP port", port=70000)
    assert said == "holds 70000, which is not a TCP port"
    assert said.masked == "holds [secret], which is not a TCP port"


def test_a_value_that_json_does_not_know_is_shown_as_text() -> None:
    line = str(Problem(path=("apps",), value={"since": date(2026, 1, 2)}, rule="is a date", mend="Quote it."))
    assert line == 'dapr-osm:apps: {"since": "2026-01-02"} is a date. Quote it.'


def test_a_long_value_is_cut_and_a_key_stays_on_one_line() -> None:
    line = str(Problem(path=("apps", "a\nb"), value="x" * 1000, rule="is long", mend="Shorten it."))
    assert len(line) < 300
    assert line.startswith("dapr-osm:apps.a\\nb: ")


def test_only_what_is_near_is_asked_about() -> None:
    assert did_you_mean("stag", ["stage"], "Remove it.") == 'Did you mean "stage"?'
    assert did_you_mean("zzz", ["stage"], "Remove it.") == "Remove it."
    assert did_you_mean(5, ["stage"], "Remove it.") == "Remove it."


def test_pods_have_ports_of_their_own_where_step_6_has() -> None:
    given = parsed()
    assert any_per_pod(given.exclusion_set, egress=given.enable_egress, scope=given.port_scope)


@pytest.mark.parametrize(
    ("name", "near"), [("My_Shop", "my-shop"), ("Shop", "shop"), ("-shop-", "shop"), ("my.shop", "my-shop")]
)
def test_a_name_that_is_nearly_one_is_asked_about(name: str, near: str) -> None:
    assert only_problem(apps={name: SHOP}).endswith(f'Did you mean "{near}"?')
    assert only_problem(appsNamespace=name).endswith(f'Did you mean "{near}"?')


@pytest.mark.parametrize("name", ["", "_", "ü"])
def test_a_name_that_is_none_at_all_is_not(name: str) -> None:
    assert only_problem(appsNamespace=name).endswith("Choose another name.")


@pytest.mark.parametrize(
    ("port", "mend"),
    [("80", "Write it without quotes."), ("1-1024", "list single ports."), (True, "Write whole numbers.")],
)
def test_a_port_that_is_none_is_told_how_to_be_one(port: Any, mend: str) -> None:
    assert only_problem(extraPortExclusions=[port]).endswith(mend)


# --- rules between settings -------------------------------------------------------------------------------------


def test_nothing_is_said_of_what_depends_on_a_value_that_is_wrong_in_part() -> None:
    sysctls = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    pod = {"metadata": {"labels": {"a b": "x"}}, "spec": {"securityContext": {"sysctls": sysctls}}}
    line = only_problem(apps={"shop": {"image": "shop:1", "port": 80, "pod": pod}})
    assert line.startswith("dapr-osm:apps.shop.pod.metadata.labels.a b ")
    values = {"global": {"seccompProfile": "RuntimeDefault"}, "dapr_sidecar_injector": {"sidecarRunAsUser": 1500}}
    labels = {"dapr-system": {"pod-security.kubernetes.io/enforce": "restricted"}}
    line = only_problem(daprValues=values, namespaceLabels=labels)
    assert line.startswith("dapr-osm:daprValues.dapr_sidecar_injector.sidecarRunAsUser: 1500 ")
