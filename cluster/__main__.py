"""``python -m cluster [--context NAME]``: says which cluster a context is, and asks whether that is the one."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from cluster.client import Cluster
from cluster.errors import OperationError
from cluster.kubeconfig import check_context


def confirmed(ask: Callable[[str], str], named: str | None) -> bool:
    """Whether a person says that a context is the cluster that is meant.

    Args:
        ask: Puts a question, and returns what was answered.
        named: The context, as the stack names it (``dapr-osm:kubeContext``); None for the current one.

    Raises:
        OperationError: There is no usable context.
    """
    context = check_context(named, os.environ)
    server = Cluster.connect(context).server
    return ask(f"This runs on context {context or 'of this pod'}, {server}. Go on? [y/N] ").strip().lower() in (
        "y",
        "yes",
    )


def main(arguments: Sequence[str]) -> int:
    """Ask; 0 for yes."""
    parser = argparse.ArgumentParser(prog="python -m cluster", description=__doc__)
    parser.add_argument(
        "--context", metavar="NAME", help="a context of KUBECONFIG (default, also for '': the current one)"
    )
    given = parser.parse_args(arguments)
    try:
        return 0 if confirmed(input, given.context or None) else 1
    except (OperationError, EOFError) as error:
        print(f"error: {error or 'nobody answers'}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
