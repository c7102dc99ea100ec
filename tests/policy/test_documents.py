"""docs/policies.md, held equal to the declarations."""

from __future__ import annotations

import json
import re

import pytest

from policy import documents
from policy.config import read
from policy.rules import RULES, Rule


def test_the_table_of_the_rules_is_what_is_declared() -> None:
    assert documents.PAGE.read_text() == documents.written(), "run make docs"


def test_the_example_of_a_file_can_be_read() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", documents.PAGE.read_text(), flags=re.DOTALL)
    said = read(json.dumps(json.loads(example)), name="docs/policies.md")
    assert said["permissive"].exemptions[0].reason


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_each_rule_is_told_in_sentences(rule: Rule) -> None:
    for text in (rule.rule, rule.why):
        assert text.endswith(".")
        assert "|" not in text, "it stands in a table"
