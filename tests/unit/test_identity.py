"""A stack knows its cluster."""

from __future__ import annotations

import json

import pytest

from cluster.errors import OperationError
from steps.identity import check, note, other_cluster

from .fake_cluster import KUBE_SYSTEM, FakeCluster

NOTED = json.dumps({"cluster": "this-cluster"})


@pytest.mark.parametrize("previous", [None, ""])
def test_the_first_up_notes_the_uid_of_kube_system(previous: str | None) -> None:
    fake = FakeCluster(uid="6f1f0c1e")
    assert json.loads(note(fake, previous)) == {"cluster": "6f1f0c1e"}
    assert set(fake.requests) == {("GET", KUBE_SYSTEM)}


def test_the_same_cluster_is_noted_as_before() -> None:
    assert note(FakeCluster(), NOTED) == NOTED, "nothing that depends on it is run again"


def test_another_cluster_is_never_noted_in_its_place() -> None:
    with pytest.raises(OperationError, match="this stack is on another cluster"):
        note(FakeCluster(uid="another"), NOTED)


def test_the_stacks_own_cluster_passes() -> None:
    check(FakeCluster(), "this-cluster")


def test_another_cluster_is_refused_with_both_identities_and_every_mend() -> None:
    with pytest.raises(OperationError) as caught:
        check(FakeCluster(uid="another"), "this-cluster")
    message = str(caught.value)
    assert message == other_cluster("this-cluster", "another", "https://fake.example:6443")
    for part in ("this-cluster", "another", "https://fake.example:6443", "Nothing was touched"):
        assert part in message
    for mend in ("KUBECONFIG", "kubectl config use-context", "dapr-osm:kubeContext", "pulumi stack rm --force"):
        assert mend in message


def test_a_cluster_that_can_not_be_told_from_others_is_refused() -> None:
    fake = FakeCluster()
    fake.refused_with["GET", KUBE_SYSTEM] = 404
    with pytest.raises(OperationError, match="has no namespace kube-system"):
        note(fake, None)
