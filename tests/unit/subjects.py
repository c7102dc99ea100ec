"""A stack on its way to a cluster, for the checks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from cluster.client import Cluster
from model.chart import ChartObject, ChartPlan, chart_objects
from model.owner import Owner
from preflight.finding import Check, Finding, Level
from preflight.subject import State, Subject

from .config import parsed

OWNER: Final = Owner(stack="dev")
OURS: Final = {"labels": OWNER.labels}


def subject(cluster: Cluster, *charts: ChartObject, state: State | None = None, **config: Any) -> Subject:
    """The stack ``dev`` with this config, and these objects of Dapr's chart."""
    return Subject(
        cluster=cluster,
        settings=parsed(**config),
        owner=OWNER,
        state=state or State(),
        dapr=charts,
        osm=(),
    )


def chart(*bodies: dict[str, Any], namespace: str = "dapr-system") -> tuple[ChartObject, ...]:
    """Objects of a chart, made ready."""
    return chart_objects(bodies, namespace=namespace, owner=OWNER, plan=ChartPlan())


def workload(
    name: str, *, kind: str = "Deployment", replicas: int = 1, namespace: str = "dapr-system", **spec: Any
) -> ChartObject:
    """A workload of Dapr's chart."""
    (item,) = chart(
        {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                **({} if kind == "DaemonSet" else {"replicas": replicas}),
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": "c", "image": "i", **spec}]},
                },
            },
        }
    )
    return item


def told(check: Check | Any, about: Subject) -> list[Finding]:
    """What a check, or its function, finds."""
    find = check.find if isinstance(check, Check) else check
    return list(find(about))


def only(check: Check | Any, about: Subject, level: Level = Level.BREAKS) -> str:
    """The one line that it finds, of this level."""
    (finding,) = told(check, about)
    assert finding.level is level, finding
    return str(finding)


def lines(findings: Iterable[Finding]) -> list[str]:
    """Findings as lines."""
    return [str(finding) for finding in findings]
