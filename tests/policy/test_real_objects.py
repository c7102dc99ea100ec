"""The rules, held against what the walkthrough's stack really declares, and against both charts."""

from __future__ import annotations

import json
from typing import Any

from policy.asking import Asking
from policy.config import Config, read
from policy.objects import Object
from policy.rules import RULES, Asks
from settings import ROOT
from tests.graph import charts as recorded
from tests.review.streams import BLINDED, HERE

CHARTS = ROOT / "tests" / "graph" / "charts"


def deployed() -> list[dict[str, Any]]:
    """The lab's stack; its secrets as the engine hands them on, which is marked."""
    states = map(json.loads, (HERE / "deployed.jsonl").read_text().splitlines())
    return [
        state["inputs"] for state in states if state["type"].startswith("kubernetes:") and "kind" in state["inputs"]
    ]


def asked(objects: list[dict[str, Any]], config: Config) -> list[str]:
    asking, said = Asking(), []
    for number, body in enumerate(objects):
        marked = frozenset({(key,) for key, value in body.items() if value == BLINDED})
        item = Object(body=body, marked=marked, urn=str(number))
        for rule in RULES.values():
            if rule.asks is Asks.OBJECT:
                given = config[rule.name].parameters
                said += [f"{rule.name}: {wrong.message}" for wrong in asking.of_object(rule, item, given).wrong]
    for rule in RULES.values():
        if rule.asks is Asks.STACK:
            said += [f"{rule.name}: {wrong.message}" for wrong in asking.of_stack(rule, {}).wrong]
    return said


def test_the_labs_stack_keeps_every_rule() -> None:
    lab = read((ROOT / "policy" / "lab.json").read_text(), name="lab.json")
    secret = [body for body in deployed() if body["kind"] == "Secret" and body.get("data")]
    assert secret, "there is one to be held against the rule"
    assert asked(deployed(), lab) == []


def test_what_the_rules_find_in_the_charts_as_they_are_published() -> None:
    """Both are mended by settings: ``curlImage``, and a newer Dapr."""
    anywhere = read(json.dumps({"images": {"registries": ["docker.io", "ghcr.io"]}}), name="test")
    found = {}
    for path in sorted(CHARTS.iterdir()):
        objects = [
            body
            for body in json.loads(path.read_text().replace(recorded.VERSION, "1.2.3"))["objects"]
            if "helm.sh/hook" not in (body["metadata"].get("annotations") or {})
        ]
        found[path.stem] = [line.partition(" has ")[0].partition(" runs ")[0] for line in asked(objects, anywhere)]
    assert found == {
        "dapr-address": [],
        "dapr-dns-name": ["privileged: StatefulSet dapr-system/dapr-placement-server: container dapr-placement-server"],
        "dapr-name-format": [],
        "osm": [
            "images: Deployment osm-system/osm-controller: container init-osm-controller",
            "images: Deployment osm-system/osm-injector: container init-osm-injector",
        ],
    }
