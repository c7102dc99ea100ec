"""``python -m bugreport``: one archive with all that helps to understand a stack, without secrets.

It is made from the kubeconfig alone and changes nothing. Read its README.md before you give it away.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bugreport import write
from bugreport.gather import gather
from cluster.access import Access, find_access
from cluster.client import Cluster
from cluster.errors import OperationError
from cluster.kubeconfig import check_context
from model.telling import TELLING
from status.arguments import add_place
from status.look import look
from status.shape import Status

# New things are begun with for so long.
SECONDS: Final = 120


def main(arguments: Sequence[str]) -> int:
    """Make it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bugreport", description=__doc__)
    add_place(parser, namespace="a further namespace")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"begin nothing new after so long ({SECONDS})")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--output", type=Path, metavar="FILE", help="the archive; default: a new one in this folder")
    where.add_argument("--folder", type=Path, metavar="FOLDER", help="write a folder instead of an archive")
    given = parser.parse_args(arguments)
    try:
        return _make(given)
    except OperationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        # A full disk is told without a file's name.
        print(f"error: {error.filename or 'the report'}: {error.strerror}", file=sys.stderr)
        return 1


def _make(given: argparse.Namespace) -> int:
    context = check_context(given.context or None, os.environ)
    access = find_access(os.environ, context)
    cluster = Cluster.connect(context)
    status = _status(cluster, context, given)
    own = [name for names in (status.namespaces.values() if status else ()) for name in names]
    now = datetime.now(UTC)
    report = gather(
        cluster,
        namespaces=list(dict.fromkeys([*own, *given.namespace])),
        mark=status.stack if status else None,
        status=status,
        secrets=[*own_secrets(access), *environment_secrets(os.environ)],
        seconds=given.seconds,
    )
    name = status.stack if status else "unknown"
    page = write.first_page(report, name=name, at=f"{now:%Y-%m-%d %H:%M} UTC")
    if given.folder:
        write.folder(report, page, given.folder)
        made = given.folder
    else:
        made = given.output or Path(f"dapr-osm-bugreport-{name}-{now:%Y%m%d-%H%M%S}.tar.gz")
        write.archive(report, page, made)
    print(page)
    print(f"It is in {made}.")
    return 0


def _status(cluster: Cluster, context: str | None, given: argparse.Namespace) -> Status | None:
    """The stack's status; where there is none to be seen, the namespaces that were named have to do."""
    try:
        return look(cluster, context=context, stack=given.stack, namespaces=given.namespace)
    except OperationError as error:
        if not given.namespace:
            raise
        print(f"without a status: {error}", file=sys.stderr)
        return None


def own_secrets(access: Access) -> Iterator[str]:
    """What this user signs in with."""
    user = access.user
    if user.token:
        yield user.token
    if user.token_file and user.token_file.is_file():
        yield user.token_file.read_text()
    if user.basic:
        yield user.basic[1]
    if user.certificate:
        yield user.certificate.key.decode(errors="replace")


def environment_secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """What this process was given under names that speak of secrets."""
    for name, value in environ.items():
        if TELLING.search(name) and len(value) >= 8:
            yield value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
