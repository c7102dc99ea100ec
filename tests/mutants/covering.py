"""Which tests run which lines.

Each test file is run once, in a process of its own, with coverage.py noting what each test runs. What is found is kept
by the file's own digest and by those of the modules that it ran, so that only what changed is run again.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import coverage
import pytest

# A graph test that asks for a graph that another one had made runs none of the program's lines itself.
GRAPHS: Final = "tests.graph.program"
# How every run goes. Libraries with a plugin for pytest are loaded before it, which it would complain about.
PYTEST: Final = (
    *("-q", "-p", "no:cacheprovider", "--no-header", "-m", "not engine and not lab and not releases"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)


def digest(path: Path) -> str:
    """What a file's content is told by."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@dataclass
class Covered:
    """What one test file runs.

    Attributes:
        digest: The test file's own.
        modules: The digests of the modules that its tests run, by path; of those that it only imports, no line counts.
        seconds: How long each of its tests takes.
        lines: By module and line, the tests that run it; without lines where the module is only imported.
        followers: By test, those that look at what it has made.
    """

    digest: str
    modules: dict[str, str]
    seconds: dict[str, float]
    lines: dict[str, dict[int, list[str]]]
    followers: dict[str, list[str]]

    @classmethod
    def load(cls, path: Path) -> Covered | None:
        """What is kept, or None."""
        if not path.exists():
            return None
        fields: dict[str, Any] = json.loads(path.read_text())
        names: list[str] = list(fields["seconds"])
        lines = {
            module: {int(line): [names[index] for index in indexes] for line, indexes in found.items()}
            for module, found in fields["lines"].items()
        }
        return cls(**{**fields, "lines": lines})

    def save(self, path: Path) -> None:
        """Keep it; tests by their number, for there are many lines."""
        numbers = {name: index for index, name in enumerate(self.seconds)}
        lines = {
            module: {line: [numbers[name] for name in names if name in numbers] for line, names in found.items()}
            for module, found in self.lines.items()
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**self.__dict__, "lines": lines}))

    def holds(self, root: Path, test_file: str) -> bool:
        """Whether neither the tests nor what they run have changed since."""
        now = {path: digest(root / path) if (root / path).exists() else "" for path in (test_file, *self.modules)}
        return now == {**self.modules, test_file: self.digest}


def who_may_notice(
    covered: Iterable[Covered], module: str, places: Mapping[str, Iterable[int]], *, shared: bool
) -> list[list[str]]:
    """The tests that may notice a change, in groups that are run one after the other: likely and cheap ones first.

    Args:
        covered: What every test file runs.
        module: The changed module.
        places: By module, the lines that do otherwise: the changed ones, and those that use what they define.
        shared: Whether the change runs once for many tests, so that nobody knows for which.
    """
    having = [one for one in covered if module in one.lines]
    known = {
        test
        for one in having
        for path, lines in places.items()
        for line in lines
        for test in one.lines.get(path, {}).get(line, [])
    }
    known |= {follower for one in having for test in known for follower in one.followers.get(test, [])}
    # What no test runs may still run on import.
    shared = shared or not known
    found = [
        (test in known, test.startswith("tests/graph"), seconds, test)
        for one in having
        for test, seconds in one.seconds.items()
        # Beside those that run it themselves: the other tests of their files, for what is remembered.
        if shared or not known.isdisjoint(one.seconds)
    ]
    if shared:
        # Any of them may be the one; those that are known to use it are worth a little more time.
        found.sort(key=lambda row: row[2] * (1 if row[0] else 4))
        groups = [[row for row in found if not row[1]], [row for row in found if row[1]]]
    else:
        found.sort(key=lambda row: row[2])
        groups = [
            [row for row in found if row[0] and not row[1]],
            [row for row in found if row[0] and row[1]],
            [row for row in found if not row[0]],
        ]
    return [[test for *_, test in group] for group in groups if group]


# --- finding out ------------------------------------------------------------------------------------------------------


@dataclass
class Watcher:
    """pytest's side: tells coverage.py whose lines are being run, and who looks at whose graph."""

    cov: coverage.Coverage
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    followers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    failed: list[str] = field(default_factory=list)
    _now: str = ""

    def pytest_collection_finish(self) -> None:
        """Know of each graph who made it."""
        program = sys.modules.get(GRAPHS)
        if program is not None:
            program._RUNS = _Noted(self)  # type: ignore[attr-defined]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Note all lines that are run from here on as this test's."""
        self._now = item.nodeid
        self.seconds[item.nodeid] += 0.0
        self.cov.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self.cov.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """How long it took, and whether it passes at all."""
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.append(report.nodeid)


class _Noted(dict[str, Any]):
    """Graphs, and who made each."""

    def __init__(self, watcher: Watcher) -> None:
        super().__init__()
        self._watcher = watcher
        self._makers: dict[str, str] = {}

    def __setitem__(self, key: str, value: Any) -> None:
        self._makers[key] = self._watcher._now
        super().__setitem__(key, value)

    def __getitem__(self, key: str) -> Any:
        if self._makers[key] != self._watcher._now:
            self._watcher.followers[self._makers[key]].add(self._watcher._now)
        return super().__getitem__(key)


def find_out(root: Path, test_file: str, modules: Sequence[str]) -> Covered:
    """Run a test file and see what each of its tests runs. Ends with this process's pytest used up.

    Raises:
        AssertionError: A test fails as it is, so its failing would tell nothing.
    """
    cov = coverage.Coverage(data_file=None, include=[str(root / module) for module in modules], config_file=False)
    watcher = Watcher(cov)
    cov.start()
    code = pytest.main([*PYTEST, test_file], plugins=[watcher])
    cov.stop()
    assert code in (0, 5) and not watcher.failed, f"{test_file} fails without any change: {watcher.failed[:3]}"
    data = cov.get_data()
    lines: dict[str, dict[int, list[str]]] = {}
    for name in data.measured_files():
        by_line = {
            line: sorted(test for test in tests if test) for line, tests in data.contexts_by_lineno(name).items()
        }
        lines[str(Path(name).relative_to(root))] = {line: tests for line, tests in by_line.items() if tests}
    return Covered(
        digest=digest(root / test_file),
        modules={path: digest(root / path) for path, found in sorted(lines.items()) if found},
        seconds={test: round(seconds, 4) for test, seconds in watcher.seconds.items()},
        lines=lines,
        followers={maker: sorted(found) for maker, found in watcher.followers.items()},
    )
