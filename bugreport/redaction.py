"""What is taken out of a report, and how it is made sure of.

First by structure: what is a secret by where it stands. What was taken out there is looked for in every text, in all
the forms in which it may stand, and taken out again. At the end a guard refuses each text that still has any of it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from cryptography import x509

from cluster.client import Object
from model.leaks import PUBLIC, SHORTEST, decodings, forms, guard, is_named
from model.telling import WHOLE_PRIVATE_KEY

GONE: Final = "[secret]"
# Secrets of OSM's with an Envoy's first configuration: of that only the keys are secret, the rest every Envoy tells.
BOOTSTRAP: Final = "envoy-bootstrap-config-"
# Metadata that only says who wrote what, and kubectl's copy of the whole object.
NOTES: Final = ("kubectl.kubernetes.io/last-applied-configuration",)

CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
# How base64 of "-----BEGIN" begins.
ENCODED_PEM: Final = re.compile(r"LS0tLS1CRUdJTi[A-Za-z0-9+/_=-]+")
JSON_WEB_TOKEN: Final = re.compile(r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(\.[A-Za-z0-9_-]*)?")
# Those of GitHub, GitLab, Slack and Pulumi say by their beginning what they are.
ISSUED: Final = re.compile(r"\b(?:(?:gh[opsu]_|github_pat_|glpat-|xox[abeprs]-)[A-Za-z0-9_-]{10,}|pul-[0-9a-f]{40}\b)")
BEARER: Final = re.compile(r"\b(bearer\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
AUTHORIZATION: Final = re.compile(
    r"(authorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|digest|negotiate)\s+)?)[^\s\"',]+", re.IGNORECASE
)
# What is fetched by its digest has no user.
IN_ADDRESS: Final = re.compile(
    r"(\b[a-z][a-z0-9+.-]*://)(?:[^\s/@\"']*:[^\s/\"']+|[^\s/?#:\"'<>]+)@(?!sha256:)", re.IGNORECASE
)
COOKIE: Final = re.compile(r"(\bcookie[\"']?\s*[:=]\s*[\"']?)[^\n\"']+", re.IGNORECASE)
# Redis's own words for its password.
REDIS: Final = re.compile(r"\b((?:requirepass|masterauth)\s+)(\"(?:\\.|[^\"\\])*\"|\S+)", re.IGNORECASE)
# Names that speak of a secret: more than the policies know, for here a word too many costs nothing.
NAME: Final = (
    r"(?:(?:password|passwd|passphrase|secret|token|credential|(?:api|private|access|account|encryption|signing|hmac)[-_]?key"
    r"|key-data)s?"
    r"|requirepass|masterauth|(?<![a-z])(?:pass|pwd|auth|sig))"
)
SPEAKING: Final = re.compile(rf"({NAME}|authorization|cookie)$", re.IGNORECASE)
# A text inside another one has backslashes before its quotes.
QUOTE: Final = r"(?:\\*[\"'])?"
VALUE: Final = r"(\\+\"[^\"\\]+\\+\"|\"(?:\\.|[^\"\\])+\"|'[^']+'|[^\s,;&\"'{}\[\]()<>]+)"
# The value stands behind its name or below it: alone, in a block or a list, or as its `value`; another name is none.
ASSIGNED: Final = re.compile(
    rf"(\b[\w.-]*{NAME}{QUOTE}\s*[:=](?:\s{{0,99}}\{{?\s{{0,99}}{QUOTE}value{QUOTE}\s*[:=]\s*|[ \t]*[|>][-+]?\s+|[ \t]*"
    rf"|[ \t]*\r?\n[ \t]*(?:-[ \t]+|(?!-[ \t]))(?![\w.-]+{QUOTE}:\s))){VALUE}",
    re.IGNORECASE,
)
# A pair of a name and its value, as containers are given them.
PAIRED: Final = re.compile(
    rf"(\bname{QUOTE}\s*:\s*{QUOTE}[\w.-]*{NAME}{QUOTE}\s{{0,99}},?\s{{0,99}}{QUOTE}value{QUOTE}\s*:\s*){VALUE}",
    re.IGNORECASE,
)
FLAG: Final = re.compile(rf"((?<!\S)--?[\w.-]*{NAME}[ \t]+)(\"[^\"]+\"|'[^']+'|[^\s\"'-]\S*)", re.IGNORECASE)
# What nobody thought up: long, of letters and digits, without a sign that words or names have between them.
RANDOM: Final = re.compile(r"(?<![\w+/-])(?=[A-Za-z+/_-]*\d)(?=[\d+/_-]*[A-Za-z])[A-Za-z0-9+/_-]{16,}(?![\w+/-])")
# Values that say nothing of a secret.
EMPTY: Final = frozenset({"true", "false", "null", "none", "nil", GONE})


@dataclass
class Redaction:
    """Takes secrets out, and remembers them.

    Attributes:
        known: Every secret that was seen.
        public: Names that stand everywhere; one that is also somebody's secret can't be looked for.
        removed: How often what kind of thing was taken out.
    """

    known: set[str] = field(default_factory=set)
    public: set[str] = field(default_factory=set)
    removed: Counter[str] = field(default_factory=Counter)
    _forms: list[str] | None = None

    def learn(self, values: Iterable[str]) -> None:
        """Remember secrets."""
        self.known.update(value for value in values if len(value.strip()) >= SHORTEST)
        self._forms = None

    def learn_secret(self, secret: Object) -> None:
        """Remember what a Secret holds."""
        data = secret.get("data") or {}
        bootstrap = str(secret.get("metadata", {}).get("name", "")).startswith(BOOTSTRAP)
        for key, value in data.items():
            if key in PUBLIC or not isinstance(value, str):
                continue
            plain = decodings(value)
            self.learn(keys_of(plain[-1]) if bootstrap else [*plain, *inner(plain[-1])])
        self.learn(value for value in (secret.get("stringData") or {}).values() if isinstance(value, str))

    def object(self, item: Any) -> Any:
        """The same object, or part of one, without what is a secret by where it stands."""
        if isinstance(item, Mapping):
            return self._mapping(item)
        if isinstance(item, list):
            return [self._argument(before, one) for before, one in zip(["", *item], item, strict=False)]
        return self.text(item) if isinstance(item, str) else item

    def _mapping(self, item: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in item.items():
            if item.get("kind") == "Secret" and key in ("data", "stringData"):
                found[key] = {name: self._gone("values of Secrets") for name in value or {}}
            elif key in NOTES:
                self.removed["kubectl's copies of objects"] += 1
            elif is_named(item, key):
                self.learn([value])
                found[key] = self._gone("values under a name that speaks of a secret")
            elif SPEAKING.search(str(item.get("name", "") if key == "value" else key)):
                found[key] = self._masked(str(key), value)
            else:
                found[key] = self.object(value)
        return found

    def _argument(self, before: Any, item: Any) -> Any:
        """A list's item, which may be what the flag before it is given."""
        given = isinstance(before, str) and before.startswith("-") and SPEAKING.search(before)
        if not given or not isinstance(item, str) or item.startswith("-"):
            return self.object(item)
        if is_named({"name": before, "value": item}, "value"):
            self.learn([item])
        return self._masked(before, item)

    def _masked(self, key: str, value: Any) -> Any:
        """What stands under a name that speaks of a secret; what only says where one is stays."""
        if isinstance(value, list) and not key.lower().endswith("secrets"):
            return [self._masked(key, one) for one in value]
        if isinstance(value, Mapping):
            inner = self.object(value)
            return {**inner, "value": self._masked(key, value["value"])} if "value" in value else inner
        if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
            return self.object(value)
        return self._gone("values under a name that speaks of a secret")

    def text(self, text: str) -> str:
        """The same text without what is a secret by how it looks."""
        for pattern, what, kept in (
            (WHOLE_PRIVATE_KEY, "private keys", ""),
            (JSON_WEB_TOKEN, "tokens", ""),
            (ISSUED, "tokens", ""),
            (AUTHORIZATION, "tokens", r"\1"),
            (BEARER, "tokens", r"\1"),
            (IN_ADDRESS, "credentials in addresses", r"\1"),
            (COOKIE, "tokens", r"\1"),
            (REDIS, "passwords of Redis", r"\1"),
        ):
            end = "@" if pattern is IN_ADDRESS else ""
            text, count = pattern.subn(f"{kept}{GONE}{end}", text)
            self._count(what, count)
        text = ENCODED_PEM.sub(self._encoded, text)
        for pattern in (PAIRED, ASSIGNED, FLAG):
            text = pattern.sub(self._assigned, text)
        return text

    def _encoded(self, found: re.Match[str]) -> str:
        return self._gone("private keys") if "PRIVATE KEY" in _decoded(found[0]) else found[0]

    def _assigned(self, found: re.Match[str]) -> str:
        value = _unquoted(found[2])
        if not value or value.lower() in EMPTY:
            return found[0]
        quote = found[2][: found[2].index(value)]
        return f"{found[1]}{quote}{self._gone('values under a name that speaks of a secret')}{quote}"

    def scrub(self, text: str) -> str:
        """The same text without any secret that is known."""
        if self._forms is None:
            wanted = {form for secret in self.known - self.public for form in forms(secret)}
            # What holds another one goes first, or its rest would stay.
            self._forms = sorted(wanted - self.public, key=len, reverse=True)
        for form in self._forms:
            if form in text:
                self._count("known secrets in other places", text.count(form))
                text = text.replace(form, GONE)
        return text

    def check(self, text: str) -> str:
        """The text itself, where no known secret is left in it.

        Raises:
            LeakError: One is.
        """
        guard(without_certificates(text), self.known - self.public)
        return text

    def _gone(self, what: str) -> str:
        self._count(what, 1)
        return GONE

    def _count(self, what: str, count: int) -> None:
        if count:
            self.removed[what] += count


def without_certificates(text: str) -> str:
    """The same text without certificates, which are public: what they share with their key is no leak of it."""

    def dropped(found: re.Match[str]) -> str:
        block = found[0] if found[0].startswith("-") else _decoded(found[0])
        try:
            x509.load_pem_x509_certificates(block.replace("\\n", "\n").encode())
        except ValueError:
            return found[0]
        return found[0] if "PRIVATE KEY" in block else ""

    return ENCODED_PEM.sub(dropped, CERTIFICATE.sub(dropped, text))


def _unquoted(value: str) -> str:
    return value.strip("\"'" if value[0] != "\\" else "\\\"'")


def inner(document: str) -> Iterator[str]:
    """The secrets inside a Secret's value that is a document: a client's configuration, a file of variables, a URL."""
    for pattern in (PAIRED, ASSIGNED, REDIS):
        yield from (_unquoted(found[2]) for found in pattern.finditer(document))
    for found in IN_ADDRESS.finditer(document):
        yield found[0].removeprefix(found[1]).rstrip("@").partition(":")[2]
    yield from RANDOM.findall(document)


def keys_of(document: str) -> Iterator[str]:
    """The private keys in a configuration of Envoy's, each as it is written there and as what that decodes to."""
    try:
        parsed = yaml.safe_load(document)
    except yaml.YAMLError:
        yield document
        return
    for text in _texts(parsed):
        if "PRIVATE KEY" in text or "PRIVATE KEY" in _decoded(text):
            yield from decodings(text)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | Sequence):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(
            text + "=" * (-len(text) % 4), altchars=b"-_" if set(text) & set("-_") else None
        ).decode()
    except (ValueError, binascii.Error):
        return ""


def names_in(objects: Iterable[Object]) -> Iterator[str]:
    """Names of objects, and of what they are made of: they stand everywhere, secret or not."""
    for item in objects:
        metadata = item.get("metadata") or {}
        yield from filter(None, (metadata.get("name"), metadata.get("namespace"), item.get("kind")))
        spec = item.get("spec") or {}
        template = (spec.get("template") or {}).get("spec") or spec if isinstance(spec, Mapping) else {}
        for container in template.get("containers") or () if isinstance(template, Mapping) else ():
            if isinstance(container, Mapping) and isinstance(container.get("name"), str):
                yield container["name"]
