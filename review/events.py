"""The engine's event stream, a line an event: ``PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true pulumi preview --json``.

What leaves this module has no secret in it (``review.secrets``). Source of the types: sdk/go/common/apitype/events.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from model.telling import blinded
from review.secrets import SECRET, Mask

# What Pulumi's library says where a policy needs what a preview does not know yet.
NOT_ASKED: Final = "can't run policy "
PREVIEW_FAILED: Final = "error: preview failed"
COLOURS: Final = re.compile(r"<\{%[^%]*%\}>|\x1b\[[0-9;]*m")


class EventsError(ValueError):
    """It is no event stream. The message quotes nothing of it, which may be secret."""


@dataclass(frozen=True, kw_only=True)
class State:
    """A resource, before or after.

    Attributes:
        inputs: What the program says of it.
        outputs: What the provider says of it.
        id: Its id, or empty.
        protect: Whether Pulumi refuses to delete it.
        retain: Whether it stays when it is no longer declared.
    """

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    id: str = ""
    protect: bool = False
    retain: bool = False


@dataclass(frozen=True, kw_only=True)
class Step:
    """What the engine would do to one resource.

    Attributes:
        op: The engine's word for it.
        urn: The resource.
        type: Its type token.
        old: It before, or None.
        new: It after, or None.
        paths: Paths of what changes, as the provider says.
        keys: Paths of what makes it a replacement.
        custom: Whether it is something that a provider makes, and no component.
    """

    op: str
    urn: str
    type: str
    old: State | None
    new: State | None
    paths: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    custom: bool = False


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A policy that is not kept.

    Attributes:
        policy: Its name.
        mandatory: Whether it stops the deploy.
        message: What is wrong.
        urn: The resource, or empty where it is the stack.
        asked: Whether it could be asked; what it has to know may not be known yet.
        excepted: Why an exception allows it, or empty.
        pack: The policy pack, or empty where the review has asked.
    """

    policy: str
    mandatory: bool
    message: str
    urn: str = ""
    asked: bool = True
    excepted: str = ""
    pack: str = ""

    @property
    def stops(self) -> bool:
        """Whether nothing is deployed because of it."""
        return self.mandatory and self.asked and not self.excepted


@dataclass(frozen=True, kw_only=True)
class Preview:
    """One stack's preview.

    Attributes:
        stack: The stack's name.
        steps: What would be done, each resource's steps together, in the engine's order.
        errors: What went wrong.
        warnings: What the program or a provider warns of.
        violations: Policies that are not kept.
        packs: Names of the policy packs that were asked.
        finished: Whether the engine came to its end.
        known: Secrets that were seen in it, and must be in nothing that is written.
    """

    stack: str
    steps: tuple[Step, ...]
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    violations: tuple[Violation, ...] = ()
    packs: frozenset[str] = frozenset()
    finished: bool = True
    known: frozenset[str] = field(default=frozenset(), repr=False)


def parse(lines: Iterable[str], *, name: str = "the event stream", stack: str = "") -> Preview:
    """Read a preview.

    Args:
        lines: The stream, a line an event.
        name: What it is called in errors.
        stack: The stack's name where no event says it, since the run has ended before it came to a resource.

    Raises:
        EventsError: It is none.
    """
    reader = _Reader()
    broken = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        # The last line of a run that was killed may be the half of an event: it broke off, and is told so.
        if broken or not (isinstance(event, dict) or reader.has_read):
            raise EventsError(
                f"{name}, line {broken or number}, is no engine event. Make it with "
                "PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true pulumi preview --json"
            )
        if not isinstance(event, dict):
            broken = number
            continue
        if "steps" in event and "sequence" not in event:
            raise EventsError(
                f"{name} is Pulumi's digest of a preview, not its events. "
                "Make it with PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true"
            )
        try:
            reader.read(event)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise EventsError(f"{name}, line {number}, is an event of another shape than the engine's") from None
    return reader.preview(name, stack)


class _Reader:
    def __init__(self) -> None:
        self._mask = Mask()
        self._steps: dict[tuple[str, str], Step] = {}
        self._begun: dict[str, str] = {}
        self._errors: list[str] = []
        self._warnings: list[str] = []
        self._violations: list[Violation] = []
        self._packs: frozenset[str] = frozenset()
        self._finished = False
        self._failed = False
        # Whether it is a stream at all.
        self.has_read = False

    def read(self, event: Mapping[str, Any]) -> None:
        self.has_read = self.has_read or any(key.endswith("Event") for key in event)
        if "resourcePreEvent" in event:
            metadata = event["resourcePreEvent"]["metadata"]
            self._begun[str(metadata["urn"])] = str(metadata["op"])
        for kind in ("resourcePreEvent", "resOutputsEvent", "resOpFailedEvent"):
            if kind in event:
                self._step(event[kind]["metadata"])
        if "diagnosticEvent" in event:
            self._diagnostic(event["diagnosticEvent"])
        elif "policyEvent" in event:
            self._policy(event["policyEvent"])
        elif "errorEvent" in event:
            self._errors.append(self._text(event["errorEvent"].get("error", "")))
        elif "summaryEvent" in event:
            self._finished = True
            self._failed = event["summaryEvent"].get("result") in ("failed", "canceled")
            # A pack of a path is written as name|local|path.
            packs = event["summaryEvent"].get("PolicyPacks") or ()
            self._packs = frozenset(str(name).partition("|")[0] for name in packs)

    def preview(self, name: str, stack: str) -> Preview:
        if not self.has_read:
            raise EventsError(f"{name} has no engine event at all")
        stacks = {urn.split("::")[0].removeprefix("urn:pulumi:") for urn, _ in self._steps}
        if len(stacks) > 1:
            raise EventsError(f"{name} has events of several stacks: {', '.join(sorted(stacks))}")
        errors, failed = list(dict.fromkeys(self._errors)), self._failed
        if any(violation.stops for violation in self._violations):
            # A policy that stops the deploy lets the preview come to its end, and then calls it failed.
            errors = [error for error in errors if error != PREVIEW_FAILED]
            failed = failed and bool(errors)
        return Preview(
            stack=stacks.pop() if stacks else stack or name,
            steps=tuple(self._steps.values()),
            errors=tuple(errors),
            warnings=tuple(dict.fromkeys(self._warnings)),
            violations=tuple(dict.fromkeys(self._violations)),
            packs=self._packs,
            finished=self._finished and not failed,
            known=frozenset(self._mask.known),
        )

    def _text(self, raw: str) -> str:
        return blinded(COLOURS.sub("", str(self._mask.text(raw))).strip(), SECRET, prose=True)

    def _diagnostic(self, event: Mapping[str, Any]) -> None:
        text = self._text(event.get("prefix", "") + event.get("message", ""))
        if event.get("ephemeral") or not text:
            return
        if event.get("severity") == "error":
            self._errors.append(text)
        elif event.get("severity") == "warning":
            self._warnings.append(text)

    def _policy(self, event: Mapping[str, Any]) -> None:
        level = event.get("enforcementLevel")
        if level not in ("mandatory", "warning", "advisory"):
            return
        # Pulumi's own library writes what the policy is in the first line, and what is wrong below it.
        policy, _, wrong = self._text(event.get("message", "")).partition("\n")
        exceptions = event.get("exceptions") or ()
        self._violations.append(
            Violation(
                policy=event.get("policyName", ""),
                mandatory=level == "mandatory",
                message=wrong.strip() or policy,
                urn=event.get("resourceUrn", ""),
                asked=not policy.startswith(NOT_ASKED),
                excepted=self._text("; ".join(str(one.get("reason", "")) for one in exceptions)),
                pack=event.get("policyPackName", ""),
            )
        )

    def _step(self, raw: Mapping[str, Any]) -> None:
        urn, op = str(raw["urn"]), str(raw["op"])
        if self._begun.get(urn) == "refresh":
            # `pulumi refresh` calls its results what a deploy would be called: an update is an edit that it has found.
            op = "refresh"
        key = (urn, op)
        earlier = self._steps.get(key)
        detailed = raw.get("detailedDiff") or {}
        self._steps[key] = Step(
            op=key[1],
            urn=key[0],
            type=str(raw.get("type", "")),
            # The event after the step knows the outputs; only the one before it may know the old state.
            old=self._state(raw.get("old")) or (earlier.old if earlier else None),
            new=self._state(raw.get("new")) or (earlier.new if earlier else None),
            paths=tuple(detailed) or tuple(raw.get("diffs") or ()) or (earlier.paths if earlier else ()),
            keys=tuple(raw.get("keys") or ()) or (earlier.keys if earlier else ()),
            custom=any(bool((raw.get(side) or {}).get("custom")) for side in ("old", "new")),
        )

    def _state(self, raw: Mapping[str, Any] | None) -> State | None:
        if raw is None:
            return None
        # Of a Secret, the type says what the inputs may leave out.
        is_secret = str(raw.get("type", "")).startswith("kubernetes:core/v1:Secret")
        return State(
            inputs=self._mask.value(raw.get("inputs") or {}, within_secret=is_secret),
            outputs=self._mask.value(raw.get("outputs") or {}, within_secret=is_secret),
            id=str(raw.get("id") or ""),
            protect=bool(raw.get("protect")),
            retain=bool(raw.get("retainOnDelete")),
        )
