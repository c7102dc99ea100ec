"""Two revisions of the program, compared by what each one wants."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from review.changes import Op, changes
from review.compare import compared, stack_file_changes
from review.events import Preview, parse
from review.report import review
from review.verdict import Severity
from tests.review import streams
from tests.review.streams import Stream


def preview(stream: Stream) -> Preview:
    return parse(stream.lines())


def wanted(base: Stream, head: Stream) -> dict[str, Op]:
    return {change.title: change.op for change in changes(compared(preview(base), preview(head)))}


def test_two_previews_of_one_program_differ_in_nothing_whatever_is_deployed() -> None:
    for head in (Stream(), Stream().first(), streams.redis_image()):
        same = compared(preview(head), preview(head))
        assert review(same).verdict.severity is Severity.NOTHING
        assert not changes(same)


def test_what_only_one_of_them_wants_comes_or_goes() -> None:
    base, head = Stream().first(), streams.policy_added().first()
    assert wanted(base, head)["TrafficTarget dapr-test/shop"] is Op.CREATE
    assert wanted(head, base)["TrafficTarget dapr-test/shop"] is Op.DELETE
    assert "Deployment dapr-test/redis" not in wanted(base, head)


def test_what_is_deleted_anyway_is_wanted_by_neither() -> None:
    gone = Stream().delete("smi-traffic-target")
    assert wanted(gone, Stream()) == {"TrafficTarget dapr-test/pythodapp-traffic-target": Op.CREATE}
    assert wanted(gone, gone) == {}


def test_what_both_change_alike_is_no_difference_and_what_differs_is() -> None:
    assert wanted(streams.dapr_value(), streams.dapr_value()) == {}
    assert wanted(Stream().first(), streams.dapr_value()) == {"Deployment dapr-system/dapr-operator": Op.UPDATE}


def test_a_difference_is_told_in_terms_of_the_mesh() -> None:
    found = review(compared(preview(Stream().first()), preview(streams.permissive())))
    assert any("Turns permissive mode on" in finding.what for finding in found.verdict.findings)
    found = review(compared(preview(Stream().first()), preview(streams.redis_image())))
    assert found.verdict.severity is Severity.DESTROYS, "Redis starts empty"


def test_an_object_of_another_name_is_another_object() -> None:
    def renamed(inputs: dict[str, Any]) -> None:
        inputs["metadata"]["name"] = "another"

    found = wanted(Stream().first(), Stream().update("hello-redis-server", renamed))
    assert found == {"Deployment dapr-test/another": Op.REPLACE}


def test_what_only_the_heads_preview_replaces_is_a_replacement() -> None:
    def edit(inputs: dict[str, Any]) -> None:
        inputs["spec"]["selector"] = {"matchLabels": {"app": "other"}}

    head = Stream().replace("hello-redis-server", edit, keys=("spec.selector",))
    (change,) = changes(compared(preview(Stream()), preview(head)))
    assert (change.op, change.replaced_for) == (Op.REPLACE, ("spec.selector",))


def test_a_name_that_pulumi_makes_up_is_no_difference() -> None:
    """It is another one in every preview of a first install, and so is whatever names it."""

    def named(suffix: str) -> Stream:
        text = "\n".join(Stream().first().lines())
        names = {
            json.loads(line)["resourcePreEvent"]["metadata"]["new"]["inputs"]["metadata"]["name"]
            for line in text.splitlines()
            if "hello-redis-password" in line and '"kubernetes:core/v1:Secret"' in line and "resourcePreEvent" in line
        }
        (name,) = names
        stream = Stream().first()
        lines = text.replace(name, f"hello-redis-password-{suffix}").splitlines()
        stream.lines = lambda: lines  # type: ignore[method-assign]
        return stream

    assert wanted(named("00000001"), named("00000002")) == {}


def test_what_is_wrong_with_the_head_alone_is_told() -> None:
    warned = Stream().event(diagnosticEvent={"severity": "warning", "message": "old"})
    both = copy.deepcopy(warned).event(diagnosticEvent={"severity": "warning", "message": "new"})
    assert compared(preview(warned), preview(both)).warnings == ("new",)
    broken = Stream()
    broken.finished = False
    assert not compared(preview(Stream()), preview(broken)).finished


def test_secrets_of_both_are_known() -> None:
    base, head = preview(Stream()), preview(Stream())
    object.__setattr__(base, "known", frozenset({"a-secret"}))
    assert "a-secret" in compared(base, head).known


@pytest.mark.parametrize("word", ["secure", "encryptionsalt", "encryptedkey"])
def test_a_stack_files_changes_are_shown_but_what_is_encrypted(word: str) -> None:
    before = f"config:\n  a:\n    {word}: v1:cyphertext\n  b: 1\n"
    said = stack_file_changes(
        before, before.replace("b: 1", "b: ```2").replace("cyphertext", "another"), "Pulumi.x.yaml"
    )
    assert "+  b: ```2" in said
    assert f"{word}: [secret]" in said
    assert "cyphertext" not in said
    assert "another" not in said
    assert said.startswith("````diff\n"), "nothing in it ends the block"
    assert said.endswith("\n````\n")


def test_a_stack_file_that_stays_is_not_shown() -> None:
    assert stack_file_changes("a: 1\n", "a: 1\n", "x") == ""
