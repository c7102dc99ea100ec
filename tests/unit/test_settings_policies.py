"""The setting ``policies``."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.policies import Policy, walkthrough
from model.versions import DAPR_RELEASES
from settings import POLICY_KEYS
from settings.expressions import fault_of

from .config import only_problem, parsed, refused

PAGES = "pythodapp-traffic-target"
APPS = {
    "shop": {"image": "i", "port": 8080},
    "audit": {"image": "i", "port": 8080},
    "job": {"image": "i"},
}
SHOP = {"destination": "shop", "sources": ["pythonapp", "audit"]}


def policies(version: str = "1.18.2", /, **given_policies: Any) -> dict[str, Policy]:
    return dict(parsed(daprVersion=version, apps=APPS, policies=given_policies).policies)


def problem(version: str = "1.18.2", /, **given_policies: Any) -> str:
    return only_problem(daprVersion=version, apps=APPS, policies=given_policies)


@pytest.mark.parametrize("none", [{}, "{}", None])
def test_without_policies_of_its_own_a_stack_has_the_pages(none: Any) -> None:
    assert parsed(policies=none).policies == walkthrough()


def test_what_is_not_said_of_the_pages_policy_stays_the_pages() -> None:
    before = walkthrough()[PAGES]
    assert policies(**{PAGES: {"destination": "shop"}})[PAGES] == replace(before, destination="shop")
    assert policies(**{PAGES: {"sources": ["audit"]}})[PAGES] == replace(before, sources=("audit",))
    assert policies(**{PAGES: {"pathRegex": "/dapr.*"}})[PAGES] == replace(before, path_regex="/dapr.*")


def test_a_policy_comes_beside_the_pages() -> None:
    found = policies(shoppers=SHOP)
    assert list(found) == [PAGES, "shoppers"]
    assert found["shoppers"] == Policy(
        name="shoppers", destination="shop", sources=("pythonapp", "audit"), path_regex=None, routes="shoppers-routes"
    )


def test_policies_may_come_as_json_as_pulumi_hands_them_over() -> None:
    text = json.dumps({"shoppers": SHOP})
    assert parsed(apps=APPS, policies=text).policies == policies(shoppers=SHOP)


def test_what_is_not_said_of_the_pages_policy_stays() -> None:
    (found,) = policies(**{PAGES: {"sources": ["pythonapp", "shop"]}}).values()
    page = walkthrough()[PAGES]
    assert found.sources == ("pythonapp", "shop")
    assert (found.destination, found.routes, found.match) == (page.destination, page.routes, page.match)
    assert policies(**{PAGES: {}}) == walkthrough()
    assert policies(**{PAGES: {"destination": "shop"}})[PAGES].sources == ("pythonapp",)


def test_null_removes_the_pages_policy() -> None:
    assert policies(**{PAGES: None}) == {}
    assert list(policies(**{PAGES: None}, shoppers=SHOP)) == ["shoppers"]


def test_null_of_a_policy_that_there_is_not_is_refused() -> None:
    assert problem(shoppers=None).startswith(
        "dapr-osm:policies.shoppers is null, which only removes a policy of the walkthrough. "
    )


def test_a_source_that_is_named_twice_is_one() -> None:
    assert policies(p={"destination": "shop", "sources": ["job", "audit", "job"]})["p"].sources == ("job", "audit")


# --- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["[]", "1", "text"])
def test_policies_are_an_object(value: str) -> None:
    assert "is not an object of policies by name" in only_problem(policies=value)


@pytest.mark.parametrize(
    ("key", "mend"),
    [
        ("source", "Did you mean dapr-osm:policies.p.sources?"),
        ("path", "Did you mean dapr-osm:policies.p.pathRegex?"),
        ("zzz", "There are destination, sources, pathRegex."),
    ],
)
def test_an_unknown_key_of_a_policy_is_asked_about(key: str, mend: str) -> None:
    assert problem(p={**SHOP, key: 1}) == f"dapr-osm:policies.p.{key} is not a key that there is here. {mend}"


@pytest.mark.parametrize("name", ["", "Policy", "a_b", "a" * 64, "a.b"])
def test_a_policys_name_is_a_proper_one(name: str) -> None:
    assert "is not named by a name of at most 63" in problem(**{name: SHOP})


@pytest.mark.parametrize("sources", [None, [], "pythonapp", {}, [1], ["shop", None], 5])
def test_a_policy_without_a_list_of_callers_is_refused(sources: Any) -> None:
    error = refused(apps=APPS, policies={"p": {"destination": "nodeapp", "sources": sources}})
    assert {one.key for one in error.problems} == {"policies.p.sources"}
    assert "is not a list of app ids" in str(error)


@pytest.mark.parametrize("destination", [None, "", " "])
def test_a_policy_that_says_not_whom_is_refused(destination: Any) -> None:
    line = problem(p={"destination": destination, "sources": ["shop"]})
    assert line == "dapr-osm:policies.p.destination is not set. Name the app that may be called."


@pytest.mark.parametrize(
    ("policy", "unknown", "mend"),
    [
        ({"destination": "shopp", "sources": ["audit"]}, "shopp", "Did you mean shop?"),
        ({"destination": "shop", "sources": ["pythonap"]}, "pythonap", "Did you mean pythonapp?"),
        (
            {"destination": "shop", "sources": ["audit", "zzz"]},
            "zzz",
            "There are nodeapp, pythonapp, shop, audit, job.",
        ),
    ],
)
def test_an_app_that_there_is_not_is_asked_about(policy: dict[str, Any], unknown: str, mend: str) -> None:
    line = problem(p=policy)
    assert line.startswith(f"dapr-osm:policies.p names {unknown}, which is not an app. {mend}")


@pytest.mark.parametrize("app", ["nodeapp", "pythonapp"])
def test_removing_an_app_of_the_pages_policy_tells_how_to_remove_that_too(app: str) -> None:
    line = only_problem(apps={app: None})
    assert line.startswith(f"dapr-osm:policies.{PAGES} names {app}, which is not an app.")
    assert line.endswith("A policy of the walkthrough is removed by null.")


@pytest.mark.parametrize("destination", ["pythonapp", "job"])
def test_an_app_that_listens_nowhere_can_not_be_called(destination: str) -> None:
    line = problem(p={"destination": destination, "sources": ["shop"]})
    assert line == (f"dapr-osm:policies.p lets {destination} be called, which listens nowhere. Give it a port.")


def test_an_app_that_calls_itself_does_not_cross_the_mesh() -> None:
    line = problem(p={"destination": "shop", "sources": ["audit", "shop"]})
    assert line.startswith("dapr-osm:policies.p lets shop call itself.")


BACK = {"back": {"image": "i", "port": 8080, "namespace": "back"}}
ACROSS = {"p": {"destination": "back", "sources": ["pythonapp"]}}


@pytest.mark.parametrize("version", ["1.12.0", "1.16.0", "1.17.5"])
def test_a_policy_may_cross_namespaces_where_daprd_finds_apps_of_others(version: str) -> None:
    given = parsed(daprVersion=version, apps=BACK, policies=ACROSS)
    assert given.policies["p"].destination == "back"


@pytest.mark.parametrize("version", ["1.18.2"])
def test_with_a_format_of_names_no_policy_crosses_namespaces(version: str) -> None:
    line = only_problem(daprVersion=version, apps=BACK, policies=ACROSS)
    assert line.startswith(f"dapr-osm:policies.p crosses namespaces, which Dapr {version} can't do in the mesh")
    assert line.endswith("Put the apps into one namespace.")


def test_apps_of_one_namespace_call_each_other_wherever_it_is() -> None:
    apps = {**BACK, "front": {"image": "i", "namespace": "back"}}
    given = parsed(apps=apps, policies={"p": {"destination": "back", "sources": ["front"]}})
    assert given.policies["p"].sources == ("front",)


@pytest.mark.parametrize("version", [v for v, release in DAPR_RELEASES.items() if release.route.by_http])
def test_a_path_is_for_releases_whose_calls_are_http_to_the_mesh(version: str) -> None:
    assert policies(version, p={**SHOP, "pathRegex": "/dapr.*"})["p"].path_regex == "/dapr.*"
    assert policies(version, p={**SHOP, "pathRegex": ""})["p"].path_regex is None


@pytest.mark.parametrize("version", ["1.16.0", "1.17.5"])
def test_a_path_means_nothing_where_the_mesh_carries_connections(version: str) -> None:
    line = problem(version, p={**SHOP, "pathRegex": "/dapr.*"})
    assert line.startswith(f'dapr-osm:policies.p.pathRegex: "/dapr.*" has no meaning with Dapr {version}')


@pytest.mark.parametrize("path", ["(", "[a", "*", "a{2,1}", "/(?!v1).*", r"(a)\1", "a{1001}"])
def test_a_path_that_is_no_regular_expression_is_refused(path: str) -> None:
    line = problem(p={**SHOP, "pathRegex": path})
    assert line.startswith(f"dapr-osm:policies.p.pathRegex: {json.dumps(path)} is not a regular expression: ")


@pytest.mark.parametrize("regex", [".{60}", r"/dapr\pL+", "a" * 97])
def test_a_path_that_envoy_would_find_too_large_is_refused(regex: str) -> None:
    """Envoy would refuse the whole list of routes, and none of its pod's calls would arrive."""
    line = problem(p={**SHOP, "pathRegex": regex})
    assert re.search(r"is too large for Envoy: it compiles to \d+ parts, and 100 are the most", line)


@pytest.mark.parametrize("regex", [".*", "/dapr.*", "(?i)/DAPR.*", "/.*/CallLocal(Stream)?", "/dapr.{0,7}to.*Local"])
def test_a_path_may_be_whatever_is_about_a_call(regex: str) -> None:
    assert policies(p={**SHOP, "pathRegex": regex})["p"].path_regex == regex


@pytest.mark.parametrize("regex", ["/newOrder", "/neworder/.*", "/dapr", "CallLocal"])
def test_a_path_that_no_call_has_is_refused(regex: str) -> None:
    line = problem(p={**SHOP, "pathRegex": regex})
    assert f"{json.dumps(regex)} matches no call of Dapr's, so nobody could call the app" in line


def test_callers_beside_dapr_have_paths_of_their_own_which_no_verification_tries() -> None:
    apps = {**APPS, "shop": {"image": "i", "port": 8080, "servicePort": 80}}
    given = {"apps": apps, "policies": {"p": {**SHOP, "pathRegex": "/orders/.*"}}}
    assert parsed(**given, verify="pods").policies["p"].path_regex == "/orders/.*"
    assert "matches no call of Dapr's" in only_problem(**given)


def test_a_policy_whose_route_is_called_like_the_pages_is_refused() -> None:
    line = problem(**{"nodeapp-service": SHOP})
    assert line == (
        "dapr-osm:policies.nodeapp-service would share the route nodeapp-service-routes. Choose another name."
    )
    assert list(policies(**{"nodeapp-service": SHOP, PAGES: None})) == ["nodeapp-service"], "free where that is gone"


def test_everything_that_is_wrong_with_all_policies_is_told_at_once() -> None:
    error = refused(
        apps=APPS,
        policies={
            "A": {**SHOP, "pathRegex": "("},
            "b": {"destination": "job", "sources": ["job"]},
            "c": {"destination": "none", "sources": ["shop"], "zzz": 1},
            "d": 1,
        },
    )
    assert sorted((one.key, one.rule.split()[0]) for one in error.problems) == [
        ("policies.A", "is"),
        ("policies.A.pathRegex", "is"),
        ("policies.b", "lets"),
        ("policies.b", "lets"),
        ("policies.c", "names"),
        ("policies.c.zzz", "is"),
        ("policies.d", "is"),
    ]


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)


@given(st.sampled_from(POLICY_KEYS), junk, st.sampled_from(list(DAPR_RELEASES)))
def test_no_value_of_a_policy_makes_the_check_itself_fail(key: str, value: Any, version: str) -> None:
    try:
        policies(version, p={**SHOP, key: value})
    except ValueError as error:
        assert "dapr-osm:policies.p" in str(error)


callers = st.lists(st.sampled_from(["nodeapp", "pythonapp", "shop", "audit", "job"]), min_size=1, max_size=5)


@given(st.sampled_from(["nodeapp", "pythonapp", "shop", "job"]), callers)
def test_a_policy_is_accepted_exactly_when_others_call_an_app_that_listens(whom: str, who: list[str]) -> None:
    policy = {"destination": whom, "sources": who}
    if whom in ("pythonapp", "job") or whom in who:
        refused(apps=APPS, policies={"p": policy})
    else:
        assert policies(p=policy)["p"].sources == tuple(dict.fromkeys(who))


def test_what_envoy_would_not_take_is_told_once_and_nothing_is_written_beside(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert fault_of("/orders(") == "missing ): /orders("
    assert fault_of("/orders.*") is None
    assert capfd.readouterr() == ("", "")
