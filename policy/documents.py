"""``python -m policy.documents``: write the table of the rules into docs/policies.md, from their declarations."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from policy.rules import RULES, Rule

PAGE: Final = Path(__file__).parents[1] / "docs" / "policies.md"
BEGIN: Final = "<!-- rules -->\n"
END: Final = "<!-- end of rules -->"


def table() -> str:
    """The rules, a row each."""
    rows = ["| rule | what must hold | otherwise | asked of | parameters |", "| --- | --- | --- | --- | --- |"]
    rows += [
        f"| `{rule.name}` | {rule.rule} | {rule.why} | {rule.asks} | {_parameters(rule)} |" for rule in RULES.values()
    ]
    return "\n".join(rows) + "\n"


def _parameters(rule: Rule) -> str:
    return " ".join(
        f"`{name}`: {schema['description']} Default: {_default(schema['default'])}."
        for name, schema in rule.parameters.items()
    )


def _default(value: object) -> str:
    return ", ".join(f"`{item}`" for item in value) if isinstance(value, list) else f"`{value}`"


def written() -> str:
    """The page as it should be."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{PAGE} has no place for the table: {BEGIN.strip()} ... {END}")
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(written())
