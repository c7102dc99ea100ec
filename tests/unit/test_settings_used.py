"""Every setting does something: a key that nothing reads would be checked, documented, and without any effect."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Final

import pytest

from model.apps import App
from model.policies import Policy
from settings import ROOT, Chart, Images, Settings

# The program: neither what makes settings, nor what tests them, nor what knows nothing of them.
FOLDERS: Final = ("components", "model", "preflight", "steps", "verification")


def sources() -> Iterator[Path]:
    """The program's modules."""
    yield from ROOT.glob("*.py")
    for folder in FOLDERS:
        yield from (ROOT / folder).glob("*.py")


def attributes() -> Iterator[tuple[str, bool]]:
    """Every attribute that the program reads, and whether it is one of something called ``settings``."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                owner = node.value
                name = (
                    owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
                )
                yield node.attr, name == "settings"


READ: Final = frozenset(attributes())


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_the_program_reads_every_setting(name: str) -> None:
    assert (name, True) in READ, f"nothing outside settings/ reads Settings.{name}"


@pytest.mark.parametrize(
    ("of", "name"), [(of, field.name) for of in (Chart, Images, App, Policy) for field in fields(of)]
)
def test_the_program_reads_all_of_what_settings_hold(of: type, name: str) -> None:
    assert {(name, True), (name, False)} & READ, f"nothing outside settings/ reads {of.__name__}.{name}"


def test_one_that_nothing_reads_would_be_found() -> None:
    assert ("no_such_setting", True) not in READ
    assert ("stage", True) in READ
