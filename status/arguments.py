"""Which stack on which cluster: what every command asks that knows no more than a kubeconfig."""

from __future__ import annotations

import argparse


def add_place(parser: argparse.ArgumentParser, *, namespace: str) -> None:
    """Add ``--context``, ``--stack`` and ``--namespace``.

    Args:
        parser: The command's.
        namespace: What further namespaces are for.
    """
    parser.add_argument("--context", help="the kubeconfig's context; default: the current one")
    parser.add_argument("--stack", metavar="NAME", help="the stack; default: the only one there is")
    parser.add_argument(
        "--namespace",
        action="append",
        default=[],
        metavar="NAME",
        help=f"{namespace}; may be given several times",
    )
