"""Whose the names are that a stack is about to use. Nothing that is not the stack's own is ever taken over silently.

The Kubernetes provider's create takes over whatever has the name, and a later destroy deletes it. So every object is
looked at first, in a preview too. What carries the stack's mark is its own, also from a run that was interrupted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from cluster.client import Cluster, Object, parallel
from cluster.errors import ApiError, OperationError, lines
from cluster.kinds import CRDS, PATHS, path_of
from model import names
from model.chart import CRD, ChartObject
from model.inventory import Named
from model.owner import Owner, mark_of, was_there_before

FIELD_MANAGER: Final = "dapr-osm-preflight"
HELM_RELEASE: Final = "owner=helm"


@dataclass(frozen=True, kw_only=True)
class Wanted(Named):
    """An object that the stack will make.

    Attributes:
        body: The whole object where another content may matter: a CustomResourceDefinition's.
    """

    body: Object | None = field(default=None, compare=False)

    @classmethod
    def of(cls, item: ChartObject) -> Wanted:
        """An object of a chart."""
        return cls(
            api_version=str(item.body["apiVersion"]),
            kind=item.kind,
            namespace=item.namespace,
            name=item.name,
            body=dict(item.body) if item.is_definition else None,
        )

    @property
    def key(self) -> tuple[str, str, str]:
        """Kind, namespace ("" for none), name."""
        return (self.kind, self.namespace or "", self.name)

    def __str__(self) -> str:
        """As kubectl and people write it."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Everything that a stack wants to be its own.

    Attributes:
        owner: The stack.
        wanted: The objects that it makes.
        runtime: Cluster-wide objects that its control planes make by themselves, by plural.
        begun: Whether an earlier run has looked at those already: what is there of them since is the stack's.
        noted: Whether the stack's state knows of an earlier run at all: without one, what carries its mark is another
            stack's of the same name.
        known: The UIDs of objects that the stack's state knows, by kind, namespace and name.
        namespaces: The namespaces that it makes.
        take_over_definitions: Whether definitions of another content may be upgraded (they stay when the stack goes).
        existing_namespaces: Namespaces that a team brings.
        joins: What the stack writes into those that it has not joined yet, by namespace and then by ``labels`` and
            ``annotations``.
    """

    owner: Owner
    wanted: Sequence[Wanted]
    runtime: Mapping[str, Sequence[str]]
    begun: bool
    known: Mapping[tuple[str, str, str], str]
    namespaces: Sequence[str]
    take_over_definitions: bool
    noted: bool = True
    existing_namespaces: Collection[str] = ()
    joins: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)


UNACCEPTABLE: Final = (400, 409, 422)
"""HTTP statuses of an API server that understands what it is asked for, and will not do it."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Which definitions are not simply the stack's.

    Attributes:
        left_alone: Names of those that are somebody else's, of the same content: they are used as they are.
        kept: Names of those that were there before and were taken over: upgraded, and kept when the stack goes.
    """

    left_alone: frozenset[str]
    kept: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What was found out.

    Attributes:
        verdict: Which definitions are not simply the stack's.
        problems: What is somebody else's: each, whose it is as far as can be told, and the choices.
        hidden: What this user may not look at, so that it may be somebody else's.
    """

    verdict: Verdict
    problems: tuple[str, ...]
    hidden: tuple[str, ...]


# Over the problems.
HEAD: Final = (
    "stack {stack} would take over what is not its own. Nothing was touched. Remove or rename what is in the way, "
    "choose other namespaces, or another cluster:"
)


class _Looks:
    """Looks at a cluster, and keeps what this user may not see.

    Attributes:
        hidden: What that was, by path, as the API server says it.
    """

    def __init__(self, cluster: Cluster) -> None:
        """Look at this cluster."""
        self.cluster = cluster
        self.hidden: dict[str, str] = {}

    def at(self, path: str) -> Object | None:
        """One object; None where there is none, or where it can't be seen."""
        try:
            return self.cluster.get(path)
        except ApiError as error:
            self._keep(path, error)
            return None

    def among(self, path: str, query: Mapping[str, Any] | None = None) -> Iterable[Object]:
        """The metadata of a list's objects, as far as they can be seen."""
        try:
            return self.cluster.metadata(path, query)
        except ApiError as error:
            self._keep(path, error)
            return []

    def _keep(self, path: str, error: ApiError) -> None:
        if error.status != 403:
            raise error
        self.hidden[path] = error.reason


def check(cluster: Cluster, claim: Claim) -> Verdict:
    """Refuse a cluster where the stack's names are somebody else's.

    Raises:
        OperationError: Some are; names each, whose it is as far as can be told, and the choices.
    """
    judged = judge(cluster, claim)
    if judged.problems:
        raise OperationError(lines(HEAD.format(stack=claim.owner.stack), judged.problems))
    return judged.verdict


def judge(cluster: Cluster, claim: Claim) -> Judged:
    """Find out whose the stack's names are."""
    looks = _Looks(cluster)
    found = parallel(partial(_get, looks, item) for item in claim.wanted)
    left_alone, kept, problems = set(), set(), []
    for item, there in zip(claim.wanted, found, strict=True):
        if there is None or _is_ours(item, there, claim):
            if there is not None and item.kind == CRD and was_there_before(there["metadata"]):
                kept.add(item.name)
            continue
        if there["metadata"].get("deletionTimestamp"):
            # A definition of the same content, too: it would be used, and go with all of its objects.
            problems.append(f"{item} is being deleted{_whose(there)}: wait until it is gone")
            continue
        if item.kind == CRD and mark_of(there["metadata"]) is None:
            same, refused = _applied(cluster, item)
            if same:
                left_alone.add(item.name)
            elif refused:
                problems.append(
                    f"{item} is there{_whose(there)} and can't become the chart's, not with dapr-osm:takeOverCrds "
                    f"either: {refused}. Remove it if nobody needs it, and its objects with it"
                )
            elif claim.take_over_definitions:
                kept.add(item.name)
            else:
                problems.append(
                    f"{item} is there with another content{_whose(there)}. Set dapr-osm:takeOverCrds to true to have "
                    "this stack upgrade it (it stays when the stack goes), or remove it if nobody needs it"
                )
            continue
        problems.append(f"{item} is there{_whose(there)}")
    problems += _namesakes(claim, found)
    problems += _runtime_problems(looks, claim)
    problems += _existing_problems(looks, claim)
    problems += _other_stacks(looks, claim)
    problems += _helm_releases(looks, claim)
    return Judged(
        verdict=Verdict(left_alone=frozenset(left_alone), kept=frozenset(kept)),
        problems=tuple(dict.fromkeys(problems)),
        hidden=tuple(dict.fromkeys(looks.hidden.values())),
    )


def _namesakes(claim: Claim, found: Iterable[Object | None]) -> list[str]:
    """The way out where objects carry the stack's own mark, but its state knows of no run that could have made them."""
    if claim.noted or not any(there and claim.owner.owns(there["metadata"]) for there in found):
        return []
    return [
        f"a stack of the name {claim.owner.stack} is here already, and this one's state knows nothing of it: it is "
        "somebody else's, in another backend, or this one's state was lost. In that case run once: "
        f"DAPR_OSM_TAKE_OVER={claim.owner.stack} pulumi up"
    ]


def _get(looks: _Looks, item: Wanted) -> Object | None:
    return looks.at(path_of(item.api_version, item.kind, item.namespace, item.name))


def _is_ours(item: Wanted, there: Object, claim: Claim) -> bool:
    metadata = there["metadata"]
    known = claim.known.get(item.key)
    return (claim.noted and claim.owner.owns(metadata)) or (known is not None and known == metadata.get("uid"))


def _whose(there: Object) -> str:
    """Who made it, as far as its labels, annotations and field managers tell."""
    metadata = there["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    if other := mark_of(metadata):
        return f", of a stack {other}"
    if release := annotations.get("meta.helm.sh/release-name"):
        return f", of Helm release {annotations.get('meta.helm.sh/release-namespace', '?')}/{release}"
    writers = [entry for entry in metadata.get("managedFields") or [] if entry.get("subresource") != "status"]
    managers = dict.fromkeys(entry["manager"] for entry in writers if entry.get("manager"))
    by = labels.get("app.kubernetes.io/managed-by")
    told = ", ".join(
        [*([f"managed by {by}"] if by else []), *([f"written by {', '.join(managers)}"] if managers else [])]
    )
    return f", {told}" if told else ", not made by this stack"


def _applied(cluster: Cluster, item: Wanted) -> tuple[bool, str]:
    """What applying our definition would do: asked of the API server, without doing it.

    Returns:
        Whether nothing that counts would change, and why the API server would refuse it, or "".
    """
    assert item.body is not None  # noqa: S101 - a definition is wanted with its body
    path = f"{PATHS[CRDS]}/{item.name}"
    before = cluster.get(path)
    body = {key: value for key, value in item.body.items() if key != "metadata"} | {"metadata": {"name": item.name}}
    try:
        after = cluster.patch(path, body, "apply", field_manager=FIELD_MANAGER, force=True, dry_run=True)
    except ApiError as error:
        if error.status != 403 and error.status not in UNACCEPTABLE:
            # Nobody can tell: the API server is not well, or a webhook of somebody's does not answer.
            raise
        # Whoever may not ask may not make one either; that is told by the check of rights.
        return error.status == 403, error.reason if error.status in UNACCEPTABLE else ""
    return before is not None and before["spec"] == after["spec"], ""


def _runtime_problems(looks: _Looks, claim: Claim) -> list[str]:
    """OSM writes over definitions that are there, and over webhooks; so they must not be, before its first start."""
    if claim.begun:
        return []
    problems = []
    for kind, listed in claim.runtime.items():
        for name in listed:
            there = looks.at(f"{PATHS[kind]}/{name}")
            if there is None or claim.owner.owns(there["metadata"]):
                continue
            if kind == CRDS and claim.take_over_definitions:
                if there["metadata"].get("labels"):
                    continue
                problems.append(
                    f"CustomResourceDefinition {name} has no labels, at which osm-bootstrap stops: "
                    f"kubectl label crd {name} app.kubernetes.io/name=openservicemesh.io"
                )
                continue
            mend = " (OSM would write over it; dapr-osm:takeOverCrds allows that, and keeps it)" if kind == CRDS else ""
            problems.append(f"{kind.removesuffix('s')} {name} is there{_whose(there)}{mend}")
    return problems


def _existing_problems(looks: _Looks, claim: Claim) -> list[str]:
    """Namespaces that a team brings have to be there to stay, in no other mesh, and get back all that they had."""
    problems = []
    for name in sorted(claim.existing_namespaces):
        path = f"/api/v1/namespaces/{name}"
        there = looks.at(path)
        if path in looks.hidden:
            continue
        if there is None:
            problems.append(
                f"Namespace {name} does not exist, although dapr-osm:existingNamespaces names it: make it, or remove "
                "it there, and the stack makes it"
            )
            continue
        if there["metadata"].get("deletionTimestamp"):
            problems.append(
                f"Namespace {name} is being deleted, and nothing can be made in it: wait until it is gone, and make it "
                "anew, or remove it from dapr-osm:existingNamespaces"
            )
            continue
        mesh = (there["metadata"].get("labels") or {}).get(names.MONITORED)
        if mesh not in (None, names.MESH_NAME):
            problems.append(f"Namespace {name} is in the mesh {mesh} already: take it out there first")
        else:
            problems += _overwritten(name, there, claim.joins.get(name, {}))
    return problems


def _overwritten(name: str, there: Object, joins: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """What a namespace says itself and would say otherwise: whoever gives a field up does not know what it was."""
    metadata = there["metadata"]
    for kind, verb in (("labels", "label"), ("annotations", "annotate")):
        for key, value in joins.get(kind, {}).items():
            found = (metadata.get(kind) or {}).get(key)
            if found not in (None, value) and not _is_written(metadata, kind, key):
                yield (
                    f"Namespace {name} has the {kind[:-1]} {key}={found}, and this stack is to set it to {value}, "
                    f"which could not be given back. Where nobody needs it so: kubectl {verb} namespace {name} "
                    f"--overwrite {key}={value}"
                )


def _is_written(metadata: Mapping[str, Any], kind: str, key: str) -> bool:
    """Whether a label or an annotation is from an earlier run of the stack's."""
    return any(
        entry.get("manager") == names.FIELD_MANAGER
        and f"f:{key}" in ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get(f"f:{kind}", {})
        for entry in metadata.get("managedFields") or []
    )


def _other_stacks(looks: _Looks, claim: Claim) -> list[str]:
    """Two stacks can't share a cluster: Dapr, OSM and their definitions exist once."""
    others: dict[str, list[str]] = {}
    for kind in ("clusterroles", CRDS, "mutatingwebhookconfigurations"):
        for item in looks.among(PATHS[kind]):
            stack = mark_of(item["metadata"])
            if stack not in (None, claim.owner.mark):
                others.setdefault(str(stack), []).append(f"{kind}/{item['metadata']['name']}")
    return [
        f"stack {stack} is on this cluster already ({found[0]} and {len(found) - 1} more cluster-wide objects), and "
        "Dapr and OSM can be there once only: destroy that stack first, or give this one another cluster"
        for stack, found in sorted(others.items())
    ]


def _helm_releases(looks: _Looks, claim: Claim) -> list[str]:
    """A Helm release of our names, pending ones too, would fight over the same objects."""
    problems = []
    for namespace in claim.namespaces:
        for item in looks.among(f"/api/v1/namespaces/{namespace}/secrets", {"labelSelector": HELM_RELEASE}):
            labels = item["metadata"].get("labels") or {}
            if labels.get("name") in (names.DAPR_RELEASE_NAME, names.OSM_RELEASE_NAME):
                problems.append(
                    f"Helm release {namespace}/{labels['name']} ({labels.get('status', 'unknown')}) is there. If an "
                    "earlier version of this program made it, run `make bring-over` once; else `helm uninstall` it"
                )
    return problems
