"""The examples in the docs are what the review says. ``python -m tests.review.test_examples`` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from policy.config import read
from review.events import parse
from review.markdown import MARKER, Level, rendered
from review.report import review
from tests.review import streams

# As strict as production.
STRICT: Final = read('{"all": "mandatory"}', name="the examples")
FOLDER: Final = Path(__file__).parents[2] / "docs"
DOCS: Final = FOLDER / "review.md"
# Changes to a stack that runs on the lab, as `python -m tests.review.record` has recorded them.
CHANGES: Final = FOLDER / "review-examples.md"
RECORDED: Final = (
    *("chart-value", "policy-widened", "app-removed", "to-locked", "to-permissive"),
    *("release-change", "drift", "destroy"),
)
EXAMPLES: Final[dict[str, Callable[[], list[str]]]] = {
    "first-install": lambda: streams.real("first-install"),
    "exclusions": lambda: streams.exclusions().lines(),
    "violated": lambda: streams.real("violated"),
    "edited": lambda: streams.real("edited"),
    **{name: partial(streams.real, name) for name in RECORDED},
}
POLICIES: Final = {"violated": STRICT, "edited": STRICT}


def example(name: str) -> str:
    """An example, without the marker, and with its headings below the page's own."""
    level = Level.TABLES if name in RECORDED else Level.NO_CREATED
    text = rendered([review(parse(EXAMPLES[name]()), POLICIES.get(name))], level).removeprefix(MARKER)
    return re.sub("^## ", "### ", text.strip(), flags=re.MULTILINE)


def page(name: str) -> Path:
    """Where an example stands."""
    return CHANGES if name in RECORDED else DOCS


def block(name: str) -> re.Pattern[str]:
    return re.compile(f"(<!-- {name} -->\n)(.*?)(\n?<!-- end of {name} -->)", re.DOTALL)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_what_the_review_says(name: str) -> None:
    found = block(name).search(page(name).read_text())
    assert found is not None
    assert found[2].strip() == example(name), "run python -m tests.review.test_examples"


def written(path: Path) -> str:
    text = path.read_text()
    for name in EXAMPLES:
        if page(name) == path:
            made = example(name)
            text = block(name).sub(lambda found, made=made: f"{found[1]}\n{made}\n\n{found[3].strip()}", text)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    for written_page in (DOCS, CHANGES):
        written_page.write_text(written(written_page))
