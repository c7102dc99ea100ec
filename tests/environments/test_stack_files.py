"""Stack files, changed as text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.errors import OperationError
from environments import ORDER, stack_file
from environments.promote import Move
from environments.stack_files import StackFileError, changed, check, config_of, difference
from settings import SettingsError

# As people and `pulumi config set` write it.
TEXT = """\
# The first line.
encryptionsalt: v1:salt
config:
  # About the stage.
  dapr-osm:stage: dapr # as yet
  dapr-osm:redisPassword:
    secure: v1:cyphertext
  dapr-osm:extraPortExclusions:
    - 5432
    - 5433
  dapr-osm:apps:
    shop: {image: 'a.example/shop:2', port: 8080}
    stock:
      image: "a.example/stock:7"   # the old one
  kubernetes:context: prod
  # The last line.
"""
SECURE = {"secure": "v1:x"}
STAGE = Move(path=("stage",), before="dapr", after="permissive")


def text_of(config: dict[str, Any]) -> str:
    """A stack file."""
    return json.dumps({"config": {f"dapr-osm:{key}": value for key, value in config.items()}})


def test_only_the_value_changes() -> None:
    assert changed(TEXT, [STAGE], "x") == TEXT.replace("stage: dapr #", "stage: permissive #")


def test_a_value_inside_an_object_changes_in_its_place() -> None:
    moves = [
        Move(path=("apps", "shop", "image"), before="", after="a.example/shop:3"),
        Move(path=("apps", "stock", "image"), before="", after="a.example/stock:8"),
    ]
    after = changed(TEXT, moves, "x")
    assert config_of(after, "x")["apps"] == {
        "shop": {"image": "a.example/shop:3", "port": 8080},
        "stock": {"image": "a.example/stock:8"},
    }
    assert len([line for line in difference(TEXT, after, "x").splitlines() if line[:1] in "+-"]) == 6, "two lines"
    assert "# the old one" in after


def test_a_file_that_nothing_changes_stays_as_it_is() -> None:
    for name in ORDER:
        text = stack_file(name).read_text()
        assert changed(text, [], name) == text


def test_what_was_not_there_comes_first_and_in_order() -> None:
    text = "config:\n  # Ours.\n  dapr-osm:protect: true\n"
    moves = [STAGE, Move(path=("daprVersion",), before="1.17.5", after="1.18.2")]
    keys = list(config_of(changed(text, moves, "x"), "x"))
    assert keys == ["stage", "daprVersion", "protect"]
    assert "# Ours." in changed(text, moves, "x")


@pytest.mark.parametrize("text", ["", "encryptionsalt: v1:x\n", "config:\n", "config: {}\n"])
def test_a_file_without_settings_gets_some(text: str) -> None:
    assert config_of(changed(text, [STAGE], "x"), "x") == {"stage": "permissive"}


@pytest.mark.parametrize(
    "text",
    [
        "config: [1]\n",
        "- 1\n",
        "config: text\n",
        "config: []\n",
        "config: ''\n",
        "config: 0\n",
        "a: [\n",
        "a: 1\na: 2\n",
    ],
)
def test_what_is_no_stack_file_is_told_in_one_line(text: str) -> None:
    with pytest.raises(StackFileError) as caught:
        config_of(text, "Pulumi.dev.yaml")
    assert str(caught.value).startswith("Pulumi.dev.yaml is no ")
    assert "\n" not in str(caught.value)


def test_a_difference_shows_nothing_that_is_encrypted() -> None:
    after = changed(TEXT, [STAGE], "x")
    said = difference(TEXT, after, "x")
    assert "+  dapr-osm:stage: permissive # as yet" in said
    assert "cyphertext" not in difference("a:\n  secure: v1:cyphertext\n", "b:\n  secure: v1:cyphertext\n", "x")


def test_a_config_is_checked_without_decrypting_it() -> None:
    secret = {
        "redisPassword": SECURE,
        "apps": {"nodeapp": {"env": {"TOKEN": SECURE}}},
        "daprChart": "https://charts.example",
        "chartCredentials": {"username": SECURE, "password": SECURE, "caCert": SECURE},
    }
    check(text_of({**secret, "stage": "smi"}), "x")
    with pytest.raises(SettingsError, match="dapr-osm:extraPortExclusions holds 50002"):
        check(text_of({**secret, "extraPortExclusions": [50002]}), "x")


def test_what_depends_on_something_encrypted_is_not_judged() -> None:
    enforce = {"dapr-system": {"pod-security.kubernetes.io/enforce": "restricted"}}
    policies = {"p": {"destination": "shop", "sources": ["cart"]}}
    apps = {"apps": SECURE, "policies": policies, "existingNamespaces": ["shops"]}
    check(text_of({**apps, "namespaceLabels": {"shops": {"a": "b"}, **enforce}, "daprValues": SECURE}), "x")
    with pytest.raises(SettingsError) as caught:
        check(text_of({"policies": policies, "existingNamespaces": ["shops"], "namespaceLabels": enforce}), "x")
    assert [problem.path[0] for problem in caught.value.problems] == [
        "existingNamespaces",
        "namespaceLabels",
        "policies",
    ]


def test_a_password_may_come_later_and_not_in_the_clear() -> None:
    check("", "x")
    with pytest.raises(SettingsError, match="dapr-osm:redisPassword stands in the stack file in the clear") as caught:
        check(text_of({"redisPassword": "hunter2"}), "x")
    assert "hunter2" not in str(caught.value)


def test_values_are_checked_as_pulumi_reads_them() -> None:
    check("config:\n  dapr-osm:apps: {nodeapp: {env: {SINCE: 2026-11-29, ON: yes}}}\n", "x")
    with pytest.raises(OperationError, match="x is no YAML in line 2: .* tag '!secret'"):
        check("config:\n  dapr-osm:kubeContext: !secret a\n", "x")


def test_no_line_is_broken_that_was_none() -> None:
    text = f"config:\n  dapr-osm:envoyImage: registry.example/{'a' * 200}:1\n  dapr-osm:stage: dapr\n"
    assert changed(text, [STAGE], "x") == text.replace("stage: dapr", "stage: permissive")
