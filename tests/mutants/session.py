"""A run of the mutation tester, in the copy of the project: ``python -m tests.mutants.session ROOT OPTIONS...``."""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.mutants import options, results, running
from tests.mutants.covering import Covered, digest, who_may_notice
from tests.mutants.mutations import Mutant, mutants_of
from tests.mutants.results import Module

# Whatever of the program a test may run.
PROGRAM: Final = (
    *("model", "settings", "cluster", "preflight", "steps", "verification", "components", "review", "policy"),
    ".",
)


def files_of(tree: Path, names: Sequence[str]) -> list[str]:
    """The modules that are meant by files and folders."""
    found = []
    for name in names:
        path = tree / name
        found += sorted(path.glob("*.py")) if path.is_dir() else [path]
    return [str(path.relative_to(tree)) for path in found]


class Session:
    """One run.

    Attributes:
        root: The project, where results go.
        tree: The copy of it, where modules are changed.
        given: The options.
    """

    def __init__(self, root: Path, tree: Path, given: argparse.Namespace) -> None:
        self.root, self.tree, self.given = root, tree, given
        self.covered: dict[str, Covered] = {}
        self.program = {path: (tree / path).read_text().splitlines() for path in files_of(tree, PROGRAM)}

    def learn(self) -> None:
        """Find out which tests run what; what is known already is kept."""
        modules = list(self.program)
        named = [name for name in files_of(self.tree, running.SUITE) if Path(name).name.startswith("test_")]
        # The tester's own tests run nothing of the program, and hold the page that is being written.
        tests = [name for name in named if name != "tests/unit/test_mutants.py"]
        for number, name in enumerate(tests, start=1):
            keep = self.root / ".mutants" / "covered" / f"{name.replace('/', '.')}.json"
            kept = Covered.load(keep)
            if kept is None or not kept.holds(self.tree, name):
                print(f"{number} of {len(tests)}: what {name} runs", flush=True)
                running.learned(self.tree, name, modules, keep)
                kept = Covered.load(keep)
                assert kept is not None
            self.covered[name] = kept

    def run(self) -> None:
        """Try mutants, module by module."""
        for name in files_of(self.tree, self.given.modules):
            source = (self.tree / name).read_text()
            keep = self.root / ".mutants" / "outcomes" / f"{name.replace('/', '.')}.json"
            module = Module.load(keep, digest(self.tree / name))
            mutants = mutants_of(name, source)
            if not mutants:
                continue
            module.mutants = len(mutants)
            chosen = self._sample(name, mutants)
            for mutant in chosen:
                groups = who_may_notice(self.covered.values(), name, self._places(name, mutant), shared=mutant.shared)
                before = module.outcomes.get(mutant.key)
                if not self._to_try(before, groups):
                    continue
                verdict = self._tried(name, source, mutant, groups)
                module.outcomes[mutant.key] = {
                    **asdict(verdict),
                    "given": self.given.seconds,
                    "suite": self._suite(groups),
                }
                module.save(keep)
                if verdict.outcome == "survived":
                    print(f"survived {verdict.tests} tests in {verdict.seconds} s: {mutant.key}", flush=True)
            results.note(self.root, name, module)
            summary = module.summary()
            print(
                f"{name}: {summary['tried']} of {summary['mutants']}, {summary['killed']} killed, "
                f"{summary['refused']} refused, {len(summary['survived'])} survived",
                flush=True,
            )

    def _sample(self, name: str, mutants: list[Mutant]) -> list[Mutant]:
        """The first so many in an order that is always the same, so that a larger sample goes on from a smaller one."""
        shuffled = list(mutants)
        random.Random(f"{self.given.seed} {name}").shuffle(shuffled)  # noqa: S311 - nothing to guess
        return shuffled[: self.given.sample] if self.given.sample else shuffled

    def _places(self, name: str, mutant: Mutant) -> dict[str, set[int]]:
        """The lines that do otherwise: also wherever the name is read that gets another value on import."""
        first, last = mutant.lines
        places = {name: set(range(first, last + 1))}
        if mutant.name:
            word = re.compile(rf"\b{re.escape(mutant.name)}\b")
            for path, lines in self.program.items():
                places[path] = places.get(path, set()) | {n for n, line in enumerate(lines, 1) if word.search(line)}
        return places

    def _to_try(self, before: dict[str, object] | None, groups: list[list[str]]) -> bool:
        if before is None:
            return not self.given.survivors
        if before["outcome"] != "survived":
            return False
        return bool(self.given.types) or before["suite"] != self._suite(groups)

    def _suite(self, groups: list[list[str]]) -> str:
        """What tells whether tests that may notice have changed, or get more time."""
        files = sorted({test.partition("::")[0] for group in groups for test in group})
        said = " ".join(self.covered[name].digest for name in files)
        return hashlib.sha256(f"{self.given.seconds} {said}".encode()).hexdigest()[:16]

    def _tried(self, name: str, source: str, mutant: Mutant, groups: list[list[str]]) -> running.Verdict:
        took = {test: seconds for one in self.covered.values() for test, seconds in one.seconds.items()}
        outcome, by, count, spent, complete = "survived", "", 0, 0.0, True
        with running.changed(self.tree / name, mutant.applied(source)):
            for number, group in enumerate(groups):
                # Where nobody knows which may notice, each group has its share; else the likely ones have all.
                left = max(self.given.seconds - spent, 0)
                share = left / (len(groups) - number) if mutant.shared else left
                verdict = running.tried(self.tree, group, share, sum(took[test] for test in group))
                outcome, by = verdict.outcome, verdict.by
                count, spent = count + verdict.tests, spent + verdict.seconds
                complete = complete and verdict.all
                if outcome != "survived":
                    break
            if outcome == "survived" and self.given.types and running.refused_by_types(self.tree):
                outcome, by = "types", "mypy"
        return running.Verdict(outcome=outcome, by=by, tests=count, all=complete, seconds=round(spent, 2))


def main(arguments: list[str]) -> int:
    """Run; the exit code."""
    root, *rest = arguments
    given = options.parsed(rest)
    running.load_libraries()
    session = Session(Path(root), Path.cwd(), given)
    try:
        running.compile_all()
        session.learn()
        session.run()
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
