"""Who may call whom, as Mermaid draws it: GitHub and GitLab show it as a picture."""

from __future__ import annotations

from model.leaks import visible
from model.mermaid import GREEN, MOST_LINES, RED, Arrow, Line, flowchart
from model.policies import Call
from review.mesh import Mesh, Mode, Moves, moves
from review.words import counted, listed


def is_needed(before: Mesh, after: Mesh) -> bool:
    """Whether there is something to see: policies, apps or permissive mode change."""
    return before.mode is not after.mode or dict(before.apps) != dict(after.apps) or moves(before, after).is_any


def diagram(before: Mesh, after: Mesh) -> str:
    """One picture: what stays is plain, what comes is green and thick, what goes is red and dotted."""
    moved = moves(before, after)
    calls = _drawn(before, after, moved)
    names = _boxes(before, after, calls)
    return flowchart(
        {name: _class(name, before, after) for name in names},
        [_line(call, moved) for call in calls if call in _came(moved) | _went(moved) | after.allowed],
        labels={name: visible(name) for name in names},
        classes={
            "comes": f"stroke:{GREEN},stroke-width:3px",
            "goes": f"stroke:{RED},stroke-dasharray:5",
        },
    )


def _class(name: str, before: Mesh, after: Mesh) -> str:
    if "/" in name or (not before.apps and not after.apps):
        return ""
    return "comes" if name not in before.apps else "goes" if name not in after.apps else ""


def _line(call: Call, moved: Moves) -> Line:
    came, went = call in _came(moved), call in _went(moved)
    return Line(
        source=call.source,
        destination=call.destination,
        arrow=Arrow.THICK if came else Arrow.DOTTED if went else Arrow.PLAIN,
        text=_word(moved, call, comes=came) if came or went else "",
        color=GREEN if came else RED if went else "",
    )


def _drawn(before: Mesh, after: Mesh, moved: Moves) -> list[Call]:
    # Where there are too many, only those that come and go are drawn, and beyond those, none.
    calls = sorted(before.allowed | after.allowed)
    if len(calls) > MOST_LINES:
        calls = [call for call in calls if call in _came(moved) | _went(moved)]
    return calls if len(calls) <= MOST_LINES else []


def _boxes(before: Mesh, after: Mesh, calls: list[Call]) -> list[str]:
    """Every app; of a crowd only those that have a line."""
    called = {name for call in calls for name in _ends(call)}
    everybody = called | {*before.apps, *after.apps}
    return sorted(everybody if len(everybody) <= MOST_LINES else called)


def caption(before: Mesh, after: Mesh) -> str:
    """What the picture can't say: what happens to calls that no policy speaks of, and how many it leaves out."""
    calls = _drawn(before, after, moves(before, after))
    left = {
        "call": len(before.allowed | after.allowed) - len(calls),
        "app": len({*before.apps, *after.apps} - {*_boxes(before, after, calls)}),
    }
    said = listed([counted(count, noun) for noun, count in left.items() if count])
    verb = "is" if sum(left.values()) == 1 else "are"
    return f"{_modes(before, after)}{f' {said} {verb} not drawn.' if said else ''}"


def _modes(before: Mesh, after: Mesh) -> str:
    if before.mode is after.mode:
        return f"Mesh: {after.mode}."
    if before.mode is Mode.NONE and not before.apps:
        return f"Mesh: {after.mode}."
    return f"Mesh before: {before.mode}. After: {after.mode}."


def _ends(call: Call) -> tuple[str, str]:
    return (call.source, call.destination)


def _came(moved: Moves) -> frozenset[Call]:
    return frozenset({*moved.allowed, *moved.new})


def _went(moved: Moves) -> frozenset[Call]:
    return frozenset({*moved.denied, *moved.gone})


def _word(moved: Moves, call: Call, *, comes: bool) -> str:
    if comes:
        return "now allowed" if call in moved.allowed else "new"
    return "now denied" if call in moved.denied else "gone"
