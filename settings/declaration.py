"""How a key is declared: one line of a model, which says its type, default, rules, mends and description.

Pydantic reads and checks. What is here gives its errors this project's words (:class:`Kind` where a value is not of its
type, :class:`Rule` where it is but can't be used) and keeps beside each key what documents need to know.
"""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from settings.problem import Path, Words


class Secrecy(Enum):
    """What it means that a key was given as secret."""

    REFUSED = "refused"
    """It can't be kept: what it says becomes part of objects that anybody may read."""

    KEPT = "kept"
    """It may be, and then stays secret wherever it goes."""

    REQUIRED = "required"
    """It must be."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a value can't be used.

    Attributes:
        rule: What it must be; :class:`~settings.problem.Words` where it quotes something given.
        mend: What to do about it, likewise.
        show: Whether the value is shown beside the rule, which may quote the part that matters instead.
        inside: Where inside the value.
    """

    rule: str
    mend: str
    show: bool = True
    inside: Path = ()


class RefusedError(ValueError):
    """Carries refusals through pydantic."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        """Keep them."""
        self.refusals = tuple(refusals)
        super().__init__("; ".join(refusal.rule for refusal in refusals))


@dataclass(frozen=True)
class Rule:
    """Part of a key's type: what a value of the right kind must be like.

    Attributes:
        name: What it is called in tests.
        check: Finds what is wrong with a value.
        what: What a value is, for documents; "" where the kind says enough.
    """

    name: str
    check: Callable[[Any], Iterable[Refusal]]
    what: str = ""

    def refusals(self, value: Any) -> tuple[Refusal, ...]:
        """Everything that this rule has against a value."""
        return tuple(self.check(value))

    def _apply(self, value: Any) -> Any:
        if found := self.refusals(value):
            raise RefusedError(found)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check after pydantic has read the value."""
        return core_schema.no_info_after_validator_function(self._apply, handler(source))


class All:
    """Part of a key's type: several rules, of which each has its say."""

    def __init__(self, *rules: Rule) -> None:
        """Keep them."""
        self.rules = rules

    def _apply(self, value: Any) -> Any:
        if found := [refusal for rule in self.rules for refusal in rule.refusals(value)]:
            raise RefusedError(found)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check after pydantic has read the value."""
        return core_schema.no_info_after_validator_function(self._apply, handler(source))


@dataclass(frozen=True)
class Kind:
    """Part of a key's type: what is said where pydantic can't read a value as that type.

    Attributes:
        what: What it must be.
        mend: What to do otherwise.
        choices: The words that it may be, one of which may have been meant.
        meant: Finds what else a value may have meant.
    """

    what: str
    mend: str
    choices: tuple[str, ...] = ()
    meant: Callable[[Any], str | None] = lambda _: None

    def refusals(self, value: Any) -> tuple[Refusal, ...]:
        """What is said of a value that is not of this kind."""
        meant = self.meant(value)
        mend = f"Did you mean {meant}?" if meant else did_you_mean(value, self.choices, self.mend)
        return (Refusal(rule=f"is not {self.what}", mend=mend),)

    def _apply(self, value: Any, read: Callable[[Any], Any]) -> Any:
        try:
            return read(value)
        except ValidationError as error:
            if any(one["loc"] or one["type"] == "value_error" for one in error.errors(include_url=False)):
                raise  # about something inside, and said already
            raise RefusedError(self.refusals(value)) from error

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Wrap what pydantic does."""
        return core_schema.no_info_wrap_validator_function(self._apply, handler(source))


def did_you_mean(value: object, choices: Iterable[str], otherwise: str, form: str = '"{}"') -> str:
    """Ask about the nearest of some words, if there is one near enough."""
    near = difflib.get_close_matches(value, list(choices), n=1) if isinstance(value, str) else []
    return f"Did you mean {form.format(near[0])}?" if near else otherwise


def one_of(choices: Iterable[str]) -> Kind:
    """The kind of a word among some."""
    words = tuple(choices)
    return Kind(f"one of {', '.join(words)}", "Set one of them.", words)


class Keys(BaseModel):
    """An object of the config. Every key that it may have is a field; anything else is refused."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, validate_default=False)

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, given: Any) -> Any:
        """A key that is null is as good as one that is not there."""
        if not isinstance(given, dict):
            return given
        known = key_names(cls)
        return {name: value for name, value in given.items() if value is not None or name not in known}


def key(default: Any, description: str, *, secrecy: Secrecy = Secrecy.REFUSED) -> Any:
    """Declare a key.

    Args:
        default: What it is where nothing is said; None where that is nothing.
        description: What it means, as Markdown: a sentence or more.
        secrecy: What it means that it was given as secret.
    """
    return Field(default, description=description, json_schema_extra={"secrecy": secrecy.value})


def fields(model: type[Keys]) -> Iterator[tuple[str, FieldInfo]]:
    """The keys of an object, by the name that a config has for them."""
    for info in model.model_fields.values():
        yield str(info.alias), info


def key_names(model: type[Keys]) -> tuple[str, ...]:
    """The names of an object's keys."""
    return tuple(name for name, _ in fields(model))


def secrecy_of(info: FieldInfo) -> Secrecy:
    """What it means that this key was given as secret."""
    extra = info.json_schema_extra
    return Secrecy(extra["secrecy"] if isinstance(extra, dict) else Secrecy.REFUSED.value)


def default_of(info: FieldInfo) -> Any:
    """A key's default as a config would write it; None where it has none."""
    default = info.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, Keys):
        return default.model_dump(by_alias=True, exclude_defaults=True)
    return default.value if isinstance(default, Enum) else default


def schema_of(model: type[Keys], name: str) -> dict[str, Any]:
    """A key's type, as a JSON schema: of a choice with nothing the other, of a reference what it refers to."""
    whole = _schema(model)
    schema: dict[str, Any] = whole["properties"][name]
    schema = schema.get("anyOf", [schema])[0]
    return dict(whole["$defs"][schema["$ref"].rpartition("/")[2]]) if "$ref" in schema else schema


@functools.cache
def _schema(model: type[Keys]) -> dict[str, Any]:
    return model.model_json_schema()


NOT_SET: Final = "is not set"


def holds(what: str, value: object, mend: str) -> Refusal:
    """One part of a list or an object that is not what it must be, quoted."""
    return Refusal(rule=Words("holds {value}, which is " + what, value=as_json(value)), mend=mend, show=False)


def as_json(value: object) -> str:
    """A value as a stack file would have it."""
    return json.dumps(value, default=str, ensure_ascii=False)
