"""Images and registries, as container runtimes read them.

Source: the grammar of github.com/distribution/reference (``regexp.go``) and its ``ParseNormalizedNamed``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Final

from settings.declaration import Refusal, Rule
from settings.names import Text

_HOST: Final = r"([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN: Final = rf"({_HOST}(\.{_HOST})*|\[[a-fA-F0-9:]+\])(:[0-9]+)?"
_PART: Final = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_PATH: Final = rf"{_PART}(/{_PART})*"
_TAG: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST: Final = r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"
# Without domain, path and tag in the way.
LONGEST_NAME: Final = 255

WRITE: Final = "Write it as registry/name:tag."


def split_domain(name: str) -> tuple[str, str]:
    """A name's registry and the rest, as runtimes tell them apart: ``team/app`` has no registry, ``a.b/app`` has."""
    first, slash, rest = name.partition("/")
    if slash and (any(sign in first for sign in ".:") or first == "localhost" or first != first.lower()):
        return first, rest
    return "", name


def fault_of(name: str) -> str | None:
    """Why a runtime would not take this for an image, or None."""
    if "://" in name:
        return "it is a URL"
    rest, at, digest = name.partition("@")
    if at and not re.fullmatch(_DIGEST, digest):
        return "its digest is not sha256: and 64 hexadecimal digits in lower case"
    path, tag = rest, None
    if (colon := rest.rfind(":")) > rest.rfind("/"):
        path, tag = rest[:colon], rest[colon + 1 :]
    if tag is not None and not re.fullmatch(_TAG, tag):
        return "its tag is not 1 to 128 letters, digits, underlines, dots and dashes, the last two not first"
    return _fault_of_path(path)


def _fault_of_path(name: str) -> str | None:
    domain, path = split_domain(name)
    if domain and not _is_domain(domain):
        return "its registry is not host or host:port"
    if not re.fullmatch(_PATH, path):
        lower = re.fullmatch(_PATH, path.lower())
        return "its name has capital letters" if lower else "its name is not small letters, digits and . _ - in between"
    if len(name) > LONGEST_NAME:
        return f"its name has more than {LONGEST_NAME} characters"
    if re.fullmatch(r"[0-9a-f]{64}", name):
        return "it is taken for an image's id"
    return None


def _is_domain(domain: str) -> bool:
    found = re.fullmatch(_DOMAIN, domain)
    port = found and found[found.re.groups]
    return found is not None and (not port or 0 < int(port[1:]) < 65536)


def may_be_shown(name: str) -> bool:
    """Whether what is no image is sure to hold no password, as a URL may."""
    return "://" not in name or "@" not in name


def image(value: str) -> Iterator[Refusal]:
    """What keeps a text from being an image; an empty one is none, which others judge."""
    if value and (fault := fault_of(value)):
        yield Refusal(rule=f"is not an image name: {fault}", mend=WRITE, show=may_be_shown(value))


def given_image(value: str) -> Iterator[Refusal]:
    """An image that has a default of ours, and so can't be empty."""
    if not value:
        yield Refusal(rule="is empty", mend="Remove the key for the default.")


def registry(value: str) -> Iterator[Refusal]:
    """What keeps a text from standing in front of images' names."""
    if not value:
        return
    if value.endswith("/"):
        yield Refusal(rule="is not the beginning of an image name: it ends with /", mend="Remove that.")
        return
    # As it will be used: with a name behind it.
    if fault := _fault_of_path(f"{value}/image"):
        yield Refusal(
            rule=f"is not the beginning of an image name: {fault}",
            mend="Write it as registry/path, without https:// and without a tag.",
            show=may_be_shown(value),
        )


Image = Annotated[Text, Rule("image", image, "an image")]
GivenImage = Annotated[Image, Rule("given-image", given_image)]
Registry = Annotated[Text, Rule("registry", registry, "a registry with a path, or either")]
