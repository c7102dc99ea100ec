"""How charts are asked for, and what is told where one can't be had."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from charts import ChartError, Renderer, registry_login, source_options
from model.chart import ChartObject
from model.names import Namespaces
from model.owner import STACK_LABEL, Owner
from settings import Chart, Settings

from .config import parsed

OWNER = Owner(stack="dev")
CREDENTIALS = {"username": "chart", "password": "pull  me", "caCert": "-----BEGIN CERTIFICATE-----\n"}


class Provider:
    """Answers the provider's invoke, and keeps what it was asked.

    Attributes:
        asked: The options of each call.
        files: The content and the mode of each file that a call's options named, while it lasted.
    """

    def __init__(self, *rendered: Any, fails: str = "") -> None:
        self.rendered, self.fails = list(rendered), fails
        self.asked: list[dict[str, Any]] = []
        self.files: dict[str, tuple[str, str]] = {}

    def __call__(self, text: str) -> Any:
        options = json.loads(text)
        self.asked.append(options)
        for named in (options.get("fetch_opts", {}).get("ca_file"), options.get("helm_registry_config")):
            if named:
                path = Path(named)
                self.files[path.name] = (path.read_text(), oct(path.stat().st_mode & 0o777))
        if self.fails:
            raise RuntimeError(self.fails)
        return self.rendered


_ASKED: list[Provider] = []


@pytest.fixture
def provider() -> Callable[..., Provider]:
    def answering(*rendered: Any, fails: str = "") -> Provider:
        _ASKED[:] = [Provider(*rendered, fails=fails)]
        return _ASKED[0]

    return answering


def renderer(**more: Any) -> Renderer:
    def render(options: str) -> Any:
        return _ASKED[0](options)

    return Renderer(**{"render": render, "owner": OWNER, "pull_secret": None, **more})


SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "it"}}

# Where a chart may be --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("https://charts.example", {"chart": "dapr", "fetch_opts": {"repo": "https://charts.example"}}),
        ("http://charts.example", {"chart": "dapr", "fetch_opts": {"repo": "http://charts.example"}}),
        ("oci://registry.example/charts/dapr", {"chart": "oci://registry.example/charts/dapr"}),
        (".lab/charts/dapr", {"path": ".lab/charts/dapr"}),
        ("/charts/dapr-1.18.1.tgz", {"path": "/charts/dapr-1.18.1.tgz"}),
    ],
)
def test_a_chart_is_in_a_repository_in_a_registry_or_in_a_folder(source: str, options: dict[str, Any]) -> None:
    assert source_options(Chart(source=source, version="1.18.1"), "dapr") == options


def test_a_registrys_login_is_what_a_container_client_reads() -> None:
    login = json.loads(registry_login("oci://registry.example:5000/charts/dapr", {"username": "u", "password": "p:w"}))
    (host,) = login["auths"]
    assert host == "registry.example:5000"
    assert base64.b64decode(login["auths"][host]["auth"]) == b"u:p:w"


# What is asked for -----------------------------------------------------------------------------------------------


def at(source: str, *, private: bool = False) -> Settings:
    """Settings whose charts are there; private ones have credentials."""
    chart = Chart(source=source, version="1.18.1", credentials=private)
    return replace(parsed(), dapr_chart=chart, osm_chart=replace(chart, version="1.2.4"))


def dapr(settings: Settings, **more: Any) -> tuple[ChartObject, ...]:
    return renderer(**more).dapr(settings)


def test_a_chart_is_rendered_under_its_release_name_with_its_version_and_values(
    provider: Callable[..., Provider],
) -> None:
    made = provider(SECRET)
    settings = replace(at("charts/dapr"), namespaces=Namespaces(dapr="dapr-elsewhere"))
    (item,) = dapr(settings, pull_secret="registry-credentials")
    (asked,) = made.asked
    assert (asked["path"], asked["release_name"], asked["version"]) == ("charts/dapr", "dapr", "1.18.1")
    assert asked["namespace"] == item.namespace == "dapr-elsewhere"
    assert "registry-credentials" in json.dumps(asked["values"])
    assert item.body["metadata"]["labels"] == {STACK_LABEL: "dev"}


def test_osms_chart_is_rendered_under_its_own(provider: Callable[..., Provider]) -> None:
    made = provider(SECRET)
    (item,) = renderer().osm(at("charts/osm"))
    (asked,) = made.asked
    assert (asked["path"], asked["release_name"], asked["version"]) == ("charts/osm", "osm", "1.2.4")
    assert item.namespace == "osm-system"


def test_whole_numbers_are_whole_although_the_provider_only_knows_fractions(
    provider: Callable[..., Provider],
) -> None:
    provider({**SECRET, "spec": {"ports": [{"port": 80.0, "targetPort": 6500.0}], "share": 0.5}})
    (item,) = dapr(at("charts/dapr"))
    assert json.dumps(item.body["spec"]) == '{"ports": [{"port": 80, "targetPort": 6500}], "share": 0.5}'


def test_empty_documents_are_nothing(provider: Callable[..., Provider]) -> None:
    provider(SECRET, None, {})
    assert len(dapr(at("charts/dapr"))) == 1


# What it is fetched with -----------------------------------------------------------------------------------------


def test_a_private_repository_is_asked_with_user_password_and_certificate_for_the_call_only(
    provider: Callable[..., Provider],
) -> None:
    made = provider(SECRET)
    dapr(at("https://charts.example", private=True), credentials=CREDENTIALS)
    fetch = made.asked[0]["fetch_opts"]
    assert (fetch["repo"], fetch["username"], fetch["password"]) == ("https://charts.example", "chart", "pull  me")
    assert made.files == {"ca.crt": (CREDENTIALS["caCert"], "0o600")}
    assert not Path(fetch["ca_file"]).exists(), "nothing is left on the disk"
    assert "helm_registry_config" not in made.asked[0]


def test_a_registry_is_asked_with_a_login_of_its_own_for_the_call_only(provider: Callable[..., Provider]) -> None:
    made = provider(SECRET)
    dapr(at("oci://registry.example/charts/dapr", private=True), credentials=CREDENTIALS)
    text, mode = made.files["config.json"]
    assert text == registry_login("oci://registry.example/charts/dapr", CREDENTIALS)
    assert mode == "0o600"
    assert not Path(made.asked[0]["helm_registry_config"]).exists()


def test_a_certificate_alone_is_no_login(provider: Callable[..., Provider]) -> None:
    made = provider(SECRET)
    dapr(at("https://charts.example", private=True), credentials={"caCert": "certificate"})
    assert set(made.asked[0]["fetch_opts"]) == {"repo", "ca_file"}


def test_credentials_are_shown_to_nobody_they_are_not_for(provider: Callable[..., Provider]) -> None:
    made = provider(SECRET)
    dapr(at("https://charts.example"), credentials=CREDENTIALS)
    assert "pull  me" not in json.dumps(made.asked)
    assert made.files == {}


def test_credentials_are_in_no_representation() -> None:
    assert "pull  me" not in repr(renderer(credentials=CREDENTIALS))


# Where it can't be had -------------------------------------------------------------------------------------------


def told(settings: Settings, **more: Any) -> str:
    with pytest.raises(ChartError) as caught:
        dapr(settings, **more)
    return str(caught.value)


def test_a_chart_that_can_not_be_fetched_is_told_in_one_line_with_key_and_mend(
    provider: Callable[..., Provider],
) -> None:
    provider(fails="invocation failed:\n  failed to pull chart:\n\tno such host")
    assert told(at("https://charts.example")) == (
        "dapr-osm:daprChart: https://charts.example 1.18.1 can't be rendered: invocation failed: failed to pull chart: "
        "no such host. Is the address right, and can this machine reach it? A copy may stand in the project: a path "
        "works too."
    )


def test_a_chart_that_does_not_take_the_values_is_told_so(provider: Callable[..., Provider]) -> None:
    provider(fails="execution error at (dapr/templates/x.yaml)")
    assert told(at("charts/dapr")).endswith("The chart does not take these values, or is not the release's.")


def test_a_chart_that_renders_to_nothing_is_told_so(provider: Callable[..., Provider]) -> None:
    provider()
    assert told(at("charts/dapr")).endswith("renders to nothing")


def test_no_password_is_told_and_no_other_word_is_hidden_for_a_users_name(provider: Callable[..., Provider]) -> None:
    provider(fails="failed to pull chart: 401 for chart:pull  me")
    message = told(at("https://charts.example", private=True), credentials=CREDENTIALS)
    assert "failed to pull chart: 401 for chart:[secret]." in message
    assert "Is the address right" in message


def test_what_stands_in_secret_values_is_told_in_no_form(provider: Callable[..., Provider]) -> None:
    """Helm quotes a value that a chart does not take."""
    values = {"dapr_sentry": {"tls": {"issuer": {"keyPEM": "hunter2 & more"}}, "ports": [{"x": 31337}]}}
    encoded = base64.b64encode(b"hunter2 & more").decode()
    for said in ("hunter2 & more", encoded, "hunter2 \\u0026 more", "hunter2%20%26%20more", "31337"):
        provider(fails=f"execution error at (dapr/x.yaml): {said} is no key")
        message = told(replace(at("charts/dapr"), dapr_values=values, secret_dapr_values=True))
        assert "[secret] is no key" in message, message
        assert said not in message
    provider(fails="31337 is no key")
    assert "31337" in told(replace(at("charts/dapr"), dapr_values=values)), "what is no secret may be told"
