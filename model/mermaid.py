"""Pictures as Mermaid draws them: GitHub and GitLab, and many editors, show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# A picture with more lines says nothing.
MOST_LINES: Final = 60
GREEN: Final = "#1a7f37"
RED: Final = "#cf222e"


class Arrow(StrEnum):
    """How a line is drawn."""

    PLAIN = "-->"
    THICK = "==>"
    DOTTED = "-.->"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line from one box to another.

    Attributes:
        source: The name of the box that it begins at.
        destination: The name of the box that it ends at.
        arrow: How it is drawn.
        text: What stands on it, or "".
        color: Its color, or "".
    """

    source: str
    destination: str
    arrow: Arrow = Arrow.PLAIN
    text: str = ""
    color: str = ""


def flowchart(
    boxes: Mapping[str, str],
    lines: Sequence[Line],
    *,
    labels: Mapping[str, str] | None = None,
    classes: Mapping[str, str] | None = None,
) -> str:
    """A picture from left to right.

    Args:
        boxes: The boxes' names, each with its class or "".
        lines: The lines between them.
        labels: What stands in a box where that is not its name.
        classes: What a class looks like.
    """
    ids = {name: f"app{number}" for number, name in enumerate(boxes)}
    drawn = ["flowchart LR"]
    for name, style in boxes.items():
        drawn.append(f'  {ids[name]}["{text((labels or {}).get(name, name))}"]{f":::{style}" if style else ""}')
    for line in lines:
        on_it = f"|{text(line.text)}|" if line.text else ""
        drawn.append(f"  {ids[line.source]} {line.arrow}{on_it} {ids[line.destination]}")
    drawn += [f"  linkStyle {number} stroke:{line.color}" for number, line in enumerate(lines) if line.color]
    drawn += [f"  classDef {name} {look}" for name, look in (classes or {}).items()]
    return "\n".join(drawn)


def text(words: str) -> str:
    """Words as Mermaid takes them: its own signs are written by their numbers."""
    return "".join(c if c.isalnum() or c in "-./ " else f"#{ord(c)};" for c in words)
