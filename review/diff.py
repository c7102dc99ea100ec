"""Two versions of an object, as lines of a diff: as YAML, with what stays the same left out."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from model.leaks import visible
from review.secrets import SECRET, UNKNOWN

MISSING: Final = object()
# What Kubernetes and Pulumi note down for themselves.
NOISE: Final = frozenset(
    {
        "creationTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "status",
        "uid",
        "kubectl.kubernetes.io/last-applied-configuration",
        "deployment.kubernetes.io/revision",
        "pulumi.com/autonamed",
        "pulumi.com/patchForce",
        "pulumi.com/patchFieldManager",
        "pulumi.com/skipAwait",
    }
)
# Checksums of something else that is shown where it is. They say that pods get successors, which the verdict says.
CHECKSUM: Final = re.compile(r"(^dapr-osm/(dapr|configuration|interception|state-store|revoked.*)$)|(^|/)checksum(/|$)")
STEP_CHECKSUMS: Final = frozenset(
    {
        "OPERATION_COVERS",
        "OPERATION_BARE",
        "OPERATION_MESH",
        "OPERATION_RELEASE",
        "OPERATION_CLUSTER",
        "OPERATION_DIGEST",
    }
)
# A definition's schema is longer than all the rest, and says little to a reviewer.
FOLDED: Final = frozenset({"openAPIV3Schema"})
MOST_OF_A_SCHEMA: Final = 40
# What makes an item of a list the same item.
KEYS: Final = ("name", "key", "mountPath", "containerPort", "port", "ip", "type", "uid")
# What an unknown value waits for, by the innermost key that is here.
DECIDED_BY: Final = {
    "outboundIPRangeExclusionList": "the addresses of the cluster's Services",
    "outboundPortExclusionList": "the ports of Dapr's Services, once they are there",
    "openservicemesh.io/outbound-port-exclusion-list": "the ports of Dapr's Services, once they are there",
    "dapr-osm/interception": "the MeshConfig's exclusion lists",
    "dapr-osm/state-store": "the name that the password's Secret gets",
    "secretKeyRef": "the name that the Secret gets",
    "secretName": "the name that the Secret gets",
    "resourceNames": "the name that the Secret gets",
    "ownerReferences": "the id that the Deployment gets",
    "namespace": "the namespace, which is made first",
    "subjects": "the namespace, which is made first",
    "destination": "the namespace, which is made first",
    "sources": "the namespace, which is made first",
    "OPERATION_CLUSTER": "the cluster's identity, which the first step notes",
    "OPERATION_COVERS": "everything that is verified",
    "OPERATION_MESH": "the MeshConfig's exclusion lists",
}


@dataclass(frozen=True, kw_only=True)
class Diff:
    """A diff.

    Attributes:
        lines: Its lines, each with its sign.
        folded: What was left out: how many checksums and the like changed.
        unknown: How many values are not known yet.
    """

    lines: tuple[str, ...]
    folded: int
    unknown: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be seen."""
        return not self.lines


def diff(before: Any, after: Any) -> Diff:
    """What is different between two versions of an object; None is one that is not there."""
    writer = _Writer()
    if before is None:
        writer.all("+", _content(after), 0)
    elif after is None:
        writer.all("-", _content(before), 0)
    else:
        writer.changed(_content(before), _content(after), 0, "")
    return Diff(lines=tuple(writer.lines), folded=writer.folded, unknown=writer.unknown)


def decided_by(path: Sequence[str]) -> str:
    """What an unknown value waits for, or empty."""
    return next((DECIDED_BY[key] for key in reversed(path) if key in DECIDED_BY), "")


def _content(value: Any) -> Any:
    """A body without its noise."""
    if isinstance(value, Mapping):
        return {key: _content(inner) for key, inner in value.items() if key not in NOISE and not _is_bare(key, inner)}
    if isinstance(value, list):
        return [_content(item) for item in value]
    return value


def _is_bare(key: str, value: Any) -> bool:
    """Whether it is metadata that consisted of noise alone."""
    return key == "annotations" and isinstance(value, Mapping) and bool(value) and not set(value) - NOISE


def is_checksum(key: str) -> bool:
    """Whether a value under that name only says that something else is different."""
    return key in STEP_CHECKSUMS or CHECKSUM.search(key) is not None


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.folded = 0
        self.unknown = 0
        self._path: list[str] = []

    def changed(self, before: Any, after: Any, depth: int, label: str) -> None:
        """Write the difference under a label; the label itself where there is one."""
        if before == after:
            return
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            self._under(label, depth, lambda inner: self._mappings(before, after, inner))
        elif isinstance(before, list) and isinstance(after, list):
            self._under(label, depth, lambda inner: self._lists(before, after, inner))
        elif (texts := _documents(before, after)) is not None:
            self._under(label, depth, lambda inner: self._embedded(texts, inner))
        else:
            self._one("-", label, before, depth)
            self._one("+", label, after, depth)

    def all(self, sign: str, value: Any, depth: int) -> None:
        """Write everything, with one sign."""
        if isinstance(value, Mapping):
            for key, inner in value.items():
                self._one(sign, f"{_scalar(key)}:", inner, depth, key=str(key))
        else:
            self._one(sign, "", value, depth)

    def _under(self, label: str, depth: int, write: Any) -> None:
        at = len(self.lines)
        write(depth + 1 if label else depth)
        if label and len(self.lines) > at:
            self.lines.insert(at, f"  {'  ' * depth}{label}")

    def _mappings(self, before: Mapping[str, Any], after: Mapping[str, Any], depth: int) -> None:
        for key in [*before, *(key for key in after if key not in before)]:
            old, new = before.get(key, MISSING), after.get(key, MISSING)
            if old == new:
                continue
            if is_checksum(str(key)):
                self.folded += 1
                continue
            self._path.append(str(key))
            label = f"{_scalar(key)}:"
            if old is MISSING:
                self._one("+", label, new, depth, key=str(key), within=True)
            elif new is MISSING:
                self._one("-", label, old, depth, key=str(key), within=True)
            elif key in FOLDED:
                self._schema(old, new, depth, label)
            else:
                self.changed(old, new, depth, label)
            self._path.pop()

    def _schema(self, before: Any, after: Any, depth: int, label: str) -> None:
        """A schema's difference; of a long one, how long it is, and whether something is no longer taken."""
        inner = _Writer()
        inner.changed(before, after, depth, label)
        added, removed = (sum(line.startswith(sign) for line in inner.lines) for sign in "+-")
        if added + removed <= MOST_OF_A_SCHEMA:
            self.lines += inner.lines
        else:
            self._line("!", depth, f"{label} # {added} lines of schema more, {removed} fewer")

    def _lists(self, before: list[Any], after: list[Any], depth: int) -> None:
        key = _key(before, after)
        if key is None:
            self._sequence(before, after, depth)
            return
        old = {item[key]: item for item in before}
        new = {item[key]: item for item in after}
        for name in [*old, *(name for name in new if name not in old)]:
            if name not in new:
                self._one("-", "-", old[name], depth)
            elif name not in old:
                self._one("+", "-", new[name], depth)
            else:
                self.changed(old[name], new[name], depth, f"- {key}: {_scalar(name)}")
        if [name for name in old if name in new] != [name for name in new if name in old]:
            self._line(" ", depth, "# in another order")

    def _sequence(self, before: list[Any], after: list[Any], depth: int) -> None:
        old_texts, new_texts = ([_flow(item) for item in items] for items in (before, after))
        matcher = difflib.SequenceMatcher(None, old_texts, new_texts, autojunk=False)
        for tag, i, j, k, m in matcher.get_opcodes():
            if tag == "equal":
                continue
            if tag == "replace" and j - i == m - k and all(isinstance(x, (Mapping, list)) for x in before[i:j]):
                for number, (old, new) in enumerate(zip(before[i:j], after[k:m], strict=True), i):
                    self.changed(old, new, depth, f"- # no. {number + 1}")
                continue
            for item in before[i:j]:
                self._one("-", "-", item, depth)
            for item in after[k:m]:
                self._one("+", "-", item, depth)

    def _embedded(self, texts: tuple[Any, Any], depth: int) -> None:
        old, new = texts
        if not (isinstance(old, str) and isinstance(new, str)):
            if isinstance(old, Mapping) and isinstance(new, Mapping):
                self._mappings(old, new, depth)
            elif isinstance(old, list) and isinstance(new, list):
                self._lists(old, new, depth)
            else:
                self._one("-", "", old, depth)
                self._one("+", "", new, depth)
            return
        for line in list(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1))[2:]:
            sign, rest = line[:1], line[1:]
            if sign == "@":
                self._line(" ", depth, "...")
            else:
                self._line(sign, depth, rest)

    def _one(self, sign: str, label: str, value: Any, depth: int, *, key: str = "", within: bool = False) -> None:
        """Write a value with its label, all with one sign."""
        if key and not within:
            self._path.append(key)
        if key in FOLDED:
            self._line(sign, depth, f"{label} # {len(_flow(value)):,} characters of schema")
        elif key and is_checksum(key):
            self.folded += 1
        elif isinstance(value, Mapping) and value:
            self._mapping(sign, label, value, depth)
        elif isinstance(value, list) and value:
            self._items(sign, label, value, depth)
        elif isinstance(value, str) and "\n" in value and value is not SECRET and value is not UNKNOWN:
            self._line(sign, depth, f"{label} |".strip())
            for line in value.rstrip("\n").split("\n"):
                self._line(sign, depth + 1, line)
        else:
            self._line(sign, depth, f"{label} {self._leaf(value)}".strip())
        if key and not within:
            self._path.pop()

    def _mapping(self, sign: str, label: str, value: Mapping[str, Any], depth: int) -> None:
        if label == "-":
            first = True
            for key, inner in value.items():
                if first:
                    self._one(sign, f"- {_scalar(key)}:", inner, depth, key=str(key))
                    first = False
                else:
                    self._one(sign, f"{_scalar(key)}:", inner, depth + 1, key=str(key))
            return
        inside = depth
        if label:
            self._line(sign, depth, label)
            inside = depth + (2 if label.startswith("- ") else 1)
        for key, inner in value.items():
            self._one(sign, f"{_scalar(key)}:", inner, inside, key=str(key))

    def _items(self, sign: str, label: str, value: list[Any], depth: int) -> None:
        inside = depth
        if label:
            self._line(sign, depth, label)
            inside = depth + 1
        for item in value:
            self._one(sign, "-", item, inside)

    def _leaf(self, value: Any) -> str:
        if value is UNKNOWN:
            self.unknown += 1
            why = decided_by(self._path)
            return f"[unknown]{f' # known after {why}' if why else ''}"
        return _scalar(value)

    def _line(self, sign: str, depth: int, text: str) -> None:
        self.lines.append(f"{sign} {'  ' * depth}{visible(text)}".rstrip())


def _key(before: list[Any], after: list[Any]) -> str | None:
    """What the items of both lists are told apart by, or None."""
    items = [*before, *after]
    if not items or not all(isinstance(item, Mapping) for item in items):
        return None
    for key in KEYS:
        if all(key in item and isinstance(item[key], (str, int)) for item in items) and all(
            len({item[key] for item in some}) == len(some) for some in (before, after)
        ):
            return key
    return None


def _documents(before: Any, after: Any) -> tuple[Any, Any] | None:
    """Two texts that are documents: parsed where they are JSON, by lines where they have several."""
    if not isinstance(before, str) or not isinstance(after, str):
        return None
    if any(marker is text for marker in (SECRET, UNKNOWN) for text in (before, after)):
        return None
    if before[:1] in ("{", "[") and after[:1] in ("{", "["):
        try:
            return json.loads(before), json.loads(after)
        except ValueError:
            pass
    return (before, after) if "\n" in before or "\n" in after else None


def _scalar(value: Any) -> str:
    """A value as YAML writes it, on one line."""
    if value is SECRET or value is UNKNOWN:
        return str(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and "\n" in value:
        # YAML's plain way of quoting it would take several lines, of which the later ones had no sign.
        return json.dumps(value, ensure_ascii=False)
    return _word(value) if isinstance(value, str) else _dumped(value)


@functools.lru_cache(maxsize=10_000)
def _word(text: str) -> str:
    # A plan has the same keys over and over, and YAML takes most of a review's time.
    return _dumped(text)


def _dumped(value: Any) -> str:
    text = yaml.safe_dump(value, width=10**9, allow_unicode=True, default_flow_style=True).strip()
    return text.removesuffix("\n...").strip()


def _flow(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def lines_of(found: Diff) -> Iterator[str]:
    """The diff's lines, with what was left out as the last one."""
    yield from found.lines
    if found.folded:
        yield f"  # {found.folded} checksum{'s' if found.folded > 1 else ''} of what is shown elsewhere"
