"""What a reviewer has to know first, in words of the mesh: what is lost, what is denied, what restarts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from model import names
from model.arguments import AllowedCalls, ArgumentsError
from model.chart import CRD
from model.policies import Call
from review import mesh as meshes
from review.changes import Change, Op, protections
from review.changes import after as world_after
from review.changes import before as world_before
from review.events import Preview
from review.mesh import WHOSE, Mesh, Mode
from review.secrets import UNKNOWN, Marker
from review.words import counted

# Beyond so many, names are counted.
MOST_NAMES: Final = 6


class Severity(IntEnum):
    """How much a reviewer has to look at it; the worst one is told first."""

    NOTHING = 0
    SAFE = 1
    EDITED = 2
    UNREAD = 3
    RESTARTS = 4
    CLUSTER_WIDE = 5
    GRANTS = 6
    CALLS = 7
    DESTROYS = 8
    STOPPED = 9

    @property
    def sign(self) -> str:
        """How it is marked."""
        return ("✅", "✅", "✋", "❔", "🔄", "🌐", "🔑", "🔐", "💥", "⛔")[self]


HEADLINES: Final = {
    Severity.NOTHING: "Nothing changes.",
    Severity.SAFE: "Safe: nothing is lost, restarted, denied or newly allowed.",
    Severity.EDITED: "Was edited by hand on the cluster.",
    Severity.UNREAD: "Changes something that this review can't judge.",
    Severity.RESTARTS: "Restarts pods.",
    Severity.CLUSTER_WIDE: "Touches what the whole cluster shares.",
    Severity.GRANTS: "Changes what ServiceAccounts may do.",
    Severity.CALLS: "Changes who may call whom, or what bypasses the mesh.",
    Severity.DESTROYS: "Deletes or replaces.",
    Severity.STOPPED: "Would not be deployed as it stands.",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing to know.

    Attributes:
        severity: How much it matters.
        what: One sentence; names in it are in backticks.
    """

    severity: Severity
    what: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is to be known of a stack's change, the worst first.

    Attributes:
        severity: The worst.
        findings: All of it.
    """

    severity: Severity
    findings: tuple[Finding, ...]

    @property
    def headline(self) -> str:
        """The worst of it, in a sentence."""
        return HEADLINES[self.severity]


def verdict(preview: Preview, changed: Sequence[Change], before: Mesh, after: Mesh) -> Verdict:
    """What is to be known of a change."""
    found = [
        *_stopped(preview),
        *_whole(preview, changed),
        *_moved(preview),
        *_destroyed(changed),
        *_calls(before, after),
        *_bypasses(before, after),
        *_granted(preview, changed),
        *_cluster_wide(changed),
        *_restarts(changed, after),
        *_steps(changed),
        *_unread(changed),
        *_rest(changed),
        *_protected(preview),
    ]
    ordered = sorted(found, key=lambda finding: -finding.severity)
    worst = max((finding.severity for finding in ordered), default=Severity.NOTHING)
    return Verdict(severity=worst, findings=tuple(ordered))


def _stopped(preview: Preview) -> Iterator[Finding]:
    yield from _violated(preview)
    if preview.errors and not preview.steps:
        yield Finding(
            severity=Severity.STOPPED, what="The preview failed before it came to anything; why is quoted below."
        )
    elif preview.errors:
        yield Finding(
            severity=Severity.STOPPED,
            what="The preview failed, so what is below may not be all; its errors are quoted there.",
        )
    elif not preview.finished:
        yield Finding(severity=Severity.STOPPED, what="The preview broke off, so what is below is not all.")


def _violated(preview: Preview) -> Iterator[Finding]:
    """Each policy once, with all that is wrong by it."""
    told: dict[tuple[Severity, str], list[str]] = {}
    later: dict[str, list[str]] = {}
    for violation in preview.violations:
        policy, name = _code(violation.policy), violation.urn.split("::")[-1]
        if not violation.asked:
            later.setdefault(policy, []).append(name or "the stack")
            continue
        if violation.excepted:
            stops = f"has an exception ({_sentence(violation.excepted)})"
        else:
            stops = "is not kept" if violation.mandatory else "is not kept, which is only a warning"
        # What says which object it is needs no resource's name beside it.
        where = f" at {_code(name)}" if name and not re.match(r"\w+ \S+: ", violation.message) else ""
        severity = Severity.STOPPED if violation.stops else Severity.SAFE
        told.setdefault((severity, f"The policy {policy} {stops}{where}"), []).append(_sentence(violation.message))
    for (severity, what), wrongs in told.items():
        rest = len(wrongs) - MOST_NAMES
        more = f"; and {rest} more" if rest > 0 else ""
        yield Finding(severity=severity, what=f"{what}: {'; '.join(wrongs[:MOST_NAMES])}{more}")
    for policy, unknown in later.items():
        yield Finding(
            severity=Severity.SAFE,
            what=f"The policy {policy} asks again in `up`: not everything is known yet of {_names(unknown)}.",
        )


POLICY_KINDS: Final = frozenset({"TrafficTarget", "HTTPRouteGroup", "TCPRoute"})
# What goes with an object, by kind, and by kind and name where more is known.
LOST: Final[Mapping[str, str]] = {
    CRD: "and with it every object of that kind in the whole cluster",
    "Namespace": "and with it everything that is in it, also what others put there",
    "Secret": "and with it what it holds",
    "ConfigMap": "and with it what it holds",
    "PersistentVolumeClaim": "and with it the data on its volume",
    "PersistentVolume": "and with it the data on it",
    "Deployment": "and with it its pods",
    "StatefulSet": "and with it its pods; its volumes stay until their claims go",
    "DaemonSet": "and with it its pods",
    "Service": "and with it its address: who looks it up finds nothing meanwhile",
    "ServiceAccount": "and with it an identity: pods that run as it are refused until they have another",
    "MeshConfig": "so that nobody manages permissive mode and exclusions; their values stay as they are",
    "NetworkPolicy": "so that calls pass that it kept away",
    "TrafficTarget": "and with it a permission",
    "HTTPRouteGroup": "and a policy that still names it denies every call",
    "TCPRoute": "and a policy that still names it denies every call",
    "MutatingWebhookConfiguration": "so that new pods come without their sidecars",
    "ValidatingWebhookConfiguration": "so that nothing is checked before it is accepted",
    "Component": "and with it what apps reach by it; a running daprd keeps it until it restarts",
    "Role": "and with it a permission of ServiceAccounts",
    "RoleBinding": "and with it a permission of ServiceAccounts",
    "ClusterRole": "and with it a permission of ServiceAccounts",
    "ClusterRoleBinding": "and with it a permission of ServiceAccounts",
}
LOST_BY_NAME: Final[Mapping[tuple[str, str], str]] = {
    ("Deployment", names.REDIS): "and with it **all state of the apps**: Redis keeps nothing on disk",
    ("Secret", "dapr-trust-bundle"): "and with it Dapr's root certificate: every sidecar has to get a new one",
    ("StatefulSet", "dapr-scheduler-server"): "and with it, once its claims go, jobs, reminders and workflows' timers",
    ("StatefulSet", "dapr-placement-server"): "so that actors are unreachable meanwhile",
    ("Deployment", "dapr-sentry"): "so that no sidecar gets a certificate meanwhile",
    ("Deployment", names.DAPR_INJECTOR): "so that new pods come without daprd meanwhile",
    ("Deployment", "osm-injector"): "so that new pods in the mesh are refused or come without Envoy meanwhile",
    ("Deployment", "osm-controller"): "so that Envoys learn of no change meanwhile",
}
# What is lost only for as long as there is none: its volumes are there when it comes again.
LOST_MEANWHILE: Final[Mapping[tuple[str, str], str]] = {
    ("StatefulSet", "dapr-scheduler-server"): "so that no job or reminder comes meanwhile; its volumes keep them",
}
# What the delete of a step does.
UNDONE: Final[Mapping[str, str]] = {
    "osm-runtime": "OSM's definitions go, **with every SMI policy and MeshConfig in the cluster**, and the mesh's CA",
    "dapr-runtime": "what Dapr made by itself goes: its root certificate, and **the scheduler's volumes with jobs and "
    "reminders**",
    "cluster-noted": "whatever still carries the stack's mark goes",
}


def _whole(preview: Preview, changed: Sequence[Change]) -> Iterator[Finding]:
    """The stack comes or goes as a whole."""
    objects = [step for step in preview.steps if step.type.startswith("kubernetes:")]
    if not objects:
        return
    if all(step.op == "create" for step in objects):
        outputs = world_after(preview).outputs
        versions = outputs.get("versions")
        named = [f"{name} {version}" for name, version in versions.items()] if isinstance(versions, Mapping) else []
        with_what = f" with {_names(named)}" if named else ""
        stage = outputs.get("stage")
        at = f" at the stage {_code(str(stage))}" if stage else ""
        yield Finding(severity=Severity.SAFE, what=f"Installs the whole stack{with_what}{at}.")
    elif all(step.op == "delete" for step in objects):
        left = sum(change.op is Op.FORGET for change in changed)
        but = f", but for what is left to itself ({counted(left, 'object')})" if left else ""
        yield Finding(severity=Severity.DESTROYS, what=f"**Takes the whole stack away**{but}.")


# Of the output `versions`; the program's own is of no cluster.
PARTS_WITH_VERSIONS: Final = ("dapr", "osm")


def _moved(preview: Preview) -> Iterator[Finding]:
    """Another stage, or another release: what all the rest follows from."""
    earlier, later = world_before(preview).outputs, world_after(preview).outputs
    for name in PARTS_WITH_VERSIONS:
        was, comes = (_version(outputs, name) for outputs in (earlier, later))
        if was and comes and was != comes:
            what = f"Takes {_code(name)} from {_code(was)} to {_code(comes)}."
            yield Finding(severity=Severity.RESTARTS, what=what)
    was, comes = (_text(outputs.get("stage")) for outputs in (earlier, later))
    if was and comes and was != comes:
        yield Finding(severity=Severity.CALLS, what=f"Moves from the stage {_code(was)} to {_code(comes)}.")


def _version(outputs: Mapping[str, Any], name: str) -> str:
    versions = outputs.get("versions")
    return _text(versions.get(name)) if isinstance(versions, Mapping) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) and not isinstance(value, Marker) else ""


def _destroyed(changed: Sequence[Change]) -> Iterator[Finding]:
    told: dict[tuple[bool, str, str], list[str]] = {}
    rest: dict[tuple[Severity, str, str], list[str]] = {}
    for change in changed:
        if not change.is_destructive:
            continue
        word = "Deletes" if change.op is Op.DELETE else "Replaces"
        if _is_remarkable(change):
            for_what = f" (because of {', '.join(map(_code, change.replaced_for))})" if change.replaced_for else ""
            told.setdefault((change.protect, word, f"{for_what}, {_lost(change)}"), []).append(change.title)
        else:
            # A policy is nothing but what it allows, which is told with the calls.
            severity = Severity.CALLS if change.kind in POLICY_KINDS else Severity.DESTROYS
            rest.setdefault((severity, word, change.part), []).append(change.title)
    for (protect, word, lost), titles in told.items():
        several = len(titles) > 1
        refused = f" Pulumi refuses: {'they are' if several else 'it is'} protected." if protect else ""
        lost = lost.replace("and with it", "and with each of them") if several else lost
        yield Finding(
            severity=Severity.STOPPED if protect else Severity.DESTROYS, what=f"{word} {_names(titles)}{lost}.{refused}"
        )
    for (severity, word, part), titles in rest.items():
        yield Finding(severity=severity, what=f"{word}, of {part}: {_names(titles)}.")
    for change in changed:
        if change.is_step and change.op is Op.DELETE and change.name in UNDONE:
            yield Finding(severity=Severity.DESTROYS, what=f"{_capital(UNDONE[change.name])}.")
        elif change.kind == "Deployment" and change.object_name == names.REDIS and _rolls(change):
            yield Finding(
                severity=Severity.DESTROYS,
                what=f"Restarts {_code(change.title)}: **all state of the apps is lost**, Redis keeps nothing on disk.",
            )
    left = [change.title for change in changed if change.op is Op.FORGET and not change.is_step]
    if left:
        yield Finding(severity=Severity.SAFE, what=f"Leaves to itself, on the cluster: {_names(left)}.")


def _is_remarkable(change: Change) -> bool:
    if change.protect or (change.kind, change.object_name) in LOST_BY_NAME:
        return True
    return change.kind in (
        CRD,
        "Namespace",
        "PersistentVolumeClaim",
        "PersistentVolume",
        "MeshConfig",
        "NetworkPolicy",
    ) or (change.op is Op.REPLACE and change.kind in LOST and change.kind not in POLICY_KINDS)


def _lost(change: Change) -> str:
    if change.op is Op.REPLACE and (change.kind, change.object_name) in LOST_MEANWHILE:
        return LOST_MEANWHILE[change.kind, change.object_name]
    return LOST_BY_NAME.get((change.kind, change.object_name)) or LOST.get(change.kind, "and with it what it holds")


def _calls(before: Mesh, after: Mesh) -> Iterator[Finding]:
    moved = meshes.moves(before, after)
    if before.mode is Mode.PERMISSIVE and after.mode is Mode.POLICIES:
        yield _call_finding("Turns permissive mode off: from now on only what a policy allows passes.")
    elif before.mode is Mode.POLICIES and after.mode is Mode.PERMISSIVE:
        yield _call_finding("Turns permissive mode on: **every app of the mesh may call every other**.")
    elif before.mode is Mode.POLICIES and after.mode is Mode.NONE and after.apps:
        yield _call_finding("Takes the mesh away: **no policy holds any more**, and calls are not encrypted by Envoy.")
    elif before.mode is Mode.PERMISSIVE and after.mode is Mode.NONE and after.apps:
        yield _call_finding("Takes the mesh away: calls are not encrypted by Envoy any more.")
    elif before.mode is Mode.NONE and before.apps and after.mode is not Mode.NONE:
        yield _call_finding(f"Puts the apps into the mesh ({after.mode}).")
    if Mode.UNKNOWN in (before.mode, after.mode):
        yield _call_finding("Whether permissive mode is on is not known yet.")
    for verb, calls in (("Denies", moved.denied), ("Allows", moved.allowed)):
        if calls:
            yield _call_finding(f"**{verb}** {_call_names(calls)}.")
    if moved.new and before.apps:
        yield _call_finding(f"Allows calls of apps that come: {_call_names(moved.new)}.")
    if moved.gone and after.apps:
        yield _call_finding(f"Ends calls of apps that go: {_call_names(moved.gone)}.")
    if before.mode is not Mode.NONE and after.mode is not Mode.NONE:
        there = before.apps.keys() & after.apps.keys()
        for apps, what in (
            (after.outside - before.outside, "out of the mesh: **no policy holds there**, nor does Envoy encrypt"),
            (before.outside - after.outside, "back into the mesh"),
        ):
            if apps & there:
                yield _call_finding(f"Takes {_names(sorted(apps & there))} {what}.")
    if moved.routes and after.mode is Mode.POLICIES:
        yield _call_finding(f"Changes which of the allowed callers' calls pass: {_names(moved.routes)}.")
    strangers = sorted(
        {end for call in after.permitted - before.permitted for end in (call.source, call.destination) if "/" in end}
    )
    if strangers:
        yield _call_finding(f"Names ServiceAccounts that no app of this stack runs as: {_names(strangers)}.")
    if after.unclear:
        yield _call_finding(f"Whom these allow is not known yet: {_names(after.unclear)}.")


def _call_finding(what: str) -> Finding:
    return Finding(severity=Severity.CALLS, what=what)


def _bypasses(before: Mesh, after: Mesh) -> Iterator[Finding]:
    moved = meshes.moves(before, after)
    for verb, bypasses in (("Lets past the mesh", moved.bypass), ("Brings back into the mesh", moved.back)):
        by_whose: dict[str, list[str]] = {}
        for bypass in bypasses:
            by_whose.setdefault(bypass.whose, []).append(bypass.what)
        for whose, what in by_whose.items():
            # An app's name may be in it.
            yield _call_finding(f"{verb}, for {whose if whose in WHOSE else _code(whose)}: {_names(what)}.")
    if before.bypasses_known and not after.bypasses_known and before.mode is not Mode.NONE:
        yield _call_finding("What bypasses the mesh is not known yet: it follows from Services that change, too.")
    if after.egress is not before.egress and after.egress is not None and before.egress is not None:
        yield _call_finding(
            "Lets traffic to places that the mesh doesn't know out again."
            if after.egress
            else "**Drops traffic to places that the mesh doesn't know**."
        )


GRANTING: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("Role", "ClusterRole"), ("rules", "aggregationRule")),
    **dict.fromkeys(("RoleBinding", "ClusterRoleBinding"), ("subjects", "roleRef")),
}


# By these, calls come and go beside the mesh's policies. A new Service nobody has called before.
ROUTING: Final[Mapping[str, tuple[str, ...]]] = dict.fromkeys(
    ("Egress", "Ingress", "IngressBackend", "NetworkPolicy", "Service", "TrafficSplit", "UpstreamTrafficSetting"),
    ("spec",),
)


def _granted(preview: Preview, changed: Sequence[Change]) -> Iterator[Finding]:
    """What somebody may do from now on, or no longer, by Kubernetes' own API; and where calls come and go besides."""
    # What comes with all the rest is no news.
    if not any(step.type.startswith("kubernetes:") and step.op != "create" for step in preview.steps):
        return
    if found := _otherwise(changed, GRANTING):
        yield Finding(severity=Severity.GRANTS, what=f"Changes what ServiceAccounts may do: {_names(found)}.")
    if found := _otherwise([one for one in changed if (one.kind, one.op) != ("Service", Op.CREATE)], ROUTING):
        yield _call_finding(f"Changes where calls may come from or go to: {_names(found)}.")


def _otherwise(changed: Sequence[Change], telling: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Of these kinds what comes, or says something else under a key that matters."""
    return [
        change.title
        for change in changed
        if change.op in (Op.CREATE, Op.IMPORT, Op.UPDATE, Op.REPLACE, Op.DRIFT)
        and any(_said(change.before, key) != _said(change.after, key) for key in telling.get(change.kind, ()))
    ]


def _said(body: Any, key: str) -> Any:
    return body.get(key) if isinstance(body, Mapping) else None


def _cluster_wide(changed: Sequence[Change]) -> Iterator[Finding]:
    by_kind: dict[tuple[str, str], list[str]] = {}
    for change in changed:
        if change.is_cluster_wide and change.op is not Op.FORGET and change.op is not Op.DELETE:
            by_kind.setdefault((change.done, change.kind), []).append(change.object_name)
    if not by_kind:
        return
    said = [f"{counted(len(found), kind)} {done} ({_names(found)})" for (done, kind), found in by_kind.items()]
    yield Finding(severity=Severity.CLUSTER_WIDE, what=f"Cluster-wide: {'; '.join(said)}.")
    hooks = by_kind.get((Op.CREATE.value, "MutatingWebhookConfiguration"), [])
    if hooks:
        yield Finding(
            severity=Severity.CLUSTER_WIDE,
            what=f"From now on {_names(hooks)} {'is' if len(hooks) == 1 else 'are'} asked about new pods of the whole "
            "cluster.",
        )


def _restarts(changed: Sequence[Change], after: Mesh) -> Iterator[Finding]:
    sure = [change.title for change in changed if _rolls(change) and not _may_stay(change)]
    perhaps = [change.title for change in changed if _rolls(change) and _may_stay(change)]
    if sure:
        yield Finding(severity=Severity.RESTARTS, what=f"Restarts the pods of {_names(sure)}.")
    if perhaps:
        yield Finding(
            severity=Severity.RESTARTS,
            what=f"Restarts the pods of {_names(perhaps)}, unless values that are not known yet turn out as they were.",
        )
    revoked = sorted(_revoked(changed, after) - {change.object_name for change in changed if _rolls(change)})
    if revoked:
        yield Finding(
            severity=Severity.RESTARTS,
            what=f"Restarts the pods of {_names(revoked)}: a connection outlives the permission that it was made with.",
        )
    if any(change.name == "dapr-release-change" and change.op is Op.UPDATE for change in changed):
        yield Finding(
            severity=Severity.RESTARTS,
            what="Takes Dapr's injector away while its release changes: other pods that start meanwhile get no daprd.",
        )
    scaled = [change for change in changed if change.op is Op.UPDATE and _replicas(change) is not None]
    for change in scaled:
        earlier, later = _replicas(change) or (0, 0)
        yield Finding(
            severity=Severity.DESTROYS if later == 0 else Severity.SAFE,
            what=f"{_code(change.title)} has {counted(later, 'pod')} instead of {earlier}.",
        )


def _rolls(change: Change) -> bool:
    """Whether its pods get successors."""
    before, after = change.pods_before, change.pods_after
    return change.op is Op.UPDATE and before is not None and after is not None and before != after


def _may_stay(change: Change) -> bool:
    """Whether all that is different is unknown."""
    return _known_part(change.pods_before, change.pods_after)


def _known_part(before: Any, after: Any) -> bool:
    """Whether they are the same, but for what is unknown."""
    if after is UNKNOWN or before == after:
        return True
    if isinstance(before, Mapping) and isinstance(after, Mapping) and before.keys() == after.keys():
        return all(_known_part(before[key], after[key]) for key in before)
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return all(_known_part(b, a) for b, a in zip(before, after, strict=True))
    return False


def _revoked(changed: Sequence[Change], after: Mesh) -> set[str]:
    """The callers whose pods ``smi-revoke`` replaces: they may no longer make a call that they could make before."""
    for change in changed:
        if change.name != "smi-revoke" or change.op is not Op.UPDATE:
            continue
        earlier, later = _told_calls(change.before), _told_calls(change.after)
        return {call.source for call in earlier - later if call.source in after.apps}
    return set()


def _told_calls(body: Any) -> set[Call]:
    text = body.get("stdin") if isinstance(body, Mapping) else None
    try:
        return set(AllowedCalls.from_json(text).calls) if isinstance(text, str) else set()
    except ArgumentsError:
        return set()


def _replicas(change: Change) -> tuple[int, int] | None:
    found = []
    for body in (change.before, change.after):
        spec = body.get("spec") if isinstance(body, Mapping) else None
        if not isinstance(spec, Mapping) or change.kind not in ("Deployment", "StatefulSet"):
            return None
        count = spec.get("replicas")
        if count is None:
            # Kubernetes' own.
            count = 1
        if not isinstance(count, (int, float)):
            # Not known yet.
            return None
        found.append(int(count))
    return (found[0], found[1]) if found[0] != found[1] else None


def _steps(changed: Sequence[Change]) -> Iterator[Finding]:
    if any(change.name == "verification-run" and change.op in (Op.CREATE, Op.UPDATE) for change in changed):
        yield Finding(
            severity=Severity.SAFE, what="The cluster is verified at the end; an `up` that can't is a failed one."
        )
    drifted = [change for change in changed if change.op is Op.DRIFT]
    for word, some in (
        ("Edited", [change.title for change in drifted if change.after is not None]),
        ("Deleted", [change.title for change in drifted if change.after is None]),
    ):
        if some:
            yield Finding(severity=Severity.EDITED, what=f"**{word} by hand on the cluster**: {_names(some)}.")


def _unread(changed: Sequence[Change]) -> Iterator[Finding]:
    """What a Helm release or another provider's resource does with its change, no object here says."""
    found = [
        change.title
        for change in changed
        if change.op is Op.UPDATE
        and not change.is_step
        and not re.match(r"kubernetes:(?!helm\.sh/)", change.urn.split("::")[2].rpartition("$")[2])
    ]
    if found:
        yield Finding(
            severity=Severity.UNREAD, what=f"What becomes of these, only their provider knows: {_names(found)}."
        )


def _rest(changed: Sequence[Change]) -> Iterator[Finding]:
    said = False
    for op, verb in ((Op.CREATE, "Creates"), (Op.IMPORT, "Takes over what is there,"), (Op.UPDATE, "Changes")):
        some = [change for change in changed if change.op is op and not change.is_step]
        if some:
            said = True
            what = f"{verb} {counted(len(some), 'object')}: {_counted(change.part for change in some)}."
            yield Finding(severity=Severity.SAFE, what=what)
    secret = [change.title for change in changed if change.secret_paths and change.op is Op.UPDATE]
    if secret:
        yield Finding(severity=Severity.SAFE, what=f"Secret values change, which are not shown: {_names(secret)}.")
    steps = [change.name for change in changed if change.is_step and change.op is not Op.DELETE]
    if steps and not said:
        # Without this, a plan of nothing but steps would look like none.
        yield Finding(severity=Severity.SAFE, what=f"Runs steps again: {_names(steps)}.")


def _protected(preview: Preview) -> Iterator[Finding]:
    moved = protections(preview)
    for protect, what in (
        (False, "Pulumi no longer refuses to delete"),
        (True, "From now on Pulumi refuses to delete"),
    ):
        if found := [urn.split("::")[-1] for urn, comes in moved.items() if comes is protect]:
            yield Finding(severity=Severity.SAFE, what=f"{what}: {_names(found)}.")


def _counted(parts: Iterable[str]) -> str:
    counts: dict[str, int] = {}
    for part in parts:
        counts[part] = counts.get(part, 0) + 1
    return ", ".join(f"{part} ({count})" for part, count in counts.items())


def _call_names(calls: Iterable[Call]) -> str:
    return _names([f"{call.source} → {call.destination}" for call in calls])


def _names(found: Sequence[str]) -> str:
    shown = [_code(name) for name in found[:MOST_NAMES]]
    rest = len(found) - len(shown)
    return f"{', '.join(shown)}{f' and {rest} more' if rest else ''}"


def _code(text: str) -> str:
    """A name in a Markdown text: whatever it holds, it stays one."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def _sentence(text: str) -> str:
    return _code(text.strip().splitlines()[0]) if text.strip() else "it says no more"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
