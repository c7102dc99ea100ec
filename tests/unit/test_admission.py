"""What an API server says to a dry run, and what that means."""

from __future__ import annotations

import json

import pytest

from cluster.errors import ApiError
from preflight.admission import Outcome, _outcome, _reason


@pytest.mark.parametrize(
    ("status", "said", "outcome"),
    [
        (403, 'pods "x" is forbidden: violates PodSecurity "restricted:latest": seccompProfile', Outcome.REFUSED),
        (422, 'Pod "x" is invalid: spec.containers[0].image: Required value', Outcome.REFUSED),
        (422, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", Outcome.REFUSED),
        (400, 'admission webhook "validate.kyverno.svc-fail" denied the request: no', Outcome.REFUSED),
        (418, 'admission webhook "odd.example" denied the request: a teapot', Outcome.REFUSED),
        (403, 'pods is forbidden: User "u" cannot create resource "pods" in API group ""', Outcome.NOT_ALLOWED),
        (
            403,
            'clusterroles.rbac.authorization.k8s.io "osm" is forbidden: user "u" (groups=["system:authenticated"]) is '
            "attempting to grant RBAC permissions not currently held",
            Outcome.NOT_ALLOWED,
        ),
        (500, 'Internal error occurred: failed calling webhook "w.example": connection refused', Outcome.AWAY),
        (400, 'admission webhook "old.example" does not support dry run', Outcome.UNTRIED),
        (429, "too many requests", Outcome.UNTRIED),
        (503, "the server is currently unable to handle the request", Outcome.UNTRIED),
        (409, "Operation cannot be fulfilled", Outcome.UNTRIED),
        (404, 'namespaces "a" not found', None),
        (
            422,
            'StatefulSet.apps "x" is invalid: spec: Forbidden: updates to statefulset spec for fields other than',
            None,
        ),
        (422, 'RoleBinding "x" is invalid: roleRef: Invalid value: cannot change roleRef', None),
        (422, "spec.selector: Invalid value: field is immutable", None),
    ],
)
def test_an_answer_is_a_refusal_only_where_somebody_decided_so(status: int, said: str, outcome: Outcome | None) -> None:
    assert _outcome(ApiError("POST", "/x", status, json.dumps({"message": said}))) is outcome


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('pods "a-x1" is forbidden: no', 'pods "b-y2" is forbidden: no'),
        ('Pod "a-x1" is invalid: no', 'Pod "b-y2" is invalid:  no'),
        (
            "failed quota: q: must specify limits.cpu for: daprd,node",
            "failed quota: q: must specify limits.cpu for: redis",
        ),
    ],
)
def test_what_one_rule_says_of_several_is_one_reason(one: str, other: str) -> None:
    assert _reason(one) == _reason(other)
