"""The engine's stream, read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from review.changes import Op, changes
from review.digest import digest
from review.events import EventsError, parse
from tests.review.streams import Stream, real


def test_a_real_stream_is_read_whole() -> None:
    preview = parse(real("first-install"))
    assert preview.stack == "lab"
    assert preview.finished
    assert preview.errors == ()
    assert preview.known == frozenset(), "the engine has blinded its secrets already"
    stack = next(step for step in preview.steps if step.type == "pulumi:pulumi:Stack")
    assert stack.new is not None
    assert stack.new.outputs["stage"] == "smi", "the last event of a resource knows its outputs"


def test_debug_messages_and_progress_are_no_errors() -> None:
    stream = Stream()
    for severity in ("debug", "info", "info#err"):
        stream.event(diagnosticEvent={"message": "noise", "severity": severity})
    stream.event(diagnosticEvent={"message": "passing", "severity": "error", "ephemeral": True})
    stream.event(progressEvent={"id": "1"}).event(preludeEvent={"config": {}}).event(cancelEvent={})
    preview = parse(stream.lines())
    assert (preview.errors, preview.warnings) == ((), ())


def test_colours_are_taken_off_messages() -> None:
    stream = Stream().event(diagnosticEvent={"message": "<{%fg 1%}>red\x1b[0m", "severity": "warning"})
    assert parse(stream.lines()).warnings == ("red",)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["{", "x"], "line 1, is no engine event"),
        (["[]"], "line 1, is no engine event"),
        ([], "has no engine event at all"),
        (["", " "], "has no engine event at all"),
        ([json.dumps({"a": 1})], "has no engine event at all"),
        ([json.dumps({"steps": [], "changeSummary": {}})], "digest of a preview, not its events"),
    ],
)
def test_what_is_no_stream_is_refused(lines: list[str], says: str) -> None:
    with pytest.raises(EventsError, match=says):
        parse(lines, name="file")


def test_a_run_that_was_killed_in_the_middle_of_an_event_has_broken_off() -> None:
    lines = Stream().lines()[:20]
    preview = parse([*lines, lines[-1][:40]])
    assert preview.steps
    assert not preview.finished
    with pytest.raises(EventsError, match="line 21, is no engine event"):
        parse([*lines, lines[-1][:40], lines[-1]])


def test_a_run_that_ended_before_its_first_resource_is_of_the_stack_that_it_was_made_for() -> None:
    prelude = json.dumps({"sequence": 0, "preludeEvent": {"config": {}}})
    failed = json.dumps({"sequence": 1, "diagnosticEvent": {"message": "no plugin", "severity": "error"}})
    for lines in ([prelude], [prelude, failed]):
        preview = parse(lines, name="prod.jsonl", stack="prod")
        assert (preview.stack, preview.finished) == ("prod", False)


def test_a_refusal_quotes_nothing_of_the_line() -> None:
    with pytest.raises(EventsError) as caught:
        parse(["hunter22 is the password"])
    assert "hunter22" not in str(caught.value)


def test_streams_of_two_stacks_in_one_file_are_refused() -> None:
    with pytest.raises(EventsError, match="several stacks: lab, prod"):
        parse([*Stream().lines(), *Stream(stack="prod").lines()])


def test_every_operation_of_the_engine_has_its_word() -> None:
    assert {change.op for change in changes(parse(Stream().first().lines()))} == {Op.CREATE}
    assert {change.op for change in changes(parse(Stream().gone().lines()))} == {Op.DELETE}
    assert {c.op for c in changes(parse(Stream().replace("hello-namespace", lambda i: i).lines()))} == {Op.REPLACE}
    assert changes(parse(Stream().lines())) == ()


def test_components_and_providers_are_no_objects() -> None:
    found = changes(parse(real("first-install")))
    assert not any("components" in change.kind or "provider" in change.kind for change in found)


def test_what_a_program_adds_of_any_other_provider_is_told_and_counts() -> None:
    stream = Stream().create(
        "state", "aws:s3/bucket:Bucket", {"kind": "x", "metadata": {"name": "y"}, "acl": "private"}
    )
    lines = [line.replace('"id": "",', '"id": "", "custom": true,') for line in stream.lines()]
    (change,) = changes(parse(lines))
    assert (change.title, change.op, change.part) == ("Bucket state", Op.CREATE, "the stack")
    assert digest([parse(lines)]) != digest([parse(Stream().lines())])
    assert changes(parse(stream.lines())) == (), "a component, say"


def test_objects_are_named_by_kind_namespace_and_name() -> None:
    titles = {change.title for change in changes(parse(real("first-install")))}
    assert {
        "MeshConfig osm-system/osm-mesh-config",
        "Deployment dapr-test/nodeapp",
        "ClusterRole osm",
        "TrafficTarget dapr-test/pythodapp-traffic-target",
        "step verification-run",
    } <= titles


def test_objects_belong_to_the_innermost_part() -> None:
    parts = {change.title: change.part for change in changes(parse(real("first-install")))}
    assert parts["Deployment dapr-test/redis"] == "state store"
    assert parts["Deployment dapr-test/nodeapp"] == "apps"
    assert parts["Deployment dapr-system/dapr-operator"] == "Dapr"
    assert parts["MeshConfig osm-system/osm-mesh-config"] == "exclusions"


@pytest.mark.parametrize("event", [{"resourcePreEvent": {}}, {"diagnosticEvent": {"message": 5}}, {"policyEvent": []}])
def test_an_event_of_another_shape_is_an_error_that_quotes_nothing(event: dict[str, Any]) -> None:
    with pytest.raises(EventsError, match="line 1, is an event of another shape"):
        parse([json.dumps(event)])
