"""The mark of a stack on its objects."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model.owner import KEPT_ANNOTATION, STACK_LABEL, Owner, mark_of, was_there_before

# What the API server takes as a label's value:
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


@pytest.mark.parametrize("stack", ["dev", "a", "prod-eu_1.2", "x" * 63])
def test_a_stacks_mark_is_its_name_where_a_label_can_hold_it(stack: str) -> None:
    assert Owner(stack=stack).mark == stack, "kubectl finds it by the name that Pulumi shows"


@given(st.text(min_size=1))
@example("x" * 64)
@example("-dev")
@example("dev.")
@example("a/b")
@example("dév")
@example("٣")
@example("dev\n")
@example("...")
@example("a" * 47 + "." * 20 + "a")
def test_whatever_a_stack_is_called_its_mark_is_a_valid_label(stack: str) -> None:
    mark = Owner(stack=stack).mark
    assert LABEL_VALUE.fullmatch(mark), mark


@given(st.text(min_size=1), st.text(min_size=1))
@example("x" * 64, "x" * 65)
@example("a/b", "a-b")
@example("a/b", "a:b")
@example("-", ".")
def test_two_stacks_have_two_marks(one: str, other: str) -> None:
    assert (Owner(stack=one).mark == Owner(stack=other).mark) is (one == other)


def test_a_long_stacks_mark_still_begins_with_its_name() -> None:
    assert Owner(stack="x" * 100).mark.startswith("x" * 40)
    assert Owner(stack="team/dev").mark.startswith("team-dev-")
    assert Owner(stack="/Xdev/X").mark.startswith("Xdev-X-")


def test_what_stands_on_clusters_is_called_as_earlier_versions_called_it() -> None:
    assert STACK_LABEL == "dapr-osm/stack"
    assert KEPT_ANNOTATION == "dapr-osm/there-before"


def test_a_mark_that_is_shortened_is_always_the_same_one() -> None:
    assert Owner(stack=".team/dev_1.").mark == "team-dev-1-e79c0a5c2131"


def test_the_mark_is_a_label() -> None:
    assert Owner(stack="dev").labels == {STACK_LABEL: "dev"}


@pytest.mark.parametrize(
    ("metadata", "owned"),
    [
        ({"labels": {STACK_LABEL: "dev"}}, True),
        ({"labels": {STACK_LABEL: "dev", "more": "x"}}, True),
        ({"labels": {STACK_LABEL: "prod"}}, False),
        ({"labels": {STACK_LABEL: ""}}, False),
        ({"labels": {"app": "dev"}}, False),
        ({"labels": {}}, False),
        ({"labels": None}, False),
        ({}, False),
        ({"annotations": {STACK_LABEL: "dev"}}, False),
    ],
)
def test_an_object_is_a_stacks_by_its_mark_alone(metadata: dict[str, Any], owned: bool) -> None:
    assert Owner(stack="dev").owns(metadata) is owned


def test_an_object_tells_whichever_stacks_it_is() -> None:
    assert mark_of({"labels": {STACK_LABEL: "prod"}}) == "prod"
    assert mark_of({"labels": None}) is mark_of({}) is None


@pytest.mark.parametrize(
    ("metadata", "before"),
    [
        ({"annotations": {KEPT_ANNOTATION: "true"}}, True),
        ({"annotations": {KEPT_ANNOTATION: "false"}}, False),
        ({"annotations": {}}, False),
        ({"annotations": None}, False),
        ({"labels": {KEPT_ANNOTATION: "true"}}, False),
        ({}, False),
    ],
)
def test_what_was_there_before_says_so_in_an_annotation(metadata: dict[str, Any], before: bool) -> None:
    assert was_there_before(metadata) is before
