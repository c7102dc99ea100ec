"""The stand-in under a real engine: what runs when, with what, and what the state keeps."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from .stack import Stack

pytestmark = pytest.mark.engine


def log_of(stack: Stack) -> list[str]:
    """Return the lines that commands of this stack have added to the project's `log`, in order."""
    log = stack.project / "log"
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def test_create_keeps_every_line_of_both_streams_less_one_trailing_newline(stack: Stack) -> None:
    """Also what follows an empty line."""
    stack.declare(args={"create": r"printf 'one\n\ntwo\n\n'; echo warning >&2"})
    stack.up()
    assert stack.output("stdout") == "one\n\ntwo\n"
    assert stack.output("stderr") == "warning"


def test_directory_interpreter_stdin_and_environment_reach_the_command(stack: Stack) -> None:
    """A relative directory is the project's."""
    (stack.project / "sub").mkdir()
    args = {
        "create": "pwd; cat; echo $WORD",
        "dir": "sub",
        "interpreter": ["/bin/bash", "-e", "-c"],
        "stdin": "given\n",
        "environment": {"WORD": "set"},
    }
    stack.declare(args=args)
    stack.up()
    assert stack.output("stdout") == f"{stack.project / 'sub'}\ngiven\nset"


def test_a_preview_runs_nothing(stack: Stack) -> None:
    """Neither of a create nor of an update, nor of a delete."""
    stack.declare(args={"create": "echo created >> log", "delete": "echo deleted >> log"})
    assert stack.steps() == ["create"]
    assert log_of(stack) == []
    stack.up()
    stack.declare(args={"create": "echo changed >> log", "delete": "echo deleted >> log"})
    assert stack.steps() == ["update"]
    stack.declare_nothing()
    assert stack.steps() == ["delete"]
    assert log_of(stack) == ["created"]


def test_unchanged_inputs_are_no_change_for_up_preview_and_refresh(stack: Stack) -> None:
    """Every kind of input is there, since each could come back from the state in another shape."""
    args = {
        "create": "echo created >> log",
        "update": "echo updated >> log",
        "delete": "echo deleted >> log",
        "dir": ".",
        "interpreter": ["/bin/sh", "-c"],
        "stdin": "text",
        "logging": "stdout",
        "triggers": ["a", 1, True, {"key": ["value"]}],
        "add_previous_output_in_env": True,
    }
    stack.declare(args=args, secret_environment={"WORD": "hidden"})
    stack.up()
    stack.run("preview", "--expect-no-changes")
    stack.run("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    stack.run("up", "--yes", "--skip-preview", "--expect-no-changes")
    assert log_of(stack) == ["created"]


def test_a_changed_input_runs_update_which_finds_the_previous_output(stack: Stack) -> None:
    """`create` doesn't run again; `update`'s output takes the place of the old one."""
    args = {"create": "echo first; echo problem >&2", "update": 'echo "$PULUMI_COMMAND_STDOUT+$PULUMI_COMMAND_STDERR"'}
    stack.declare(args=args)
    stack.up()
    stack.declare(args={**args, "environment": {"CHANGED": "yes"}})
    stack.up()
    assert stack.output("stdout") == "first+problem"
    assert stack.output("stderr") == ""
    stack.declare(args={**args, "environment": {"CHANGED": "again"}})
    stack.up()
    assert stack.output("stdout") == "first+problem+", "the last run counts as previous, not the first"


def test_the_previous_output_stays_out_of_the_environment_where_asked(stack: Stack) -> None:
    """The variables are not set at all then."""
    args = {"create": "echo first", "update": "echo ${PULUMI_COMMAND_STDOUT-none}", "add_previous_output_in_env": False}
    stack.declare(args=args)
    stack.up()
    stack.declare(args={**args, "stdin": "changed"})
    stack.up()
    assert stack.output("stdout") == "none"


def test_a_changed_input_without_update_runs_create_again_in_place(stack: Stack) -> None:
    """Nothing is deleted, and the resource stays the same one."""
    stack.declare(args={"create": "echo created >> log", "delete": "echo deleted >> log"})
    stack.up()
    (before,) = stack.commands()
    stack.declare(args={"create": "echo created again >> log", "delete": "echo deleted >> log"})
    stack.up()
    (after,) = stack.commands()
    assert log_of(stack) == ["created", "created again"]
    assert after["id"] == before["id"]


@pytest.mark.parametrize(
    ("options", "order"),
    [
        pytest.param({}, ["create b", "delete a"], id="created first, as the engine does by itself"),
        pytest.param({"delete_before_replace": True}, ["delete a", "create b"], id="deleted first where asked"),
    ],
)
def test_changed_triggers_replace_and_the_old_delete_runs(
    stack: Stack, options: dict[str, bool], order: list[str]
) -> None:
    """`update` has no part in it, whatever the SDK's docstring says."""

    def declare(word: str) -> None:
        args = {
            "create": f"echo create {word} >> log",
            "update": f"echo update {word} >> log",
            "delete": f"echo delete {word} >> log",
            "triggers": [word, "constant"],
        }
        stack.declare(args=args, options=options)

    declare("a")
    stack.up()
    (before,) = stack.commands()
    declare("b")
    stack.up()
    (after,) = stack.commands()
    assert log_of(stack) == ["create a", *order]
    assert after["id"] != before["id"]


def test_triggers_that_appear_replace_too(stack: Stack) -> None:
    """And so do triggers that go away."""
    stack.declare(args={"create": "echo x"})
    stack.up()
    stack.declare(args={"create": "echo x", "triggers": ["a"]})
    assert "replace" in stack.steps()
    stack.up()
    stack.declare(args={"create": "echo x"})
    assert "replace" in stack.steps()


def test_delete_runs_from_the_state_and_finds_the_last_output(stack: Stack) -> None:
    """The program has another delete by then, which nothing has deployed."""
    stack.declare(args={"create": "echo made", "delete": 'echo "stored $PULUMI_COMMAND_STDOUT" >> log'})
    stack.up()
    stack.declare(args={"create": "echo made", "delete": "echo never deployed >> log"})
    stack.destroy()
    assert log_of(stack) == ["stored made"]
    assert stack.commands() == []


def test_a_command_without_delete_goes_without_running_anything(stack: Stack) -> None:
    """`create` and `update` are no substitute."""
    stack.declare(args={"create": "echo ran >> log", "update": "echo ran >> log"})
    stack.up()
    stack.destroy()
    assert log_of(stack) == ["ran"]
    assert stack.commands() == []


def test_a_failing_create_tells_exit_code_and_output_and_stores_nothing(stack: Stack) -> None:
    """So its delete never runs: that is the trap to know."""
    args = {"create": "echo half done; echo broken >&2; exit 3", "delete": "echo deleted >> log"}
    stack.declare(args=args)
    result = stack.attempt("up", "--yes", "--skip-preview")
    assert result.returncode != 0
    for part in ("exit status 3", "half done", "broken"):
        assert part in result.stdout + result.stderr
    assert stack.commands() == []
    stack.destroy()
    assert log_of(stack) == []


def test_a_failing_update_keeps_the_old_state_so_that_the_next_up_tries_again(stack: Stack) -> None:
    """Its output is not taken for the resource's."""
    stack.declare(args={"create": "echo good"})
    stack.up()
    stack.declare(args={"create": "echo good", "update": "echo bad; exit 1"})
    assert stack.attempt("up", "--yes", "--skip-preview").returncode != 0
    assert stack.output("stdout") == "good"
    assert stack.steps() == ["update"]


def test_a_failing_delete_keeps_the_resource(stack: Stack) -> None:
    """What it was to remove may still be there."""
    stack.declare(args={"create": "echo made", "delete": "test -e allowed"})
    stack.up()
    assert stack.attempt("destroy", "--yes", "--skip-preview").returncode != 0
    assert len(stack.commands()) == 1
    (stack.project / "allowed").touch()
    stack.destroy()
    assert stack.commands() == []


def test_a_secret_that_is_used_and_not_printed_is_nowhere_in_plain(stack: Stack) -> None:
    """Neither in the state nor in what Pulumi prints, over all of a resource's life."""
    args = {"create": 'test -n "$WORD" && echo done', "delete": "test ${#WORD} -eq 11"}
    stack.declare(args=args, secret_environment={"WORD": "hidden-word"})
    printed = stack.up()
    assert "hidden-word" not in stack.state()
    assert "hidden-word" in stack.state("--show-secrets"), "the test looks for a word that was never stored"
    printed += stack.destroy()
    assert "hidden-word" not in printed


def test_output_named_as_secret_is_encrypted_and_still_reaches_the_next_run(stack: Stack) -> None:
    """So a command that prints a secret has to be declared."""
    args = {"create": 'echo "$WORD"', "delete": "test ${#PULUMI_COMMAND_STDOUT} -eq 11", "logging": "none"}
    options = {"additional_secret_outputs": ["stdout", "stderr"]}
    stack.declare(args=args, secret_environment={"WORD": "hidden-word"}, options=options)
    printed = stack.up()
    assert "ciphertext" in stack.output("stdout")
    assert "hidden-word" not in stack.state() + printed
    (command,) = stack.commands("--show-secrets")
    assert json.loads(command["outputs"]["stdout"]["plaintext"]) == "hidden-word"
    stack.destroy()


def test_output_of_a_secret_is_no_secret_by_itself(stack: Stack) -> None:
    """So it is with the published provider, and a lab that hid it would hide the leak from its tests."""
    stack.declare(args={"create": 'echo "$WORD"'}, secret_environment={"WORD": "hidden-word"})
    stack.up()
    assert stack.output("stdout") == "hidden-word"
    assert "ciphertext" in stack.output("environment")["WORD"]


@pytest.mark.parametrize(
    ("logging", "expected"),
    [
        (None, {"to-stdout", "to-stderr"}),
        ("stdoutAndStderr", {"to-stdout", "to-stderr"}),
        ("stdout", {"to-stdout"}),
        ("stderr", {"to-stderr"}),
        ("none", set()),
    ],
)
def test_logging_chooses_what_the_engine_shows_and_not_what_is_kept(
    stack: Stack, logging: str | None, expected: set[str]
) -> None:
    """The lines reach the engine as status messages of the resource, as the published provider sends them."""
    args: dict[str, str] = {"create": "echo to-stdout; echo to-stderr >&2"}
    if logging is not None:
        args["logging"] = logging
    stack.declare(args=args)
    events = [json.loads(line) for line in stack.run("up", "--yes", "--skip-preview", "--json").splitlines()]
    lines = {event["diagnosticEvent"]["message"].strip() for event in events if "diagnosticEvent" in event}
    assert lines & {"to-stdout", "to-stderr"} == expected
    assert (stack.output("stdout"), stack.output("stderr")) == ("to-stdout", "to-stderr")


@pytest.mark.parametrize(("argument", "shown"), [("asset_paths", "assetPaths"), ("archive_paths", "archivePaths")])
def test_what_the_stand_in_lacks_is_refused_before_anything_runs(stack: Stack, argument: str, shown: str) -> None:
    """With the way out."""
    stack.declare(args={"create": "echo ran >> log", argument: ["*.txt"]})
    result = stack.attempt("up", "--yes", "--skip-preview")
    assert result.returncode != 0
    assert f"stand-in for pulumi-command lacks {shown}; use the published plugin" in result.stdout + result.stderr
    assert log_of(stack) == []


def test_cancelling_kills_the_command_with_its_children(stack: Stack) -> None:
    """A shell's child would otherwise go on after the person at the keyboard thinks that it stopped."""
    stack.declare(args={"create": "sleep 300 & echo $! > new; mv new pid; wait"})
    process = stack.start("up", "--yes", "--skip-preview")
    file = stack.project / "pid"
    deadline = time.monotonic() + 60
    while not file.exists():
        assert process.poll() is None, f"pulumi ended early:\n{process.communicate()[0]}"
        assert time.monotonic() < deadline, "the command did not start"
        time.sleep(0.05)
    child = int(file.read_text(encoding="utf-8"))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0, output
    deadline = time.monotonic() + 10
    while is_running(child):
        assert time.monotonic() < deadline, "the command's child outlived the cancellation"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Tell whether a process exists and isn't a zombie that its adoptive parent has yet to reap."""
    try:
        os.kill(pid, 0)
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (ProcessLookupError, FileNotFoundError):
        return False
