"""Two versions of an object, as lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review.diff import decided_by, diff, lines_of
from review.secrets import SECRET, UNKNOWN


def lines(before: Any, after: Any) -> list[str]:
    return list(lines_of(diff(before, after)))


def test_what_stays_the_same_is_left_out() -> None:
    before = {"spec": {"a": 1, "b": 2, "deep": {"c": 3, "d": 4}}}
    assert lines(before, {"spec": {"a": 1, "b": 2, "deep": {"c": 5, "d": 4}}}) == [
        "  spec:",
        "    deep:",
        "-     c: 3",
        "+     c: 5",
    ]
    assert lines(before, before) == []


@pytest.mark.parametrize(
    "key", ["resourceVersion", "managedFields", "status", "uid", "generation", "creationTimestamp"]
)
def test_what_kubernetes_notes_for_itself_is_left_out(key: str) -> None:
    assert lines({"metadata": {key: 1}}, {"metadata": {key: 2}}) == []
    assert lines(None, {key: 1, "kind": "X"}) == ["+ kind: X"]


def test_checksums_are_counted_instead_of_shown() -> None:
    before = {"annotations": {"dapr-osm/dapr": "1", "checksum/config": "1", "a": "1"}}
    after = {"annotations": {"dapr-osm/dapr": "2", "checksum/config": "2", "a": "2"}}
    assert lines(before, after) == [
        "  annotations:",
        "-   a: '1'",
        "+   a: '2'",
        "  # 2 checksums of what is shown elsewhere",
    ]


def containers(*named: dict[str, Any]) -> dict[str, Any]:
    return {"containers": list(named)}


def test_items_of_a_list_are_told_apart_by_their_names() -> None:
    before = containers({"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"})
    after = containers({"name": "b", "image": "b:2"}, {"name": "a", "image": "a:1"})
    order = "    # in another order"
    assert lines(before, after) == ["  containers:", "    - name: b", "-     image: b:1", "+     image: b:2", order]


def test_an_item_that_comes_shifts_no_other() -> None:
    before = {"env": [{"name": "A", "value": "1"}]}
    after = {"env": [{"name": "NEW", "value": "0"}, {"name": "A", "value": "1"}]}
    assert lines(before, after) == ["  env:", "+   - name: NEW", "+     value: '0'"]


@pytest.mark.parametrize("key", ["port", "containerPort", "mountPath", "key"])
def test_items_without_names_are_told_apart_by(key: str) -> None:
    before = {"items": [{key: 80, "x": "a"}, {key: 443, "x": "b"}]}
    after = {"items": [{key: 443, "x": "c"}, {key: 80, "x": "a"}]}
    order = "    # in another order"
    assert lines(before, after) == ["  items:", f"    - {key}: 443", "-     x: b", "+     x: c", order]


def test_another_order_alone_is_not_silent() -> None:
    one, two = {"name": "a"}, {"name": "b"}
    assert lines({"l": [one, two]}, {"l": [two, one]}) == ["  l:", "    # in another order"]


def test_plain_lists_show_what_comes_and_what_goes() -> None:
    assert lines({"ports": [1, 2, 3]}, {"ports": [1, 3, 4]}) == ["  ports:", "-   - 2", "+   - 4"]


def test_names_that_are_there_twice_tell_nothing_apart() -> None:
    before = {"l": [{"name": "a", "x": 1}, {"name": "a", "x": 2}]}
    after = {"l": [{"name": "a", "x": 3}, {"name": "a", "x": 2}]}
    assert lines(before, after) == ["  l:", "    - # no. 1", "-     x: 1", "+     x: 3"]


def test_a_document_in_a_configmap_is_compared_line_by_line() -> None:
    before = {"data": {"config.yaml": "a: 1\nb: 2\nc: 3\nd: 4\n"}}
    after = {"data": {"config.yaml": "a: 1\nb: 2\nc: 9\nd: 4\n"}}
    found = lines(before, after)
    assert "-     c: 3" in found
    assert "+     c: 9" in found
    assert not any("a: 1" in line for line in found), "only a line around what changes"


def test_json_in_a_configmap_is_compared_by_its_keys() -> None:
    before, after = ({"data": {"x.json": json.dumps({"a": 1, "l": {"b": n}})}} for n in (1, 2))
    assert lines(before, after) == ["  data:", "    x.json:", "      l:", "-       b: 1", "+       b: 2"]


def test_unknown_is_said_with_what_decides_it() -> None:
    before = {"traffic": {"outboundPortExclusionList": [80]}}
    found = diff(before, {"traffic": {"outboundPortExclusionList": UNKNOWN}})
    assert any("[unknown] # known after the ports of Dapr's Services" in line for line in found.lines)
    assert found.unknown == 1
    assert decided_by(("metadata", "namespace")) == "the namespace, which is made first"
    assert decided_by(("metadata", "something")) == ""


def test_a_secret_is_never_compared_by_its_text() -> None:
    assert lines({"a": SECRET}, {"a": SECRET}) == []
    assert lines({"a": "[secret]"}, {"a": SECRET}) == ["- a: '[secret]'", "+ a: [secret]"]
    assert lines({"a": "x\ny"}, {"a": SECRET})[-1] == "+ a: [secret]"


def test_a_definitions_schema_is_counted_instead_of_shown() -> None:
    found = lines(None, {"openAPIV3Schema": {"type": "object"}})
    assert found == ["+ openAPIV3Schema: # 18 characters of schema"]


def test_a_changed_schema_is_compared_like_anything_else() -> None:
    before, after = ({"openAPIV3Schema": {"type": kind}} for kind in ("object", "string"))
    assert "+   type: string" in lines(before, after)


def test_what_would_turn_a_line_around_is_written_by_its_number() -> None:
    found = lines({"a": "1"}, {"a": "safe\u202etxt"})
    assert "\u202e" not in "".join(found)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text("ab\n: -[]{}`", max_size=6)
    | st.sampled_from([SECRET, UNKNOWN])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "x", "y", "port"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES, VALUES)
@settings(max_examples=300, deadline=None)
def test_a_difference_is_never_silent_and_sameness_never_a_difference(before: Any, after: Any) -> None:
    before, after = {"kind": "X", "v": before}, {"kind": "X", "v": after}
    assert diff(before, before).is_empty
    if before != after:
        assert not diff(before, after).is_empty
    for line in diff(before, after).lines:
        assert line[:2].strip() in ("", "+", "-"), "each line has its sign, and nothing else is at its beginning"
        assert "\n" not in line


def test_a_name_of_several_lines_stays_on_one() -> None:
    assert lines([{"name": "\n+ x"}], [{"name": "\n+ x", "y": 1}]) == ['  - name: "\\n+ x"', "+   y: 1"]


def test_whole_numbers_are_whole_numbers() -> None:
    assert lines({"replicas": 1.0}, {"replicas": 2.0}) == ["- replicas: 1", "+ replicas: 2"]
    assert lines({"replicas": 1.0}, {"replicas": 1}) == []
