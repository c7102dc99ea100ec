"""Whatever a config says, it is either settings or a list of problems in words; and what should do, does."""

from __future__ import annotations

import ast
import json
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.exclusions import ExclusionSet, PortScope
from model.stage import Stage
from model.verify_level import VerifyLevel
from model.versions import DAPR_RELEASES
from settings import KEYS, ROOT, SECRET_KEYS, Settings, SettingsError, declared_defaults, parse
from settings.keys import AppKeys, Config, PolicyKeys
from settings.names import TAKEN
from settings.networks import HELD_PORTS
from settings.read import read

from .config import PASSWORD

WALKTHROUGHS: Final = ("nodeapp", "pythonapp")
labels = st.from_regex(r"\A[a-z][a-z0-9-]{0,8}[a-z0-9]\Z").filter(
    lambda name: (
        name not in (*TAKEN, *WALKTHROUGHS, "default")
        and not name.endswith("-dapr")
        and not name.startswith(("kube-", "dapr-system", "osm-system"))
    )
)
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
ports = st.integers(1024, 65535).filter(lambda port: port not in HELD_PORTS)
quantities = st.integers(1, 999).map(lambda number: f"{number}Mi")
amounts = st.tuples(st.integers(1, 99), st.integers(100, 999)).map(
    lambda both: {"requests": {"memory": f"{both[0]}Mi"}, "limits": {"memory": f"{both[1]}Mi"}}
)
apps = st.fixed_dictionaries(
    {"image": labels.map(lambda name: f"registry.example/{name}:1")},
    optional={
        "namespace": labels,
        "port": ports,
        "replicas": st.integers(1, 20) | st.just("hpa"),
        "env": st.dictionaries(st.from_regex(r"\A[A-Z]{1,6}\Z"), words, max_size=3),
        "resources": amounts,
        "pod": st.fixed_dictionaries(
            {},
            optional={
                "metadata": st.fixed_dictionaries({"labels": st.dictionaries(labels.filter("app".__ne__), labels)}),
                "spec": st.fixed_dictionaries({"nodeSelector": st.dictionaries(labels, labels)}),
            },
        ),
    },
)
flags = st.sampled_from(["true", "false", True, False])
configs = st.fixed_dictionaries(
    {"redisPassword": st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=1, max_size=20)},
    optional={
        "stage": st.sampled_from([stage.value for stage in Stage]),
        "daprVersion": st.sampled_from(list(DAPR_RELEASES)),
        "apps": st.dictionaries(labels, apps, max_size=4),
        "exclusions": st.sampled_from([which.value for which in ExclusionSet]),
        "portScope": st.sampled_from([scope.value for scope in PortScope]),
        "verify": st.sampled_from([level.value for level in VerifyLevel]),
        "extraPortExclusions": st.lists(ports, max_size=14),
        "enableEgress": flags,
        "readAllSecrets": flags,
        "protect": flags,
        "takeOverCrds": flags,
        "keepShared": flags,
        "timeoutSeconds": st.integers(30, 3600),
        "verifySeconds": st.integers(30, 3600).map(str),
        "existingNamespaces": st.lists(st.sampled_from(["dapr-system", "osm-system", "dapr-test"]), max_size=3),
        "namespaceLabels": st.dictionaries(
            st.sampled_from(["dapr-test", "osm-system"]), st.dictionaries(labels, labels)
        ),
    },
)


@given(configs)
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_a_config_of_proper_values_always_gives_settings(config: dict[str, Any]) -> None:
    found = parse(config)
    own = config.get("apps", {})
    assert list(found.apps) == [*WALKTHROUGHS, *own]
    for name, said in own.items():
        assert found.apps[name].namespace == said.get("namespace", "dapr-test")
        assert found.apps[name].pod_overlay == said.get("pod", {})
    as_json = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    assert parse(as_json) == found, "Pulumi hands over texts"


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(KEYS), junk)
def test_whatever_a_key_is_the_config_is_settings_or_told_in_words_of_its_own(key: str, value: Any) -> None:
    try:
        found = parse({"redisPassword": PASSWORD, key: value})
    except SettingsError as error:
        assert all(problem.path[0] in (key, "policies") for problem in error.problems)
        assert "can't be used. " not in str(error), "that is pydantic's word, which nobody here has given"
        assert len(str(error).splitlines()) == 1 + len(error.problems), "a line each"
    else:
        assert isinstance(found, Settings)


@given(st.dictionaries(st.sampled_from(KEYS), junk, max_size=6))
def test_all_of_a_bad_config_is_told_at_once(config: dict[str, Any]) -> None:
    """What is told of two keys is what is told of each, and what they don't go together for."""
    try:
        parse({"redisPassword": PASSWORD, **config})
    except SettingsError as error:
        told = {problem.path[0] for problem in error.problems}
    else:
        told = set()
    # Rules between settings say nothing of what depends on a wrong one.
    alone = {problem.path[0] for key, value in config.items() for problem in read({key: value})[1]}
    assert alone <= told


def test_defaults_alone_with_a_password_are_settings() -> None:
    assert parse({**declared_defaults(), "redisPassword": PASSWORD}, secret=SECRET_KEYS) == parse(
        {"redisPassword": PASSWORD}
    )


@pytest.mark.parametrize("model", [Config, AppKeys, PolicyKeys])
def test_every_key_is_read_by_what_makes_settings_of_it(model: type[Any]) -> None:
    trees = [ast.parse((ROOT / "settings" / f"{name}.py").read_text()) for name in ("draft", "read")]
    read = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    unread = set(model.model_fields) - read - {"redis_password", "allow_untried_dapr"}
    assert not unread, "these two matter to rules only; all others come to something"
