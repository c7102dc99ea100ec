from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import helm_values, names
from model.versions import DAPR_RELEASES, DEFAULT_DAPR_VERSION

RELEASE = DAPR_RELEASES[DEFAULT_DAPR_VERSION]

trees = st.recursive(
    st.one_of(st.integers(), st.text(max_size=3), st.booleans(), st.none(), st.lists(st.integers(), max_size=2)),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=12,
)
values = st.dictionaries(st.sampled_from(["a", "b", "c"]), trees, max_size=3)


def lookup(tree: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        if not isinstance(tree, dict) or part not in tree:
            return ...
        tree = tree[part]
    return tree


def scalars(tree: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    if not isinstance(tree, dict):
        return {path: tree}
    return {p: v for key, inner in tree.items() for p, v in scalars(inner, (*path, key)).items()}


def test_values_are_merged_at_any_depth() -> None:
    base = {"osm": {"image": {"registry": "r"}, "meshName": "osm"}, "list": [1, 2]}
    over = {"osm": {"image": {"tag": "t"}}, "list": [3], "more": 1}
    assert helm_values.merged(base, over) == {
        "osm": {"image": {"registry": "r", "tag": "t"}, "meshName": "osm"},
        "list": [3],
        "more": 1,
    }


@given(values, values)
def test_merging_changes_neither_side(base: dict[str, Any], over: dict[str, Any]) -> None:
    before = copy.deepcopy((base, over))
    helm_values.merged(base, over)
    assert (base, over) == before


@given(values, values)
def test_everything_of_the_second_side_is_in_the_result(base: dict[str, Any], over: dict[str, Any]) -> None:
    result = helm_values.merged(base, over)
    for path, value in scalars(over).items():
        assert lookup(result, path) == value


@given(values, values)
def test_what_only_the_first_side_says_survives(base: dict[str, Any], over: dict[str, Any]) -> None:
    result = helm_values.merged(base, over)
    for path, value in scalars(base).items():
        if all(isinstance(lookup(over, path[:depth]), dict) for depth in range(len(path))) and (
            lookup(over, path) is ...
        ):
            assert lookup(result, path) == value


@given(values)
def test_merging_with_nothing_changes_nothing(tree: dict[str, Any]) -> None:
    assert helm_values.merged(tree, {}) == helm_values.merged({}, tree) == tree


# --- protected keys ---------------------------------------------------------------------------------------------

PROTECTED = {"a.b.c": "reason"}


@pytest.mark.parametrize(
    "values",
    [
        {"a": {"b": {"c": 1}}},
        {"a": {"b": {"c": None}}},
        {"a": {"b": {"c": {"deeper": 1}}}},
        {"a": {"b": None}},
        {"a": {"b": "text"}},
        {"a": None},
        {"a": []},
        {"a": 0},
    ],
)
def test_a_value_at_or_above_a_protected_key_overrides_it(values: dict[str, Any]) -> None:
    assert helm_values.overridden(values, PROTECTED) == PROTECTED


@pytest.mark.parametrize(
    "values",
    [{}, {"a": {}}, {"a": {"b": {}}}, {"a": {"b": {"d": 1}}}, {"b": {"c": 1}}, {"a.b.c": 1}, {"a": {"c": {"b": 1}}}],
)
def test_a_value_beside_a_protected_key_leaves_it_alone(values: dict[str, Any]) -> None:
    assert helm_values.overridden(values, PROTECTED) == {}


@given(values, st.sampled_from(["a.b", "a.b.c", "b", "c.a"]))
def test_what_is_not_overridden_keeps_its_value(further: dict[str, Any], path: str) -> None:
    parts = tuple(path.split("."))
    base: Any = "ours"
    for part in reversed(parts):
        base = {part: base}
    if not helm_values.overridden(further, {path: "reason"}):
        assert lookup(helm_values.merged(base, further), parts) == "ours"


def test_what_the_mesh_depends_on_is_protected_and_nothing_else() -> None:
    assert set(helm_values.DAPR_PROTECTED) == {
        "global.mtls.enabled",
        "global.mtls.sentryAddress",
        "global.tag",
        "global.registry",
        "global.imagePullSecrets",
        "global.actors.enabled",
        "global.actors.serviceName",
        "global.scheduler.enabled",
        "global.rbac.namespaced",
        "dapr_operator.watchNamespace",
        "dapr_sidecar_injector.nativeSidecar",
        "dapr_operator.serviceReconciler.enabled",
    }
    assert set(helm_values.OSM_PROTECTED) == {
        "osm.meshName",
        "osm.osmNamespace",
        "osm.image.registry",
        "osm.sidecarImage",
        "osm.curlImage",
        "osm.imagePullSecrets",
        "osm.enablePermissiveTrafficPolicy",
        "osm.enableEgress",
        "osm.outboundIPRangeExclusionList",
        "osm.outboundPortExclusionList",
        "osm.outboundIPRangeInclusionList",
        "osm.networkInterfaceExclusionList",
        "osm.enableReconciler",
        "osm.trustDomain",
        "osm.webhookConfigNamePrefix",
        "osm.caBundleSecretName",
    }
    assert set(helm_values.OSM_GONE) == {
        "osm.osmController.enablePodDisruptionBudget",
        "osm.injector.enablePodDisruptionBudget",
        "osm.osmController.autoScale.enable",
        "osm.injector.autoScale.enable",
    }


@pytest.mark.parametrize("protected", [helm_values.DAPR_PROTECTED, helm_values.OSM_PROTECTED])
def test_every_protected_key_has_a_reason(protected: dict[str, str]) -> None:
    assert all(len(reason) > 20 for reason in protected.values())


def paths(tree: dict[str, Any]) -> set[str]:
    return {".".join(path) for path in scalars(tree)}


def test_every_value_that_this_program_sets_is_protected() -> None:
    for release in DAPR_RELEASES.values():
        dapr = helm_values.dapr(release=release, mtls=True, registry="r", pull_secret="s", further={})
        # The size of volumes is the cluster's owner's to choose, and so is who reads the Secrets of `default`.
        free = {"dapr_scheduler.cluster.storageSize", "dapr_rbac.secretReader.enabled"}
        assert paths(dapr) - free <= set(helm_values.DAPR_PROTECTED)
    osm = helm_values.osm(registry="r", envoy_image="e", curl_image="c", pull_secret="s", further={})
    assert paths(osm) <= set(helm_values.OSM_PROTECTED)


# --- both charts ------------------------------------------------------------------------------------------------


def plain(version: str, *, mtls: bool = False, further: dict[str, Any] | None = None) -> helm_values.Values:
    return helm_values.dapr(
        release=DAPR_RELEASES[version], mtls=mtls, registry=None, pull_secret=None, further=further or {}
    )


SCHEDULER = {"dapr_scheduler": {"cluster": {"storageSize": "16Gi"}}}
NO_READER = {"dapr_rbac": {"secretReader": {"enabled": False}}}


@pytest.mark.parametrize("version", ["1.12.0", "1.18.2"])
def test_daprs_mtls_is_off_and_nothing_else_is_said_by_default(version: str) -> None:
    scheduler = SCHEDULER if DAPR_RELEASES[version].scheduler else {}
    assert plain(version) == {"global": {"mtls": {"enabled": False}, "tag": version}, **NO_READER, **scheduler}


def test_nobody_gets_to_read_the_secrets_of_a_foreign_namespace_unless_a_stack_says_so() -> None:
    for version in DAPR_RELEASES:
        assert plain(version)["dapr_rbac"] == {"secretReader": {"enabled": False}}
    assert plain("1.18.2", further={"dapr_rbac": {"secretReader": {"enabled": True}}})["dapr_rbac"] == {
        "secretReader": {"enabled": True}
    }


@pytest.mark.parametrize("part", ["dapr_rbac", "dapr_scheduler", "dapr_operator"])
def test_a_part_of_which_nothing_is_said_takes_nothing_away(part: str) -> None:
    assert plain("1.17.5", further={part: None}) == plain("1.17.5")


def test_the_schedulers_volumes_have_one_size_for_all_releases_unless_a_stack_says_another() -> None:
    further = {"dapr_scheduler": {"cluster": {"storageSize": "1Gi"}}}
    assert helm_values.overridden(further, helm_values.DAPR_PROTECTED) == {}
    assert plain("1.16.0", further=further)["dapr_scheduler"] == further["dapr_scheduler"]


@pytest.mark.parametrize("version", ["1.16.0", "1.17.5"])
def test_where_the_services_are_this_stacks_daprs_operator_leaves_them_alone(version: str) -> None:
    assert plain(version) == {
        "global": {"mtls": {"enabled": False}, "tag": version},
        "dapr_operator": {"serviceReconciler": {"enabled": False}},
        **NO_READER,
        **SCHEDULER,
    }


def test_the_operators_other_values_are_free_beside_its_reconciler() -> None:
    further = {"dapr_operator": {"replicaCount": 2, "serviceReconciler": {"resources": {}}}}
    assert helm_values.overridden(further, helm_values.DAPR_PROTECTED) == {}
    assert plain("1.16.0", further=further)["dapr_operator"] == {
        "replicaCount": 2,
        "serviceReconciler": {"enabled": False, "resources": {}},
    }


@pytest.mark.parametrize("version", DAPR_RELEASES)
def test_a_release_that_is_asked_for_its_values_twice_says_the_same(version: str) -> None:
    plain(version)["global"].clear()
    plain(version).get("dapr_operator", {}).clear()
    assert plain(version)["global"]["tag"] == version
    assert ("dapr_operator" in plain(version)) is DAPR_RELEASES[version].route.own_services


def test_daprs_own_mtls_is_on_where_the_stack_says_so() -> None:
    assert plain("1.16.0", mtls=True)["global"]["mtls"] == {"enabled": True}


# --- the scheduler's storage ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("further", "in_memory", "storage_class"),
    [
        ({}, False, ""),
        ({"dapr_scheduler": {}}, False, ""),
        ({"dapr_scheduler": None}, False, ""),
        ({"dapr_scheduler": "text"}, False, ""),
        ({"dapr_scheduler": {"cluster": None}}, False, ""),
        ({"dapr_scheduler": {"cluster": []}}, False, ""),
        ({"dapr_scheduler": {"cluster": {"inMemoryStorage": True}}}, True, ""),
        ({"dapr_scheduler": {"cluster": {"inMemoryStorage": False}}}, False, ""),
        ({"dapr_scheduler": {"cluster": {"inMemoryStorage": "true"}}}, False, ""),
        ({"dapr_scheduler": {"cluster": {"storageClassName": "fast"}}}, False, "fast"),
        ({"dapr_scheduler": {"cluster": {"storageClassName": None}}}, False, ""),
        ({"cluster": {"inMemoryStorage": True, "storageClassName": "fast"}}, False, ""),
    ],
)
def test_where_the_scheduler_keeps_its_jobs_is_what_the_stacks_values_say(
    further: dict[str, Any], in_memory: bool, storage_class: str
) -> None:
    assert helm_values.scheduler_storage(further) == helm_values.SchedulerStorage(
        in_memory=in_memory, storage_class=storage_class
    )


@given(values)
def test_no_values_make_the_question_for_the_schedulers_storage_fail(further: dict[str, Any]) -> None:
    for tree in (further, {"dapr_scheduler": further}, {"dapr_scheduler": {"cluster": further}}):
        assert helm_values.scheduler_storage(tree) == helm_values.SchedulerStorage(in_memory=False, storage_class="")


def test_daprs_registry_and_pull_secret_are_said_where_given() -> None:
    values = helm_values.dapr(
        release=RELEASE,
        mtls=False,
        registry="mirror.example/dapr",
        pull_secret=names.REGISTRY_CREDENTIALS,
        further={"global": {"logAsJson": True}},
    )
    assert values["global"] == {
        "mtls": {"enabled": False},
        "tag": "1.18.2",
        "registry": "mirror.example/dapr",
        # Source: Dapr's chart takes one name, or a list of them.
        "imagePullSecrets": "registry-credentials",
        "logAsJson": True,
    }


def test_a_new_mesh_is_closed_until_something_opens_it() -> None:
    values = helm_values.osm(registry=None, envoy_image=None, curl_image=None, pull_secret=None, further={})
    assert values == {"osm": {"meshName": "osm", "enablePermissiveTrafficPolicy": False}}


def test_osms_images_and_pull_secret_are_said_where_given() -> None:
    values = helm_values.osm(
        registry="mirror.example/osm",
        envoy_image="mirror.example/envoy:1",
        curl_image="mirror.example/curl:1",
        pull_secret=names.REGISTRY_CREDENTIALS,
        further={"osm": {"image": {"tag": "1.2.4"}}},
    )
    assert values["osm"] == {
        "meshName": "osm",
        "enablePermissiveTrafficPolicy": False,
        "image": {"registry": "mirror.example/osm", "tag": "1.2.4"},
        "sidecarImage": "mirror.example/envoy:1",
        "curlImage": "mirror.example/curl:1",
        "imagePullSecrets": [{"name": "registry-credentials"}],
    }


@given(values)
def test_no_values_that_pass_the_check_change_daprs_mtls(further: dict[str, Any]) -> None:
    tree = {"global": {"mtls": further, "other": further}}
    if not helm_values.overridden(tree, helm_values.DAPR_PROTECTED):
        for mtls in (True, False):
            result = plain(DEFAULT_DAPR_VERSION, mtls=mtls, further=tree)
            assert result["global"]["mtls"]["enabled"] is mtls
