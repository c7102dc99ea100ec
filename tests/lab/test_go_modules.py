"""What the lab's own parts share they share in one version, so that Go compiles it once."""

from __future__ import annotations

import itertools
import re

import pytest

from lab.align import OLDER, aligned, raised
from lab.parts import GO

OWN = [row.folder for row in aligned()]


def versions(part: str) -> dict[str, str]:
    """Return the modules that a part's go.mod requires, with replacements by another version applied."""
    text = (GO / part / "go.mod").read_text()
    required: dict[str, str] = dict(re.findall(r"^\t(\S+) (v\S+)", text, re.MULTILINE))
    replaced: dict[str, str] = dict(re.findall(r"^\t(\S+) => \1 (v\S+)", text, re.MULTILINE))
    return {module: replaced.get(module, version) for module, version in required.items()}


def test_the_parts_meant_here_are_all_but_the_products() -> None:
    assert set(OWN) == {
        "coredns",
        "kubernetes",
        "pause",
        "pulumi",
        "pulumi-language-python",
        "pulumi-resource-command",
        "pulumi-resource-kubernetes",
        "volume-provisioner",
    }


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(OWN, 2)))
def test_two_parts_have_what_they_share_in_one_version(one: str, other: str) -> None:
    first, second = versions(one), versions(other)
    differ = {
        module: (first[module], second[module])
        for module in first.keys() & second.keys()
        if first[module] != second[module] and module not in OLDER.get(one, ()) and module not in OLDER.get(other, ())
    }
    assert differ == {}, "Go would compile each of them twice: run `python -m lab.align`"


def test_a_lower_requirement_is_raised_and_what_is_replaced_or_older_by_choice_stays() -> None:
    go_mod = {
        "Require": [{"Path": path, "Version": "v1.0.0"} for path in ("low", "same", "replaced", "older", "unknown")],
        "Replace": [{"Old": {"Path": "replaced"}}],
    }
    chosen = {"low": "v1.2.0", "same": "v1.0.0", "replaced": "v2.0.0", "older": "v2.0.0"}
    assert raised(go_mod, chosen, ["older"]) == {"low": "v1.2.0"}
