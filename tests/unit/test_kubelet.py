"""What the kubelet asks of an app's pods in the mesh, and who answers.

What is expected was read in OSM 1.2.4 (pkg/injector/health_probes.go) and in Dapr's injector: from 1.15.2 on daprd's
liveness probe is by TCP, before it was by HTTP, like its readiness probe.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from model.apps import App
from model.versions import DAPR_RELEASES
from settings import kubelet

from .config import only_problem, parsed

HTTP: Final = {"httpGet": {"path": "/", "port": 8080}}
HTTPS: Final = {"httpGet": {"path": "/", "port": 8080, "scheme": "HTTPS"}}
TCP: Final = {"tcpSocket": {"port": 8080}}
GRPC: Final = {"grpc": {"port": 8080}}
EXEC: Final = {"exec": {"command": ["true"]}}
LIVE, READY, START = "livenessProbe", "readinessProbe", "startupProbe"


def apps(*more: dict[str, Any], **own: Any) -> dict[str, Any]:
    spec = {"containers": [*more, {"name": "shop", **own}]}
    return {"shop": {"image": "i", "port": 8080, "pod": {"spec": spec}}}


def fine(version: str, *more: dict[str, Any], **own: Any) -> App:
    return parsed(apps=apps(*more, **own), daprVersion=version).apps["shop"]


def problem(version: str, *more: dict[str, Any], **own: Any) -> str:
    return only_problem(apps=apps(*more, **own), daprVersion=version)


@pytest.mark.parametrize("version", ["1.12.0", "1.16.0", "1.17.5", "1.18.2"])
@pytest.mark.parametrize("kind", [LIVE, READY, START])
def test_a_command_in_the_container_is_nobodys_matter(version: str, kind: str) -> None:
    assert fine(version, **{kind: EXEC})


@pytest.mark.parametrize("version", ["1.16.0", "1.17.5", "1.18.2"])
@pytest.mark.parametrize("kind", [LIVE, READY, START])
def test_a_probe_by_tcp_is_answered_where_daprd_has_one_too(version: str, kind: str) -> None:
    assert fine(version, **{kind: TCP})


def test_with_older_releases_a_probe_by_tcp_is_answered_only_beside_a_startup_probe_by_tcp() -> None:
    assert f"{READY}.tcpSocket asks by TCP, and in the mesh nobody answers that" in problem(
        "1.12.0", readinessProbe=TCP
    )
    assert fine("1.12.0", startupProbe=TCP)
    assert fine("1.12.0", readinessProbe=TCP, startupProbe=TCP)


@pytest.mark.parametrize("version", ["1.16.0", "1.17.5", "1.18.2"])
def test_a_liveness_probe_by_http_would_have_the_app_restarted_for_ever(version: str) -> None:
    line = problem(version, livenessProbe=HTTP)
    assert f"apps.shop.pod.spec.containers.shop.{LIVE}.httpGet asks by HTTP, and in the mesh a pod has one" in line
    assert "daprd's, by tcpSocket. Ask by TCP (tcpSocket), or let it be a command" in line


@pytest.mark.parametrize("version", ["1.12.0", "1.18.2"])
def test_a_startup_probe_is_the_apps_own_since_daprd_has_none(version: str) -> None:
    for probe in (HTTP, HTTPS):
        assert list(kubelet.answered_by_daprd(fine(version, startupProbe=probe), DAPR_RELEASES[version])) == []


def test_of_two_containers_probes_the_last_ones_form_counts_whatever_the_overlays_order() -> None:
    proxy = {"name": "proxy", "image": "i", START: TCP}
    assert "shop.startupProbe.httpGet asks by HTTP" in problem("1.18.2", proxy, startupProbe=HTTP)
    assert "the last container's, by tcpSocket" in problem("1.18.2", proxy, startupProbe=HTTP)


@pytest.mark.parametrize(("version", "kinds"), [("1.12.0", {LIVE, READY}), ("1.18.2", {READY})])
def test_a_probe_that_daprd_answers_instead_is_named(version: str, kinds: set[str]) -> None:
    app = fine(version, **dict.fromkeys(kinds, HTTP))
    told = set(kubelet.answered_by_daprd(app, DAPR_RELEASES[version]))
    assert told == {f"apps.shop.pod.spec.containers.shop.{kind}.httpGet" for kind in kinds}


@pytest.mark.parametrize("probe", [GRPC, HTTPS])
def test_what_is_neither_led_around_envoy_nor_like_daprds_is_refused(probe: dict[str, Any]) -> None:
    assert f"spec.containers.shop.{READY}." in problem("1.18.2", readinessProbe=probe)


@pytest.mark.parametrize("hook", ["postStart", "preStop"])
def test_hooks_are_led_nowhere(hook: str) -> None:
    assert "ends at Envoy, which takes mTLS only" in problem("1.18.2", lifecycle={hook: {"httpGet": {"port": 8080}}})
    assert fine("1.18.2", lifecycle={hook: EXEC})


@pytest.mark.parametrize("probe", [HTTP, HTTPS, TCP, GRPC])
def test_without_a_mesh_the_kubelet_asks_whom_it_wants(probe: dict[str, Any]) -> None:
    own = {LIVE: probe, READY: probe, START: probe, "lifecycle": {"preStop": HTTP}}
    assert parsed(apps=apps(**own), stage="dapr").apps["shop"]


def test_a_port_may_be_named_where_its_container_has_one_of_that_name() -> None:
    proxy = {"name": "proxy", "image": "i", "ports": [{"name": "web", "containerPort": 8081}]}
    assert fine("1.18.2", {**proxy, START: {"httpGet": {"port": "web"}}})
    line = problem("1.18.2", {**proxy, START: {"httpGet": {"port": "wbe"}}})
    assert 'startupProbe.httpGet.port names "wbe", which is no port of its container\'s. Write its number.' in line
