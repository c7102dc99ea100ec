"""Everything that is asked before a stack touches a cluster: one list, for every run and for the doctor."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from cluster.client import parallel
from cluster.errors import ApiError
from preflight import admission, changes, needs, networks, ownership, parts, platform, preconditions, rights, room
from preflight.finding import Check, Finding, Found, Level, breaks, unseen
from preflight.subject import Subject

# How an API server begins to say so: the kind, and the name where there is one.
FORBIDDEN: Final = re.compile(r'([\w.-]+)(?: "([^"]*)")? is forbidden: User ')


def _owned(subject: Subject) -> Iterator[Finding]:
    """Names that are somebody else's, and those of which nobody can tell."""
    judged = subject.judged
    yield from map(breaks, judged.problems)
    if judged.hidden:
        yield Finding(
            level=Level.LACKS,
            what="this user may not look at all that has a name this stack wants",
            why="It may be somebody else's, and `up` would take it over",
            mend="Have an administrator give the right to look",
            details=tuple(_by_kind(judged.hidden)),
        )


def _by_kind(hidden: Iterable[str]) -> Iterator[str]:
    """What could not be looked at: of each kind its names, in place of a sentence each."""
    kinds: dict[str, list[str]] = {}
    for said in hidden:
        found = FORBIDDEN.match(said)
        kinds.setdefault(found[1] if found else said, []).extend([found[2]] if found and found[2] else [])
    return (f"{kind} {', '.join(names)}".strip() for kind, names in kinds.items())


def _allowed(subject: Subject) -> list[Finding]:
    """What this user may not do. Definitions that are left as they are take no rights."""
    left_alone = subject.judged.verdict.left_alone
    made = [item for item in subject.charts if item.name not in left_alone]
    return rights.find(subject.cluster, needs.needed(subject.plan(made)))


CHECKS: Final[tuple[Check, ...]] = (
    Check("version", "the cluster's release", platform.version),
    Check("parts", "what both charts bring", parts.parts),
    Check("moves", "where the stack's control planes run", changes.moves),
    Check("namespaces", "the stack's namespaces and what is in them", changes.namespaces),
    Check("storage", "who makes volumes for Dapr's scheduler", preconditions.storage),
    Check("volumes", "the scheduler's volumes", changes.scheduler),
    Check("others", "other people's Dapr apps", preconditions.other_apps),
    Check("root-key", "Dapr's root key", preconditions.root_key),
    Check("addresses", "the cluster's address family", platform.addresses),
    Check("ports", "the ports of Dapr's Services", platform.ports),
    Check("ranges", "where pods and Services live", networks.ranges),
    Check("ownership", "whose the names are", _owned, head=ownership.HEAD),
    Check("pod-security", "the namespaces' Pod Security levels", admission.pod_security),
    Check("quotas", "the namespaces' quotas", room.in_quotas),
    Check("room", "the room on the nodes", room.on_nodes),
    Check("objects", "whether objects would be taken", admission.objects),
    Check("pods", "whether pods would be taken", admission.pods),
    Check("rights", "what this user may do", _allowed, head=""),
)


def examine(subject: Subject, checks: Sequence[Check] = CHECKS) -> list[Found]:
    """Everything that the checks find, in their order. Nothing is changed.

    Raises:
        OperationError: The cluster does not answer, or not as an API server does.
    """
    # Two of them need it.
    _ = subject.judged
    found = parallel(partial(_run, check, subject) for check in checks)
    return [
        Found(check=check, finding=finding) for check, listed in zip(checks, found, strict=True) for finding in listed
    ]


def _run(check: Check, subject: Subject) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check.find(subject))
    except ApiError as error:
        if error.status != 403:
            raise
        # What was found before stands.
        found.append(unseen(f"{check.looks_at}: {error.reason}"))
    return found


def at(found: Iterable[Found], *levels: Level) -> list[Found]:
    """Those of some levels."""
    return [one for one in found if one.finding.level in levels]
