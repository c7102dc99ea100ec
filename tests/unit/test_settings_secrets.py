"""What was given as secret, at whatever depth, stays so, and no message shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settings import SECRET_KEYS, Settings, SettingsError, load, parse
from settings.declaration import Secrecy, fields, secrecy_of
from settings.keys import Config

from .bad_inputs import BAD, CERTIFICATE, Bad
from .config import PASSWORD

KEPT = {"apps", "daprValues", "osmValues"}
TOKEN = "hunter2"  # noqa: S105 - the tests' own


def loaded(*secret: str, **config: Any) -> Settings:
    """The settings of a config of which these keys hold a secret, as Pulumi hands it over."""
    values = {"redisPassword": PASSWORD, **config}
    as_given = {
        f"dapr-osm:{key}": json.dumps(value) if isinstance(value, dict | list) else value
        for key, value in values.items()
    }
    return load(as_given, {f"dapr-osm:{key}" for key in (*SECRET_KEYS, *secret)}.__contains__)


def apps(*secret: str, **env: str) -> Settings:
    return loaded(*secret, apps={"nodeapp": {"env": env}, "shop": {"image": "i", "env": {"LEVEL": "debug"}}})


def test_a_secret_variable_of_an_app_is_none_of_the_settings_values() -> None:
    found = apps("apps", API_TOKEN=TOKEN)
    node = found.apps["nodeapp"]
    assert node.secret_environment == {"API_TOKEN"}
    assert node.environment == {"APP_PORT": "3000"}, "the quickstart's own is no secret"
    assert TOKEN not in repr(found)
    assert "debug" not in repr(found), "Pulumi doesn't say which one was given so, so every one counts"
    assert found.apps["shop"].secret_environment == {"LEVEL"}


def test_without_a_secret_variables_are_what_they_are() -> None:
    found = apps(API_TOKEN=TOKEN)
    assert found.apps["nodeapp"].environment == {"APP_PORT": "3000", "API_TOKEN": TOKEN}
    assert {app.secret_environment for app in found.apps.values()} == {frozenset()}


@pytest.mark.parametrize("secret", [(), ("apps",)])
def test_an_overlay_is_marked_where_apps_hold_a_secret_and_never_printed(secret: tuple[str, ...]) -> None:
    overlay = {"metadata": {"annotations": {"team": TOKEN}}}
    found = loaded(*secret, apps={"shop": {"image": "i", "pod": overlay}, "job": {"image": "i"}})
    assert found.apps["shop"].pod_overlay == overlay
    assert found.apps["shop"].secret_pod_overlay is bool(secret)
    assert found.apps["job"].secret_pod_overlay is False, "there is nothing to hide"
    assert TOKEN not in repr(found)


@pytest.mark.parametrize(("key", "flag"), [("daprValues", "secret_dapr_values"), ("osmValues", "secret_osm_values")])
def test_charts_values_with_a_secret_are_marked_and_never_printed(key: str, flag: str) -> None:
    values = {"some": {"token": TOKEN}}
    found = loaded(key, **{key: values})
    assert getattr(found, flag) is True
    assert TOKEN not in repr(found)
    assert getattr(loaded(**{key: values}), flag) is False


def test_credentials_for_charts_are_known_to_be_there_and_nothing_else() -> None:
    credentials = {"username": "me", "password": TOKEN, "caCert": CERTIFICATE}
    found = loaded(chartCredentials=credentials, daprChart="https://charts.example")
    assert found.chart_credentials is True
    assert TOKEN not in repr(found)
    assert loaded().chart_credentials is False
    assert loaded(chartCredentials={}).chart_credentials is False, "as Pulumi.yaml's default is"


def test_credentials_are_never_for_a_public_repository() -> None:
    credentials = {"username": "me", "password": TOKEN}
    for source in ("https://charts.example", "oci://registry.example/charts/dapr"):
        found = loaded(chartCredentials=credentials, daprChart=source)
        assert (found.dapr_chart.credentials, found.osm_chart.credentials) == (True, False)
        assert loaded(daprChart=source).dapr_chart.credentials is False


def test_which_keys_may_be_secret() -> None:
    secrecy = {name: secrecy_of(info) for name, info in fields(Config)}
    assert {name for name, what in secrecy.items() if what is Secrecy.REQUIRED} == set(SECRET_KEYS)
    assert {name for name, what in secrecy.items() if what is Secrecy.KEPT} == KEPT


@pytest.mark.parametrize("key", sorted(set(dict(fields(Config))) - set(SECRET_KEYS) - KEPT))
def test_any_other_key_is_refused_as_secret(key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse({"redisPassword": PASSWORD, key: TOKEN}, secret=[*SECRET_KEYS, key])
    assert TOKEN not in str(caught.value)
    assert f"dapr-osm:{key} " in str(caught.value)


def leaves(value: Any) -> Iterator[str]:
    """Every text and number inside a value that is long enough to be found again."""
    if isinstance(value, Mapping):
        for inside in value.values():
            yield from leaves(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from leaves(inside)
    elif isinstance(value, str | int | float) and not isinstance(value, bool) and len(str(value)) > 3:
        yield str(value)


def marked(value: Any) -> Any:
    """The same with a mark in every text, so that none is found in a message's own words."""
    if isinstance(value, Mapping):
        return {key: marked(inside) for key, inside in value.items()}
    if isinstance(value, list):
        return [marked(inside) for inside in value]
    return f"qZ7{value}7Zq" if isinstance(value, str) else value


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.config and not bad.provider], ids=str)
def test_no_bad_input_that_is_secret_is_shown(bad: Bad) -> None:
    config = {key: marked(value) for key, value in bad.config.items() if value is not None}
    try:
        parse({"redisPassword": PASSWORD, **config}, secret=[*SECRET_KEYS, *config])
    except SettingsError as error:
        said = str(error) + repr(error.problems)
        assert "qZ7" not in said and "7Zq" not in said, said


junk = st.recursive(
    st.none() | st.booleans() | st.integers(min_value=10_000) | st.text(max_size=8).map(lambda text: f"qZ7{text}7Zq"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*"abc", "env", "image", "spec"]), inner)
    ),
    max_leaves=10,
)


@given(st.sampled_from(sorted(KEPT)), st.dictionaries(st.sampled_from(["nodeapp", "shop", "global", "osm"]), junk))
def test_nothing_inside_a_secret_is_ever_shown(key: str, value: dict[str, Any]) -> None:
    try:
        found = repr(parse({"redisPassword": PASSWORD, key: value}, secret=[*SECRET_KEYS, key]))
    except SettingsError as error:
        found = str(error) + repr(error.problems)
    assert "qZ7" not in found and "7Zq" not in found
    assert not [leaf for leaf in leaves(value) if leaf.isdigit() and len(leaf) > 6 and leaf in found]
