"""A look at a cluster by somebody who may not see all of it: what is refused is noted, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from cluster.client import Cluster, Object, parallel
from cluster.errors import ApiError, OperationError
from cluster.kinds import plural_of
from status.shape import Unseen

T = TypeVar("T")
REFUSED: Final = (401, 403)


class Sight:
    """Reads, and notes what could not be read.

    Attributes:
        cluster: The cluster.
        namespaces: Where to look where nothing may be read of the whole cluster.
    """

    def __init__(self, cluster: Cluster, namespaces: Sequence[str]) -> None:
        """Look at this cluster."""
        self.cluster = cluster
        self.namespaces = list(namespaces)
        self._unseen: dict[str, str] = {}

    @property
    def unseen(self) -> tuple[Unseen, ...]:
        """What could not be read so far."""
        return tuple(Unseen(what=what, why=why) for what, why in self._unseen.items())

    def note(self, what: str, why: str) -> None:
        """Note that something could not be seen."""
        self._unseen.setdefault(what, why)

    def sees(self, what: str, look: Callable[[], T], otherwise: T) -> T:
        """Look; where that is refused or fails, note it and go on with something else."""
        try:
            return look()
        except ApiError as error:
            self.note(what, error.reason if error.status in REFUSED else str(error))
        except OperationError as error:
            self.note(what, str(error))
        return otherwise

    def get(self, what: str, path: str) -> Object | None:
        """One object, or None where there is none or it may not be read."""
        return self.sees(what, partial(self.cluster.get, path), None)

    def all(self, api_version: str, kind: str, selector: str = "") -> list[Object]:
        """All objects of a kind: of the whole cluster, or of the namespaces that may be read."""
        base = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        plural = plural_of(kind)
        query = {"labelSelector": selector} if selector else None
        return self.everywhere(
            f"{kind} objects", f"{base}/{plural}", partial(_in, base, plural), partial(_items, self.cluster, query)
        )

    def everywhere(
        self,
        what: str,
        path: str,
        inside: Callable[[str], str] | None,
        read: Callable[[str], list[Object]],
    ) -> list[Object]:
        """What a path lists; where that is refused, what the same paths inside namespaces list.

        Args:
            what: What is listed, for what is noted.
            path: The path for the whole cluster.
            inside: The path for one namespace, or None for kinds without namespaces.
            read: Lists what is at a path.
        """
        try:
            return read(path)
        except ApiError as error:
            if error.status not in REFUSED:
                self.note(what, str(error))
                return []
            if inside is None or not self.namespaces:
                self.note(what, error.reason)
                return []
        except OperationError as error:
            self.note(what, str(error))
            return []

        def look(namespace: str) -> list[Object]:
            assert inside is not None  # noqa: S101 - told above
            where = f"{what} in {namespace}"
            return self.sees(where, partial(read, inside(namespace)), [])

        return [item for found in parallel(partial(look, name) for name in self.namespaces) for item in found]

    def side_by_side(self, calls: Iterable[Callable[[], T]]) -> list[T]:
        """Look at several things at once."""
        return parallel(calls)


def _in(base: str, plural: str, namespace: str) -> str:
    return f"{base}/namespaces/{namespace}/{plural}"


def _items(cluster: Cluster, query: Mapping[str, Any] | None, path: str) -> list[Object]:
    return cluster.items(path, query)
