"""The environments' files, and the exceptions in them."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from policy.asking import Asking
from policy.config import Config, Level, PolicyConfigError, read, schema
from policy.found import Gone, Plan
from policy.objects import UNKNOWN, Object
from policy.rules import RULES, UNUSED, Asks
from settings import ROOT
from tests.policy.objects import mesh_config, pods, thing

FILES = sorted((ROOT / "policy").glob("*.json"))
DAY = date(2027, 1, 31)


def config(**rules: Any) -> Config:
    return read(json.dumps(rules), name="test.json")


def refusal(given: Any) -> str:
    with pytest.raises(PolicyConfigError) as caught:
        read(given if isinstance(given, str) else json.dumps(given), name="prod.json")
    return str(caught.value)


def exception(**more: Any) -> dict[str, Any]:
    return {"object": "MeshConfig osm-system/osm-mesh-config", "reason": "the move is on", **more}


def test_what_a_file_does_not_say_is_advisory_and_by_default() -> None:
    read_config = config()
    assert set(read_config) == set(RULES)
    assert {said.level for said in read_config.values()} == {Level.ADVISORY}
    assert read_config["exclusions"].parameters == {"prefix": 32}


def test_a_rules_own_level_counts_more_than_that_of_all() -> None:
    read_config = config(all="mandatory", images="advisory", permissive={"enforcementLevel": "disabled"})
    assert read_config["images"].level is Level.ADVISORY
    assert read_config["permissive"].level is Level.DISABLED
    assert read_config["secrets"].level is Level.MANDATORY


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("{", "prod.json is no JSON"),
        ([], "prod.json is no JSON object"),
        ({"imagse": "mandatory"}, 'imagse: there is no such rule. Did you mean "images"?'),
        ({"images": "fatal"}, "images: 'fatal' is not one of advisory, mandatory, disabled"),
        ({"all": "remediate"}, "all: 'remediate' is not one of"),
        ({"images": 3}, "images: 3 is neither a level nor an object"),
        ({"images": {"registry": []}}, 'images.registry: the rule has no such parameter. Did you mean "registries"?'),
        ({"images": {"registries": "x"}}, "images.registries: 'x' is not what it takes: Registries"),
        ({"exclusions": {"prefix": 0}}, "exclusions.prefix: 0 is not what it takes"),
        ({"exclusions": {"prefix": True}}, "exclusions.prefix: True is not what it takes"),
        ({"images": {"exceptions": {}}}, "images.exceptions: {} is no list"),
        ({"images": {"exceptions": ["x"]}}, "images.exceptions[0]: 'x' is no object"),
        ({"images": {"exceptions": [{"object": "Deployment a/b"}]}}, "images.exceptions[0].reason: it has none"),
        ({"images": {"exceptions": [exception(reason="  ")]}}, "images.exceptions[0].reason: it has none"),
        ({"images": {"exceptions": [{"reason": "r"}]}}, "images.exceptions[0].object: None is no object"),
        ({"images": {"exceptions": [exception(object="app")]}}, "images.exceptions[0].object: 'app' is no object"),
        ({"images": {"exceptions": [exception(until="soon")]}}, "images.exceptions[0].until: 'soon' is no day"),
        ({"images": {"exceptions": [exception(until="20270131")]}}, "until: '20270131' is no day"),
        ({"images": {"exceptions": [exception(until=20270131)]}}, "until: 20270131 is no day"),
        ({"images": {"exceptions": [exception(for_ever=True)]}}, "images.exceptions[0].for_ever: an exception has"),
    ],
)
def test_what_can_not_be_is_refused_with_its_place_and_its_mend(given: Any, says: str) -> None:
    assert says in refusal(given)


def test_a_rule_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(PolicyConfigError, match="here: images stands there twice"):
        read('{"images": "mandatory", "all": "advisory", "images": "disabled"}', name="here")


def test_everything_wrong_with_a_file_is_said_at_once() -> None:
    said = refusal({"imagse": "mandatory", "permissive": "fatal"})
    assert "imagse" in said
    assert "permissive" in said


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_committed_files_can_be_read(file: Path) -> None:
    assert set(read(file.read_text(), name=file.name)) == set(RULES)


def test_production_is_strict_and_development_is_told() -> None:
    prod, dev = (read((ROOT / "policy" / f"{name}.json").read_text(), name=name) for name in ("prod", "dev"))
    assert {name for name, said in prod.items() if said.level is not Level.MANDATORY} == {UNUSED}
    assert {said.level for said in dev.values()} == {Level.ADVISORY}


def test_the_engines_schema_asks_for_a_reason_and_knows_each_parameter() -> None:
    for rule in RULES.values():
        declared = schema(rule)
        assert set(declared) == {*rule.parameters, "exceptions"}
        assert declared["exceptions"]["items"]["required"] == ["object", "reason"]


# --- exceptions -------------------------------------------------------------------------------------------------


def messages(rule: str, item: Object, given: dict[str, Any], day: date = DAY) -> list[str]:
    return [wrong.message for wrong in Asking(day=day).of_object(RULES[rule], item, given).wrong]


PERMISSIVE = mesh_config(enablePermissiveTrafficPolicyMode=True)


def test_an_exception_is_for_one_object_of_one_rule() -> None:
    (message,) = messages("permissive", PERMISSIVE, {})
    assert message.startswith("MeshConfig osm-system/osm-mesh-config: permissive mode is on")
    assert messages("permissive", PERMISSIVE, {"exceptions": [exception()]}) == []
    other = exception(object="MeshConfig osm-system/other")
    assert len(messages("permissive", PERMISSIVE, {"exceptions": [other]})) == 1


def test_an_exception_ends_with_its_day() -> None:
    given = {"exceptions": [exception(until="2027-01-31")]}
    assert messages("permissive", PERMISSIVE, given) == []
    (message,) = messages("permissive", PERMISSIVE, given, day=date(2027, 2, 1))
    assert message.endswith("(its exception ended with 2027-01-31)")


def test_of_several_exceptions_the_one_that_holds_longest_counts() -> None:
    given = {"exceptions": [exception(until="2027-01-01"), exception(until="2027-12-31")]}
    assert messages("permissive", PERMISSIVE, given) == []


def test_an_exception_holds_where_a_preview_does_not_know_the_namespace_yet() -> None:
    item = pods({"securityContext": {}})
    item = Object(body={**item.body, "metadata": {"name": "app", "namespace": UNKNOWN}}, urn="urn")
    (message,) = messages("privileged", item, {})
    assert message.startswith("Deployment ?/app: ")
    assert messages("privileged", item, {"exceptions": [exception(object="Deployment shop/app")]}) == []
    assert len(messages("privileged", item, {"exceptions": [exception(object="Deployment shop/other")]})) == 1
    assert len(messages("privileged", item, {"exceptions": [exception(object="StatefulSet shop/app")]})) == 1


def test_an_object_without_a_namespace_is_called_by_its_name() -> None:
    item = thing("ClusterRole", "admin", "ignored", rules=[{"verbs": ["*"]}])
    assert messages("wildcards", item, {"exceptions": [exception(object="ClusterRole admin")]}) == []


def test_an_exception_that_nothing_needs_is_told_with_its_reason() -> None:
    asking, rule = Asking(day=DAY), RULES["permissive"]
    stale = exception(object="MeshConfig osm-system/other")
    asking.of_object(rule, PERMISSIVE, {"exceptions": [exception(), stale]})
    (wrong,) = asking.of_stack(RULES[UNUSED], {}).wrong
    assert "permissive: nothing needs the exception for MeshConfig osm-system/other (the move is on)" in wrong.message


def test_exceptions_of_rules_that_are_not_asked_are_nobodys() -> None:
    assert Asking(day=DAY).of_stack(RULES[UNUSED], {}).wrong == ()


def test_an_exception_of_a_plan_is_needed_by_that_plan_only() -> None:
    said = config(deletes={"exceptions": [exception(object="Namespace shop")]})["deletes"]
    for title, unneeded in (("Namespace shop", 0), ("Namespace other", 1)):
        asking = Asking(day=DAY)
        found = RULES["deletes"].of_plan(Plan(gone=(Gone(object=title, kind="Namespace"),)))
        assert len(asking.judged(found, said).wrong) == unneeded
        assert len(asking.unneeded()) == unneeded


def test_what_came_before_is_remembered_and_never_the_object_itself() -> None:
    asking = Asking(day=DAY)
    config_first = thing("MeshConfig", "osm-mesh-config", "osm-system", spec={"traffic": {}})
    asking.of_object(RULES["one-mtls"], config_first, {})
    dapr = thing("Configuration", spec={"mtls": {"enabled": True}})
    assert len(asking.of_object(RULES["one-mtls"], dapr, {}).wrong) == 1
    assert len(asking.of_object(RULES["one-mtls"], dapr, {}).wrong) == 1, "asked again, it is not there twice"


def test_every_rule_is_asked_in_one_way() -> None:
    nothing = RULES[UNUSED]
    for rule in RULES.values():
        ways = {
            Asks.OBJECT: rule.of_object is not nothing.of_object,
            Asks.STACK: rule.of_stack is not nothing.of_stack,
            Asks.PLAN: rule.of_plan is not nothing.of_plan,
        }
        assert rule.name == UNUSED or ways == {asks: asks is rule.asks for asks in Asks}, rule.name


def test_the_packs_own_packages_are_of_the_programs_pulumi() -> None:
    def pins(path: str) -> set[str]:
        return {line for line in (ROOT / path).read_text().splitlines() if line and not line.startswith("#")}

    pack = pins("policy/requirements.txt")
    assert all("==" in pin for pin in pack)
    assert {pin for pin in pack if pin.startswith("pulumi==")} <= pins("requirements.txt")
