"""Runs mutants, each in a process of its own that is forked from one where all libraries are loaded already.

It runs in a copy of the project, since what is changed there is changed on disk: tests that start the program as a
command of its own see the change too. None of the project's own modules may be imported here, or no child would see
them changed.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import io
import math
import os
import py_compile
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.mutants.covering import PYTEST, find_out

# What tests load at the beginning, and what of it no mutant changes.
LIBRARIES: Final = (
    "google.protobuf.json_format",
    "grpc",
    "hypothesis",
    "hypothesis.strategies",
    "kubernetes.client",
    "pulumi",
    "pulumi.runtime.stack",
    "pulumi_command",
    "pulumi_kubernetes",
    "pydantic",
    "re2",
    "urllib3",
    "yaml",
)
# The fast suite.
SUITE: Final = ("tests/unit", "tests/policy", "tests/review", "tests/graph")
MEMORY: Final = 8 << 30
# A child's exit code where not even pytest came to an end.
BROKEN: Final = 70
# Tests that take so many times what they took before no longer end, by the processor's clock: others may use it too.
PATIENCE: Final = 4
AT_LEAST_SECONDS: Final = 20
# What only waits uses no processor.
WAITING_SECONDS: Final = 600


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of a mutant.

    Attributes:
        outcome: "killed", "timeout" (tests no longer end), "types" (mypy refuses it), or "survived".
        by: The test that failed first, or "".
        tests: How many tests were run.
        all: Whether these were all that may notice it; else time was up.
        seconds: How long that took, by the processor's clock.
    """

    outcome: str
    by: str
    tests: int
    all: bool
    seconds: float


class Chosen:
    """pytest's side: runs these tests alone, in this order, until time is up."""

    def __init__(self, tests: Sequence[str], seconds: float, tell: Callable[[str], None]) -> None:
        self._rank = {test: number for number, test in enumerate(tests)}
        self._until = time.process_time() + seconds
        self._tell = tell

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave the others out."""
        items[:] = sorted((one for one in items if one.nodeid in self._rank), key=lambda one: self._rank[one.nodeid])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Say which one begins."""
        self._tell(f"began {nodeid}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Say which one failed."""
        if report.failed:
            self._tell(f"failed {report.nodeid}")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Nobody needs what comes after it."""
        os._exit(int(exitstatus))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Stop when time is up."""
        if time.process_time() > self._until:
            self._tell("late")
            item.session.shouldstop = "time is up"
        return (yield)


def load_libraries() -> None:
    """What every child would load first."""
    for name in LIBRARIES:
        importlib.import_module(name)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        # Loads pytest's own parts.
        pytest.main(["--version"])
    # What a child compiles of a changed module must not be there for the next one.
    sys.dont_write_bytecode = True
    # No child has to look for garbage among all that.
    gc.collect()
    gc.freeze()


def compile_all() -> None:
    """Have all of the tests and what they load compiled, so that no child has to."""

    def work(tell: Callable[[str], None]) -> int:
        sys.dont_write_bytecode = False
        return int(pytest.main([*PYTEST, "--collect-only", "-qq", *SUITE]))

    ended = _forked(work, 600)
    if ended.code != 0:
        raise RuntimeError("\n".join(["the tests can't be collected", *ended.lines]))


@dataclass(frozen=True)
class _Ended:
    """A child that is no more: its exit code, None where it had to be ended, what it told, and its processor's time."""

    code: int | None
    lines: list[str]
    seconds: float


def _forked(work: Callable[[Callable[[str], None]], int], seconds: float) -> _Ended:
    """Do something in a child that may take so many seconds of the processor's time."""
    # Files, not pipes: nobody reads before the child has ended.
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as told:
        child = os.fork()
        if child == 0:
            os.setsid()
            os.dup2(printed.fileno(), 1)
            os.dup2(printed.fileno(), 2)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds), math.ceil(seconds)))
            code = BROKEN
            try:
                code = work(lambda line: (os.write(told.fileno(), f"{line}\n".encode()), None)[1])
            except BaseException:
                traceback.print_exc()
            finally:
                with contextlib.suppress(BaseException):
                    sys.stdout.flush()
                os._exit(code)
        ended, used = _awaited(child)
        told.seek(0)
        lines = told.read().decode(errors="replace").splitlines()
        if ended == BROKEN:
            printed.seek(0)
            lines.append(f"broke {printed.read().decode(errors='replace')[-2000:]}")
        return _Ended(ended, lines, used)


def _awaited(child: int) -> tuple[int | None, float]:
    until = time.monotonic() + WAITING_SECONDS
    pause = 0.005
    while time.monotonic() < until:
        found, status, usage = os.wait4(child, os.WNOHANG)
        if found:
            _end(child)
            code = os.waitstatus_to_exitcode(status)
            # Ended by a signal: its time was up.
            return (None if code < 0 else code), usage.ru_utime + usage.ru_stime
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    _end(child)
    _, _, usage = os.wait4(child, 0)
    return None, usage.ru_utime + usage.ru_stime


def _end(child: int) -> None:
    """Whatever the child has started goes with it: it began a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)


def tried(root: Path, tests: Sequence[str], seconds: float, expected: float) -> Verdict:
    """Run these tests on the project as it is on disk now, up to the first that fails.

    Args:
        root: The copy of the project.
        tests: The tests' ids, in order.
        seconds: No test begins later, by the processor's clock.
        expected: How long they take where nothing is changed.
    """
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))

    def work(tell: Callable[[str], None]) -> int:
        arguments = [*PYTEST, "-x", "--tb=no", "--hypothesis-seed=1"]
        return int(pytest.main([*arguments, *files], plugins=[Chosen(tests, seconds, tell)]))

    limit = AT_LEAST_SECONDS + PATIENCE * min(seconds, expected)
    ended = _forked(work, limit)
    code, lines = ended.code, ended.lines
    begun = [line for line in lines if line.startswith("began ")]
    failed = next((line.removeprefix("failed ") for line in lines if line.startswith("failed ")), "")
    if code is None:
        outcome, failed = "timeout", begun[-1].removeprefix("began ") if begun else ""
    else:
        # 0: all passed. 2: stopped where time was up, or a test file that could not be loaded. 5: nothing to run.
        late = "late" in lines
        outcome = "survived" if code in (0, 5) or (code == 2 and late and not failed) else "killed"
    return Verdict(
        outcome=outcome,
        by=failed,
        tests=len(begun),
        all="late" not in lines,
        seconds=round(ended.seconds, 2),
    )


def learned(root: Path, test_file: str, modules: Sequence[str], keep: Path) -> None:
    """Find out what a test file runs, in a process of its own, and keep that.

    Raises:
        RuntimeError: Its tests fail as they are, or it could not be run; says what was printed.
    """

    def work(tell: Callable[[str], None]) -> int:
        find_out(root, test_file, modules).save(keep)
        return 0

    ended = _forked(work, 1800)
    if ended.code != 0:
        raise RuntimeError("\n".join([f"{test_file} can't be run as it is", *ended.lines]))


@contextlib.contextmanager
def changed(path: Path, source: str) -> Iterator[None]:
    """Have something else in a file for a while."""
    before = path.read_text()
    compiled = Path(importlib.util.cache_from_source(str(path)))
    compiled.unlink(missing_ok=True)
    path.write_text(source)
    try:
        yield
    finally:
        path.write_text(before)
        py_compile.compile(str(path), str(compiled))


def refused_by_types(root: Path) -> bool:
    """Whether mypy finds something in the project as it is on disk now."""
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=root, capture_output=True, check=False)
    return done.returncode == 1
