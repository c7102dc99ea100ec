"""What the programs that the lab starts inherit."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab import pulumi
from lab.paths import Paths

CHILD = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"


@pytest.mark.parametrize(("first", "ignores"), [("", "True"), ("heed_interrupts(); ", "False")])
def test_what_is_started_in_the_background_ends_by_sigint_after_all(first: str, ignores: str) -> None:
    """As a shell starts what it runs in the background: ignoring SIGINT, which programs inherit."""
    program = f"import subprocess, sys; from lab.commands import heed_interrupts; {first}"
    program += f"subprocess.run([sys.executable, '-c', {CHILD!r}], check=True)"
    ignoring = ["/bin/sh", "-c", 'trap \'\' INT; exec "$0" -c "$1"', sys.executable, program]
    done = subprocess.run(ignoring, capture_output=True, text=True, check=True)  # noqa: S603 - as said above
    assert done.stdout.strip() == ignores


def test_pulumi_is_run_so_that_its_plugins_heed_sigint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Paths(checkout=tmp_path, cache=tmp_path, data=tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    said = tmp_path / "said"
    (tmp_path / "pulumi").write_text(f"#!/bin/sh\nexec {sys.executable} -c '{CHILD}' > {said}\n")
    (tmp_path / "pulumi").chmod(0o755)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(Paths, "bin", tmp_path)
    monkeypatch.setattr(pulumi, "prepare", lambda _: tmp_path / "Pulumi.lab.yaml")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert pulumi.run(paths, ["version"]) == 0
    finally:
        signal.signal(signal.SIGINT, before)
    assert said.read_text().strip() == "False"
