"""Secrets never leave: masked by structure as soon as an event is read, and looked for in whatever is written.

The engine masks what it knows to be secret. Here also what a program forgot to mark is masked: the data of Secrets,
values under names that speak for themselves, and resources that were made for ``--show-secrets``. Whatever was masked
is remembered, and ``model.leaks.guard`` refuses any text that has it, in each of the forms in which text is passed on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from model.leaks import PUBLIC, decodings, is_named
from model.telling import TELLING, blinded, is_handed

# How Pulumi writes what JSON can't hold. Source: sdk/go/common/resource/sig/sig.go.
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - Pulumi's mark of a secret
OUTPUT_SIGNATURE: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
# What is not known yet, by type. Source: sdk/go/common/resource/plugin/rpc.go.
UNKNOWNS: Final = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


# In a registry's credentials, base64 of a user's name and password.
AUTH: Final = "auth"


class Marker(str):
    """Stands in for a value; equal to no text that anybody could have written."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        """Whether it is this very marker."""
        return self is other

    def __ne__(self, other: object) -> bool:
        """Whether it is anything else."""
        return self is not other

    def __deepcopy__(self, memo: object) -> Marker:
        """The same marker: there is one of each."""
        return self


SECRET: Final = Marker("[secret]")
UNKNOWN: Final = Marker("[unknown]")


@dataclass
class Mask:
    """Masks values, and remembers what it masked.

    Attributes:
        known: Every secret that was seen.
    """

    known: set[str] = field(default_factory=set)

    def value(self, raw: Any, *, within_secret: bool = False) -> Any:
        """The same value without secrets, and with the engine's words for what is unknown made markers."""
        if isinstance(raw, Mapping):
            return self._mapping(raw, within_secret=within_secret)
        if isinstance(raw, list):
            pairs = zip([None, *raw], raw, strict=False)
            return [
                SECRET if _is_handed(before, item) else self.value(item, within_secret=within_secret)
                for before, item in pairs
            ]
        if isinstance(raw, str):
            text = self.text(raw)
            # What a file in a ConfigMap says, or an argument.
            return text if text is UNKNOWN else blinded(text, SECRET)
        return raw

    def secret(self, raw: Any) -> Marker:
        """The marker, with whatever it stands for remembered."""
        self.known.update(_leaves(raw))
        return SECRET

    def _mapping(self, raw: Mapping[str, Any], *, within_secret: bool) -> Any:
        signature = raw.get(SIGNATURE)
        if signature == SECRET_SIGNATURE:
            return self.secret(_plaintext(raw))
        if signature == OUTPUT_SIGNATURE:
            if raw.get("secret"):
                return self.secret(raw.get("value"))
            return self.value(raw["value"], within_secret=within_secret) if "value" in raw else UNKNOWN
        is_secret = within_secret or raw.get("kind") == "Secret"
        masked = {}
        for key, value in raw.items():
            if is_secret and key in ("data", "stringData"):
                masked[key] = self._data(value)
            elif key == "kubectl.kubernetes.io/last-applied-configuration":
                self._applied(value)
                continue
            elif (isinstance(value, str) and TELLING.search(str(key)) and value) or is_named(raw, key):
                # The name may be wrong about it, so it is not remembered: it may be an ordinary word elsewhere.
                masked[key] = UNKNOWN if _is_unknown(value) else SECRET
            else:
                masked[self.text(key)] = self.value(value, within_secret=key == "__inputs" and is_secret)
        return masked

    def _data(self, value: Any) -> Any:
        if not isinstance(value, Mapping) or SIGNATURE in value:
            return UNKNOWN if _is_unknown(value) else self.secret(_plaintext(value))
        return {key: self._item(key, inner) for key, inner in value.items()}

    def _item(self, key: str, value: Any) -> Marker:
        if _is_unknown(value):
            return UNKNOWN
        return SECRET if key in PUBLIC else self.secret(_decoded(value))

    def _applied(self, value: Any) -> None:
        """What kubectl noted down is dropped; the secrets in it are known from now on."""
        try:
            self.value(json.loads(value))
        except (TypeError, ValueError):
            return

    def text(self, raw: Any) -> Any:
        """Somebody's words: a message, a name."""
        if not isinstance(raw, str):
            return raw
        if raw in UNKNOWNS:
            return UNKNOWN
        for unknown in UNKNOWNS:
            raw = raw.replace(unknown, UNKNOWN)
        return self._embedded(raw)

    def _embedded(self, raw: str) -> Any:
        """A JSON document as text may have a Secret in it, too."""
        if '"Secret"' not in raw and SIGNATURE not in raw:
            return raw
        try:
            return json.dumps(self.value(json.loads(raw)), default=str)
        except ValueError:
            return raw


def _is_unknown(value: Any) -> bool:
    return isinstance(value, str) and value in UNKNOWNS


def _is_handed(option: Any, value: Any) -> bool:
    return is_handed(option, value) and not _is_unknown(value)


def _plaintext(raw: Any) -> Any:
    if not isinstance(raw, Mapping):
        return raw
    text = raw.get("plaintext")
    if text is None:
        return [value for key, value in raw.items() if key not in (SIGNATURE, "ciphertext")]
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def _decoded(value: Any) -> Any:
    """A Secret's value as it is written, and what it decodes to."""
    return decodings(value) if isinstance(value, str) else _plaintext(value)


def _leaves(raw: Any) -> Iterator[str]:
    if isinstance(raw, Mapping):
        for key, value in raw.items():
            if key != SIGNATURE:
                yield from _leaves(value)
    elif isinstance(raw, (list, tuple)):
        for item in raw:
            yield from _leaves(item)
    elif isinstance(raw, str):
        if raw and raw != "[secret]" and raw not in UNKNOWNS:
            yield raw
            yield from _inside(raw)
    elif isinstance(raw, (int, float)) and not isinstance(raw, bool):
        yield str(raw)


def _inside(raw: str) -> Iterator[str]:
    """Of a secret document, a registry's credentials say, also each secret in it: one alone would give it away."""
    if raw[:1] in ("{", "["):
        try:
            yield from _given(json.loads(raw))
        except ValueError:
            return


def _given(raw: Any, *, secret: bool = False) -> Iterator[str]:
    if isinstance(raw, Mapping):
        named = secret and {"name", "value"} <= raw.keys()
        for key, value in raw.items():
            if named and key != "value":
                continue
            if key == AUTH and isinstance(value, str):
                # Whose it is, is no secret.
                yield from (value, *(text.partition(":")[2] for text in decodings(value)[1:]))
                continue
            yield from _given(value, secret=secret or key == "env" or TELLING.search(str(key)) is not None)
    elif isinstance(raw, list):
        for item in raw:
            yield from _given(item, secret=secret)
    elif secret:
        yield from _leaves(raw)


def from_config(text: str) -> set[str]:
    """The secrets among what ``pulumi config --show-secrets --json`` prints.

    Of an object Pulumi says only that something in it is secret: that are variables, and what names speak of. The rest,
    an image say, is in every review.

    Raises:
        ValueError: It is something else.
    """
    loaded = json.loads(text)
    if not isinstance(loaded, dict):
        raise ValueError("it is no object of settings, as `pulumi config --show-secrets --json` prints it")
    found: set[str] = set()
    for setting in loaded.values():
        if isinstance(setting, dict) and setting.get("secret"):
            found.update(_given(setting["objectValue"]) if "objectValue" in setting else _leaves(setting.get("value")))
    return found
