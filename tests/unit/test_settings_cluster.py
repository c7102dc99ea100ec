"""Settings about the cluster and who shares it: contexts, namespaces, CRDs, protection, releases nobody tried."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from model.verify_level import VerifyLevel
from model.versions import DAPR_RELEASES, DEFAULT_DAPR_VERSION
from settings import SECRET_KEYS, SettingsError, load, parse

from .bad_inputs import NEWEST, newer
from .config import PASSWORD, only_problem, parsed, refused

SHOP = {"image": "i", "port": 8080}


# --- contexts ---------------------------------------------------------------------------------------------------


def context(ours: str = "", providers: str | None = None, **provider: str) -> str | None:
    given = provider | ({} if providers is None else {"context": providers})
    return parse({"redisPassword": PASSWORD, "kubeContext": ours}, provider=given).kube_context


def test_the_providers_context_counts_like_ours() -> None:
    assert context(ours="lab") == "lab"
    assert context(providers="lab") == "lab"
    assert context(ours="lab", providers="lab") == "lab"
    assert context() is None
    assert context(providers="") is None


def test_two_contexts_are_refused_with_both_named() -> None:
    with pytest.raises(SettingsError) as caught:
        context(ours="lab", providers="prod")
    (problem,) = caught.value.problems
    assert str(problem) == (
        'dapr-osm:kubeContext: "lab" is not what kubernetes:context says: prod. '
        "Remove one of them: kubernetes:context is honoured like dapr-osm:kubeContext."
    )


def test_a_kubeconfig_in_the_config_is_refused_without_being_shown() -> None:
    kubeconfig = "apiVersion: v1\nusers: [{name: me, user: {token: hunter2}}]"
    config = {"dapr-osm:redisPassword": PASSWORD, "kubernetes:kubeconfig": kubeconfig}
    with pytest.raises(SettingsError) as caught:
        load(config, lambda key: True)
    (problem,) = caught.value.problems
    assert str(problem) == (
        "kubernetes:kubeconfig would be seen by a part of this program only. "
        "Remove it and set KUBECONFIG to a file, in the environment or by environmentVariables of ESC."
    )


def test_what_else_the_provider_is_told_is_no_business_of_ours() -> None:
    assert context(namespace="x", enableServerSideApply="true") is None


# --- sharing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "attribute"),
    [("protect", "protect"), ("takeOverCrds", "take_over_crds"), ("keepShared", "keep_shared")],
)
def test_what_is_shared_is_left_alone_unless_told_otherwise(key: str, attribute: str) -> None:
    assert getattr(parsed(), attribute) is False
    assert getattr(parsed(**{key: "true"}), attribute) is True


def test_namespaces_that_are_there_already_are_those_of_this_stack() -> None:
    assert parsed().existing_namespaces == frozenset()
    used = ["dapr-system", "osm-system", "dapr-test", "shop", "shop"]
    assert parsed(existingNamespaces=used, apps={"shop": {**SHOP, "namespace": "shop"}}).existing_namespaces == set(
        used
    )


@pytest.mark.parametrize(
    ("name", "mend"),
    [("dapr-tests", "Did you mean dapr-test?"), ("zzz", "There are dapr-system, osm-system, dapr-test.")],
)
def test_a_namespace_that_is_not_used_is_asked_about(name: str, mend: str) -> None:
    line = only_problem(existingNamespaces=[name])
    assert line == f"dapr-osm:existingNamespaces names {name}, which is not a namespace of this stack. {mend}"


def test_labels_and_annotations_go_to_namespaces_by_name() -> None:
    labels = {"dapr-test": {"team": "orders", "example.com/cost": "42"}}
    given = parsed(namespaceLabels=labels, namespaceAnnotations={"osm-system": {"note": "any text: at all"}})
    assert given.namespace_labels == labels
    assert given.namespace_annotations == {"osm-system": {"note": "any text: at all"}}


def test_a_level_of_pod_security_is_refused_only_where_it_would_keep_the_meshs_pods_out() -> None:
    def levels(namespace: str, level: str, mark: str = "enforce", **others: Any) -> None:
        parsed(namespaceLabels={namespace: {f"pod-security.kubernetes.io/{mark}": level}}, **others)

    levels("dapr-test", "privileged")
    levels("dapr-test", "restricted", mark="warn")
    levels("dapr-test", "restricted", stage="dapr")
    levels("dapr-system", "baseline")
    levels("dapr-system", "restricted", daprValues={"global": {"seccompProfile": "RuntimeDefault"}})
    levels("osm-system", "baseline")
    levels("osm-system", "restricted", stage="dapr")
    levels("dapr-test", "v1.33", mark="enforce-version")
    levels("dapr-test", "latest", mark="warn-version")


@pytest.mark.parametrize("level", VerifyLevel)
def test_every_level_of_verification_can_be_set(level: VerifyLevel) -> None:
    assert parsed().verify is VerifyLevel.CALLS
    assert parsed(verify=level.value).verify is level


# --- releases ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", DAPR_RELEASES)
def test_a_newer_patch_release_is_taken_for_the_newest_known_one_of_its_minor(version: str) -> None:
    minor = version.rpartition(".")[0]
    known = max(
        (one for one in DAPR_RELEASES if one.rpartition(".")[0] == minor), key=lambda one: int(one.rpartition(".")[2])
    )
    untried = newer(known, 7)
    given = parsed(daprVersion=untried, allowUntriedDapr="true")
    assert given.dapr == replace(DAPR_RELEASES[known], version=untried)
    assert given.dapr_chart.version == untried


def test_without_a_word_a_release_that_nobody_tried_is_refused_with_the_key_for_it() -> None:
    untried = newer(NEWEST, 7)
    line = only_problem(daprVersion=untried)
    assert line.startswith(f'dapr-osm:daprVersion: "{untried}" is not one of ')
    assert "not tried here" in line
    assert line.endswith("To take it all the same, set dapr-osm:allowUntriedDapr to true.")


@pytest.mark.parametrize("version", ["1.11.0", "1.13.5", "2.0.0", "1.18.0-rc.1", "1.12", "latest", "1.10.0", "1.18.01"])
def test_a_release_of_another_kind_is_refused_whatever_is_allowed(version: str) -> None:
    line = only_problem(daprVersion=version, allowUntriedDapr="true")
    assert line.startswith(f'dapr-osm:daprVersion: "{version}" is not one of ')
    assert "allowUntriedDapr" not in line


def test_an_untried_release_obeys_the_rules_of_its_minor() -> None:
    by_http = newer(DEFAULT_DAPR_VERSION, 9)
    error = refused(daprVersion=by_http, allowUntriedDapr="true", daprMtls="true")
    assert [problem.key for problem in error.problems] == ["daprMtls"]


def test_where_nothing_is_known_of_the_release_nothing_is_said_of_what_depends_on_it() -> None:
    error = refused(daprVersion="latest", daprMtls="true")
    assert [problem.key for problem in error.problems] == ["daprVersion"]


# --- all of it --------------------------------------------------------------------------------------------------


def test_a_problem_with_one_entry_does_not_hide_those_of_others() -> None:
    error = refused(
        apps={"2go": SHOP, "shop": {**SHOP, "resources": {"limit": {}}}, "job": {"image": "I", "replicas": 0}},
        policies={"p": {"destination": "shop", "sources": ["jobs"]}},
        existingNamespaces=["elsewhere"],
        verify="none",
    )
    assert [problem.key for problem in error.problems] == [
        "verify",
        "apps.shop.resources.limit",
        "apps.job.image",
        "apps.job.replicas",
        "existingNamespaces",
        "apps.2go",
        "policies.p",
    ]


def test_whoever_gives_a_config_keeps_it_as_it_was() -> None:
    apps = {"shop": {**SHOP, "port": "no port"}}
    refused(apps=apps)
    assert apps == {"shop": {**SHOP, "port": "no port"}}


def test_secrets_are_taken_for_encrypted_unless_said_otherwise() -> None:
    assert parse({"redisPassword": PASSWORD}, secret=SECRET_KEYS) == parse({"redisPassword": PASSWORD})


@pytest.mark.parametrize("given", [False, "false"])
def test_a_level_that_yaml_took_for_a_flag_is_asked_about(given: Any) -> None:
    assert only_problem(verify=given).endswith('Did you mean "off", in quotes?')


@pytest.mark.parametrize(("given", "near"), [("on", None), (True, None), ("pod", '"pods"')])
def test_another_word_is_not_taken_for_off(given: Any, near: str | None) -> None:
    line = only_problem(verify=given)
    assert "quotes" not in line
    assert line.endswith(f"Did you mean {near}?" if near else "Set one of them.")


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("45s", "45"),
        ("45 sec", "45"),
        ("5m", "300"),
        ("2 min", "120"),
        ("1h", "3600"),
        (" 5m ", "300"),
        ("29s", None),
        ("61m", None),
        ("2h", None),
        ("60d", None),
        ("300ms", None),
        ("m", None),
        ("x5m", None),
    ],
)
def test_a_duration_is_taken_for_the_seconds_that_it_means(given: str, seconds: str | None) -> None:
    line = only_problem(timeoutSeconds=given)
    assert line.endswith(f"Did you mean {seconds}?" if seconds else "Set for example 30.")
