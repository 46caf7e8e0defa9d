"""The table of a run: what it shows while steps run, and the line that closes it."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TextIO

import pytest
from terminal import open_terminal, read_all, screen

from millstream.cli.output import report_error
from millstream.cli.progress import Progress, closing_words, lasting
from millstream.errors import StepError
from millstream.kernel.engine import Began, Said
from millstream.kernel.records import RunReport, StepReport

COLUMNS = 70


@dataclass
class Terminal:
    """A terminal of 70 columns that is this process' stderr; somebody looks at it all the time."""

    stream: TextIO
    seen: Future[str]

    def drawn(self) -> str:
        """All that was written to it."""
        self.stream.close()
        return self.seen.result(timeout=30)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[[], Terminal]]:
    """Opens a terminal when it is called: pytest puts its own stderr in place before each test."""
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    ours, theirs = open_terminal(COLUMNS)
    with ThreadPoolExecutor(1) as looking, os.fdopen(theirs, "w", buffering=1) as stream:
        seen = looking.submit(read_all, ours)

        def opened() -> Terminal:
            monkeypatch.setattr(sys, "stderr", stream)
            return Terminal(stream, seen)

        yield opened
        stream.close()
    os.close(ours)


def report(name: str, status: str = "ran", seconds: float = 1.0, shape: tuple[int, int] | None = None, why: str = "new") -> StepReport:
    """What became of a step."""
    return StepReport(name, status, seconds, 10, why, shape=shape)  # type: ignore[arg-type]


def test_settled_step_has_time_shape_and_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows × columns of its table; a value has none; what was reused has no line."""
    progress = Progress()
    progress(Began("wind", "new"))
    progress(report("wind", seconds=2.5, shape=(12_345, 7), why="wind changed"))
    progress(report("score"))
    progress(report("delays", "cached"))
    progress(report("rain", "failed", why="rain: it broke"))
    progress.close()

    lines = [line.split() for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        ["ran", "wind", "2.50", "s", "12,345", "×", "7", "wind", "changed"],
        ["ran", "score", "1.00", "s", "new"],
        ["failed", "rain", "1.00", "s", "rain:", "it", "broke"],
    ]
    assert (progress.ran, progress.cached) == (2, 1)


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """As `--json` wants it; what steps say is in the log."""
    progress = Progress(quiet=True)
    progress(Began("wind", "new"))
    progress(Said("wind", "aloud"))
    progress(report("wind"))
    progress.close()

    assert capsys.readouterr() == ("", "")


def test_times_move_while_nothing_happens(terminal: Callable[[], Terminal]) -> None:
    """The table is drawn anew by itself."""
    opened, progress = terminal(), Progress()
    progress(Began("wind", "2 new days"))
    time.sleep(0.7)
    progress.close()

    shown = re.findall(r"\.\.\. +wind +([\d.]+) s +(.*?)\x1b", opened.drawn())
    assert len(shown) > 2
    assert len({seconds for seconds, _ in shown}) > 2
    assert {why for _, why in shown} == {"2 new days"}


def test_nothing_is_wider_than_the_terminal(terminal: Callable[[], Terminal]) -> None:
    """A line that wraps would be counted as one and leave its rest behind; wide characters count twice."""
    opened, progress = terminal(), Progress()
    for number in range(30):
        progress(Began(f"{number} {'風' * 40}", "new"))
    progress(report("wind", why="very " * 40))
    progress.close()

    drawn = opened.drawn()
    plain = re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", drawn).splitlines()
    assert max(len(line) + line.count("風") for line in plain) < COLUMNS
    assert [line.split()[:2] for line in screen(drawn)] == [["ran", "wind"]]


def test_what_is_said_stands_above_the_table(terminal: Callable[[], Terminal]) -> None:
    """By steps, and by whoever writes to stderr; in the end only that and what is settled is there."""
    opened, progress = terminal(), Progress()
    progress(Began("wind", "new"))
    progress(Said("wind", "half way"))
    sys.stderr.write("careful")
    sys.stderr.write(", please\n")
    progress(Began("rain", "new"))
    progress(report("wind"))
    progress.close()

    drawn = opened.drawn()
    assert [line.split()[:2] for line in screen(drawn)] == [["wind", "|"], ["careful,", "please"], ["ran", "wind"]]
    assert sys.stderr is opened.stream


def test_error_comes_below_no_table(terminal: Callable[[], Terminal]) -> None:
    """A command that ends amid a run leaves the terminal in order."""
    opened, progress = terminal(), Progress()
    progress(Began("wind", "new"))
    report_error(StepError("wind: it broke"), as_json=False)
    time.sleep(0.5)

    drawn = opened.drawn()
    assert screen(drawn) == ["error: wind: it broke"]
    assert progress.ran == 0


REUSED = [report(str(number), "cached", 3.0) for number in range(14)]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([report("a")], "1 step ran, 0 reused, 3.1 s (run R)"),
        ([report("a"), report("b"), *REUSED], "2 steps ran, 14 reused (saved 42 s), 3.1 s (run R)"),
        ([report("a", "cached", 0.01)], "0 steps ran, 1 reused, 3.1 s (run R)"),
        ([report("a", "failed"), report("b", "skipped"), *REUSED], "0 steps ran, 14 reused (saved 42 s), 3.1 s (run R); 1 failed, 1 skipped"),
    ],
)
def test_closing_line(steps: list[StepReport], words: str) -> None:
    """What ran, what was reused and what that saved, how long it took, and what went wrong."""
    assert closing_words(RunReport("R", 0, 3.14, tuple(steps))) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (42.4, "42 s"), (600.0, "10 min"), (7_199.0, "120 min"), (9_000.0, "2.5 h")]
)
def test_lengths_of_time(seconds: float, words: str) -> None:
    """In the unit that fits."""
    assert lasting(seconds) == words
