"""What a team lays over its app's pods is merged like Helm values, and never what the mesh depends on."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.pod_overlay import MERGE_KEYS, merged

POD: dict[str, Any] = {
    "metadata": {"labels": {"app": "shop"}, "annotations": {"dapr.io/app-id": "shop"}},
    "spec": {
        "serviceAccountName": "shop",
        "containers": [
            {
                "name": "shop",
                "image": "shop:1",
                "env": [{"name": "A", "value": "1"}],
                "securityContext": {"runAsUser": 1000, "runAsNonRoot": True},
            }
        ],
    },
}


def test_objects_are_merged_deeply() -> None:
    found = merged(POD, {"metadata": {"labels": {"team": "x"}}, "spec": {"nodeSelector": {"disk": "ssd"}}})
    assert found["metadata"]["labels"] == {"app": "shop", "team": "x"}
    assert found["metadata"]["annotations"] == POD["metadata"]["annotations"]
    assert found["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert found["spec"]["serviceAccountName"] == "shop"


def test_containers_are_merged_by_name_and_new_ones_come_last() -> None:
    overlay = {
        "spec": {
            "containers": [
                {"name": "proxy", "image": "proxy:1"},
                {"name": "shop", "readinessProbe": {"periodSeconds": 1}},
            ]
        }
    }
    first, second = merged(POD, overlay)["spec"]["containers"]
    assert first == {**POD["spec"]["containers"][0], "readinessProbe": {"periodSeconds": 1}}
    assert second == {"name": "proxy", "image": "proxy:1"}


# Kubernetes' own, by the patchMergeKey tags of its types.
@pytest.mark.parametrize(
    ("entries", "key"),
    [
        ("containers", "name"),
        ("initContainers", "name"),
        ("volumes", "name"),
        ("imagePullSecrets", "name"),
        ("env", "name"),
        ("volumeMounts", "mountPath"),
    ],
)
def test_lists_are_merged_by_what_tells_their_entries_apart(entries: str, key: str) -> None:
    mine, theirs = [{key: "a", "x": "1"}, {key: "b", "y": "1"}], [{key: "b", "x": "2"}, {key: "c"}]
    assert merged({entries: mine}, {entries: theirs}) == {
        entries: [{key: "a", "x": "1"}, {key: "b", "x": "2", "y": "1"}, {key: "c"}]
    }
    assert entries in MERGE_KEYS


def test_a_list_with_anything_but_objects_in_it_is_a_value() -> None:
    for theirs in ([{"name": "b"}, "c"], ["c", {"name": "b"}]):
        assert merged({"volumes": [{"name": "a"}]}, {"volumes": theirs}) == {"volumes": theirs}


def test_no_other_list_is_merged() -> None:
    assert len(MERGE_KEYS) == 6


def test_other_lists_are_values() -> None:
    found = merged({"tolerations": [{"key": "a"}], "args": ["1"]}, {"tolerations": [{"key": "b"}], "args": []})
    assert found == {"tolerations": [{"key": "b"}], "args": []}


def test_null_removes_what_is_there_and_adds_nothing() -> None:
    found = merged(POD, {"spec": {"containers": [{"name": "shop", "securityContext": {"runAsNonRoot": None}}]}})
    assert found["spec"]["containers"][0]["securityContext"] == {"runAsUser": 1000}
    assert merged({}, {"a": None, "b": {"c": None}}) == {"b": {}}


names = st.sampled_from(["a", "b", "containers", "env", "name", "spec"])
values = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(names, values, max_size=3)


@given(objects, objects)
def test_neither_of_both_is_changed(pod: dict[str, Any], overlay: dict[str, Any]) -> None:
    before = copy.deepcopy((pod, overlay))
    merged(pod, overlay)
    assert (pod, overlay) == before


@given(objects)
def test_an_empty_overlay_changes_nothing(pod: dict[str, Any]) -> None:
    assert merged(pod, {}) == pod


@given(objects, objects)
def test_what_is_not_named_stays(pod: dict[str, Any], overlay: dict[str, Any]) -> None:
    found = merged(pod, overlay)
    assert {key: found[key] for key in pod.keys() - overlay.keys()} == {
        key: pod[key] for key in pod.keys() - overlay.keys()
    }
