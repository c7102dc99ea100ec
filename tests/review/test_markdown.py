"""The comment."""

from __future__ import annotations

import re
from typing import Any

import pytest

from model.policies import Call
from review.diagram import caption, diagram
from review.events import parse
from review.markdown import GITHUB_LIMIT, MARKER, Level, fitting, rendered
from review.mesh import Mesh, Mode
from review.report import Review, review
from tests.review import streams
from tests.review.streams import Stream, real


def reviewed(stream: Stream) -> Review:
    return review(parse(stream.lines()))


def shown(stream: Stream, level: Level = Level.EVERYTHING) -> str:
    return rendered([reviewed(stream)], level)


def test_the_comment_begins_with_its_marker_and_its_verdict() -> None:
    lines = shown(streams.redis_image()).splitlines()
    assert lines[0] == MARKER
    assert lines[2] == "## 💥 `lab`: Deletes or replaces."


def test_each_level_tells_less() -> None:
    one = review(parse(real("first-install")))
    sizes = [len(rendered([one], level)) for level in Level]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > GITHUB_LIMIT > sizes[1], "the example is one that has to be fitted"


def test_what_does_not_fit_is_left_out_by_level_and_counted() -> None:
    one = review(parse(real("first-install")))
    text = fitting([one], GITHUB_LIMIT, known=(), where="The whole is in the job's summary.")
    assert len(text.encode()) <= GITHUB_LIMIT
    assert text == rendered([one], Level.NO_CREATED, where="The whole is in the job's summary.")
    assert re.search(r"_Left out here to fit: \d+ diffs\. The whole is in the job's summary\._", text)
    assert text.count("```") % 2 == 0, "nothing is cut in the middle"


def test_everything_is_told_where_it_fits() -> None:
    text = fitting([reviewed(streams.dapr_value())], GITHUB_LIMIT, known=())
    assert text == shown(streams.dapr_value())
    assert "Left out" not in text


@pytest.mark.parametrize("limit", [400, 1_000, 3_000, 8_000, 70_000])
def test_every_limit_is_kept_in_bytes(limit: int) -> None:
    assert len(fitting([review(parse(real("first-install")))], limit, known=()).encode()) <= limit


def test_a_limit_is_of_bytes_and_not_of_characters() -> None:
    one = reviewed(streams.dapr_value())
    text = rendered([one], Level.EVERYTHING)
    assert fitting([one], len(text.encode()), known=()) == text
    assert fitting([one], len(text), known=()) != text


def test_a_limit_that_nothing_fits_is_said() -> None:
    with pytest.raises(ValueError, match="1 stack can't be told in 50 bytes"):
        fitting([reviewed(Stream())], 50, known=())


def test_several_stacks_are_one_comment_the_worst_first() -> None:
    lab = reviewed(streams.dapr_value())
    prod = review(parse([line.replace("pulumi:lab::", "pulumi:prod::") for line in streams.redis_image().lines()]))
    text = rendered([lab, prod], Level.EVERYTHING)
    assert "## 💥 2 stacks: Deletes or replaces." in text
    assert text.index("### 💥 `prod`") < text.index("### 🔄 `lab`")
    assert "| `lab` | 🔄 Restarts pods. |  | 1 |  |  |" in text
    assert text.count(MARKER) == 1


def test_an_object_has_a_row_and_a_diff() -> None:
    text = shown(streams.dapr_value())
    assert "| changed | Dapr | `Deployment dapr-system/dapr-operator` |" in text
    block = text.split("```diff\n")[1].split("\n```")[0]
    assert block.splitlines()[-2:] == ["-             - info", "+             - debug"]


def test_a_change_of_the_release_is_readable_and_fits() -> None:
    stream = streams.release_change()
    text = fitting([reviewed(stream)], GITHUB_LIMIT, known=())
    assert text == shown(stream), "all of it"
    assert "- 🔄 Takes `dapr` from `1.18.1` to `1.18.2`." in text
    assert "no job or reminder comes meanwhile; its volumes keep them" in text
    groups = re.findall(r"<summary>changed, each alike: (\d+) objects</summary>\n\n(.*)\n", text)
    alike = {int(count): names for count, names in groups}
    most = max(alike)
    assert most > 20, "the one line that is the same for all of them is told once"
    assert alike[most].count("`, `") == most - 1
    assert "`Service dapr-system/dapr-api`" in alike[most]
    (schema,) = set(re.findall("!.*openAPIV3Schema.*", text))
    assert schema.endswith("# 4998 lines of schema more, 0 fewer")


def test_exclusions_are_a_table_what_changes_first() -> None:
    text = shown(streams.exclusions())
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows[0].startswith("| `10.1.0.0/16` | every pod of the mesh | **no** | yes |")
    assert rows[1].startswith("| `port 5432` | every pod of the mesh | **no** | yes |")
    assert "What bypasses the mesh: 7 before, 9 after" in text
    assert "What bypasses the mesh" not in shown(streams.dapr_value())


def test_a_picture_is_there_when_calls_change_and_only_then() -> None:
    for name, has in (("policy-added", True), ("app-removed", True), ("permissive", True), ("dapr-value", False)):
        assert ("```mermaid" in shown(streams.SCENARIOS[name]())) is has, name


def drawn(stream: Stream) -> list[str]:
    one = reviewed(stream)
    return diagram(one.before, one.after).splitlines()


def test_the_picture_shows_what_comes_what_goes_and_what_stays() -> None:
    lines = drawn(streams.policy_added())
    assert "  app1 --> app0" in lines
    assert "  app2 ==>|new| app0" in lines
    assert '  app2["shop"]:::comes' in lines
    assert "  linkStyle 1 stroke:#1a7f37" in lines, "links are counted in the order in which they are drawn"
    lines = drawn(streams.app_removed())
    assert '  app1["pythonapp"]:::goes' in lines
    assert "  app1 -.->|gone| app0" in lines
    assert "  app1 -.->|now denied| app0" in drawn(streams.policy_withdrawn())


def test_a_call_that_is_denied_before_and_after_is_not_drawn() -> None:
    assert not any("app0 --> app2" in line or "app1 --> app2" in line for line in drawn(streams.policy_added()))


def crowd(size: int, *, mode_before: Mode, mode_after: Mode) -> tuple[Mesh, Mesh]:
    names = [f"app{number}" for number in range(size)]
    calls = frozenset(Call(source=a, destination=b) for a in names for b in names if a != b)
    few = frozenset(sorted(calls)[:3])

    def one(mode: Mode) -> Mesh:
        return Mesh(mode=mode, apps=dict.fromkeys(names, "shop"), permitted=few, possible=calls)

    return one(mode_before), one(mode_after)


def test_a_crowd_is_not_drawn_but_what_changes_for_it_is() -> None:
    before, after = crowd(9, mode_before=Mode.PERMISSIVE, mode_after=Mode.PERMISSIVE)
    assert "-->" not in diagram(before, after)
    assert caption(before, after).endswith("72 calls are not drawn.")
    before, after = crowd(8, mode_before=Mode.PERMISSIVE, mode_after=Mode.POLICIES)
    assert diagram(before, after).count("-.->|now denied|") == 53
    assert diagram(before, after).count("-->") == 3
    assert "not drawn" not in caption(before, after)


def test_of_a_crowd_of_apps_only_those_with_a_line_are_drawn() -> None:
    before, after = crowd(61, mode_before=Mode.POLICIES, mode_after=Mode.POLICIES)
    drawn = diagram(before, after).splitlines()
    assert len([line for line in drawn if '["' in line]) == 4, "three calls of one app"
    assert len([line for line in drawn if "-->" in line]) == 3
    assert caption(before, after) == "Mesh: only what a policy allows passes. 57 apps are not drawn."


def test_a_name_can_not_break_out_of_the_picture() -> None:
    def widen(inputs: dict[str, Any]) -> None:
        inputs["spec"]["sources"].append({"kind": "ServiceAccount", "name": 'x"]; click app0', "namespace": "o"})

    text = "\n".join(drawn(Stream().update("smi-traffic-target", widen)))
    assert 'x"];' not in text
    assert "x#34;#93;#59; click app0" in text


@pytest.mark.parametrize("attack", ["```\n# shouted", "| a | b", "<img src=x>", "@everyone", "`code`", "</details>"])
def test_what_others_write_stays_text(attack: str) -> None:
    def edit(inputs: dict[str, Any]) -> None:
        inputs["metadata"]["annotations"]["note"] = attack
        inputs["metadata"]["name"] = attack

    stream = Stream().update("smi-traffic-target", edit)
    stream.outputs(lambda o: o["exclusions"]["meshPorts"].append({"port": 1, "service": "s", "reason": attack}))
    stream.update("exclusions-patch", lambda i: i["spec"]["traffic"]["outboundPortExclusionList"].append(1))
    stream.event(policyEvent={"policyName": attack, "enforcementLevel": "advisory", "message": attack})
    stream.event(diagnosticEvent={"severity": "error", "message": f"failed:\n{attack}\n"})
    text = shown(stream)
    fence = re.compile(r"^(`{3,})(\w*)\n.*?^\1$", re.MULTILINE | re.DOTALL)
    outside = re.sub(r"<summary>.*?</summary>|`[^`\n]*`", "", fence.sub("", text))
    for harmful in ("\n# shouted", "<img", "@everyone", "</details> ", "code"):
        assert harmful not in outside, "a backslash before an @ keeps nobody from being told"
    assert outside.count("<details>") == outside.count("</details>")
    assert all(row.count(" | ") <= 4 for row in outside.splitlines() if row.startswith("|"))


def test_an_error_that_does_not_fit_is_said_to_be_left_out() -> None:
    stream = Stream().event(diagnosticEvent={"severity": "error", "message": "why " * 20_000})
    text = fitting([reviewed(stream)], GITHUB_LIMIT, known=())
    assert "Would not be deployed" in text
    assert "_Left out here to fit: the verdicts' reasons and errors._" in text


def test_an_error_is_quoted() -> None:
    text = rendered([review(parse(real("refused")))], Level.VERDICT)
    assert "## ⛔ `lab`: Would not be deployed as it stands." in text
    assert "```text\nerror: stack lab would take over what is not its own." in text


def test_every_scenario_renders_in_every_level_with_its_blocks_closed() -> None:
    for name, make in streams.SCENARIOS.items():
        one = reviewed(make())
        for level in Level:
            text = rendered([one], level)
            assert len(re.findall(r"^```", text, re.MULTILINE)) % 2 == 0, name
            assert text.count("<details>") == text.count("</details>"), name
            assert "4dabf18193072939515e22adb298388d" not in text, name
            assert "04da6b54-80e4-46f7-96ec-b56ff0331ba9" not in text, name
