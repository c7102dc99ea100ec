"""The table of stages of the project's plan, row by row, and what each promises to be seen."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.expectation import Expectation, ExpectedApp, expectation
from model.stage import Stage
from model.versions import DAPR_RELEASES, OSM_RELEASE

# What OSM adds for a release's daprd beside Envoy, in the mesh only.
FOR_DAPRD: dict[str, tuple[str, ...]] = {"1.12.0": (), "1.18.1": ("osm-healthcheck",)}

APP_AND_DAPRD = ("daprd",)
ALL_THREE = ("daprd", "envoy")

# stage, sidecars, meshed, permissive, own ServiceAccounts, SMI, orders flow
TABLE = [
    (Stage.DAPR, APP_AND_DAPRD, False, False, False, False, True),
    (Stage.PERMISSIVE, ALL_THREE, True, True, False, False, True),
    (Stage.LOCKED, ALL_THREE, True, False, True, False, False),
    (Stage.SMI, ALL_THREE, True, False, True, True, True),
]


@pytest.mark.parametrize(("stage", "sidecars", "meshed", "permissive", "accounts", "smi", "flow"), TABLE)
def test_a_stage_is_what_the_table_says(
    stage: Stage, sidecars: tuple[str, ...], meshed: bool, permissive: bool, accounts: bool, smi: bool, flow: bool
) -> None:
    assert stage.meshed is meshed
    assert stage.permissive is permissive
    assert stage.own_service_accounts is accounts
    assert stage.policies is smi
    assert stage.orders_flow is flow


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
    expected = expectation(stage, DAPR_RELEASES[version], OSM_RELEASE, 90)
    init = ("osm-init",) if meshed else ()
    sidecars += FOR_DAPRD[version] if meshed else ()
    assert expected == Expectation(
        stage=stage.value,
        namespace="dapr-test",
        apps=(
            ExpectedApp(
                name="nodeapp",
                container="node",
                containers=tuple(sorted(("node", *sidecars))),
                init_containers=init,
                service_account="nodeapp" if accounts else "default",
            ),
            ExpectedApp(
                name="pythonapp",
                container="python",
                containers=tuple(sorted(("python", *sidecars))),
                init_containers=init,
                service_account="pythonapp" if accounts else "default",
            ),
        ),
        orders_flow=flow,
        through_envoys=meshed,
        policies=policies_at(stage),
        seconds=90,
    )


def policies_at(stage: Stage) -> tuple[str, ...] | None:
    """The table's column SMI: where it says no, none may be, but where none has an effect nobody looks."""
    if stage is Stage.SMI:
        return ("HTTPRouteGroup/nodeapp-service-routes", "TrafficTarget/pythodapp-traffic-target")
    return () if stage is Stage.LOCKED else None


@pytest.mark.parametrize("version", DAPR_RELEASES)
@pytest.mark.parametrize("stage", list(Stage))
def test_an_expectation_survives_being_handed_over_as_text(stage: Stage, version: str) -> None:
    expected = expectation(stage, DAPR_RELEASES[version], OSM_RELEASE, 120)
    assert Expectation.from_json(expected.to_json()) == expected


texts = st.text(max_size=8)
lists = st.lists(texts, max_size=3).map(tuple)
apps = st.builds(
    ExpectedApp, name=texts, container=texts, containers=lists, init_containers=lists, service_account=texts
)


@given(
    st.builds(
        Expectation,
        stage=texts,
        namespace=texts,
        apps=st.lists(apps, max_size=3).map(tuple),
        orders_flow=st.booleans(),
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
