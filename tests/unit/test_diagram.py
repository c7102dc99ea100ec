"""What a verification saw, as a picture."""

from __future__ import annotations

from model.mermaid import MOST_LINES
from model.stage import Stage
from verification.diagram import diagram

from .test_calls import HTTP, POLICIES, many
from .test_stages import MORE, expected_at


def test_what_was_seen_refused_and_only_allowed_is_drawn_apart() -> None:
    expected = expected_at(Stage.SMI, HTTP, apps=MORE, policies=POLICIES)
    seen = {
        "pythonapp -> nodeapp": "arrives through both Envoys",
        "shop -> nodeapp": "is refused by the mesh: nodeapp's Envoy lets shop not in",
    }
    assert diagram(expected, seen).splitlines() == [
        "flowchart LR",
        '  app0["nodeapp"]',
        '  app1["pythonapp"]',
        '  app2["shop"]',
        '  app3["audit"]',
        "  app1 ==>|seen| app0",
        "  app2 -.->|refused| app0",
        "  app2 --> app3",
        "  linkStyle 0 stroke:#1a7f37",
        "  linkStyle 1 stroke:#cf222e",
    ]


def test_without_calls_there_are_only_apps() -> None:
    pythonapp = {"pythonapp": MORE["pythonapp"]}
    assert diagram(expected_at(Stage.SMI, apps=pythonapp, policies=()), {}) == 'flowchart LR\n  app0["pythonapp"]'


def test_a_picture_of_many_calls_says_how_many_it_leaves_out() -> None:
    expected = many(12, stage=Stage.PERMISSIVE)
    drawn = diagram(expected, {"app0 -> app1": "arrives through both Envoys"})
    assert drawn.count("-->") + drawn.count("==>") == MOST_LINES
    assert "==>|seen|" in drawn, "those that were made come first"
    assert drawn.endswith(f"%% not drawn: {12 * 11 - MOST_LINES} more")


def test_one_call_that_is_left_out_is_said_too() -> None:
    pairs = [(s, d) for s in range(9) for d in range(9) if s != d][: MOST_LINES + 1]
    assert diagram(many(9, *pairs), {}).count("%% not drawn: 1 more") == 1
    assert "not drawn" not in diagram(many(9, *pairs[1:]), {})
