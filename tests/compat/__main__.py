"""``python -m tests.compat``: measure what is missing in ``results.json``, then write the tables.

``--again ROW`` measures a row anew, ``--only ROW`` no other; ``--tables`` writes the tables alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from lab.commands import heed_interrupts
from model.versions import DAPR_RELEASES, DEFAULT_DAPR_VERSION
from tests.compat import measure, tables
from tests.compat.gap import now

RESULTS: Final = Path(__file__).with_name("results.json")
# To the default and back in one step, then through the minors that can be built, and back to one that calls by address.
UPGRADES: Final = ("1.12.0", DEFAULT_DAPR_VERSION, "1.12.0", "1.16.0", "1.17.5", DEFAULT_DAPR_VERSION, "1.17.5")

ROWS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    **{f"release {version}": partial(measure.release, version) for version in DAPR_RELEASES},
    "upgrades": partial(measure.upgrades, UPGRADES),
    **{
        f"exclusions {version} {stage}": partial(measure.exclusions, version, stage)
        for version, stage in ((DEFAULT_DAPR_VERSION, "permissive"), (DEFAULT_DAPR_VERSION, "smi"), ("1.12.0", "smi"))
    },
}


def main(arguments: list[str]) -> int:
    """Measure and write; the exit code."""
    heed_interrupts()
    parser = argparse.ArgumentParser(prog="python -m tests.compat", description=__doc__)
    parser.add_argument("--again", action="append", default=[], choices=list(ROWS), metavar="ROW")
    parser.add_argument("--only", action="append", default=[], choices=list(ROWS), metavar="ROW")
    parser.add_argument("--tables", action="store_true")
    given = parser.parse_args(arguments)
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name, measured in ROWS.items():
        wanted = name not in results or name in given.again
        if given.tables or not wanted or (given.only and name not in given.only):
            continue
        print(f"{name} ...", flush=True)
        began = time.monotonic()
        results[name] = {"measured": now(), "on": tables.where(), "rows": measured()}
        # At once, so that nothing is measured twice when a later row breaks off.
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    tables.write(shown(results))
    return 0


def shown(results: dict[str, Any]) -> dict[str, Any]:
    """What is in the page: today's rows, and those of an earlier default until its successor's are measured."""
    earlier = [
        name
        for name in results
        if name.startswith("exclusions ")
        and name not in ROWS
        and f"exclusions {DEFAULT_DAPR_VERSION} {name.split()[-1]}" not in results
    ]
    return {name: results[name] for name in (*ROWS, *earlier) if name in results}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
