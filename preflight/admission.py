"""Whether the API server would take what a stack brings: asked by server-side dry runs, which change nothing."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Any, Final

from cluster.client import REQUEST_TIMEOUT, parallel
from cluster.errors import ApiError, OperationError
from cluster.kinds import path_of
from model.chart import ChartObject
from model.names import OSM_WEBHOOKS
from preflight.finding import Finding, Level, unseen
from preflight.pods import Group
from preflight.subject import Key, Subject

FIELD_MANAGER: Final = "dapr-osm-preflight"
# Where pods are tried whose own namespace is not there yet.
STAND_IN: Final = "default"
ENFORCE: Final = "pod-security.kubernetes.io/enforce"
TOO_STRICT: Final = ("baseline", "restricted")
# Rights, which are another check's to tell.
RIGHTS: Final = re.compile(r'[Uu]ser "[^"]*" (?:cannot |\(groups=)|is attempting to grant RBAC permissions')
NO_DRY_RUN: Final = re.compile(r"does not support dry run")
NO_ANSWER: Final = re.compile(r'failed calling webhook "([^"]*)"')
# Statuses of a refusal, whoever it comes from; a webhook may choose another one, and says so in these words.
DENIALS: Final = (400, 403, 422)
DENIED: Final = re.compile(r"denied (?:the )?request")
# What Pulumi makes anew, and shows so.
REPLACED: Final = re.compile(
    r"field is immutable|updates to statefulset spec for fields other than|cannot change roleRef"
)
POD_SECURITY: Final = re.compile(r"violates PodSecurity")
QUOTA: Final = re.compile(r"exceeded quota")
UNSIZED: Final = re.compile(r"must specify ")
# Webhooks of the stack's own, which `up` mends.
OWN_WEBHOOKS: Final = (
    "dapr.io",
    "openservicemesh.io",
    "osm-",
    *(name for names in OSM_WEBHOOKS.values() for name in names),
)
PRIVILEGED: Final = (
    "Run `kubectl label namespace {namespace} --overwrite pod-security.kubernetes.io/enforce=privileged`, or set that "
    "in dapr-osm:namespaceLabels where the stack makes the namespace."
)
SIZES: Final = (
    "Make a LimitRange with defaults in {namespace}, since sidecars and Redis say nothing of it; apps.<app>.resources "
    "sizes an app, and the annotations dapr.io/sidecar-* of apps.<app>.pod its daprd."
)
ALLOW: Final = (
    "Have whoever made the rule allow it there, or keep to the rule: images come from dapr-osm:daprRegistry, "
    "osmRegistry, envoyImage, curlImage, redisImage and apps.<app>.image; daprValues, osmValues and apps.<app>.pod say "
    "the rest."
)


def pod_security(subject: Subject) -> Iterator[Finding]:
    """Namespaces of apps whose level of Pod Security refuses every pod of the mesh."""
    if not subject.meshed:
        return
    for namespace in subject.homes:
        labels = (subject.there.get(namespace) or {"metadata": {}})["metadata"].get("labels") or {}
        wanted = subject.settings.namespace_labels.get(namespace, {}).get(ENFORCE)
        level = wanted or labels.get(ENFORCE)
        if level in TOO_STRICT:
            groups = [group for group in subject.groups if group.namespace == namespace]
            yield Finding(
                # What runs already goes on running.
                level=Level.WARNS if all(one.key in subject.deployed for one in groups) else Level.BREAKS,
                what=f"namespace {namespace} enforces the Pod Security level {level}",
                why="Each app's pod has OSM's osm-init, which needs NET_ADMIN and root, so none would be let in",
                mend=PRIVILEGED.format(namespace=namespace),
            )


class Outcome(Enum):
    """What came of a dry run that the API server did not take."""

    REFUSED = auto()
    """A rule, a level or the API server itself is against it."""

    NOT_ALLOWED = auto()
    """This user may not; the check of rights tells."""

    AWAY = auto()
    """A webhook does not answer."""

    UNTRIED = auto()
    """Nobody can tell: a webhook that knows no dry runs, or an API server that is busy."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Something that the API server would not take.

    Attributes:
        key: What it is: kind, namespace ("" for none), name.
        group: The workload whose pod it is, or None where it is the object itself.
        place: The namespace that it was tried in; "" for none.
        outcome: What came of it.
        said: Why, in the API server's words.
    """

    key: Key
    group: Group | None
    place: str
    outcome: Outcome
    said: str

    @property
    def home(self) -> str:
        """The namespace that it will be in; "" for none."""
        return self.key[1]

    @property
    def label(self) -> str:
        """As people write it."""
        kind, namespace, name = self.key
        return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def objects(subject: Subject) -> Iterator[Finding]:
    """Objects of the charts: every workload, and of each other kind one a namespace.

    Where a namespace is not there yet, one of each kind is tried in another, whose rules may be other ones.
    """
    left_alone = subject.judged.verdict.left_alone
    chosen: dict[tuple[str, str, str], ChartObject] = {}
    for item in subject.charts:
        if item.name not in left_alone:
            there = item.namespace is None or item.namespace in subject.there
            place = (item.namespace or "") if there else STAND_IN
            chosen.setdefault((item.kind, place, item.name if item.is_workload and there else ""), item)
    tries = Tries()
    calls = [partial(_object, subject, tries, item, place) for (_, place, _), item in chosen.items()]
    yield from _told(subject, [one for one in parallel(calls) if one])


def _object(subject: Subject, tries: Tries, item: ChartObject, place: str) -> Refused | None:
    body, version = dict(item.body), str(item.body["apiVersion"])

    def applied() -> object:
        path = path_of(version, item.kind, item.namespace, item.name)
        return subject.cluster.patch(path, body, "apply", field_manager=FIELD_MANAGER, force=True, dry_run=True)

    def created() -> object:
        metadata = {key: body["metadata"][key] for key in ("labels", "annotations") if body["metadata"].get(key)}
        other = {**body, "metadata": {**metadata, "generateName": f"{item.name}-"}}
        return subject.cluster.request("POST", path_of(version, item.kind, place), {"dryRun": "All"}, other)

    home = item.namespace or ""
    answer = tries.ask(applied if home == place else created)
    if answer is None:
        return None
    said = _shown(answer, secret=subject.has_secrets)
    return Refused(key=(item.kind, home, item.name), group=None, place=place, outcome=answer[0], said=said)


def _shown(answer: Answer, *, secret: bool) -> str:
    """What the API server says, unless it may quote a secret."""
    outcome, said = answer
    known = outcome is not Outcome.REFUSED or POD_SECURITY.search(said) or QUOTA.search(said)
    return said if known or not secret else "a rule whose words may hold a secret of the config"


Answer = tuple[Outcome, str]
"""What came of a dry run, and why."""


class Tries:
    """Dry runs side by side. After one that has no answer, as where a webhook hangs, no other one is begun."""

    def __init__(self) -> None:
        """Begin."""
        self._silent = threading.Event()

    def ask(self, tried: Callable[[], object]) -> Answer | None:
        """What is against something; None where nothing is, or where it is no matter of admission."""
        if self._silent.is_set():
            return None
        try:
            tried()
        except ApiError as error:
            outcome = _outcome(error)
            return None if outcome is None else (outcome, error.reason)
        except OperationError:
            self._silent.set()
            return Outcome.UNTRIED, f"there was no answer in {REQUEST_TIMEOUT} s, as where a webhook does not answer"
        return None


def _outcome(error: ApiError) -> Outcome | None:
    said = error.reason
    if error.status == 404 or REPLACED.search(said):
        # No such namespace or kind yet; or what Pulumi makes anew, and shows so.
        return None
    if RIGHTS.search(said):
        return Outcome.NOT_ALLOWED
    if NO_ANSWER.search(said):
        return Outcome.AWAY
    refused = error.status in DENIALS or DENIED.search(said)
    return Outcome.REFUSED if refused and not NO_DRY_RUN.search(said) else Outcome.UNTRIED


def pods(subject: Subject) -> Iterator[Finding]:
    """A pod of each workload, with its sidecars."""
    tries = Tries()
    refused = [one for one in parallel(partial(_pod, subject, tries, group) for group in subject.groups) if one]
    yield from _told(subject, [one for one in refused if not _is_anothers(subject, one)])


def _pod(subject: Subject, tries: Tries, group: Group) -> Refused | None:
    place = group.namespace if group.namespace in subject.there else STAND_IN
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**_metadata(group), "generateName": f"{group.name}-"},
        "spec": {**group.template["spec"], "serviceAccountName": "default"},
    }
    path = path_of("v1", "Pod", place)
    answer = tries.ask(lambda: subject.cluster.request("POST", path, {"dryRun": "All"}, body))
    if answer is None:
        return None
    said = _shown(answer, secret=group.secret)
    return Refused(key=group.key, group=group, place=place, outcome=answer[0], said=said)


def _metadata(group: Group) -> Mapping[str, Any]:
    metadata = group.template.get("metadata") or {}
    return {key: metadata[key] for key in ("labels", "annotations") if metadata.get(key)}


def _is_anothers(subject: Subject, one: Refused) -> bool:
    """Whether it is no matter of the namespace that the pods will be in, or told elsewhere."""
    if QUOTA.search(one.said):
        # What a quota leaves is added up for all pods together; the stand-in's is another's.
        return True
    if not POD_SECURITY.search(one.said):
        return False
    home = one.home
    if one.place != home:
        return ENFORCE in subject.settings.namespace_labels.get(home, {})
    labels = subject.there[home]["metadata"].get("labels") or {}
    return subject.meshed and home in subject.homes and labels.get(ENFORCE) in TOO_STRICT


def _told(subject: Subject, refused: list[Refused]) -> Iterator[Finding]:
    """What is refused, by reason: what one rule says of several is one finding."""
    if untried := [one for one in refused if one.outcome is Outcome.NOT_ALLOWED]:
        kinds = ", ".join(dict.fromkeys("pods" if one.group else one.key[0] for one in untried))
        yield unseen(f"whether {kinds} would be taken was not tried: {_reason(untried[0].said)}")
    reasons: dict[tuple[str, Outcome, str], list[Refused]] = {}
    for one in refused:
        if one.outcome is not Outcome.NOT_ALLOWED:
            reasons.setdefault((one.place, one.outcome, _reason(one.said)), []).append(one)
    for (place, outcome, said), those in reasons.items():
        yield _finding(subject, place, outcome, said, those)


def _finding(subject: Subject, place: str, outcome: Outcome, said: str, those: list[Refused]) -> Finding:
    names = ", ".join(one.label for one in those)
    names = f"pods of {names}" if those[0].group else names
    if outcome is Outcome.UNTRIED:
        return unseen(f"whether {names} would be taken can't be tried: {said}")
    if outcome is Outcome.AWAY:
        webhook = NO_ANSWER.search(said)
        if webhook and any(part in webhook[1] for part in OWN_WEBHOOKS):
            return unseen(f"{names}: {said}")
        why, mend = "Until it answers, nothing of the kind can be made", "Mend whoever should answer, or take it away."
        return Finding(level=Level.WARNS, what=f"{names}: {said}", why=why, mend=mend)
    elsewhere = list(dict.fromkeys(one.home for one in those if one.home != place))
    runs = all(one.key in subject.deployed or one.key in subject.state.objects for one in those)
    where = f"in {place}" if place else "by the cluster"
    if elsewhere:
        are = "are" if len(elsewhere) > 1 else "is"
        where += f", where they were tried since {', '.join(elsewhere)} {are} not there yet"
    return Finding(
        # What is there already stays; it is told, and stops no update or destroy.
        level=Level.WARNS if elsewhere or runs else Level.BREAKS,
        what=f"{names} would be refused {where}: {said}",
        mend=_mend(said, ", ".join(dict.fromkeys(one.home for one in those))),
    )


def _mend(said: str, namespaces: str) -> str:
    if POD_SECURITY.search(said):
        return PRIVILEGED.format(namespace=namespaces)
    return SIZES.format(namespace=namespaces) if UNSIZED.search(said) else ALLOW


def _reason(said: str) -> str:
    """A reason without the name of what was tried, which is made up."""
    plain = " ".join(said.split())
    plain = re.sub(r'^[\w./-]+ "[^"]*" is (?:forbidden|invalid): ', "", plain)
    # Which containers lack something differs by pod.
    return re.sub(r" for: [\w.,-]+", "", plain) if UNSIZED.search(plain) else plain
