from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import settings
from model import helm_values
from model.exclusions import ExclusionSet, PortScope
from model.names import Namespaces
from model.stage import Stage
from model.versions import DAPR_RELEASES, OSM_RELEASE
from settings import KEYS, SECRET_KEYS, Chart, Settings, SettingsError, load, parse

from .config import PASSWORD, only_problem, parsed, refused

KNOWN_RELEASES = f"is not one of {', '.join(DAPR_RELEASES)}"
CREDENTIALS = '{"auths": {"mirror.example": {"auth": "c29tZTpvbmU="}}}'


# --- what is accepted -------------------------------------------------------------------------------------------


def test_a_password_is_all_that_a_stack_must_set() -> None:
    given = parsed()
    assert given.stage is Stage.SMI
    assert given.kube_context is None
    assert given.dapr is DAPR_RELEASES["1.18.2"]
    assert given.dapr_mtls is False
    assert given.namespaces == Namespaces(dapr="dapr-system", osm="osm-system", apps="dapr-test")
    assert list(given.apps) == ["nodeapp", "pythonapp"]
    assert list(given.policies) == ["pythodapp-traffic-target"]
    assert given.enable_egress is True
    assert given.port_scope is PortScope.MESH
    assert given.exclusion_set is ExclusionSet.PAGE
    assert given.exclude_api_server is True
    assert given.password_in_component is False
    assert given.read_all_secrets is False
    assert given.registry_credentials is False
    assert (given.extra_ports, given.extra_ip_ranges) == ((), ())
    assert (given.dapr_values, given.osm_values) == ({}, {})
    assert (given.timeout_seconds, given.verify_seconds) == (300, 120)


@pytest.mark.parametrize("stage", list(Stage))
def test_every_stage_can_be_set(stage: Stage) -> None:
    assert parsed(stage=stage.value).stage is stage


@pytest.mark.parametrize("which", ExclusionSet)
def test_every_set_of_exclusions_can_be_chosen(which: ExclusionSet) -> None:
    assert parsed(exclusions=which.value).exclusion_set is which


@pytest.mark.parametrize("scope", PortScope)
def test_every_port_scope_can_be_set(scope: PortScope) -> None:
    assert parsed(portScope=scope.value).port_scope is scope


@pytest.mark.parametrize("version", list(DAPR_RELEASES))
def test_every_known_dapr_release_can_be_set(version: str) -> None:
    assert parsed(daprVersion=version).dapr.version == version


@pytest.mark.parametrize("source", ["https://charts.example", "http://127.0.0.1:8000/charts"])
def test_a_charts_url_is_its_repository(source: str) -> None:
    chart = parsed(daprChart=source).dapr_chart
    assert chart == Chart(source=source, version="1.18.2")
    assert chart.repository == source


def test_a_chart_in_a_registry_has_no_repository() -> None:
    chart = parsed(osmChart="oci://mirror.example/charts/osm").osm_chart
    assert chart == Chart(source="oci://mirror.example/charts/osm", version=OSM_RELEASE.version)
    assert chart.repository is None


@pytest.mark.parametrize("version", list(DAPR_RELEASES))
@pytest.mark.parametrize(
    "source", ["https://charts.example/{version}", "http://{version}.example", "oci://mirror.example/dapr-{version}"]
)
def test_a_charts_source_may_be_named_by_its_version(source: str, version: str) -> None:
    given = parsed(daprVersion=version, daprChart=source, osmChart=source)
    assert given.dapr_chart == Chart(source=source.replace("{version}", version), version=version)
    assert given.osm_chart == Chart(
        source=source.replace("{version}", OSM_RELEASE.version), version=OSM_RELEASE.version
    ), "OSM's own, whatever Dapr's is"


def test_a_version_is_named_as_often_as_one_likes_and_nothing_else_is_replaced() -> None:
    source = "https://charts.example/{version}/{name}/{version}"
    assert parsed(daprChart=source).dapr_chart.source == "https://charts.example/1.18.2/{name}/1.18.2"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("true", True), ("false", False), ("True", True), ("False", False), (True, True), (False, False)],
)
def test_a_flag_is_true_or_false(given: Any, wanted: bool) -> None:
    assert parsed(readAllSecrets=given).read_all_secrets is wanted


@pytest.mark.parametrize(("given", "wanted"), [("30", 30), ("3600", 3600), (" 45 ", 45), (60, 60)])
def test_seconds_are_numbers_from_30_to_3600(given: Any, wanted: int) -> None:
    assert parsed(timeoutSeconds=given).timeout_seconds == wanted
    assert parsed(verifySeconds=given).verify_seconds == wanted


@pytest.mark.parametrize(
    "name",
    [
        "redis",
        "redis:7.2",
        "registry.example/library/redis:7.2",
        "localhost:5000/redis",
        "localhost:5000/team/redis:7",
        "mirror.example/redis@sha256:" + "0" * 64,
        "mirror.example:5000/redis:7.2@sha256:" + "a" * 64,
    ],
)
def test_an_image_is_named_as_container_clients_name_it(name: str) -> None:
    assert parsed(redisImage=name).images.redis == name


def test_every_image_setting_reaches_its_own_field() -> None:
    found = parsed(
        daprRegistry="r/dapr",
        osmRegistry="r/osm",
        envoyImage="r/envoy:1",
        curlImage="r/curl:1",
        redisImage="r/redis:1",
        nodeAppImage="r/node:1",
        pythonAppImage="r/python:1",
    )
    assert found.images == settings.Images(
        dapr_registry="r/dapr",
        osm_registry="r/osm",
        envoy="r/envoy:1",
        curl="r/curl:1",
        redis="r/redis:1",
    )
    assert (found.apps["nodeapp"].image, found.apps["pythonapp"].image) == ("r/node:1", "r/python:1")


def test_an_image_left_empty_is_the_charts_own() -> None:
    images = parsed(daprRegistry="", osmRegistry="", envoyImage="", curlImage="").images
    assert (images.dapr_registry, images.osm_registry, images.envoy, images.curl) == (None, None, None, None)


def test_further_values_may_come_as_json_or_as_an_object() -> None:
    values = {"global": {"logAsJson": True}, "dapr_sidecar_injector": {"replicaCount": 1}}
    assert parsed(daprValues=json.dumps(values)).dapr_values == values
    assert parsed(daprValues=values).dapr_values == values


def test_a_port_named_twice_is_excluded_once_in_the_order_given() -> None:
    assert parsed(extraPortExclusions="[9090, 1, 65535, 9090]").extra_ports == (9090, 1, 65535)


def test_a_range_named_twice_is_excluded_once() -> None:
    ranges = parsed(extraIpRangeExclusions='["10.0.0.0/8", "192.0.2.7/32", "10.0.0.0/8"]').extra_ip_ranges
    assert ranges == ("10.0.0.0/8", "192.0.2.7/32")


def test_the_api_server_may_stay_in_the_mesh_where_the_component_holds_the_password() -> None:
    given = parsed(excludeApiServer="false", redisPasswordIn="component")
    assert (given.exclude_api_server, given.password_in_component) == (False, True)


def test_the_settings_say_only_whether_there_are_credentials() -> None:
    given = parsed(registryCredentials=CREDENTIALS)
    assert given.registry_credentials is True
    assert "c29tZTpvbmU=" not in repr(given), "Settings are printed and compared; secrets don't belong there"
    assert PASSWORD not in repr(given)


# --- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "rule", "mend"),
    [
        ("stage", "smii", "is not one of dapr, permissive, locked, smi", 'Did you mean "smi"?'),
        ("stage", "42", "is not one of dapr, permissive, locked, smi", "Set one of them."),
        ("stage", "SMI", "is not one of dapr, permissive, locked, smi", "Set one of them."),
        (
            "daprVersion",
            "1.12.0-rc",
            KNOWN_RELEASES,
            'Did you mean "1.12.0"?',
        ),
        (
            "daprVersion",
            "v1.12.0",
            KNOWN_RELEASES,
            'Did you mean "1.12.0"?',
        ),
        (
            "daprVersion",
            "1.18",
            KNOWN_RELEASES,
            'Did you mean "1.18.2"?',
        ),
        # As a number of two parts, of which several releases are as near.
        ("daprVersion", "1.12", KNOWN_RELEASES, 'Did you mean "1.12.0"?'),
        ("daprVersion", "1.16", KNOWN_RELEASES, 'Did you mean "1.16.0"?'),
        ("daprVersion", "1.17.1", KNOWN_RELEASES, 'Did you mean "1.17.5"?'),
        ("daprVersion", "latest", KNOWN_RELEASES, "Set one of them."),
        ("portScope", "pods", "is not one of mesh, pod", 'Did you mean "pod"?'),
        ("exclusions", "minimum", "is not one of page, minimal", 'Did you mean "minimal"?'),
        ("redisPasswordIn", "secrets", "is not one of secret, component", 'Did you mean "secret"?'),
        ("readAllSecrets", "yes", "is not one of true, false", "Set one of them."),
        ("readAllSecrets", "TRUE", "is not one of true, false", "Set one of them."),
        ("timeoutSeconds", "29", "is not a number of seconds from 30 to 3600", "Set for example 30."),
        ("timeoutSeconds", "3601", "is not a number of seconds from 30 to 3600", "Set for example 30."),
        ("verifySeconds", "2m", "is not a number of seconds from 30 to 3600", "Did you mean 120?"),
        ("verifySeconds", "1h", "is not a number of seconds from 30 to 3600", "Did you mean 3600?"),
        ("verifySeconds", "2h", "is not a number of seconds from 30 to 3600", "Set for example 30."),
        ("verifySeconds", "", "is not a number of seconds from 30 to 3600", "Set for example 30."),
        ("verifySeconds", "-60", "is not a number of seconds from 30 to 3600", "Set for example 30."),
        ("verifySeconds", "60.5", "is not a number of seconds from 30 to 3600", "Set for example 30."),
        ("redisImage", "redis 7", "is not an image name", "Write it as registry/name:tag."),
        ("redisImage", "redis:", "is not an image name", "Write it as registry/name:tag."),
        ("redisImage", "redis@sha256:12", "is not an image name", "Write it as registry/name:tag."),
        ("nodeAppImage", "https://ghcr.example/node", "is not an image name", "Write it as registry/name:tag."),
        ("pythonAppImage", "$(id)", "is not an image name", "Write it as registry/name:tag."),
        ("envoyImage", "a;b", "is not an image name", "Write it as registry/name:tag."),
        ("curlImage", "a b", "is not an image name", "Write it as registry/name:tag."),
        ("daprRegistry", "a b", "is not the beginning of an image name", "without https:// and without a tag."),
        ("osmRegistry", "https://x/y", "is not the beginning of an image name", "without https:// and without a tag."),
        ("daprValues", "[]", "is not an object of Helm values", "Set it in the stack file, as YAML."),
        ("osmValues", "a: b", "is not an object of Helm values", "Set it in the stack file, as YAML."),
        ("extraPortExclusions", "80", "is not a list of TCP ports", "Set it in the stack file, as YAML."),
        ("extraPortExclusions", "80,443", "is not a list of TCP ports", "Set it in the stack file, as YAML."),
        ("extraIpRangeExclusions", "{}", "is not a list of IPv4 CIDRs", "Set it in the stack file, as YAML."),
    ],
)
def test_a_bad_value_is_named_with_key_value_rule_and_mend(key: str, value: str, rule: str, mend: str) -> None:
    line = only_problem(**{key: value})
    shown = json.loads(value) if key.startswith("extra") and value in ("80", "{}") else value
    shown = [] if value == "[]" else shown
    assert line.startswith(f"dapr-osm:{key}: {json.dumps(shown)} "), line
    assert rule in line
    assert line.endswith(mend), line


@pytest.mark.parametrize("value", ["yes", "", "1", "falsch"])
def test_a_flag_that_is_neither_true_nor_false_is_one_problem(value: str) -> None:
    line = only_problem(excludeApiServer=value)
    assert line.startswith(f'dapr-osm:excludeApiServer: "{value}" is not one of true, false. ')


@pytest.mark.parametrize("key", ["redisImage", "nodeAppImage", "pythonAppImage"])
def test_an_image_without_a_charts_default_may_not_be_empty(key: str) -> None:
    line = only_problem(**{key: ""})
    assert line.startswith(f"dapr-osm:{key}")


@pytest.mark.parametrize(
    ("port", "shown"),
    [(0, "0"), (65536, "65536"), (-1, "-1"), (True, "true"), ("80", '"80"'), (80.5, "80.5"), (None, "null")],
)
def test_what_is_no_tcp_port_is_refused(port: Any, shown: str) -> None:
    line = only_problem(extraPortExclusions=[port])
    assert line.startswith(f"dapr-osm:extraPortExclusions holds {shown}, which is not a TCP port (1-65535)"), line


def test_the_port_of_calls_between_sidecars_may_not_be_excluded() -> None:
    line = only_problem(extraPortExclusions="[50002]")
    assert "holds 50002" in line
    assert "bypass the mesh" in line, "the reason belongs into the error"


@pytest.mark.parametrize("cidr", ["10.0.0.1", "192.0.2.7"])
def test_an_address_without_a_prefix_is_asked_about(cidr: str) -> None:
    assert only_problem(extraIpRangeExclusions=[cidr]).endswith(f'Did you mean "{cidr}/32"?')


@pytest.mark.parametrize(
    ("cidr", "says"),
    [
        ("0.0.0.0/0", "which is every address. Nothing would be left in the mesh."),
        ("192.0.2.0/0", "which is not an IPv4 CIDR"),
        ("10.0.0.1/8", "10.0.0.1/8 has host bits set"),
        ("10.0.0.0/33", "which is not an IPv4 CIDR"),
        ("fd00::/8", "which is not an IPv4 CIDR"),
        ("::1", "which is not an IPv4 CIDR"),
        ("999.0.0.0/8", "which is not an IPv4 CIDR"),
        ("", "which is not an IPv4 CIDR"),
        (None, "which is not an IPv4 CIDR"),
        (["10.0.0.0/8"], "which is not an IPv4 CIDR"),
    ],
)
def test_what_is_no_usable_ipv4_cidr_is_refused(cidr: Any, says: str) -> None:
    line = only_problem(extraIpRangeExclusions=[cidr])
    assert line.startswith(f"dapr-osm:extraIpRangeExclusions holds {json.dumps(cidr)}")
    assert says in line


@pytest.mark.parametrize("number", [10, True])
def test_a_number_is_never_taken_for_an_address(number: int) -> None:
    line = only_problem(extraIpRangeExclusions=[number])
    assert "Did you mean" not in line, f"{number}/32 is no CIDR either, so it is no mend"


@given(st.lists(st.one_of(st.integers(), st.booleans(), st.text(), st.none(), st.floats(allow_nan=False)), max_size=6))
def test_ports_are_accepted_exactly_when_all_of_them_are_tcp_ports(ports: list[Any]) -> None:
    fine = all(type(port) is int and 1 <= port <= 65535 and port != 50002 for port in ports)
    if fine:
        assert parsed(extraPortExclusions=ports).extra_ports == tuple(dict.fromkeys(ports))
    else:
        refused(extraPortExclusions=ports)


@given(st.ip_addresses(v=4), st.integers(min_value=1, max_value=32))
def test_an_ipv4_network_is_accepted_as_it_is_written(address: Any, prefix: int) -> None:
    network = ipaddress.IPv4Network((address, prefix), strict=False)
    assert parsed(extraIpRangeExclusions=[str(network)]).extra_ip_ranges == (str(network),)


def test_the_api_server_stays_excluded_while_a_secret_holds_the_password() -> None:
    line = only_problem(excludeApiServer="false")
    assert line.startswith("dapr-osm:excludeApiServer: false may be false only where Redis's password stands")
    assert "Set dapr-osm:redisPasswordIn to component as well" in line


@pytest.mark.parametrize(
    ("key", "near"),
    [("stages", "stage"), ("redisPasword", "redisPassword"), ("timeoutSecond", "timeoutSeconds"), ("Stage", "stage")],
)
def test_a_misspelt_key_is_asked_about(key: str, near: str) -> None:
    line = only_problem(**{key: "anything"})
    assert line == f"dapr-osm:{key} is not a setting of this project. Did you mean dapr-osm:{near}?"


def test_a_key_like_no_other_is_to_be_removed() -> None:
    line = only_problem(zzz="1")
    assert line == "dapr-osm:zzz is not a setting of this project. Remove it; docs/settings.md lists the settings."


def test_the_value_of_a_misspelt_key_is_not_shown() -> None:
    assert "hunter2" not in str(refused(redisPasword="hunter2")), "it may be a secret under a wrong name"


def test_all_problems_are_reported_at_once() -> None:
    bad = {
        "stage": "x",
        "daprVersion": "0",
        "redisPassword": "",
        "redisPasswordIn": "nowhere",
        "daprChart": "no/such/path",
        "osmChart": "",
        "daprValues": '{"global": {"tag": "1"}}',
        "osmValues": "[]",
        "daprMtls": "perhaps",
        "daprNamespace": "Dapr",
        "apps": "[]",
        "policies": "1",
        "enableEgress": "maybe",
        "redisImage": "a b",
        "registryCredentials": "{}",
        "portScope": "both",
        "exclusions": "none",
        "extraPortExclusions": "[0]",
        "extraIpRangeExclusions": '["x"]',
        "readAllSecrets": "maybe",
        "timeoutSeconds": "1",
        "verifySeconds": "never",
        "unknown": "1",
    }
    error = refused(**bad)
    assert {problem.key for problem in error.problems} == set(bad)
    lines = str(error).splitlines()
    assert lines[0] == "the stack's config can't be used:"
    assert len(lines) == 1 + len(error.problems), "a line each"


# --- charts' values ---------------------------------------------------------------------------------------------


def nested(path: str, value: Any) -> dict[str, Any]:
    for part in reversed(path.split(".")):
        value = {part: value}
    result: dict[str, Any] = value
    return result


PROTECTED = [("daprValues", path) for path in helm_values.DAPR_PROTECTED] + [
    ("osmValues", path) for path in helm_values.OSM_PROTECTED
]


@pytest.mark.parametrize(("key", "path"), PROTECTED)
def test_what_the_mesh_depends_on_may_not_be_overridden(key: str, path: str) -> None:
    line = only_problem(**{key: nested(path, "anything")})
    assert line.startswith(f"dapr-osm:{key} may not set {path}: ")
    assert line.endswith(f"Remove {path} from it.")


@pytest.mark.parametrize("branch", [None, "text", 1, False, []])
@pytest.mark.parametrize(
    ("key", "root", "protected"),
    [
        ("daprValues", "global", helm_values.DAPR_PROTECTED),
        ("daprValues", "dapr_operator", helm_values.DAPR_PROTECTED),
        ("osmValues", "osm", helm_values.OSM_PROTECTED),
    ],
)
def test_replacing_a_whole_branch_overrides_everything_under_it(
    key: str, root: str, protected: dict[str, str], branch: Any
) -> None:
    error = refused(**{key: {root: branch}})
    under = [path for path in protected if path.startswith(f"{root}.")]
    assert under
    assert {problem.mend for problem in error.problems} == {f"Remove {path} from it." for path in under}


def test_values_beside_the_protected_ones_are_free() -> None:
    dapr = {"global": {"mtls": {"workloadCertTTL": "24h"}, "ha": {"enabled": False}}}
    osm = {"osm": {"image": {"tag": "1.2.4"}, "osmController": {"replicaCount": 1}}}
    given = parsed(daprValues=dapr, osmValues=osm)
    assert (given.dapr_values, given.osm_values) == (dapr, osm)


# --- charts on disk ---------------------------------------------------------------------------------------------

MakeChart = Callable[[str | None], str]


@pytest.fixture
def chart_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeChart:
    """Makes a chart folder in a project of this test's own; gives its path relative to it."""
    monkeypatch.setattr("settings.project.ROOT", tmp_path)

    def make(content: str | None) -> str:
        folder = tmp_path / "charts" / "some"
        folder.mkdir(parents=True)
        if content is not None:
            (folder / "Chart.yaml").write_text(content)
        return "charts/some"

    return make


def with_chart(source: str) -> Settings:
    # Defaults are passed along, since the project's own file is not beside the test's charts.
    return parse({"redisPassword": PASSWORD, "daprVersion": "1.12.0", "daprChart": source})


def test_a_chart_folder_of_the_right_version_is_used_by_its_path(chart_folder: MakeChart) -> None:
    source = chart_folder("name: dapr\nversion: 1.12.0\n")
    chart = with_chart(source).dapr_chart
    assert chart == Chart(source=source, version="1.12.0")
    assert chart.repository is None


@pytest.mark.parametrize("version", list(DAPR_RELEASES))
def test_a_chart_folder_may_be_named_by_its_version(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("settings.project.ROOT", tmp_path)
    for found in DAPR_RELEASES:
        (tmp_path / f"dapr-{found}").mkdir()
        (tmp_path / f"dapr-{found}" / "Chart.yaml").write_text(f"name: dapr\nversion: {found}\n")
    raw = {"redisPassword": PASSWORD, "daprVersion": version, "daprChart": "dapr-{version}"}
    assert parse(raw).dapr_chart == Chart(source=f"dapr-{version}", version=version)


def test_a_chart_of_a_version_that_is_not_there_is_refused_by_the_path_that_was_looked_for() -> None:
    line = only_problem(daprVersion="1.18.2", daprChart="charts/dapr-{version}")
    assert line.startswith("dapr-osm:daprChart")
    assert line.endswith("there is no charts/dapr-1.18.2.")


def test_a_chart_folder_of_one_release_is_refused_for_another(chart_folder: MakeChart) -> None:
    source = chart_folder("name: dapr\nversion: 1.12.0\n")
    with pytest.raises(SettingsError, match=r"holds version 1\.12\.0, not 1\.18\.2\. Point it at a chart of 1\.18\.2"):
        parse({"redisPassword": PASSWORD, "daprVersion": "1.18.2", "daprChart": source})


def test_a_chart_folder_of_another_version_is_refused(chart_folder: MakeChart) -> None:
    source = chart_folder("name: dapr\nversion: 1.13.0\n")
    with pytest.raises(SettingsError, match=r'daprChart: "charts/some" holds version 1\.13\.0, not 1\.12\.0\. Point'):
        with_chart(source)


@pytest.mark.parametrize("content", ["", "just text", "- a list", "a: [unclosed", "name: dapr"])
def test_a_chart_folder_that_says_no_version_is_refused(chart_folder: MakeChart, content: str) -> None:
    source = chart_folder(content)
    with pytest.raises(SettingsError, match="daprChart"):
        with_chart(source)


def test_a_folder_that_is_no_chart_is_refused(chart_folder: MakeChart) -> None:
    source = chart_folder(None)
    with pytest.raises(SettingsError, match="daprChart"):
        with_chart(source)


def test_a_chart_path_that_does_not_exist_is_refused() -> None:
    line = only_problem(daprChart="charts/none")
    assert line.startswith('dapr-osm:daprChart: "charts/none" is neither a URL (https://, http://, oci://) nor')
    assert line.endswith("there is no charts/none.")


@pytest.mark.parametrize("key", ["daprChart", "osmChart"])
@pytest.mark.parametrize("source", ["/", "/srv/charts/none"])
def test_a_chart_of_an_absolute_path_is_refused(key: str, source: str) -> None:
    line = only_problem(**{key: source})
    assert line == f'dapr-osm:{key}: "{source}" is an absolute path. Write it relative to the project.'


def test_an_absolute_path_is_refused_of_a_fine_chart_too(chart_folder: MakeChart, tmp_path: Path) -> None:
    source = tmp_path / chart_folder("name: dapr\nversion: 1.12.0\n")
    with pytest.raises(SettingsError) as caught:
        with_chart(str(source))
    (problem,) = caught.value.problems
    assert (problem.key, problem.rule) == ("daprChart", "is an absolute path"), "the state would name this folder"


def test_no_chart_at_all_is_refused() -> None:
    assert "dapr-osm:osmChart" in only_problem(osmChart="")


# --- secrets ----------------------------------------------------------------------------------------------------


def test_a_stack_without_a_password_is_told_how_to_set_one() -> None:
    with pytest.raises(SettingsError, match="is not set. Run `pulumi config set --secret dapr-osm:redisPassword`"):
        parse({})


@pytest.mark.parametrize("password", ["two\nlines", "nul\x00", "bell\x07", "\x7f", "line\u2028separator"])
def test_a_password_that_cannot_be_printed_is_refused_without_being_shown(password: str) -> None:
    error = refused(redisPassword=password)
    assert [problem.key for problem in error.problems] == ["redisPassword"]
    assert password not in str(error)


@pytest.mark.parametrize(
    "credentials", ["plain", "[]", "5", "null", '"text"', "{}", '{"auths": []}', '{"auths": null}']
)
def test_credentials_that_are_no_client_config_are_refused_without_being_shown(credentials: str) -> None:
    error = refused(registryCredentials=credentials)
    assert [problem.key for problem in error.problems] == ["registryCredentials"]
    assert error.problems[0].value is None


# A mark around each secret, so that a short one is not found in the errors' own words.
secret_values = st.text(max_size=30).map(lambda text: f"qZ7{text}7Zq")


@given(
    password=secret_values,
    credentials=secret_values,
    others=st.fixed_dictionaries(
        {},
        optional={key: st.text(max_size=8) for key in KEYS if key not in SECRET_KEYS and not key.endswith("Chart")},
    ),
    typo=st.booleans(),
)
@example(password="qZ7\n7Zq", credentials="qZ7", others={"stage": "x"}, typo=True)
def test_no_error_ever_shows_a_secret(password: str, credentials: str, others: dict[str, str], typo: bool) -> None:
    raw = {"redisPassword": password, "registryCredentials": credentials, **others}
    if typo:
        raw["redisPasswd"] = password
    with pytest.raises(SettingsError) as caught:  # these credentials never parse
        parse(raw)
    for shown in (str(caught.value), repr(caught.value), *(repr(problem) for problem in caught.value.problems)):
        for secret in (password, credentials):
            assert secret not in shown
            assert json.dumps(secret)[1:-1] not in shown, "not escaped either"


def test_a_secret_in_the_clear_is_refused_without_being_shown() -> None:
    config = {"dapr-osm:redisPassword": PASSWORD, "dapr-osm:registryCredentials": CREDENTIALS}
    with pytest.raises(SettingsError) as caught:
        load(config, lambda key: False)
    assert [problem.key for problem in caught.value.problems] == ["redisPassword", "registryCredentials"]
    assert PASSWORD not in str(caught.value)
    assert "c29tZTpvbmU=" not in str(caught.value)
    assert "pulumi config set --secret dapr-osm:redisPassword" in str(caught.value)


def test_a_secret_in_the_clear_is_told_together_with_all_else() -> None:
    config = {
        "dapr-osm:redisPassword": PASSWORD,
        "dapr-osm:registryCredentials": "plain",
        "dapr-osm:stage": "smii",
        "dapr-osm:unknown": "1",
    }
    with pytest.raises(SettingsError) as caught:
        load(config, lambda key: False)
    told = sorted((problem.key, problem.rule.split()[0]) for problem in caught.value.problems)
    assert told == [
        ("redisPassword", "stands"),
        ("registryCredentials", "is"),
        ("registryCredentials", "stands"),
        ("stage", "is"),
        ("unknown", "is"),
    ]
    assert PASSWORD not in str(caught.value)
    assert "plain" not in str(caught.value)


@pytest.mark.parametrize("key", ["redisPassword", "registryCredentials"])
def test_whoever_knows_what_is_in_the_clear_may_say_so(key: str) -> None:
    raw = {"redisPassword": PASSWORD, "registryCredentials": CREDENTIALS}
    assert parse(raw).registry_credentials is True
    with pytest.raises(SettingsError) as caught:
        parse(raw, secret=set(SECRET_KEYS) - {key})
    (problem,) = caught.value.problems
    assert str(problem) == (
        f"dapr-osm:{key} stands in the stack file in the clear. "
        f"Run `pulumi config set --secret dapr-osm:{key}` again; without --secret it is readable."
    )


def test_only_the_secret_that_is_in_the_clear_is_refused() -> None:
    config = {"dapr-osm:redisPassword": PASSWORD, "dapr-osm:registryCredentials": CREDENTIALS}
    with pytest.raises(SettingsError) as caught:
        load(config, lambda key: key == "dapr-osm:redisPassword")
    assert [problem.key for problem in caught.value.problems] == ["registryCredentials"]


def test_an_encrypted_secret_is_accepted() -> None:
    asked: list[str] = []

    def is_secret(key: str) -> bool:
        asked.append(key)
        return True

    assert load({"dapr-osm:redisPassword": PASSWORD}, is_secret).stage is Stage.SMI
    assert asked == ["dapr-osm:redisPassword"], "keys are asked for with their namespace"


def test_other_projects_and_providers_config_is_none_of_ours() -> None:
    config = {"dapr-osm:redisPassword": PASSWORD, "kubernetes:context": "x", "other:stage": "nonsense"}
    assert load(config, lambda key: True).stage is Stage.SMI


def test_empty_credentials_need_no_encryption() -> None:
    config = {"dapr-osm:redisPassword": PASSWORD, "dapr-osm:registryCredentials": ""}
    assert load(config, lambda key: key == "dapr-osm:redisPassword").registry_credentials is False


@pytest.mark.parametrize("name", ["\ud800", "a\nb", "a\u202eb", "\u0000"])
def test_whatever_is_quoted_a_problem_is_one_line_that_can_be_written_anywhere(name: str) -> None:
    line = only_problem(apps={name: {"image": "i"}})
    assert line.isprintable()
    assert line.encode()
