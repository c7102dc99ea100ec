"""Whether whoever runs this may do all that a stack needs: asked of the API server before anything is touched.

``python -m preflight.rights`` (``make rights``) writes the ready manifest, ``deploy/deployer.yaml``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from cluster.client import Cluster, as_object, parallel
from cluster.errors import ApiError
from cluster.kinds import preferred
from preflight import deployer
from preflight.finding import Finding, Level, unseen
from preflight.needs import ANYTHING, RBAC, Right

REVIEW: Final = "authorization.k8s.io/v1"
ACCESS_REVIEWS: Final = f"/apis/{REVIEW}/selfsubjectaccessreviews"
WHO: Final = "authentication.k8s.io/v1"
# Who lacks more than so many lines lacks nearly everything, and is helped by the manifest rather than by a list.
LONGEST: Final = 20
# What an API server says that takes no such questions, or not from this user.
UNASKED: Final = (403, 404, 405)


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One question to the API server.

    Attributes:
        verb: What is done.
        group: The API group.
        resource: The plural with its subresource, or a path.
        namespace: Where; None for the whole cluster.
        name: With which object; None for any.
    """

    verb: str
    group: str
    resource: str
    namespace: str | None
    name: str | None

    def wider(self) -> list[Ask]:
        """What also answers it, widest first, itself last."""
        everywhere = replace(self, namespace=None, name=None)
        return list(dict.fromkeys([everywhere, replace(self, name=None), self]))


EVERYTHING: Final = Ask(verb=ANYTHING, group=ANYTHING, resource=ANYTHING, namespace=None, name=None)


def asks(right: Right) -> list[Ask]:
    """Every question of a right: it is there where all answers are yes."""
    return [
        Ask(verb=verb, group=right.group, resource=right.resource, namespace=namespace, name=name)
        for verb in right.verbs
        for namespace in right.namespaces or (None,)
        for name in right.names or (None,)
    ]


class Answers:
    """What the API server says about this user, each question asked once."""

    def __init__(self, cluster: Cluster) -> None:
        """Ask this cluster."""
        self._cluster = cluster
        self._known: dict[Ask, bool] = {}

    def ask(self, wanted: Iterable[Ask]) -> None:
        """Find out about these, side by side: first for the whole cluster, then only where that is refused."""
        left = list(dict.fromkeys(wanted))
        for width in range(3):
            asked = {one: wider[width] for one in left if width < len(wider := one.wider())}
            unknown = [question for question in dict.fromkeys(asked.values()) if question not in self._known]
            answers = parallel(partial(self._allowed, question) for question in unknown)
            self._known.update(zip(unknown, answers, strict=True))
            left = [one for one in left if not self.says_yes(one)]

    def says_yes(self, one: Ask) -> bool:
        """Whether something that was asked for is allowed."""
        return any(self._known.get(question, False) for question in one.wider())

    def _allowed(self, one: Ask) -> bool:
        if one.resource.startswith("/"):
            review = {"spec": {"nonResourceAttributes": {"verb": one.verb, "path": one.resource}}}
            body = {"apiVersion": REVIEW, "kind": "SelfSubjectAccessReview", **review}
            return bool(as_object(self._cluster.request("POST", ACCESS_REVIEWS, body=body))["status"]["allowed"])
        resource, _, sub = one.resource.partition("/")
        return self._cluster.may(one.verb, one.group, resource, one.namespace, one.name, sub or None)


@dataclass(frozen=True, kw_only=True)
class Lack:
    """What a user can't do.

    Attributes:
        rights: The rights that he lacks; of each only what is refused.
        only_looks: Whether he may make nothing at all of what a stack makes.
    """

    rights: Sequence[Right]
    only_looks: bool


def find(cluster: Cluster, needed: Sequence[Right]) -> list[Finding]:
    """What of these rights is missing, with its reasons and the mend."""
    try:
        lack = lacking(cluster, needed)
    except ApiError as error:
        if error.status not in UNASKED:
            raise
        return [
            unseen(
                f"what this user may do can't be asked: {error}",
                "Whoever lacks a right would be told so only half-way through an `up`.",
                "Everybody who is known may ask by the ClusterRoleBinding system:basic-user: has it been taken away?",
            )
        ]
    if not lack.rights:
        return []
    details = explained(lack.rights)
    if len(details) > LONGEST:
        details = [*details[:LONGEST], f"... and {len(details) - LONGEST} more such lines; the manifest has them all"]
    return [
        Finding(
            level=Level.ONLY_LOOKS if lack.only_looks else Level.LACKS,
            what=f"{who(cluster)} may not do all that this stack needs",
            mend=f"Have an administrator run `kubectl apply -f {deployer.FILE}`, with this user in its "
            "ClusterRoleBinding",
            details=tuple(details),
        )
    ]


def missing(cluster: Cluster, needed: Sequence[Right]) -> list[Right]:
    """The rights that this user lacks; none is known where the API server takes no such questions."""
    try:
        return list(lacking(cluster, needed).rights)
    except ApiError as error:
        if error.status in UNASKED:
            return []
        raise


def lacking(cluster: Cluster, needed: Sequence[Right]) -> Lack:
    """The rights that this user lacks.

    Raises:
        ApiError: The API server takes no such questions, or not from this user.
    """
    answers = Answers(cluster)
    answers.ask([EVERYTHING])
    if answers.says_yes(EVERYTHING):
        needed = [right for right in needed if right.resource.startswith("/")]
    answers.ask(question for right in needed for question in asks(right))
    makes = [one for right in needed if right.granted_by is None for one in asks(right) if one.verb == "create"]
    found = [lacking for right in needed for lacking in _lacking(answers, right)]
    found = _each_kind(cluster, answers, found)
    return Lack(
        rights=_not_escalated(answers, found),
        only_looks=bool(makes) and not any(answers.says_yes(one) for one in makes),
    )


def _lacking(answers: Answers, right: Right) -> list[Right]:
    """The refused part of a right, by what is refused in the same places."""
    places: dict[tuple[str | None, tuple[str | None, ...]], list[str]] = {}
    for namespace in right.namespaces or (None,):
        for verb in right.verbs:
            one = Ask(verb=verb, group=right.group, resource=right.resource, namespace=namespace, name=None)
            names = tuple(name for name in right.names or (None,) if not answers.says_yes(replace(one, name=name)))
            if names:
                places.setdefault((namespace, names), []).append(verb)
    alike: dict[tuple[tuple[str | None, ...], tuple[str, ...]], list[str | None]] = {}
    for (namespace, names), verbs in places.items():
        alike.setdefault((names, tuple(verbs)), []).append(namespace)
    return [
        replace(right, verbs=verbs, namespaces=tuple(filter(None, namespaces)), names=tuple(filter(None, names)))
        for (names, verbs), namespaces in alike.items()
    ]


def _each_kind(cluster: Cluster, answers: Answers, found: list[Right]) -> list[Right]:
    """Who may not do something with everything may still do it with each kind that the cluster has."""
    wide = [right for right in found if right.resource == ANYTHING and right.granted_by is None]
    if not wide:
        return found
    kinds = [kind for kind in preferred(cluster.resources()) if kind.namespaced and "list" in kind.verbs]
    each = [replace(right, group=kind.group, resource=kind.plural) for right in wide for kind in kinds]
    answers.ask(question for right in each for question in asks(right))
    rest = [right for right in found if right not in wide]
    return rest + [lacking for right in each for lacking in _lacking(answers, right)]


def _not_escalated(answers: Answers, found: list[Right]) -> list[Right]:
    """Without what roles grant that this user may make and bind all the same."""
    roles = {right.granted_by: _escalation(right) for right in found if right.granted_by is not None}
    answers.ask(question for questions in roles.values() for question in questions)
    free = {role for role, questions in roles.items() if all(answers.says_yes(one) for one in questions)}
    return [right for right in found if right.granted_by is None or right.granted_by not in free]


def _escalation(right: Right) -> list[Ask]:
    role = right.granted_by
    assert role is not None  # noqa: S101 - asked of what roles grant alone
    return [
        Ask(verb=verb, group=RBAC, resource=role.resource, namespace=role.namespace, name=role.name)
        for verb in ("escalate", "bind")
    ]


def explained(found: Sequence[Right]) -> list[str]:
    """Missing rights for a person: what is lacking where, why, and how to do without; what has the same is one line."""
    kinds: dict[tuple[tuple[str, ...], tuple[str, ...], str], list[str]] = {}
    for right in found:
        why = f"{right.why} (or do without: `{right.instead}`)" if right.instead else right.why
        kinds.setdefault((right.verbs, right.namespaces, why), []).append(right.label)
    whys: dict[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (verbs, namespaces, why), labels in kinds.items():
        whys.setdefault((verbs, namespaces, tuple(dict.fromkeys(labels))), []).append(why)
    return [
        f"{', '.join(verbs)} {', '.join(labels)} {_where(namespaces)}: {'; '.join(reasons)}"
        for (verbs, namespaces, labels), reasons in whys.items()
    ]


def _where(namespaces: Sequence[str]) -> str:
    return f"in {', '.join(namespaces)}" if namespaces else "in the whole cluster"


def who(cluster: Cluster) -> str:
    """The user, as the API server knows him; "this user" where it does not say."""
    review = {"apiVersion": WHO, "kind": "SelfSubjectReview"}
    try:
        answer = as_object(cluster.request("POST", f"/apis/{WHO}/selfsubjectreviews", body=review))
        return f"user {answer['status']['userInfo']['username']}"
    except (ApiError, KeyError):
        return "this user"


if __name__ == "__main__":
    sys.exit(deployer.main())
