"""The mutation tester's own logic: what it changes, and how it sums up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants import results
from tests.mutants.covering import Covered, who_may_notice
from tests.mutants.mutations import mutants_of
from tests.mutants.results import Module


def changes(source: str) -> list[str]:
    """What is changed in a module, without where."""
    return [mutant.key.partition(": ")[2] for mutant in mutants_of("m.py", source)]


@pytest.mark.parametrize(
    ("source", "change"),
    [
        ("A = {'x': 1}\n", "A = {'x': 1} => A = {}"),
        ("A = ('x', 'y')\n", "A = ('x', 'y') => A = ('y',)"),
        ("A = 8\n", "A = 8 => A = 0"),
        ("class C:\n    a: int = 5\n", "a: int = 5 => a: int = 0"),
        ("def f(pods):\n    for p in pods:\n        g(p)\n", "for p in pods: => for p in list(pods)[:1]:"),
        ("def f(a):\n    return [x for x in a]\n", "return [x for x in a] => return [x for x in list(a)[:1]]"),
        ("def f():\n    g()\n", "g() => pass"),
        ("def f(a):\n    if a.b:\n        return 1\n    return 2\n", "if a.b: => if not (a.b):"),
        ("@property\ndef f(self):\n    return self.a == 1\n", "return self.a == 1 => return self.a != 1"),
        ("def f(a):\n    return g(a, b=1)\n", "return g(a, b=1) => return g(a, )"),
    ],
)
def test_a_table_a_default_a_loop_a_step_and_a_branch_are_changed(source: str, change: str) -> None:
    assert change in changes(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring with 1 number."""\n',
        "from a import b\n",
        "def f(a: 'int' = b) -> 'str': ...\n",
        "@g(1)\ndef f(): ...\n",
        "Key = tuple[str, int]\n",
    ],
)
def test_what_no_test_should_pin_is_left_alone(source: str) -> None:
    assert changes(source) == []


def test_prose_is_not_changed_and_a_name_is() -> None:
    assert changes("def f():\n    raise E('some words')\n") == [
        "raise E('some words') => pass",
        "raise E('some words') => raise E(None)",
    ]
    assert "raise E('name') => raise E('XXnameXX')" in changes("def f():\n    raise E('name')\n")


def test_a_mutant_is_the_module_with_that_one_change_whatever_letters_stand_before_it() -> None:
    source = "A = 'ö'\nif A:\n    B = 7\n"
    mutants = {mutant.key: mutant.applied(source) for mutant in mutants_of("m.py", source)}
    assert mutants["m.py: B = 7 => B = 0"] == "A = 'ö'\nif A:\n    B = 0\n"


def test_mutants_are_told_apart_and_keep_their_names_when_lines_move() -> None:
    source = "def f(a):\n    return g(a, 1, 1)\n"
    keys = [mutant.key for mutant in mutants_of("m.py", source)]
    assert len(set(keys)) == len(keys)
    assert [mutant.key for mutant in mutants_of("m.py", f"\n\n# A comment.\n{source}")] == keys


def test_what_runs_once_for_many_tests_is_known_as_such() -> None:
    source = "A = 7\n@functools.cache\ndef f():\n    return 8\ndef g():\n    return 9\n"
    shared = {mutant.text: mutant.shared for mutant in mutants_of("m.py", source) if mutant.text == "0"}
    assert [mutant.shared for mutant in mutants_of("m.py", source) if mutant.text == "0"] == [True, True, False]
    assert shared


def test_what_gets_another_value_on_import_is_known_by_its_name() -> None:
    source = "A: Final = 7\nclass C:\n    b = 8\ndef f():\n    c = 9\n"
    assert [mutant.name for mutant in mutants_of("m.py", source) if mutant.text == "0"] == ["A", "b", ""]


# --- which tests are run ------------------------------------------------------------------------------------------


def covered(**tests: list[int]) -> Covered:
    """A test file whose tests run these lines of m.py."""
    lines: dict[int, list[str]] = {}
    for test, ran in tests.items():
        for line in ran:
            lines.setdefault(line, []).append(test)
    return Covered(
        digest="d", modules={"m.py": "d"}, seconds=dict.fromkeys(tests, 0.1), lines={"m.py": lines}, followers={}
    )


def test_tests_that_run_the_line_come_first_and_then_the_others_of_their_file() -> None:
    one, other = covered(a=[1], b=[2], c=[2]), covered(d=[7])
    assert who_may_notice([one, other], "m.py", {"m.py": [2]}, shared=False) == [["b", "c"], ["a"]]


def test_what_runs_for_nobody_in_particular_may_be_noticed_by_whoever_loads_the_module() -> None:
    one, other = covered(a=[1]), covered(d=[7])
    assert who_may_notice([one, other], "m.py", {"m.py": [3]}, shared=True) == [["a", "d"]]


def test_a_module_that_no_test_runs_has_none() -> None:
    assert who_may_notice([covered(a=[1])], "other.py", {"other.py": [1]}, shared=True) == []


def test_who_looks_at_what_another_test_has_made_may_notice_as_well() -> None:
    one = covered(a=[1], b=[])
    one.followers["a"] = ["b"]
    assert who_may_notice([one], "m.py", {"m.py": [1]}, shared=False) == [["a", "b"]]


def test_what_is_known_of_a_test_file_survives_being_kept(tmp_path: Path) -> None:
    one = covered(a=[1], b=[1, 2])
    one.save(tmp_path / "kept" / "one.json")
    assert Covered.load(tmp_path / "kept" / "one.json") == one


# --- what is told -------------------------------------------------------------------------------------------------


def found(*outcomes: str) -> Module:
    return Module(
        digest="d",
        mutants=10,
        outcomes={f"m.py: {n}": {"outcome": outcome, "given": 20} for n, outcome in enumerate(outcomes)},
    )


def test_whatever_a_gate_notices_counts_and_so_does_what_is_explained() -> None:
    rows = {"model/m.py": found("killed", "timeout", "types", "survived", "survived").summary()}
    row = results.table(rows, {"m.py: 3": "No difference."}).splitlines()[-1]
    assert [cell.strip() for cell in row.split("|")[1:9]] == ["`model/m.py`", "10", "5", "2", "1", "2", "1", "80 %"]


def test_what_was_found_of_a_module_that_has_changed_since_says_nothing(tmp_path: Path) -> None:
    found("killed").save(tmp_path / "m.json")
    assert Module.load(tmp_path / "m.json", "d") == found("killed")
    assert Module.load(tmp_path / "m.json", "another") == Module(digest="another")


def test_every_explanation_is_of_a_mutant_that_survived_and_says_something() -> None:
    root = Path(__file__).parents[2]
    survived = {key for row in results.summed_up(root).values() for key in row["survived"]}
    for mutant, why in results.explanations(root).items():
        assert mutant in survived, "whoever was killed since needs no explanation"
        assert len(why) > 20


def test_the_page_is_what_was_found() -> None:
    root = Path(__file__).parents[2]
    assert (root / results.TABLE).read_text() == results.table(results.summed_up(root), results.explanations(root))
