"""A stack's file, read without Pulumi: as Pulumi hands it over, but for what is encrypted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import OperationError
from preflight import stackfile
from settings import load

SECURE = {"secure": "v1:abc:def"}


def read(tmp_path: Path, text: str) -> stackfile.StackFile:
    path = tmp_path / "Pulumi.x.yaml"
    path.write_text(text)
    return stackfile.read(path)


@pytest.mark.parametrize(
    ("given", "handed_over"),
    [
        ("smi", "smi"),
        ("1.10", "1.10"),
        ("1.18.2", "1.18.2"),
        ("true", "true"),
        ("True", "true"),
        ("off", "off"),
        ("yes", "yes"),
        ("60", "60"),
        ("2026-11-29", "2026-11-29"),
        ("''", ""),
        ("", ""),
        ("[1, 2]", "[1, 2]"),
        ("{a: {b: 2026-11-29}, c: yes}", '{"a": {"b": "2026-11-29"}, "c": "yes"}'),
    ],
)
def test_values_are_as_pulumi_hands_them_over(given: str, handed_over: str, tmp_path: Path) -> None:
    said = read(tmp_path, f"config:\n  dapr-osm:key: {given}\n")
    assert said.config == {"dapr-osm:key": handed_over}
    assert said.secret == frozenset()


@pytest.mark.parametrize(
    "value",
    [SECURE, {"a": SECURE}, {"a": {"b": [1, SECURE]}}, [SECURE], {"a": {"b": {"c": SECURE}, "d": 1}}],
    ids=str,
)
def test_what_is_encrypted_is_given_and_stays_so(value: Any, tmp_path: Path) -> None:
    said = read(tmp_path, json.dumps({"config": {"dapr-osm:key": value}, "encryptionsalt": "v1:x"}))
    assert said.secret == {"dapr-osm:key"}
    assert "v1:abc" not in said.config["dapr-osm:key"]
    assert stackfile.UNREAD in said.config["dapr-osm:key"]


def test_a_config_with_every_secret_encrypted_is_one_that_works(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "redisPassword": SECURE,
        "registryCredentials": SECURE,
        "chartCredentials": {"username": SECURE, "password": SECURE, "caCert": SECURE},
        "daprChart": "https://charts.example",
        "apps": {"nodeapp": {"env": {"API_TOKEN": SECURE}}},
        "daprValues": {"global": {"tokens": [SECURE]}},
        "osmValues": {"osm": {"any": SECURE}},
    }
    text = json.dumps({"config": {f"dapr-osm:{key}": value for key, value in config.items()}})
    said = read(tmp_path, text)
    settings = load(said.config, said.secret.__contains__)
    assert settings.registry_credentials
    assert settings.chart_credentials
    assert settings.secret_dapr_values
    assert settings.apps["nodeapp"].secret_environment == {"API_TOKEN"}


@pytest.mark.parametrize(
    ("given", "named"),
    [("[a, {b: {}}]", ("a", "b")), ("{values: {}}", ("of its own",)), ("[]", ()), ("[a, {}]", ("a", ""))],
)
def test_environments_are_named(given: str, named: tuple[str, ...], tmp_path: Path) -> None:
    assert read(tmp_path, f"environment: {given}\n").environments == named


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("config: [\n", "is no YAML in line 2"),
        ("- 1\n", "is no stack file"),
        ("config: text\n", "is no stack file"),
        ("config: [1]\n", "is no stack file"),
        ("config:\n  dapr-osm:stage: smi\n  dapr-osm:stage: dapr\n", "is no YAML in line 3: the key dapr-osm:stage is"),
        ("config:\n  dapr-osm:apps: {a: {port: 1, port: 2}}\n", "is no YAML in line 2: the key port is there twice"),
        ("config:\n  dapr-osm:daprValues: &a {x: *a}\n", "something in it holds itself"),
        ("config:\n  dapr-osm:extraPortExclusions: &a [*a]\n", "something in it holds itself"),
        (f"config:\n  dapr-osm:daprValues: {'{a: ' * 2000}1{'}' * 2000}\n", "is nested too deep"),
    ],
)
def test_what_is_no_stack_file_is_told_in_one_line(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(OperationError, match=says) as caught:
        read(tmp_path, text)
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_file_is_told_with_the_stacks_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="Name the stack by --stack .there are dev, lab") as caught:
        stackfile.read(stackfile.path_of("organization/nowhere"))
    assert "Pulumi.nowhere.yaml" in str(caught.value)


@pytest.mark.parametrize("key", ["apps", "daprValues", "osmValues", "chartCredentials"])
def test_an_object_that_is_encrypted_as_a_whole_is_left_out_and_named(key: str, tmp_path: Path) -> None:
    said = read(tmp_path, f"config:\n  dapr-osm:redisPassword: {SECURE}\n  dapr-osm:{key}: {SECURE}\n")
    assert said.unread == (f"dapr-osm:{key}",)
    assert load(said.config, said.secret.__contains__), "nobody can tell that it is wrong"


def test_policies_of_apps_that_nobody_can_see_are_left_out_as_well(tmp_path: Path) -> None:
    policies = "{p: {destination: shop, sources: [cart]}}"
    text = f"config:\n  dapr-osm:redisPassword: {SECURE}\n  dapr-osm:apps: {SECURE}\n  dapr-osm:policies: {policies}\n"
    said = read(tmp_path, text)
    assert said.unread == ("dapr-osm:apps", "dapr-osm:policies")
    assert load(said.config, said.secret.__contains__)


def test_what_depends_on_apps_that_nobody_can_see_is_not_judged(tmp_path: Path) -> None:
    text = f"config:\n  dapr-osm:apps: {SECURE}\n  dapr-osm:existingNamespaces: [shops]\n"
    said = read(tmp_path, f"{text}  dapr-osm:redisPassword: {SECURE}\n")
    assert load(said.config, said.secret.__contains__, said.unread).existing_namespaces == {"shops"}


def test_merged_keys_are_read(tmp_path: Path) -> None:
    base = "base: &base {dapr-osm:stage: locked}\n"
    shared = f"{base}shared: &shared {{<<: *base, dapr-osm:daprVersion: 1.10, dapr-osm:stage: dapr}}\n"
    text = f"{shared}config:\n  <<: *shared\n  dapr-osm:stage: smi\n"
    assert read(tmp_path, text).config == {"dapr-osm:daprVersion": "1.10", "dapr-osm:stage": "smi"}


def test_a_key_that_is_no_text_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="has the key 1, which is no text: keys are like dapr-osm:stage"):
        read(tmp_path, "config:\n  1: smi\n")


def test_a_file_in_another_encoding_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.x.yaml"
    path.write_bytes("config:\n  dapr-osm:redisImage: é\n".encode("latin-1"))
    with pytest.raises(OperationError, match="is no text in UTF-8"):
        stackfile.read(path)
