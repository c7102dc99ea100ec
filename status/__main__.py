"""``python -m status``: how a stack is doing, from the kubeconfig alone.

Exit codes: 0 all is well, 3 something is not as it should be, 1 it could not be told, 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from cluster.client import Cluster
from cluster.errors import OperationError
from cluster.kubeconfig import check_context
from status.arguments import add_place
from status.look import look
from status.render import render
from status.shape import Status

FAILED: Final = 1
NOT_WELL: Final = 3
# Between two looks with --watch.
WATCH_SECONDS: Final = 5.0
WIDE: Final = 160


def main(arguments: Sequence[str]) -> int:
    """Tell it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m status", description=__doc__)
    add_place(parser, namespace="where to look if this user may not see the whole cluster")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--json", action="store_true", help="as JSON: docs/status.md")
    way.add_argument("--watch", action="store_true", help=f"look again every {WATCH_SECONDS:g} seconds")
    given = parser.parse_args(arguments)
    try:
        context = check_context(given.context or None, os.environ)
        cluster = Cluster.connect(context)

        def now() -> Status:
            return look(cluster, context=context, stack=given.stack, namespaces=given.namespace)

        if given.watch:
            return _watch(now)
        status = now()
    except OperationError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 130
    if given.json:
        print(json.dumps(status.as_dict(), indent=2))
    else:
        # Into a file goes a width that folds nothing.
        Console(width=None if sys.stdout.isatty() else WIDE).print(render(status))
    return NOT_WELL if status.problems else 0


def _watch(now: Callable[[], Status]) -> int:
    """Look again and again until somebody ends it; a cluster that is away for a while is looked at again too."""
    with Live(console=Console(), auto_refresh=False, screen=sys.stdout.isatty()) as live:
        while True:
            try:
                live.update(render(now()), refresh=True)
            except OperationError as error:
                # As a text: what stands in brackets, as an address of IPv6, is no markup.
                live.update(Text(f"error: {error}"), refresh=True)
            time.sleep(WATCH_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
