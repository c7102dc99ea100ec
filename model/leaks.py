"""Secrets in a text: what speaks of one, every form in which one can stand there, and the guard that looks for them."""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from model.telling import TELLING

# Shorter ones are in every text by chance; they are masked by structure alone. So are words that are no secret.
SHORTEST: Final = 4
ORDINARY: Final = frozenset({"true", "false", "none", "null", "default"})
# Of base64 in the middle of something else, fewer digits than that are there by chance: it takes a secret of six bytes.
SHORTEST_INNER: Final = 6
# A line of a longer secret counts by itself from this length on: shorter ones are a configuration's everyday lines.
SHORTEST_LINE: Final = 12
# What of a Secret everybody may read; a ConfigMap beside it often has the same.
PUBLIC: Final = frozenset({"ca.crt", "tls.crt"})


def is_named(raw: Mapping[str, Any], key: str) -> bool:
    """Whether it is the value of a ``name``/``value`` pair whose name speaks for itself."""
    name = raw.get("name")
    return key == "value" and isinstance(raw[key], str) and isinstance(name, str) and TELLING.search(name) is not None


def decodings(value: str) -> list[str]:
    """A Secret's value as it is written, and what it decodes to."""
    try:
        return [value, base64.b64decode(value, validate=True).decode()]
    except ValueError:
        return [value]


class LeakError(RuntimeError):
    """A text has a secret. The message says nothing of it."""


def visible(text: str) -> str:
    """Text whose every character can be seen: what would move, hide or reverse others is written as its number."""
    return "".join(
        char if char in "\n\t" or char.isprintable() else f"\\u{ord(char):04x}" for char in text.replace("\r\n", "\n")
    )


@lru_cache(maxsize=4096)
def forms(secret: str) -> frozenset[str]:
    """Every form in which a secret could stand in a text."""
    found: set[str] = set()
    lines = [line.strip() for line in secret.splitlines()]
    whole = secret.strip()
    if whole.lower() in ORDINARY:
        return frozenset()
    for plain in {whole, *(line for line in lines if len(line) >= SHORTEST_LINE and not line.startswith("-----"))}:
        if len(plain) < SHORTEST:
            continue
        escaped = json.dumps(plain)[1:-1]
        found |= {
            plain,
            visible(plain),
            escaped,
            # As Go writes it.
            escaped.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e"),
            json.dumps(plain, ensure_ascii=False)[1:-1],
            json.dumps(escaped)[1:-1],
            repr(plain)[1:-1],
            plain.replace("'", "''"),
            html.escape(plain),
            html.escape(plain, quote=False),
            urllib.parse.quote(plain, safe=""),
            urllib.parse.quote(plain),
            urllib.parse.quote_plus(plain),
            plain.encode().hex(),
            plain.encode().hex().upper(),
            repr(plain.encode())[2:-1],
        }
    if len(whole) >= SHORTEST:
        for value in {secret, whole}:
            found |= _encoded(value.encode())
    return frozenset(form for form in found if len(form) >= SHORTEST)


def without(text: str, secrets: Iterable[str]) -> str:
    """A text in which each secret, in whichever form it stands there, is masked."""
    found = {form for secret in secrets for form in forms(secret) if form in text}
    for form in sorted(found, key=len, reverse=True):
        text = text.replace(form, "[secret]")
    return text


def _encoded(secret: bytes) -> set[str]:
    """Its base64, alone and in the middle of something else: what it looks like depends on where it begins."""
    found: set[str] = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        found.add(encode(secret).decode())
        for before in range(3):
            whole = encode(b"\0" * before + secret).decode().rstrip("=")
            # The first and the last digits belong to the neighbours as well.
            inner = whole[(before * 8 + 5) // 6 : ((before + len(secret)) * 8) // 6]
            if len(inner) >= SHORTEST_INNER:
                found.add(inner)
    return found


# Of what is escaped by a backslash: Unicode by its number, or a sign itself.
ESCAPED: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
# Signs that JSON and YAML name by a letter.
CONTROLS: Final = dict(zip("0abtnvfre", "\0\a\b\t\n\v\f\r\x1b", strict=True))
# Mermaid's way of writing a sign.
NUMBERED: Final = re.compile(r"#(\d{1,7});")
BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{8,}")
FOR_ADDRESSES: Final = str.maketrans("-_", "+/")
# What stands between the parts of a secret that was quoted, folded, or shown line by line in a diff.
BETWEEN: Final = re.compile(r"[\s+\-!\"'`\\]+")
# What is wrapped is wrapped a few times at most.
MOST_WRAPS: Final = 3


def _bare(text: str) -> str:
    return BETWEEN.sub("", text)


def _char(found: re.Match[str]) -> str:
    digits = next(filter(None, found.groups()[:3]), None)
    if digits is None:
        return CONTROLS.get(found[4], found[4])
    return chr(int(digits, 16)) if int(digits, 16) < 0x110000 else ""


def _unescaped(text: str) -> str:
    # JSON has signs beyond 16 bits as two numbers.
    return ESCAPED.sub(_char, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unnumbered(text: str) -> str:
    return NUMBERED.sub(lambda found: chr(min(int(found[1]), 0x10FFFF)), text)


# Each undoes a way of writing signs so that they do no harm.
UNDOING: Final = (urllib.parse.unquote, html.unescape, _unnumbered, _unescaped)


def unwrapped(text: str) -> str:
    """The text with all of that undone, as often as it was done."""
    for _ in range(MOST_WRAPS):
        before = text
        for undo in UNDOING:
            text = undo(text)
        if text == before:
            break
    return text


def _opened(text: str) -> str:
    """What its base64 holds, wherever in a word it begins: the word may have something in front of it."""
    return "\n".join(_decoded(word[begin:]) for word in BASE64.findall(text) for begin in range(4))


def _decoded(word: str) -> str:
    digits = word.translate(FOR_ADDRESSES)
    if len(digits) % 4 == 1:
        # No byte ends there: one more digit is somebody else's.
        digits = digits[:-1]
    return base64.b64decode(digits + "=" * (-len(digits) % 4)).decode(errors="ignore")


def guard(text: str, known: Iterable[str]) -> str:
    """The text itself, where no known secret is in it.

    Raises:
        LeakError: One is.
    """
    secrets = set(known)
    if not secrets:
        return text
    plain = unwrapped(text)
    opened = _opened(plain)
    inside = unwrapped(opened)
    # Unwrapped once more than it was wrapped, a secret has lost its own backslash.
    readings = (text, *(undo(text) for undo in UNDOING), plain, opened, inside, unwrapped(_opened(inside)))
    bares = [_bare(reading) for reading in readings]
    count = sum(_is_in(secret, readings, bares) for secret in secrets)
    if count:
        raise LeakError(f"{count} known secret{'s' if count > 1 else ''} would have been written; nothing is.")
    return text


def _is_in(secret: str, readings: tuple[str, ...], bares: list[str]) -> bool:
    written = forms(secret)
    if any(form in reading for form in written for reading in readings):
        return True
    spread = (
        {_bare(form) for form in (secret, unwrapped(secret), *_encoded(secret.strip().encode()))} if written else ()
    )
    return any(len(form) >= 2 * SHORTEST and form in bare for form in spread for bare in bares)
