"""Policies in the review: those that the pack has told, and those that no pack sees."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from policy import NAME
from policy.config import Config, read, unused
from review import policies
from review.__main__ import FAILED, VIOLATED, main
from review.changes import Op, after, before, changes
from review.events import Violation, parse
from review.markdown import Level, rendered
from review.report import Review, review
from review.verdict import Severity
from tests.review import streams
from tests.review.streams import Stream

DAY = date(2027, 1, 31)
ASKED = {f"{NAME}|local|policy/pack": "0.0.1"}


def config(**rules: Any) -> Config:
    return read(json.dumps({"all": "mandatory", **rules}), name="test")


def asked(stream: Stream) -> Stream:
    """The same, with the pack asked."""
    stream.packs = ASKED
    return stream


def found(stream: Stream, said: Config, day: date = DAY) -> list[Violation]:
    preview = parse(stream.lines())
    plan = policies.plan(changes(preview), before(preview), after(preview))
    edited = policies.edited(preview, changes(preview))
    return list(policies.violations(preview, plan, said, edited=edited, day=day))


def reviewed(stream: Stream, said: Config | None = None) -> Review:
    return review(parse(stream.lines()), said)


def told(one: Review) -> str:
    return "\n".join(finding.what for finding in one.verdict.findings)


def violated(policy: str, message: str, level: str = "mandatory", urn: str = "a::b::c::app", **more: Any) -> Stream:
    event = {"policyName": policy, "message": message, "enforcementLevel": level, "resourceUrn": urn, **more}
    return asked(Stream()).event(policyEvent=event)


# --- what the pack has told -------------------------------------------------------------------------------------


def test_a_violation_is_told_by_its_object_and_not_by_what_the_policy_is() -> None:
    one = reviewed(
        violated("images", "Images come from allowed registries.\nDeployment shop/app: container a has latest.\n")
    )
    assert one.verdict.severity is Severity.STOPPED
    assert told(one) == "The policy `images` is not kept: `Deployment shop/app: container a has latest.`"


def test_all_that_is_wrong_by_one_policy_is_one_finding_and_many_are_counted() -> None:
    stream = violated("images", "Images.\nDeployment shop/app0: a.")
    for number in range(1, 9):
        message = f"Images.\nDeployment shop/app{number}: a."
        stream.event(policyEvent={"policyName": "images", "message": message, "enforcementLevel": "mandatory"})
    (finding,) = reviewed(stream).verdict.findings
    assert "`Deployment shop/app0: a.`; `Deployment shop/app1: a.`" in finding.what
    assert finding.what.endswith("; and 3 more")


def test_the_same_violation_is_told_once() -> None:
    stream = violated("images", "Images.\nDeployment shop/app: a.")
    stream.event(policyEvent=stream.extra[0]["policyEvent"])
    assert len(reviewed(stream).preview.violations) == 1


def test_a_warning_is_told_and_stops_nothing() -> None:
    one = reviewed(violated("images", "Images.\nDeployment shop/app: a.", "advisory"))
    assert one.verdict.severity is Severity.SAFE
    assert told(one).startswith("The policy `images` is not kept, which is only a warning: ")


def test_what_is_not_known_yet_is_no_violation() -> None:
    message = "can't run policy 'exclusions' from policy pack 'x' during preview: Array value at .spec can't be known"
    one = reviewed(violated("exclusions", message, "advisory"))
    assert one.verdict.severity is Severity.SAFE
    assert told(one) == "The policy `exclusions` asks again in `up`: not everything is known yet of `app`."


def test_an_exception_of_pulumis_own_is_told_with_its_reason_and_stops_nothing() -> None:
    exceptions = [{"id": "EXC-1", "reason": "the move is on"}]
    one = reviewed(violated("images", "Images.\nDeployment shop/app: a.", exceptions=exceptions))
    assert one.verdict.severity is Severity.SAFE
    assert "The policy `images` has an exception (`the move is on`): `Deployment shop/app: a.`" in told(one)


def test_nothing_of_a_message_is_markup() -> None:
    one = reviewed(violated("a`b", "Images.\nDeployment shop/app: `x` <b> @me [a](b)."))
    text = rendered([one], Level.VERDICT)
    assert "`Deployment shop/app: 'x' <b> @me [a](b).`" in text, "all of it stands in one piece of code"


def test_an_exception_that_let_something_pass_is_told_with_its_reason() -> None:
    exceptions = [{"object": f"Deployment shop/{name}", "reason": "OPS-7", "until": "2999-12-31"} for name in "ab"]
    exceptions.append({"object": "Deployment shop/c", "reason": "over", "until": "2020-12-31"})
    said = config(images={"exceptions": exceptions})
    stale = f"Every exception is still needed.\n{unused(said['images'].exemptions[1])}"
    one = reviewed(violated("unused-exceptions", stale, "advisory", urn=""), said)
    assert "The policy `images` has an exception (`OPS-7`): `Deployment shop/a: allowed until 2999-12-31`" in told(one)
    assert "Deployment shop/b: allowed" not in told(one), "nothing needed that one"
    assert "Deployment shop/c" not in told(one), "that one has ended"
    assert one.verdict.severity is Severity.SAFE


def test_a_pack_that_was_asked_without_the_file_does_not_soften_it() -> None:
    event = {"policyPackName": NAME}
    one = reviewed(violated("images", "I.\nDeployment shop/app: a.", "advisory", **event), config())
    assert one.verdict.severity is Severity.STOPPED
    assert "give --policy-pack-config" in told(one)
    one = reviewed(violated("images", "I.\nDeployment shop/app: a.", "advisory", policyPackName="other"), config())
    assert one.verdict.severity is Severity.SAFE, "another pack's rule of that name is another rule"


# --- what no pack sees ------------------------------------------------------------------------------------------


def test_nothing_is_wrong_where_nothing_goes() -> None:
    assert found(asked(Stream()), config()) == []
    assert found(asked(streams.policy_added()), config()) == []
    assert found(asked(Stream().first()), config()) == []


def test_a_destroy_deletes_namespaces_and_definitions() -> None:
    gone = found(Stream().gone(), config())
    assert {violation.policy for violation in gone} == {"deletes"}, "and no pack was to be asked: there is no program"
    said = {violation.message.partition(": ")[0] for violation in gone}
    assert {"Namespace dapr-test", "CustomResourceDefinition components.dapr.io", "step osm-runtime"} <= said
    assert not any(title.startswith("Deployment") for title in said)


def test_what_stays_on_the_cluster_is_not_deleted() -> None:
    stream = asked(Stream()).delete("dapr-chart/customresourcedefinition/components.dapr.io", retain=True)
    assert found(stream, config()) == []


def test_a_replaced_namespace_is_deleted_too() -> None:
    name = next(name for name in Stream().names if Stream().type_of(name) == "kubernetes:core/v1:Namespace")
    stream = asked(Stream()).replace(name, lambda inputs: inputs["metadata"].update(name="other"))
    (violation,) = found(stream, config())
    assert violation.policy == "deletes"
    assert "would be replaced" in violation.message


def staged(earlier: str, later: str) -> Stream:
    """A move between stages; the events know both by the stack's outputs."""
    stream = asked(Stream())
    _, old, new = stream._steps["dapr-osm-lab"]
    old["outputs"]["stage"], new["outputs"]["stage"] = earlier, later
    return stream


def test_a_stage_that_goes_back_stops_and_one_that_goes_on_does_not() -> None:
    for earlier, later in (("dapr", "permissive"), ("smi", "smi")):
        assert found(staged(earlier, later), config()) == []
    (violation,) = found(staged("smi", "permissive"), config())
    assert violation.policy == "stage-forward"
    assert violation.message.startswith("stage permissive: the stage would go back, from smi")
    assert violation.stops


def test_an_exception_lets_just_that_pass_and_is_told_where_nothing_needs_it() -> None:
    said = config(**{"stage-forward": {"exceptions": [{"object": "stage permissive", "reason": "incident 7"}]}})
    (allowed,) = found(staged("smi", "permissive"), said)
    assert (allowed.stops, allowed.excepted) == (False, "incident 7"), "a reviewer is told why"
    assert [violation.policy for violation in found(staged("smi", "dapr"), said)] == [
        "stage-forward",
        "unused-exceptions",
    ]
    (stale,) = found(asked(Stream()), said)
    assert "nothing needs the exception for stage permissive (incident 7)" in stale.message


def test_an_exception_that_has_ended_is_none() -> None:
    exception = {"object": "stage permissive", "reason": "incident 7", "until": "2027-01-31"}
    said = config(**{"stage-forward": {"exceptions": [exception]}})
    assert [violation.stops for violation in found(staged("smi", "permissive"), said)] == [False]
    (violation,) = found(staged("smi", "permissive"), said, day=date(2027, 2, 1))
    assert "its exception ended with 2027-01-31" in violation.message


def test_a_level_is_the_environments() -> None:
    (violation,) = found(staged("smi", "locked"), config(**{"stage-forward": "advisory"}))
    assert not violation.stops
    assert found(staged("smi", "locked"), config(**{"stage-forward": "disabled"})) == []


def test_events_without_the_pack_are_no_pass() -> None:
    """Who forgets the flag is told, instead of told that all is well."""
    (violation,) = found(Stream(), config())
    assert violation.stops
    assert "the rules about objects were not asked" in violation.message
    one = reviewed(Stream(), config())
    assert one.verdict.severity is Severity.STOPPED


# --- as the engine really tells it ------------------------------------------------------------------------------


def test_a_violated_preview_is_told_as_whole_and_not_as_broken_off() -> None:
    """The engine calls it failed: nothing else of it is."""
    one = review(parse(streams.real("violated")), config())
    assert one.preview.packs == {NAME}
    assert (one.preview.errors, one.preview.finished) == ((), True)
    assert [(violation.policy, violation.message.partition(": ")[0]) for violation in one.preview.violations] == [
        ("exclusions", "MeshConfig osm-system/osm-mesh-config"),
        ("permissive", "MeshConfig osm-system/osm-mesh-config"),
        ("images", "Deployment dapr-test/nodeapp"),
        ("stage-forward", "stage permissive"),
    ]
    assert "The preview failed" not in told(one)


def test_a_preview_that_is_violated_and_failed_besides_is_a_failed_one() -> None:
    stream = violated("images", "I.\nDeployment a/b: c.")
    for message in ("preview failed", "the program broke"):
        stream.event(diagnosticEvent={"prefix": "error: ", "message": message, "severity": "error"})
    stream.result = "failed"
    preview = parse(stream.lines())
    assert (preview.errors, preview.finished) == (("error: the program broke",), False)


def test_a_stage_that_goes_back_to_no_mesh_takes_osms_definitions_and_namespace_with_it() -> None:
    one = review(parse(streams.real("stage-back")), config())
    assert [violation.message.partition(": ")[0] for violation in one.preview.violations] == [
        "stage dapr",
        "Namespace osm-system",
        "step osm-runtime",
    ]


def test_what_a_refresh_found_is_an_edit_and_held_against_the_rules() -> None:
    """Its events call it an update, as if a deploy would do it; no pack was asked, since a refresh takes none."""
    one = review(parse(streams.real("edited")), config())
    assert [change.op for change in one.changes] == [Op.DRIFT]
    assert [violation.policy for violation in one.preview.violations] == ["permissive"]
    assert "**Edited by hand on the cluster**: `MeshConfig osm-system/osm-mesh-config`" in told(one)


# --- the commands -----------------------------------------------------------------------------------------------


def run(tmp_path: Path, stream: Stream, *arguments: str, **rules: Any) -> int:
    events, file = tmp_path / "lab.jsonl", tmp_path / "lab.json"
    events.write_text("\n".join(stream.lines()))
    file.write_text(json.dumps({"all": "mandatory", **rules}))
    return main([*arguments, str(events)], {})


def test_check_exits_with_5_where_a_mandatory_policy_is_violated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = str(tmp_path / "lab.json")
    assert run(tmp_path, staged("smi", "locked"), "check", "--policies", where) == VIOLATED == 5
    assert "lab: mandatory: stage-forward: stage locked: " in capsys.readouterr().err
    assert run(tmp_path, staged("smi", "locked"), "check", "--policies", where, **{"stage-forward": "advisory"}) == 0
    captured = capsys.readouterr()
    assert "lab: advisory: stage-forward: " in captured.err
    assert "No mandatory policy is violated." in captured.out
    assert run(tmp_path, violated("images", "I.\nDeployment a/b: c."), "check", "--policies", where) == VIOLATED


def test_a_folder_has_a_file_for_each_stack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, staged("smi", "locked"), "check", "--policies", str(tmp_path)) == VIOLATED
    other = tmp_path / "none"
    other.mkdir()
    assert run(tmp_path, staged("smi", "locked"), "check", "--policies", str(other)) == FAILED
    assert "none/lab.json is not there" in capsys.readouterr().err, (
        "a stack without a file is not taken for one without policies"
    )


def test_a_file_that_can_not_be_is_an_error_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, Stream(), "render", "--policies", str(tmp_path / "lab.json"), imagse="mandatory") == FAILED
    assert "imagse: there is no such rule" in capsys.readouterr().err


def test_a_check_of_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, Stream(), "check") == FAILED
    assert "give --digest, --policies, or both" in capsys.readouterr().err


def test_a_preview_that_broke_off_is_no_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = asked(Stream())
    stream.event(diagnosticEvent={"prefix": "error: ", "message": "the cluster does not answer", "severity": "error"})
    stream.result = "failed"
    assert run(tmp_path, stream, "check", "--policies", str(tmp_path / "lab.json")) == FAILED
    said = capsys.readouterr().err
    assert "did not come to its end" in said
    assert "the cluster does not answer" in said


def test_a_violation_stops_a_plan_that_is_as_reviewed_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = staged("smi", "locked")
    assert run(tmp_path, stream, "digest") == 0
    plan = capsys.readouterr().out.strip()
    both = ("check", "--digest", plan, "--policies", str(tmp_path / "lab.json"))
    assert run(tmp_path, stream, *both) == VIOLATED
    assert "What would be done is what was reviewed." in capsys.readouterr().out


def test_render_tells_the_violation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, staged("smi", "locked"), "render", "--policies", str(tmp_path / "lab.json")) == 0
    text = capsys.readouterr().out
    assert "⛔ `lab`: Would not be deployed as it stands." in text
    assert "The policy `stage-forward` is not kept: `stage locked: " in text
