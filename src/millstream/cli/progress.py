"""A live table of steps on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import os
import sys
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TextIO

import click

from millstream.cli.output import before_last_words
from millstream.kernel.engine import Began, Event, Said
from millstream.kernel.records import RunReport, StepReport

SHOWN = 12
WIDEST = 32
"""Places for the name of a step; on a terminal as many as the longest so far needs."""
TICK = 0.2
COLOURS = {"ran": "green", "failed": "red"}


class Progress:
    """Listens to a run."""

    def __init__(self, *, quiet: bool = False, settled: bool = True) -> None:
        """`quiet` says nothing, as for `--json`; without `settled`, steps that went well leave no line."""
        self._quiet, self._settled = quiet, settled
        self._stream: TextIO = sys.stderr
        self._live = not quiet and sys.stderr.isatty() and "NO_COLOR" not in os.environ and "CI" not in os.environ
        self._running: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._drawn = 0
        self._longest = 12 if self._live else WIDEST
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self.cached = 0
        self.ran = 0
        if self._live:
            sys.stderr = _Above(self.above, self._stream)
            before_last_words(self.close)
            threading.Thread(target=self._tick, name="progress", daemon=True).start()

    def __call__(self, event: Event) -> None:
        """Take in that a step began, what it says, or what became of it."""
        if isinstance(event, StepReport):
            self.cached += event.status == "cached"
            self.ran += event.status == "ran"
        if self._quiet:
            return
        with self._lock:
            self._longest = max(self._longest, min(len(event.name), WIDEST))
            if isinstance(event, Began):
                self._running[event.name] = time.monotonic(), event.why
                self._show("")
            elif isinstance(event, Said):
                self._show(f"{event.name} | {event.line}\n")
            else:
                self._running.pop(event.name, None)
                self._show(self._line(event))

    def above(self, text: str) -> None:
        """Write something above the table."""
        with self._lock:
            self._show(text)

    def close(self) -> None:
        """Leave only what is settled."""
        if not self._live or self._closed.is_set():
            return
        with self._lock:
            self._closed.set()
            self._running.clear()
            self._show("")
            if isinstance(sys.stderr, _Above):
                sys.stderr.end()
                sys.stderr = self._stream

    def _tick(self) -> None:
        """Let the times move."""
        while not self._closed.wait(TICK):
            with self._lock:
                if self._running and not self._closed.is_set():
                    self._show("")

    def _line(self, report: StepReport) -> str:
        if report.status == "cached" or (not self._settled and report.status in ("ran", "skipped")):
            return ""
        status = f"{report.status:<7}"
        shape = f"{report.shape[0]:>10,} × {report.shape[1]:<4}" if report.shape else " " * 17
        line = f"{report.name:<{self._longest}} {report.seconds:>7.2f} s {shape}  {report.why}"
        if not self._live:
            return f"{status} {line}\n"
        return f"{click.style(status, fg=COLOURS.get(report.status, 'yellow'))} {_cut(line, self._width() - 8)}\n"

    def _show(self, text: str) -> None:
        """Write a text, and the table of what runs below it: in one piece, each line over the one that stood there."""
        if not self._live:
            if text:
                click.echo(text, nl=False, file=self._stream)
            return
        now, width = time.monotonic(), self._width()
        newest = list(self._running.items())[-SHOWN:]
        table = [_cut(f"  ...   {name:<{self._longest}} {now - begun:>7.1f} s {'':17}  {why}", width) for name, (begun, why) in newest]
        begin = f"\x1b[{self._drawn}F" if self._drawn else ""
        clear = "\x1b[J" if begin and (text or self._drawn > len(table)) else ""
        if begin or text or table:
            self._stream.write(begin + clear + "".join(f"{line}\x1b[K\n" for line in [*text.splitlines(), *table]))
            self._stream.flush()
        self._drawn = len(table)

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns - 1
        except OSError:
            return 79


class _Above:
    """Stands for stderr while there is a table: whoever writes to it writes above."""

    def __init__(self, above: Callable[[str], None], stream: TextIO) -> None:
        self._above, self._stream = above, stream
        self._begun = ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        if lines:
            self._above("".join(f"{line}\n" for line in lines))
        return len(text)

    def end(self) -> None:
        if self._begun:
            self.write("\n")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the stream has
        return getattr(self._stream, name)


def closing_words(report: RunReport) -> str:
    """What a run comes to, in one line: how many steps ran, what was reused and what that saved, and how long it took."""
    count = {status: sum(each.status == status for each in report.steps) for status in ("ran", "cached", "failed", "skipped")}
    saved = sum(each.seconds for each in report.steps if each.status == "cached")
    reused = f"{count['cached']} reused" + (f" (saved {lasting(saved)})" if saved >= 0.1 else "")
    words = f"{_steps(count['ran'])} ran, {reused}, {lasting(report.seconds)} (run {report.run})"
    return f"{words}; {count['failed']} failed, {count['skipped']} skipped" if count["failed"] else words


def lasting(seconds: float) -> str:
    """A length of time in words that fit its size."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"


def _cut(line: str, width: int) -> str:
    """As much of a line as fits; wide characters take two places."""
    taken = 0
    for place, character in enumerate(line):
        taken += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if taken > width:
            return f"{line[: max(0, place - 1)]}…"
    return line
