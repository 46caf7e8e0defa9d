"""What a step prints, logs and warns is kept with its run, step by step, and passed on."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path

import pytest
from rivers import Ran, run_python, run_river

from millstream.kernel.engine import Event, Said
from millstream.kernel.logs import HEAD, TAIL, Log, capturing, listen
from millstream.maintenance.run import execute_targets
from millstream.project import Project

TALKATIVE = """
    import logging, sys, time, warnings
    from pathlib import Path

    pl.DataFrame({"tree": range(3)}).write_parquet(Path(__file__).parent / "trees.parquet")
    trees = ms.source("trees.parquet", key="tree")

    @ms.step(trees)
    def talks(trees: pl.LazyFrame) -> pl.LazyFrame:
        print("printed")
        print("to stderr", file=sys.stderr)
        logging.getLogger("shop").warning("logged %s", 1)
        logging.getLogger("shop").debug("not of interest")
        if "pytest" not in sys.modules:  # which keeps warnings for itself
            warnings.warn("warned")
        return trees

    @ms.step(trees)
    def silent(trees: pl.LazyFrame) -> pl.LazyFrame:
        return trees
"""


def log(ran: Ran, step: str) -> str:
    """What a step said."""
    return ran.project.ledger.log(ran.result.report.run, step)


def test_what_a_step_says_is_kept(tmp_path: Path) -> None:
    """In the order in which it was said; what its loggers do not let through is not there, and others' words are not."""
    ran = run_river(tmp_path, TALKATIVE).answer()

    assert log(ran, "talks").splitlines()[:3] == ["printed", "to stderr", "WARNING shop: logged 1"]
    assert log(ran, "silent") == log(ran, "trees") == ""


def test_step_that_is_reused_says_nothing(tmp_path: Path) -> None:
    """The log is that of the run in which it was computed."""
    first = run_river(tmp_path, TALKATIVE)
    second = run_river(tmp_path)

    assert (second.step("talks").status, log(second, "talks")) == ("cached", "")
    assert log(first, "talks") != ""


def test_failure_keeps_the_whole_traceback(tmp_path: Path) -> None:
    """The error is one sentence; the log has every line of the user's code on the way."""
    ran = run_river(
        tmp_path,
        TALKATIVE
        + """
    def deeper(trees: pl.LazyFrame) -> pl.LazyFrame:
        raise ValueError("too deep")

    @ms.step(trees)
    def fails(trees: pl.LazyFrame) -> pl.LazyFrame:
        print("before")
        return deeper(trees)
    """,
    )

    text = log(ran, "fails")
    assert text.startswith("before\nTraceback (most recent call last):\n")
    assert "in fails\n    return deeper(trees)" in text
    assert text.endswith("ValueError: too deep")


def test_listener_hears_it_while_it_is_said(tmp_path: Path) -> None:
    """Line by line, with the step's name; a listener that prints is not heard by itself."""
    heard: list[Event] = []

    def listener(event: Event) -> None:
        heard.append(event)
        sys.stdout.write("said aloud\n")

    run_river(tmp_path, TALKATIVE)
    (tmp_path / ".millstream").rename(tmp_path / "elsewhere")
    project = Project(tmp_path / "river.py")
    execute_targets(project.workspace, [project.lowering.node(project.value("talks"))], as_of=1, command="run", listener=listener)

    said = [event.line for event in heard if isinstance(event, Said)]
    assert said == ["printed", "to stderr"]  # what is logged is told by the handlers that are there, here pytest's


def test_without_a_listener_it_goes_to_stderr(tmp_path: Path) -> None:
    """So that stdout has only what the program itself prints."""
    run_river(tmp_path, TALKATIVE)
    (tmp_path / ".millstream").rename(tmp_path / "elsewhere")
    done = run_python(f"from millstream.project import Project; print(Project({str(tmp_path / 'river.py')!r}).load('talks').height)")

    assert done.stdout == "3\n"
    assert "talks | printed\ntalks | to stderr\ntalks | WARNING shop: logged 1\n" in done.stderr
    assert "UserWarning: warned" in done.stderr


def test_long_log_is_cut_and_says_so() -> None:
    """The beginning and the end are kept."""
    heard: list[Said] = []
    log = Log("step", heard.append)
    for number in range(20_000):
        log.write(f"line {number}\n")

    text = log.text()
    first, cut, last = text.partition("characters were left out here")
    assert cut
    assert len(text) < HEAD + TAIL + 200
    assert first.startswith("line 0\nline 1\n")
    assert last.endswith("\nline 19999")
    assert len(heard) == 20_000


def test_line_that_is_written_over_is_one_line() -> None:
    """A progress bar leaves its last state; what is not ended by a new line counts too."""
    log = Log("step", lambda _: None)
    for number in range(101):
        log.write(f"\r{number} %")
    log.write("\nand ")
    log.write("so on")

    assert log.text() == "100 %\nand so on"


def test_threads_do_not_hear_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Each thread speaks into its own log; who has none is heard as ever."""
    logs = [Log(str(number), lambda _: None) for number in range(4)]

    def speak(log: Log) -> None:
        listen(log)
        for number in range(200):
            sys.stdout.write(f"{log.name} {number}\n")
        listen(None)

    with capturing():
        threads = [threading.Thread(target=speak, args=(log,)) for log in logs]
        for thread in threads:
            thread.start()
        sys.stdout.write("main\n")
        for thread in threads:
            thread.join()

    assert [log.text().splitlines() for log in logs] == [[f"{log.name} {number}" for number in range(200)] for log in logs]
    assert capsys.readouterr().out == "main\n"


def test_streams_are_put_back() -> None:
    """Also after runs inside each other, and where somebody else has put a stream in place."""
    before, handlers = (sys.stdout, sys.stderr), list(logging.getLogger().handlers)
    with capturing(), capturing():
        pass

    assert (sys.stdout, sys.stderr) == before
    assert logging.getLogger().handlers == handlers
