"""`make up CLUSTER=current` goes on only where a person says that the current context is the cluster that is meant."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
import yaml

from cluster import __main__ as command
from settings import ROOT

SERVER = "https://prod.example:6443"


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubeconfig whose current context is called prod."""
    path = tmp_path / "config"
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "prod",
                "contexts": [
                    {"name": "prod", "context": {"cluster": "far", "user": "me"}},
                    {"name": "dev", "context": {"cluster": "near", "user": "me"}},
                ],
                "clusters": [
                    {"name": "far", "cluster": {"server": SERVER}},
                    {"name": "near", "cluster": {"server": "https://dev.example:6443"}},
                ],
                "users": [{"name": "me", "user": {"token": "t"}}],
            }
        )
    )
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


@pytest.fixture
def no_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("said", "yes"),
    [
        ("y", True),
        ("yes", True),
        (" YES ", True),
        ("", False),
        ("n", False),
        ("no", False),
        ("ye", False),
        ("prod", False),
    ],
)
def test_only_a_plain_yes_is_one(said: str, yes: bool, kubeconfig: Path) -> None:
    assert command.confirmed(lambda question: said, None) is yes


def test_the_question_names_the_context_and_where_it_leads(kubeconfig: Path) -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return "n"

    command.confirmed(ask, None)
    assert asked == [f"This runs on context prod, {SERVER}. Go on? [y/N] "]


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["--context", "dev"], "This runs on context dev, https://dev.example:6443."),
        # What a stack without `kubeContext` makes of it.
        (["--context", ""], f"This runs on context prod, {SERVER}."),
    ],
)
def test_it_asks_about_the_context_that_the_stack_names(
    arguments: list[str],
    asked: str,
    kubeconfig: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert command.main(arguments) == 1
    assert capsys.readouterr().out.startswith(asked)


def test_a_context_that_is_not_there_is_an_error(kubeconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--context", "staging"]) == 1
    assert "staging" in capsys.readouterr().err


def test_make_asks_about_the_stacks_context_before_anything_else() -> None:
    recipe = (ROOT / "Makefile").read_text()
    for command_line in ("$(OWN) up --refresh", "$(OWN) destroy"):
        before = recipe.partition(command_line)[0].splitlines()[-2]
        assert '-m cluster --context "$(CONTEXT)"' in before


@pytest.mark.parametrize(("said", "code"), [("y\n", 0), ("n\n", 1)])
def test_make_goes_on_by_the_exit_code(
    said: str, code: int, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(said))
    assert command.main([]) == code
    assert capsys.readouterr().err == ""


def test_where_nobody_can_answer_it_is_no(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert command.main([]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_without_a_kubeconfig_the_answer_is_an_error_in_one_line(
    no_kubeconfig: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert "nowhere" in said.err
    assert said.err.count("\n") == 1
