"""What a test that fails on the lab leaves behind: objects, events, logs and both Envoys' configuration, in a folder.

``python -m tests.support.postmortem FOLDER`` gathers it, in a process of its own, so that no test hangs on it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bugreport import write
from bugreport.gather import gather
from lab import api
from settings import ROOT
from tests.support import lab

# Nothing new is begun with after so long, and then all is over.
SECONDS: Final = 40
AT_MOST_SECONDS: Final = 90
# One broken thing may fail many tests; the first ones tell of it.
MOST: Final = 5
_left: list[BaseException | None] = []


def leave(test: str, error: BaseException | None) -> str:
    """Gather a post-mortem; where it is, or why there is none. It never raises.

    Args:
        test: The test's id.
        error: What it failed with; a fixture that failed fails all of its tests with the same.
    """
    if any(error is one for one in _left if one is not None):
        return "It failed with what an earlier test failed with; that one has the post-mortem."
    if len(_left) >= MOST:
        return f"None: {MOST} tests have left one already."
    _left.append(error)
    try:
        folder = api.paths().data / "post-mortems" / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{_short(test)}"
        done = subprocess.run(  # noqa: S603 - this very module
            [sys.executable, "-m", "tests.support.postmortem", str(folder)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=AT_MOST_SECONDS,
            check=False,
        )
    except Exception as problem:
        # The test's own failure is what matters.
        return f"None: {problem}"
    if done.returncode:
        return f"None: {done.stderr.strip()[-500:]}"
    return f"Objects, events, logs and Envoys' configuration are in {folder}"


def _short(test: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", test.rpartition("::")[2]).strip("-")[:80]


def main(folder: Path) -> int:
    """Gather it from all of the lab's namespaces but Kubernetes' own."""
    cluster = lab.cluster()
    names = [item["metadata"]["name"] for item in cluster.items("/api/v1/namespaces")]
    mine = [name for name in names if not name.startswith("kube-")]
    report = gather(cluster, namespaces=mine, mark=None, status=None, secrets=[], seconds=SECONDS)
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    write.folder(report, write.first_page(report, name="that a test made", at=now), folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
