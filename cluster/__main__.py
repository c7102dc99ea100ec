"""``python -m cluster``: says which cluster the current context is, and asks whether that is the one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from cluster.client import Cluster
from cluster.errors import OperationError
from cluster.kubeconfig import check_context


def confirmed(ask: Callable[[str], str]) -> bool:
    """Whether a person says that the current context is the cluster that is meant.

    Raises:
        OperationError: There is no usable context.
    """
    context = check_context(None, os.environ)
    server = Cluster.connect(context).server
    return ask(f"This runs on context {context or 'of this pod'}, {server}. Go on? [y/N] ").strip().lower() in (
        "y",
        "yes",
    )


def main() -> int:
    """Ask; 0 for yes."""
    try:
        return 0 if confirmed(input) else 1
    except (OperationError, EOFError) as error:
        print(f"error: {error or 'nobody answers'}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
