"""Who may call whom, as Mermaid draws it: GitHub and GitLab show it as a picture."""

from __future__ import annotations

from typing import Final

from model.policies import Call
from review.mesh import Mesh, Mode, Moves, moves
from review.secrets import visible

# A picture with more lines says nothing; beyond, only those that come and go are drawn, and beyond those, none.
MOST_LINES: Final = 60


def is_needed(before: Mesh, after: Mesh) -> bool:
    """Whether there is something to see: policies, apps or permissive mode change."""
    return before.mode is not after.mode or dict(before.apps) != dict(after.apps) or moves(before, after).is_any


def diagram(before: Mesh, after: Mesh) -> str:
    """One picture: what stays is plain, what comes is green and thick, what goes is red and dotted."""
    moved = moves(before, after)
    calls = _drawn(before, after, moved)
    names = sorted({*before.apps, *after.apps, *(name for c in calls for name in _ends(c))})
    ids = {name: f"app{number}" for number, name in enumerate(names)}
    lines = ["flowchart LR"]
    for name in names:
        style = ":::comes" if name not in before.apps else ":::goes" if name not in after.apps else ""
        if "/" in name or (not before.apps and not after.apps):
            style = ""
        lines.append(f'  {ids[name]}["{_label(name)}"]{style}')
    styles: list[str] = []
    for call in calls:
        source, destination = ids[call.source], ids[call.destination]
        if call in _came(moved):
            lines.append(f"  {source} ==>|{_word(moved, call, comes=True)}| {destination}")
            styles.append("stroke:#1a7f37")
        elif call in _went(moved):
            lines.append(f"  {source} -.->|{_word(moved, call, comes=False)}| {destination}")
            styles.append("stroke:#cf222e")
        elif call in after.allowed:
            lines.append(f"  {source} --> {destination}")
            styles.append("")
    lines += [f"  linkStyle {number} {style}" for number, style in enumerate(styles) if style]
    lines += [
        "  classDef comes stroke:#1a7f37,stroke-width:3px",
        "  classDef goes stroke:#cf222e,stroke-dasharray:5",
    ]
    return "\n".join(lines)


def _drawn(before: Mesh, after: Mesh, moved: Moves) -> list[Call]:
    calls = sorted(before.allowed | after.allowed)
    if len(calls) > MOST_LINES:
        calls = [call for call in calls if call in _came(moved) | _went(moved)]
    return calls if len(calls) <= MOST_LINES else []


def caption(before: Mesh, after: Mesh) -> str:
    """What the picture can't say: what happens to calls that no policy speaks of, and how many it leaves out."""
    left = len(before.allowed | after.allowed) - len(_drawn(before, after, moves(before, after)))
    return f"{_modes(before, after)}{f' {left} calls are not drawn.' if left else ''}"


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


def _label(name: str) -> str:
    """A name as Mermaid's labels take it: its own signs are written by their numbers."""
    return "".join(c if c.isalnum() or c in "-./ " else f"#{ord(c)};" for c in visible(name))
