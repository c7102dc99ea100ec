"""Who may call whom, and the SMI objects that say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.apps import App
from model.apps import walkthrough as quickstart
from model.expectation import Expectation, ExpectedApp, NamedCall
from model.policies import Call, Policy, named_calls, smi_objects, walkthrough
from model.route import Route
from model.stage import Stage
from verification.policies import POLICY_PATHS

HTTP = [Route.DNS_NAME, Route.NAME_FORMAT]
PAGES = tuple(walkthrough().values())


def app(name: str, namespace: str = "dapr-test", port: int | None = 8080) -> App:
    return App(name=name, namespace=namespace, image="i", label=name, container=name, port=port)


APPS = {
    **quickstart("dapr-test", node_image="node:1", python_image="python:1"),
    "shop": app("shop"),
    "audit": app("audit", namespace="back"),
}
AUDIT = Policy(name="to-audit", destination="audit", sources=("shop", "pythonapp"), routes="to-audit-routes")


def test_the_pages_policy_is_the_only_one_of_the_walkthrough() -> None:
    (policy,) = PAGES
    assert list(walkthrough()) == [policy.name] == ["pythodapp-traffic-target"]
    assert (policy.destination, policy.sources, policy.path_regex) == ("nodeapp", ("pythonapp",), None)


@pytest.mark.parametrize("route", HTTP)
def test_where_envoys_see_calls_the_objects_are_the_pages(route: Route) -> None:
    routes, target = smi_objects(PAGES, APPS, route)
    assert (routes.api_version, routes.kind) == ("specs.smi-spec.io/v1alpha4", "HTTPRouteGroup")
    assert (routes.namespace, routes.name) == ("dapr-test", "nodeapp-service-routes")
    assert routes.spec == {"matches": [{"name": "new-order"}]}, "no condition: any path and method"
    assert (target.api_version, target.kind) == ("access.smi-spec.io/v1alpha3", "TrafficTarget")
    assert (target.namespace, target.name) == ("dapr-test", "pythodapp-traffic-target")
    assert target.spec == {
        "destination": {"kind": "ServiceAccount", "name": "nodeapp", "namespace": "dapr-test"},
        "rules": [{"kind": "HTTPRouteGroup", "name": "nodeapp-service-routes", "matches": ["new-order"]}],
        "sources": [{"kind": "ServiceAccount", "name": "pythonapp", "namespace": "dapr-test"}],
    }


def test_where_envoys_see_connections_a_route_is_a_port() -> None:
    route, target = smi_objects(PAGES, APPS, Route.ADDRESS)
    assert (route.api_version, route.kind) == ("specs.smi-spec.io/v1alpha4", "TCPRoute")
    assert route.name == "nodeapp-service-routes"
    assert route.spec == {"matches": {"ports": [50002]}}, "OSM's CRD knows no name there"
    assert target.spec["rules"] == [{"kind": "TCPRoute", "name": "nodeapp-service-routes"}], "nor matches here"


def test_a_path_is_a_condition_of_the_match() -> None:
    (policy,) = PAGES
    routes, target = smi_objects([replace(policy, path_regex="/dapr.*")], APPS, Route.DNS_NAME)
    assert routes.spec == {"matches": [{"name": "new-order", "pathRegex": "/dapr.*"}]}
    assert target.spec["rules"][0]["matches"] == ["new-order"]


def test_the_match_of_a_stacks_own_policy_has_the_same_name_on_both_sides() -> None:
    routes, target = smi_objects([AUDIT], APPS, Route.DNS_NAME)
    assert routes.spec == {"matches": [{"name": "dapr-calls"}]}
    assert target.spec["rules"] == [{"kind": "HTTPRouteGroup", "name": "to-audit-routes", "matches": ["dapr-calls"]}]


@pytest.mark.parametrize("route", list(Route))
def test_every_route_comes_right_before_the_traffic_target_that_names_it(route: Route) -> None:
    made = smi_objects([*PAGES, AUDIT], APPS, route)
    kind = "HTTPRouteGroup" if route.by_http else "TCPRoute"
    assert [one.kind for one in made] == [kind, "TrafficTarget"] * 2
    for before, target in zip(made[::2], made[1::2], strict=True):
        assert before.name == target.spec["rules"][0]["name"]
        assert before.namespace == target.namespace, "a rule is looked for in the TrafficTarget's own namespace"


@pytest.mark.parametrize("route", [Route.DNS_NAME, Route.ADDRESS])
def test_a_policy_lives_where_its_destination_does_and_names_callers_from_elsewhere(route: Route) -> None:
    routes, target = smi_objects([AUDIT], APPS, route)
    assert routes.namespace == target.namespace == target.spec["destination"]["namespace"] == "back"
    assert target.spec["sources"] == [
        {"kind": "ServiceAccount", "name": "shop", "namespace": "dapr-test"},
        {"kind": "ServiceAccount", "name": "pythonapp", "namespace": "dapr-test"},
    ]


@pytest.mark.parametrize("route", list(Route))
def test_pulumis_names_are_the_walkthroughs_own_or_begin_with_the_policys(route: Route) -> None:
    routes = "routes" if route.by_http else "tcp-routes"
    assert [one.resource_name for one in smi_objects([*PAGES, AUDIT], APPS, route)] == [
        routes,
        "traffic-target",
        f"to-audit-{routes}",
        "to-audit-traffic-target",
    ]


def test_a_route_of_another_kind_is_another_resource() -> None:
    one, other = (smi_objects(PAGES, APPS, route)[0] for route in (Route.DNS_NAME, Route.ADDRESS))
    assert one.resource_name != other.resource_name, "Pulumi would take it for a change of the same object"


def test_a_reference_is_kind_namespace_and_name() -> None:
    assert [one.reference for one in smi_objects([AUDIT], APPS, Route.ADDRESS)] == [
        "TCPRoute/back/to-audit-routes",
        "TrafficTarget/back/to-audit",
    ]


@pytest.mark.parametrize("route", list(Route))
def test_every_policy_can_be_withdrawn_again(route: Route) -> None:
    for policy in smi_objects([*PAGES, AUDIT], APPS, route):
        assert POLICY_PATHS[policy.kind][0] == policy.api_version


def test_traffic_targets_are_withdrawn_before_the_routes_that_they_name() -> None:
    assert next(iter(POLICY_PATHS)) == "TrafficTarget"


def test_a_policy_of_one_caller_is_not_changed_by_another() -> None:
    smi_objects(PAGES, APPS, Route.DNS_NAME)[0].spec["matches"].clear()
    assert smi_objects(PAGES, APPS, Route.DNS_NAME)[0].spec == {"matches": [{"name": "new-order"}]}
    walkthrough().clear()
    assert walkthrough()


# --- calls ------------------------------------------------------------------------------------------------------


def calls(stage: Stage, apps: Mapping[str, App], policies: Sequence[Policy]) -> Mapping[Call, bool]:
    """Every call that there could be, and whether a stage lets it pass."""
    expected = Expectation(
        stack="dev",
        stage=stage.value,
        apps=tuple(
            ExpectedApp(
                name=one.name,
                namespace=one.namespace,
                port=one.port,
                container=one.container,
                containers=(),
                init_containers=(),
                service_account=one.name,
            )
            for one in apps.values()
        ),
        named=tuple(
            NamedCall(policy=name, source=call.source, destination=call.destination)
            for call, name in named_calls(policies).items()
        ),
        named_pass=stage.policies,
        through_envoys=stage.meshed,
        by_http=True,
        policies=() if stage.enforces else None,
        seconds=1,
    )
    return expected.calls


def called(stage: Stage, *policies: Policy) -> dict[str, bool]:
    return {f"{call.source} -> {call.destination}": ok for call, ok in calls(stage, APPS, policies).items()}


@pytest.mark.parametrize(("stage", "allowed"), [(Stage.DAPR, True), (Stage.PERMISSIVE, True), (Stage.LOCKED, False)])
def test_before_policies_count_all_calls_arrive_or_none(stage: Stage, allowed: bool) -> None:
    assert called(stage, *PAGES) == {
        "nodeapp -> shop": allowed,
        "pythonapp -> nodeapp": allowed,
        "pythonapp -> shop": allowed,
        "shop -> nodeapp": allowed,
    }, "nobody can call pythonapp, which listens nowhere; audit is elsewhere and nobody speaks of it"


def test_at_the_last_stage_a_call_arrives_exactly_where_a_policy_says_so() -> None:
    assert called(Stage.SMI, *PAGES) == {
        "nodeapp -> shop": False,
        "pythonapp -> nodeapp": True,
        "pythonapp -> shop": False,
        "shop -> nodeapp": False,
    }


@pytest.mark.parametrize("stage", list(Stage))
def test_calls_across_namespaces_count_where_a_policy_speaks_of_them(stage: Stage) -> None:
    across = {key: ok for key, ok in called(stage, *PAGES, AUDIT).items() if "audit" in key}
    assert across == dict.fromkeys(["pythonapp -> audit", "shop -> audit"], stage is not Stage.LOCKED)


names = st.sampled_from(["a", "b", "c", "d"])


@given(
    st.lists(names, min_size=1, unique=True),
    st.lists(st.tuples(names, st.lists(names, min_size=1, unique=True)), max_size=4),
    st.sampled_from(Stage),
)
def test_nobody_calls_itself_and_the_stage_decides_alone_unless_policies_count(
    there: list[str], given_policies: list[tuple[str, list[str]]], stage: Stage
) -> None:
    apps = {name: app(name) for name in there}
    policies = [
        Policy(name=f"p{number}", destination=to, sources=tuple(sources), routes=f"r{number}")
        for number, (to, sources) in enumerate(given_policies)
    ]
    found = calls(stage, apps, policies)
    assert set(found) == {Call(source=one, destination=other) for one in there for other in there if one != other}
    for call, allowed in found.items():
        named = any(call.destination == p.destination and call.source in p.sources for p in policies)
        assert allowed is (named if stage is Stage.SMI else stage is not Stage.LOCKED)
