"""Reading raw config values. Every problem is kept, with key, value, rule and mend, not only the first."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeVar

PROJECT: Final = "dapr-osm"

T = TypeVar("T")


def is_label(value: str, longest: int = 63) -> bool:
    """Whether this can be the name of a namespace, a Service or a Deployment (RFC 1123)."""
    return len(value) <= longest and re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", value) is not None


def label_rule(longest: int = 63) -> str:
    """What :func:`is_label` asks for, in words."""
    return f"a name of at most {longest} lower-case letters, digits and dashes in between"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong with the config.

    Attributes:
        key: The config key, without its namespace.
        value: The value as given, or None where it must not be shown or is missing.
        rule: What the value must be.
        mend: What to do about it.
    """

    key: str
    value: Any
    rule: str
    mend: str

    def __str__(self) -> str:
        """Key, value, rule and mend, as one line."""
        shown = "" if self.value is None else f": {json.dumps(self.value, default=str)}"
        return f"{PROJECT}:{self.key}{shown} {self.rule}. {self.mend}"


class SettingsError(ValueError):
    """The config can't be used; says all that is wrong with it, a line each."""

    def __init__(self, problems: list[Problem]) -> None:
        """Keep the problems for callers that want them one by one."""
        self.problems = tuple(problems)
        super().__init__("\n".join(["the stack's config can't be used:", *(f"  {problem}" for problem in problems)]))


class Reader:
    """Reads raw values one by one and collects what is wrong instead of stopping at the first.

    Attributes:
        raw: The values as given.
        defaults: Those of keys that are not given.
        problems: What is wrong so far.
    """

    def __init__(
        self,
        raw: Mapping[str, Any],
        defaults: Mapping[str, Any] = MappingProxyType({}),
        *,
        secret_keys: Collection[str] = (),
        inside: str = "",
        problems: list[Problem] | None = None,
    ) -> None:
        """Read from these values.

        Args:
            raw: The values as given.
            defaults: Those of keys that are not given.
            secret_keys: Keys whose values no error may show.
            inside: The path of the object that the keys belong to, with a dot at its end; "" for the config itself.
            problems: Where problems are kept.
        """
        self.raw = raw
        self.defaults = defaults
        self.problems: list[Problem] = [] if problems is None else problems
        self._secret_keys = secret_keys
        self._inside = inside

    def refuse(self, key: str, rule: str, mend: str, value: Any = None) -> None:
        """Note a problem."""
        shown = None if key in self._secret_keys else value
        self.problems.append(Problem(key=self._inside + key, value=shown, rule=rule, mend=mend))

    def know(self, keys: Sequence[str], what: str, elsewhere: str) -> None:
        """Refuse every key that is not one of these.

        Args:
            keys: Those that there are.
            what: What a key is: "a setting of this project".
            elsewhere: What to do where nothing similar exists.
        """
        for key in self.raw:
            if key not in keys:
                near = difflib.get_close_matches(key, keys, n=1)
                mend = f"Did you mean {PROJECT}:{self._inside}{near[0]}?" if near else elsewhere
                self.refuse(key, f"is not {what}", mend)

    def entry(self, key: str, name: str, fields: Any, keys: Sequence[str]) -> Reader | None:
        """A reader of one object among several: ``key.name``; None where it is none, which is noted.

        Args:
            key: The key of the object that holds them.
            name: This one's key in it.
            fields: Its value.
            keys: The keys that it may have.
        """
        if not isinstance(fields, Mapping):
            self.refuse(f"{key}.{name}", "is not an object", f"It has the keys {', '.join(keys)}.", fields)
            return None
        reader = Reader(fields, inside=f"{self._inside}{key}.{name}.", problems=self.problems)
        reader.know(keys, "a key that there is here", f"There are {', '.join(keys)}.")
        return reader

    def value(self, key: str) -> Any:
        """A value as given, or its default."""
        return self.raw.get(key, self.defaults.get(key))

    def text(self, key: str) -> str:
        """A value as text without space around it; "" where there is none."""
        value = self.value(key)
        return "" if value is None else str(value).strip()

    def choice(self, key: str, choices: Mapping[str, T], fallback: T) -> T:
        """What one of some words stands for; the fallback where it is none of them, which is noted."""
        value = self.text(key)
        if value in choices:
            return choices[value]
        near = difflib.get_close_matches(value, choices, n=1)
        hint = f'Did you mean "{near[0]}"?' if near else "Set one of them."
        shown = dict.fromkeys(choice.lower() for choice in choices)
        self.refuse(key, f"is not one of {', '.join(shown)}", hint, value)
        return fallback

    def flag(self, key: str, fallback: bool) -> bool:
        """True or false."""
        # "True" is what a bool looks like that did not come through YAML.
        return self.choice(key, {"true": True, "false": False, "True": True, "False": False}, fallback)

    def number(self, key: str, low: int, high: int, what: str) -> int:
        """A whole number between two others; ``what`` is "a number of seconds"."""
        value = self.text(key)
        if re.fullmatch(r"\d{1,9}", value) and low <= int(value) <= high:
            return int(value)
        self.refuse(key, f"is not {what} from {low} to {high}", f"Set for example {low}.", value)
        return low

    def optional_number(self, key: str, low: int, high: int, what: str) -> int | None:
        """The same, or None where there is none."""
        return None if self.value(key) is None else self.number(key, low, high, what)

    def label(self, key: str, longest: int = 63) -> str:
        """A name as Kubernetes wants it for most things; "" where it is none, which is noted."""
        value = self.text(key)
        if is_label(value, longest):
            return value
        self.refuse(key, f"is not {label_rule(longest)}", "Choose another name.", value)
        return ""

    def json(self, key: str, kind: type[T], kind_name: str, fallback: T) -> T:
        """An object or a list, which Pulumi hands over as JSON."""
        value = self.value(key)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except json.JSONDecodeError:
                self.refuse(key, f"is not {kind_name}", "Set it in the stack file, as YAML.", value)
                return fallback
        if value is None:
            return fallback
        if not isinstance(value, kind):
            self.refuse(key, f"is not {kind_name}", "Set it in the stack file, as YAML.", value)
            return fallback
        return value

    def image(self, key: str) -> str:
        """An image's name, or "" where there is none and needs to be none."""
        value = self.text(key)
        if not value and self.defaults.get(key):
            self.refuse(key, "is empty", "Remove the key for the default.", value)
        elif value and not re.fullmatch(r"[\w.\-/]+(:\d+)?[\w.\-/]*(:[\w.\-]+)?(@sha256:[0-9a-f]{64})?", value):
            self.refuse(key, "is not an image name", "Write it as registry/name:tag.", value)
        return value
