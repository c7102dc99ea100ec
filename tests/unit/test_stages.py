"""The table of stages of the project's plan, row by row, and what each promises to be seen."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.apps import App, walkthrough
from model.expectation import Expectation, ExpectedApp, NamedCall, expectation
from model.policies import Call, Policy
from model.policies import walkthrough as pages_policies
from model.stage import Stage
from model.versions import DAPR_RELEASES, OSM_RELEASE

# What OSM adds for a release's daprd beside Envoy, in the mesh only.
FOR_DAPRD: dict[str, tuple[str, ...]] = {
    "1.12.0": (),
    "1.16.0": ("osm-healthcheck",),
    "1.17.5": ("osm-healthcheck",),
    "1.18.2": ("osm-healthcheck",),
}

APP_AND_DAPRD = ("daprd",)
ALL_THREE = ("daprd", "envoy")

# stage, sidecars, meshed, permissive, own ServiceAccounts, SMI, orders flow
TABLE = [
    (Stage.DAPR, APP_AND_DAPRD, False, False, False, False, True),
    (Stage.PERMISSIVE, ALL_THREE, True, True, False, False, True),
    (Stage.LOCKED, ALL_THREE, True, False, True, False, False),
    (Stage.SMI, ALL_THREE, True, False, True, True, True),
]


APPS = walkthrough("dapr-test", node_image="node:1", python_image="python:1")


def expected_at(
    stage: Stage,
    version: str = "1.18.2",
    *,
    apps: dict[str, App] = APPS,
    policies: tuple[Policy, ...] = tuple(pages_policies().values()),
    seconds: int = 90,
) -> Expectation:
    return expectation(
        stage,
        stack="dev",
        dapr=DAPR_RELEASES[version],
        osm=OSM_RELEASE,
        apps=apps,
        policies=policies,
        seconds=seconds,
    )


@pytest.mark.parametrize(("stage", "sidecars", "meshed", "permissive", "accounts", "smi", "flow"), TABLE)
def test_a_stage_is_what_the_table_says(
    stage: Stage, sidecars: tuple[str, ...], meshed: bool, permissive: bool, accounts: bool, smi: bool, flow: bool
) -> None:
    assert expected_at(stage).calls == {Call(source="pythonapp", destination="nodeapp"): flow}
    assert stage.meshed is meshed
    assert stage.permissive is permissive
    assert stage.own_service_accounts is accounts
    assert stage.policies is smi
    assert stage.enforces is (meshed and not permissive)


def test_the_stages_are_the_tables_rows_in_the_walkthroughs_order() -> None:
    assert [row[0] for row in TABLE] == list(Stage)
    assert [stage.value for stage in Stage] == ["dapr", "permissive", "locked", "smi"]


def test_neighbouring_stages_differ() -> None:
    for one, next_ in itertools.pairwise(TABLE):
        assert one[1:] != next_[1:]


def test_only_the_last_move_adds_policies_and_nothing_else() -> None:
    locked, smi = TABLE[2], TABLE[3]
    assert locked[1:5] == smi[1:5], "pods and accounts are the same, so the move to smi shows policies only"


@pytest.mark.parametrize("version", DAPR_RELEASES)
@pytest.mark.parametrize(("stage", "sidecars", "meshed", "permissive", "accounts", "smi", "flow"), TABLE)
def test_what_is_expected_follows_from_the_table(
    stage: Stage,
    sidecars: tuple[str, ...],
    meshed: bool,
    permissive: bool,
    accounts: bool,
    smi: bool,
    flow: bool,
    version: str,
) -> None:
    expected = expected_at(stage, version)
    by_http = version not in ("1.16.0", "1.17.5")
    init = ("osm-init",) if meshed else ()
    sidecars += FOR_DAPRD[version] if meshed else ()
    assert expected == Expectation(
        stack="dev",
        stage=stage.value,
        apps=(
            ExpectedApp(
                name="nodeapp",
                namespace="dapr-test",
                port=3000,
                container="node",
                containers=tuple(sorted(("node", *sidecars))),
                init_containers=init,
                service_account="nodeapp" if accounts else "default",
            ),
            ExpectedApp(
                name="pythonapp",
                namespace="dapr-test",
                port=None,
                container="python",
                containers=tuple(sorted(("python", *sidecars))),
                init_containers=init,
                service_account="pythonapp" if accounts else "default",
            ),
        ),
        named=(NamedCall(policy="pythodapp-traffic-target", source="pythonapp", destination="nodeapp"),),
        named_pass=stage is Stage.SMI,
        through_envoys=meshed,
        by_http=by_http,
        policies=policies_at(stage, "HTTPRouteGroup" if by_http else "TCPRoute"),
        seconds=90,
    )


def policies_at(stage: Stage, route: str) -> tuple[str, ...] | None:
    """The table's column SMI: where it says no, none may be, but where none has an effect nobody looks."""
    if stage is Stage.SMI:
        return (f"{route}/dapr-test/nodeapp-service-routes", "TrafficTarget/dapr-test/pythodapp-traffic-target")
    return () if stage is Stage.LOCKED else None


@pytest.mark.parametrize("version", DAPR_RELEASES)
@pytest.mark.parametrize("stage", list(Stage))
def test_an_expectation_survives_being_handed_over_as_text(stage: Stage, version: str) -> None:
    expected = expected_at(stage, version)
    assert Expectation.from_json(expected.to_json()) == expected


texts = st.text(max_size=8)
lists = st.lists(texts, max_size=3).map(tuple)
apps = st.builds(
    ExpectedApp,
    name=texts,
    namespace=texts,
    port=st.one_of(st.none(), st.integers(1, 65535)),
    container=texts,
    containers=lists,
    init_containers=lists,
    service_account=texts,
)
named = st.builds(NamedCall, policy=texts, source=texts, destination=texts)


@given(
    st.builds(
        Expectation,
        stack=texts,
        stage=texts,
        apps=st.lists(apps, max_size=3).map(tuple),
        named=st.lists(named, max_size=3).map(tuple),
        named_pass=st.booleans(),
        by_http=st.booleans(),
        through_envoys=st.booleans(),
        policies=st.one_of(st.none(), lists),
        seconds=st.integers(),
    )
)
def test_any_expectation_survives_being_handed_over_as_text(expected: Expectation) -> None:
    again = Expectation.from_json(expected.to_json())
    assert again == expected
    assert hash(again) == hash(expected), "tuples stay tuples"
    assert again.to_json() == expected.to_json(), "the same expectation is the same input of a Command"


# --- more apps than the walkthrough's ---------------------------------------------------------------------------


def further(name: str, namespace: str = "dapr-test", port: int | None = 8080) -> App:
    return App(name=name, namespace=namespace, image="i", label=name, container=name, port=port)


MORE = {**APPS, "shop": further("shop"), "audit": further("audit", namespace="back")}
AUDIT = Policy(name="audit", destination="audit", sources=("shop",), routes="audit-routes")


@pytest.mark.parametrize("stage", list(Stage))
def test_further_apps_are_expected_like_the_walkthroughs(stage: Stage) -> None:
    expected = expected_at(stage, apps=MORE)
    assert expected.namespaces == ("dapr-test", "back")
    shop, node = expected.app("shop"), expected.app("nodeapp")
    assert shop.container == "shop"
    assert set(shop.containers) - {"shop"} == set(node.containers) - {"node"}
    assert shop.init_containers == node.init_containers
    assert shop.service_account == ("shop" if stage.own_service_accounts else "default")
    assert expected.app("audit").namespace == "back"


def probed(*containers: dict[str, Any]) -> dict[str, App]:
    """The walkthrough's apps, with containers laid over nodeapp's pods."""
    return {**APPS, "nodeapp": replace(APPS["nodeapp"], pod_overlay={"spec": {"containers": list(containers)}})}


@pytest.mark.parametrize("stage", [Stage.PERMISSIVE, Stage.LOCKED, Stage.SMI])
def test_who_answers_a_teams_own_probe_by_tcp_is_expected_in_the_mesh(stage: Stage) -> None:
    """With Dapr 1.12 daprd has none by TCP, and OSM adds the container for that of the app."""
    tcp, http = {"startupProbe": {"tcpSocket": {"port": 1}}}, {"startupProbe": {"httpGet": {"port": 1}}}
    own, other = {"name": "node"}, {"name": "proxy", "image": "i"}

    def containers(*laid: dict[str, Any], version: str = "1.12.0", at: Stage = stage) -> tuple[str, ...]:
        return expected_at(at, version, apps=probed(*laid)).app("nodeapp").containers

    assert containers({**own, **tcp}) == ("daprd", "envoy", "node", "osm-healthcheck")
    assert containers({**own, **tcp}, at=Stage.DAPR) == ("daprd", "node")
    assert containers({**own, **tcp}, version="1.18.2") == containers({**own, **http}, version="1.18.2")
    for laid in (
        [{**own, **http}],
        [own],
        [{**other, **http}, {**own, **tcp}],
        [{**own, "startupProbe": {"exec": {}}}],
    ):
        assert containers(*laid) == ("daprd", "envoy", "node"), "the last one's counts, whatever the overlay's order"
    assert containers({**other, **tcp}, {**own, **http}) == ("daprd", "envoy", "node", "osm-healthcheck")


def test_the_policies_of_every_namespace_are_expected() -> None:
    policies = (*pages_policies().values(), AUDIT)
    expected = expected_at(Stage.SMI, "1.12.0", apps=MORE, policies=policies)
    assert expected.policies is not None
    assert set(expected.policies) == {
        "HTTPRouteGroup/dapr-test/nodeapp-service-routes",
        "TrafficTarget/dapr-test/pythodapp-traffic-target",
        "HTTPRouteGroup/back/audit-routes",
        "TrafficTarget/back/audit",
    }
    assert expected_at(Stage.LOCKED, apps=MORE, policies=policies).policies == ()


def test_an_app_that_listens_nowhere_is_called_by_nobody() -> None:
    assert Call(source="nodeapp", destination="pythonapp") not in expected_at(Stage.SMI).calls
