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
        }
    if len(whole) >= SHORTEST:
        for value in {secret, whole}:
            found |= _encoded(value.encode())
    return frozenset(form for form in found if len(form) >= SHORTEST)


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


def guard(text: str, known: Iterable[str]) -> str:
    """The text itself, where no known secret is in it.

    Raises:
        LeakError: One is.
    """
    # A secret of several lines stands in a diff with signs and indents between them.
    bare = re.sub(r"[\s+\-!]+", "", text)
    count = 0
    for secret in known:
        written = forms(secret)
        squeezed = re.sub(r"[\s+\-!]+", "", secret)
        count += any(form in text for form in written) or (len(squeezed) >= 2 * SHORTEST and squeezed in bare)
    if count:
        raise LeakError(f"{count} known secret{'s' if count > 1 else ''} would have been written; nothing is.")
    return text
