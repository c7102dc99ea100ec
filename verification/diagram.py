"""What a verification saw, as a picture: who may call whom, and which calls were really made."""

from __future__ import annotations

from collections.abc import Mapping

from model.expectation import Expectation
from model.mermaid import GREEN, MOST_LINES, RED, Arrow, Line, flowchart
from model.policies import Call


def diagram(expected: Expectation, seen: Mapping[str, str]) -> str:
    """A picture for Mermaid.

    Green and thick is a call that was seen to arrive, red and dotted one that was seen to be refused, plain one that
    the Envoys' rules let pass, and that was not made. What may not be called and was not tried is not drawn.

    Args:
        expected: The calls that could be made.
        seen: What was seen, by call as an arrow.
    """
    tried = [call for call in expected.calls if _arrow(call) in seen]
    others = [call for call, allowed in expected.calls.items() if allowed and _arrow(call) not in seen]
    drawn = [_line(call, allowed=expected.calls[call]) for call in tried]
    drawn += [Line(source=call.source, destination=call.destination) for call in others]
    left = len(drawn) - MOST_LINES
    picture = flowchart({app.name: "" for app in expected.apps}, drawn[:MOST_LINES])
    return f"{picture}\n  %% not drawn: {left} more" if left > 0 else picture


def _arrow(call: Call) -> str:
    return f"{call.source} -> {call.destination}"


def _line(call: Call, *, allowed: bool) -> Line:
    return Line(
        source=call.source,
        destination=call.destination,
        arrow=Arrow.THICK if allowed else Arrow.DOTTED,
        text="seen" if allowed else "refused",
        color=GREEN if allowed else RED,
    )
