"""What Kubernetes puts off because of what was before is tried at once: nobody waits for a cause that is mended.

A container that ended again and again, and an image that could not be pulled, are tried again after up to five minutes,
pods that were refused after up to a quarter of an hour. Until then the cluster tells of the old cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from cluster.client import Cluster, Object
from cluster.diagnosis import Seen, look, of_workloads, refused, statuses
from cluster.errors import ApiError
from cluster.progress import moment, say
from cluster.waiting import Workload, readiness
from model.names import FIELD_MANAGER, TRIED_AGAIN

PUT_OFF: Final = frozenset({"CrashLoopBackOff", "ImagePullBackOff"})
# What an API server says to who may not, and where somebody's policy is against it or another one was faster.
NOT_NOW: Final = (400, 403, 404, 409, 422)


def try_again(cluster: Cluster, workloads: Sequence[Workload]) -> None:
    """Have pods that are put off made anew, and pods that were refused asked for again.

    A workload is noted on for that (annotation :data:`TRIED_AGAIN`), which its controller answers with another try. Who
    may not do that has to wait.

    Args:
        cluster: The cluster.
        workloads: Those that are going to be waited for; no other one's pods are touched.
    """
    for namespace in sorted({workload.namespace for workload in workloads}):
        mine = [workload for workload in workloads if workload.namespace == namespace]
        seen = of_workloads(look(cluster, namespace), [(workload.kind, workload.name) for workload in mine])
        for pod in put_off(seen):
            metadata = pod["metadata"]
            say(f"Pod {metadata['name']} is put off for what was before; it is made anew")
            path = f"/api/v1/namespaces/{namespace}/pods/{metadata['name']}"
            _where_it_may_be(partial(cluster.delete, path, uid=metadata["uid"]))
        for workload in lacking(seen, mine) if refused(seen) else ():
            noted = {"metadata": {"annotations": {TRIED_AGAIN: moment()}}}
            _where_it_may_be(partial(cluster.patch, workload.path, noted, field_manager=FIELD_MANAGER))


def _where_it_may_be(done: Callable[[], object]) -> None:
    try:
        done()
    except ApiError as error:
        if error.status not in NOT_NOW:
            raise


def put_off(seen: Seen) -> Iterator[Object]:
    """The pods with a container that is tried again only after a while."""
    for pod in seen.objects.get("Pod", ()):
        reasons = {one.get("state", {}).get("waiting", {}).get("reason") for one in statuses(pod)}
        if reasons & PUT_OFF and not pod["metadata"].get("deletionTimestamp"):
            yield pod


def lacking(seen: Seen, workloads: Sequence[Workload]) -> Iterator[Workload]:
    """The workloads that have not all of their pods."""
    for workload in workloads:
        for item in seen.objects.get(workload.kind, ()):
            ready, wanted = readiness(workload.kind, item)
            if item["metadata"]["name"] == workload.name and ready < wanted:
                yield workload
