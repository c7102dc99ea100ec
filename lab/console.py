"""What the user sees while the lab works: a live display on a terminal, plain lines anywhere else.

All of it goes to standard error, so that commands can print an answer (such as a path) to standard output.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from lab.pace import Work, left

console = Console(stderr=True, highlight=False, soft_wrap=True)

HEARTBEAT = 60.0
"""Seconds between the plain display's signs of life, so that a CI log shows what takes long."""


def say(text: str) -> None:
    """Print one line for the user."""
    console.print(text, markup=False)


def duration(seconds: float) -> str:
    """Return a duration as people write it."""
    whole = round(seconds)
    return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"


@dataclass
class _Step:
    """One thing under way."""

    name: str
    estimate: float
    started: float
    size: int = 0
    """How many pieces it has, where that is known."""
    done: int = 0
    detail: str = ""

    def work(self, now: float) -> Work:
        """Return how far it is; without pieces to count, time itself tells."""
        took = now - self.started
        by_time = min(1.0, took / self.estimate) if self.estimate else 1.0
        share = min(0.99, self.done / self.size) if self.size else by_time
        return Work(typical=self.estimate, took=took, share=share)


@dataclass
class Progress:
    """Shows what is being done, how long each thing took and what is left.

    Safe to use from several threads. `waiting` names what has not begun yet, with its estimated seconds, and `sizes`
    says of how many pieces each thing is, where that is known: from them it learns how fast this machine is.
    """

    title: str
    waiting: dict[str, float] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    _ended: list[Work] = field(default_factory=list)
    _running: dict[str, _Step] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _live: Live | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _began: float = field(default_factory=time.monotonic)
    _total: int = 0
    _finished: int = 0

    def __enter__(self) -> Progress:
        """Start showing."""
        self._total = len(self.waiting)
        if console.is_terminal:
            self._live = Live(get_renderable=self._render, console=console, refresh_per_second=4, transient=True)
            self._live.start()
        else:
            self._thread = threading.Thread(target=self._beat, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""
        self._stop.set()
        if self._live is not None:
            self._live.stop()

    def begin(self, name: str) -> None:
        """Note that `name` began."""
        with self._lock:
            estimate = self.waiting.pop(name, 0.0)
            self._running[name] = _Step(name, estimate, time.monotonic(), self.sizes.get(name, 0))
            if self._live is None:
                say(f"{self.title}: {name} ...")

    def detail(self, name: str, text: str, done: int = 0) -> None:
        """Say how far `name` is, in words that only a terminal shows, and how many of its pieces are done."""
        with self._lock:
            if name in self._running:
                self._running[name].detail = text
                self._running[name].done = max(done, self._running[name].done)

    def end(self, name: str) -> None:
        """Note that `name` is done."""
        with self._lock:
            step = self._running.pop(name)
            took = time.monotonic() - step.started
            self._ended.append(Work(typical=step.estimate, took=took, share=1.0))
            self._finished += 1
            count = f"[{self._finished}/{self._total}] " if self._total else ""
            say(f"  {count}{name}: {duration(took)}")

    def drop(self, name: str) -> None:
        """Forget something that turned out not to be needed."""
        with self._lock:
            self.waiting.pop(name, None)

    def _left(self) -> str:
        """Say what has not begun and about how long all the rest takes."""
        now = time.monotonic()
        works = [*self._ended, *(step.work(now) for step in self._running.values())]
        seconds = left(works, self.waiting.values())
        names = ", ".join(self.waiting) or "nothing more"
        return f"about {duration(seconds)} left; then: {names}" if seconds >= 1 else f"then: {names}"

    def _render(self) -> Group:
        """Return the live display."""
        with self._lock:
            now = time.monotonic()
            lines: list[Spinner | Text] = [Text(f"{self.title}, {duration(now - self._began)} so far", style="bold")]
            for step in self._running.values():
                text = f"{step.name}  {duration(now - step.started)}  {step.detail}"
                lines.append(Spinner("dots", Text(text, overflow="ellipsis", no_wrap=True)))
            if self.waiting:
                lines.append(Text(self._left(), style="dim"))
            return Group(*lines)

    def _beat(self) -> None:
        """Print a sign of life now and then."""
        while not self._stop.wait(HEARTBEAT):
            with self._lock:
                now = time.monotonic()
                running = ", ".join(
                    f"{step.name} {duration(now - step.started)} {step.detail}".strip()
                    for step in self._running.values()
                )
                say(f"  ... still at {running or 'it'}; {self._left()}")
