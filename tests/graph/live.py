"""What the program looks at before it begins."""

from __future__ import annotations

from typing import Final

from tests.unit.fake_cluster import FakeCluster

from .recording import STACK

MINE: Final = {"dapr-osm/stack": STACK}


def assert_only_looked(cluster: FakeCluster) -> None:
    """Fail where something was changed on the cluster; asking what an application would do changes nothing."""
    assert not (cluster.created or cluster.deleted or cluster.patched), "a check changes nothing"
    assert {query.get("dryRun") for _, query in cluster.applied} <= {"All"}, "a check changes nothing"
