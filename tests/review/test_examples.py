"""The examples in the docs are what the review says. ``python -m tests.review.test_examples`` writes them anew."""

from __future__ import annotations

import re
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
DOCS: Final = Path(__file__).parents[2] / "docs" / "review.md"
EXAMPLES: Final = {
    "first-install": lambda: streams.real("first-install"),
    "exclusions": lambda: streams.exclusions().lines(),
    "violated": lambda: streams.real("violated"),
    "edited": lambda: streams.real("edited"),
}
POLICIES: Final = {"violated": STRICT, "edited": STRICT}


def example(name: str) -> str:
    """An example, without the marker, and with its headings below the page's own."""
    text = rendered([review(parse(EXAMPLES[name]()), POLICIES.get(name))], Level.NO_CREATED).removeprefix(MARKER)
    return re.sub("^## ", "### ", text.strip(), flags=re.MULTILINE)


def block(name: str) -> re.Pattern[str]:
    return re.compile(f"(<!-- {name} -->\n)(.*?)(\n?<!-- end of {name} -->)", re.DOTALL)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_what_the_review_says(name: str) -> None:
    found = block(name).search(DOCS.read_text())
    assert found is not None
    assert found[2].strip() == example(name), "run python -m tests.review.test_examples"


def written() -> str:
    text = DOCS.read_text()
    for name in EXAMPLES:
        made = example(name)
        text = block(name).sub(lambda found, made=made: f"{found[1]}\n{made}\n\n{found[3].strip()}", text)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    DOCS.write_text(written())
