"""What can't work is told by the program itself, before anything is registered; and no secret is shown on the way."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from model.versions import DEFAULT_DAPR_VERSION
from settings import PROJECT, SECRET_KEYS
from tests.unit.bad_inputs import BAD, Bad

from .program import run
from .recording import Recorded, leaves

TOKEN = "hunter2 and more"  # noqa: S105 - the tests' own


# Config of the provider's own is tried by the unit tests.
@pytest.mark.parametrize("bad", [bad for bad in BAD if not bad.provider], ids=str)
def test_no_bad_input_gets_as_far_as_a_resource(bad: Bad) -> None:
    registered: list[Recorded] = []
    with pytest.raises(pulumi.RunError) as caught:
        run(into=registered, secret_keys=tuple(f"{PROJECT}:{key}" for key in bad.secret), **bad.config)
    assert registered == [], "nothing may be touched by a config that is known to be wrong"
    for key in bad.keys:
        assert f"{PROJECT}:{key}" in str(caught.value)


def test_a_secret_variable_of_an_app_is_nowhere_in_the_clear() -> None:
    """Pulumi says only that ``apps`` holds a secret somewhere."""
    secret = tuple(f"{PROJECT}:{key}" for key in (*SECRET_KEYS, "apps"))
    graph = run(secret_keys=secret, apps={"nodeapp": {"env": {"API_TOKEN": TOKEN}}})
    for one in graph.everything:
        for value, hidden in leaves([one.inputs, one.outputs, one.read_id]):
            assert hidden or TOKEN not in str(value), one.name
    assert TOKEN not in repr(graph.stack_outputs) + repr(graph.messages)


MARK = "hunter2-and-more"


@pytest.mark.parametrize(
    "overlay",
    [
        {"metadata": {"annotations": {"example.com/token": MARK}}},
        {"metadata": {"labels": {"token": MARK}}},
        {"spec": {"containers": [{"name": "node", "args": [MARK]}]}},
        {"spec": {"containers": [{"name": "proxy", "image": "i", "env": [{"name": "A", "value": MARK}]}]}},
        {"spec": {"volumes": [{"name": "v", "csi": {"driver": "d", "volumeAttributes": {"token": MARK}}}]}},
    ],
    ids=str,
)
def test_a_secret_in_what_is_laid_over_pods_is_nowhere_in_the_clear(overlay: dict[str, Any]) -> None:
    secret = tuple(f"{PROJECT}:{key}" for key in (*SECRET_KEYS, "apps"))
    graph = run(secret_keys=secret, apps={"nodeapp": {"pod": overlay}})
    shown = [
        (value, hidden) for one in graph.everything for value, hidden in leaves([one.inputs, one.outputs, one.read_id])
    ]
    assert [value for value, hidden in shown if hidden and MARK in str(value)], "it reaches the pods"
    assert not [value for value, hidden in shown if not hidden and MARK in str(value)]
    assert MARK not in repr(graph.stack_outputs) + repr(graph.messages)
    template = graph["hello-nodeapp-pods"].inputs["spec"]["template"]
    assert template["metadata"]["annotations"]["dapr.io/app-id"] == "nodeapp", "reviews know the app by it"


def test_a_release_that_nobody_tried_is_warned_about() -> None:
    version = f"{DEFAULT_DAPR_VERSION}9"
    graph = run(daprVersion=version, allowUntriedDapr=True)
    assert [said for said in graph.warnings() if f"daprVersion {version} was not tried here" in said]


def test_a_probe_that_daprd_answers_in_place_of_the_app_is_warned_about() -> None:
    probed = {"spec": {"containers": [{"name": "node", "readinessProbe": {"httpGet": {"port": 3000}}}]}}
    said = "dapr-osm:apps.nodeapp.pod.spec.containers.node.readinessProbe.httpGet is answered by daprd in the mesh"
    apps = {"nodeapp": {"pod": probed}}
    assert [one for one in run(apps=apps).warnings() if said in one]
    assert not [one for one in run(apps=apps, stage="dapr").warnings() if "answered by daprd" in one]
