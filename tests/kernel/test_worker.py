"""Isolated steps: computed by a process of their own, with limits that hold, and errors that are one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rivers import FILE, Ran, python_environment, run_river, write_river

from millstream.errors import ColumnError, StepError
from millstream.kernel.engine import execute
from millstream.kernel.graph import Node
from millstream.kernel.ledger import Ledger
from millstream.kernel.limits import Limits
from millstream.kernel.operation import LibraryOperation
from millstream.kernel.store import Store
from millstream.maintenance.run import execute_targets
from millstream.project import Project

TREES = """
    import ctypes, os, subprocess, sys, time
    from pathlib import Path
    import numpy as np

    pl.DataFrame({"tree": range(100), "height": range(100)}).write_parquet(Path(__file__).parent / "trees.parquet")
    trees = ms.source("trees.parquet", key="tree")
"""


def river(folder: Path, steps: str) -> Ran:
    """Run the trees and what is made of them."""
    return run_river(folder, TREES + steps)


def failure(ran: Ran, step: str) -> StepError:
    """The error of a step."""
    error = next(error for node, error in ran.progress.errors.items() if node.name == step)
    assert isinstance(error, StepError)
    return error


def log(ran: Ran, step: str) -> str:
    """What a step said."""
    return ran.project.ledger.log(ran.result.report.run, step)


def gone(process: int) -> bool:
    """Whether a process ends within some seconds."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        stat = Path(f"/proc/{process}/stat")
        try:
            os.kill(process, 0)
            if stat.exists() and stat.read_text().split()[2] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def test_isolated_step_is_computed_elsewhere(tmp_path: Path) -> None:
    """It gives what it gives here, from another process; the next isolated step finds that process again."""
    ran = river(
        tmp_path,
        """
    @ms.step(trees, isolate=True)
    def first(trees: pl.LazyFrame, *, factor: int = 3) -> pl.LazyFrame:
        print("by", os.getpid(), "of", os.getppid())
        return trees.with_columns(high=pl.col("height") * factor)

    @ms.step(first, isolate=True)
    def second(first: pl.DataFrame) -> dict:
        return {"by": os.getpid(), "rows": first.height}

    @ms.step(second)
    def third(second: dict) -> pl.DataFrame:
        return pl.DataFrame(second)
    """,
    ).answer()

    assert ran.frame("first").get_column("high").to_list() == [3 * number for number in range(100)]
    process = int(ran.frame("third").item(0, "by"))
    assert log(ran, "first") == f"by {process} of {os.getpid()}"
    assert gone(process)


def test_limits_change_no_key(tmp_path: Path) -> None:
    """What was computed here is found by an isolated step, and the other way round."""
    step = """
    @ms.step(trees{})
    def high(trees: pl.LazyFrame) -> pl.LazyFrame:
        return trees.filter(pl.col("height") > 50)
    """
    river(tmp_path, step.format(""))

    assert river(tmp_path, step.format(', timeout="5m", memory="1GB", retries=(2, OSError)')).answer().executed == []


def test_settings_reach_the_worker(tmp_path: Path) -> None:
    """Those of the command line too."""
    steps = """
    @ms.step(trees, isolate=True)
    def high(trees: pl.LazyFrame, *, least: int = 50) -> pl.LazyFrame:
        return trees.filter(pl.col("height") >= least)

    lower = high.with_settings(least=90)
    """
    project = Project(write_river(tmp_path, TREES + steps), settings={"high.least": "98"})
    nodes = [project.lowering.node(project.value(name)) for name in ("high", "lower")]
    result, progress = execute_targets(project.workspace, nodes, as_of=1, command="run")
    ran = Ran(project, result, progress, 1).answer()

    assert [ran.frame(name).height for name in ("high", "lower")] == [2, 10]


def test_crash_in_native_code_is_one_sentence(tmp_path: Path) -> None:
    """Signal, line and where to read on; the branches beside it are made, and what it said is kept."""
    ran = river(
        tmp_path,
        """
    @ms.step(trees, isolate=True)
    def broken(trees: pl.LazyFrame) -> pl.LazyFrame:
        print("before")
        ctypes.string_at(0)  # line 15
        return trees

    @ms.step(trees, isolate=True)
    def aborts(trees: pl.LazyFrame) -> pl.LazyFrame:
        os.abort()

    @ms.step(trees, isolate=True)
    def leaves(trees: pl.LazyFrame) -> pl.LazyFrame:
        os._exit(7)

    @ms.step(trees, isolate=True)
    def other(trees: pl.LazyFrame) -> pl.LazyFrame:
        return trees
    """,
    )

    assert ran.statuses == {"trees": "ran", "broken": "failed", "aborts": "failed", "leaves": "failed", "other": "ran"}
    error = failure(ran, "broken")
    assert error.message == f"broken: its worker was killed by signal {int(signal.SIGSEGV)} (SIGSEGV)"
    assert (error.where or "").endswith(f"{FILE}:{_line(tmp_path, 'string_at')}")
    assert error.hint == f"`millstream show {ran.result.report.run} broken` tells what it said last"
    assert "(SIGABRT)" in failure(ran, "aborts").message
    assert failure(ran, "leaves").message == "leaves: its worker ended by itself with exit code 7"
    assert log(ran, "broken").startswith("before\nFatal Python error: Segmentation fault")


def test_error_of_a_worker_is_that_of_the_step(tmp_path: Path) -> None:
    """Kind, sentence, line and hint are as they would be here; the worker goes on."""
    ran = river(
        tmp_path,
        """
    @ms.step(trees, isolate=True)
    def unknown(trees: pl.LazyFrame) -> pl.LazyFrame:
        return trees.select("hight")

    @ms.step(trees, isolate=True)
    def leaves(trees: pl.LazyFrame) -> pl.LazyFrame:
        sys.exit("enough")
    """,
    )

    column = next(error for node, error in ran.progress.errors.items() if node.name == "unknown")
    assert isinstance(column, ColumnError)
    assert column.message == "unknown: there is no column 'hight'"
    assert column.hint == "did you mean 'height'?"
    assert (column.where or "").endswith(f":{_line(tmp_path, 'hight')}")
    assert failure(ran, "leaves").message == "leaves: SystemExit: enough"
    assert "polars.exceptions.ColumnNotFoundError" in log(ran, "unknown")


def test_deadline_kills(tmp_path: Path) -> None:
    """Whatever the step does, and whatever it started; the error says where it was."""
    ran = river(
        tmp_path,
        """
    @ms.step(trees, timeout="1s")
    def sleeps(trees: pl.LazyFrame) -> pl.LazyFrame:
        child = subprocess.Popen(["sleep", "600"])
        print(os.getpid(), child.pid)
        time.sleep(600)

    @ms.step(trees, timeout="500ms")
    def spins(trees: pl.LazyFrame) -> pl.LazyFrame:
        while True:
            pass
    """,
    )

    error = failure(ran, "sleeps")
    assert error.message == "sleeps: not done after 1 s, its timeout"
    assert (error.where or "").endswith(f":{_line(tmp_path, 'time.sleep(600)')}")
    assert all(gone(int(process)) for process in log(ran, "sleeps").splitlines()[0].split())
    assert failure(ran, "spins").message == "spins: not done after 0.5 s, its timeout"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere memory is read less often")
def test_memory_limit_kills(tmp_path: Path) -> None:
    """A step that takes more than it may is ended before the system suffers, in Python as in polars."""
    ran = river(
        tmp_path,
        """
    @ms.step(trees, memory="350MB")
    def gathers(trees: pl.LazyFrame) -> pl.LazyFrame:
        held = []
        while True:
            held.append(np.ones(1_000_000))
            time.sleep(0.005)

    @ms.step(trees, memory="350MB")
    def sorts(trees: pl.LazyFrame) -> pl.DataFrame:
        return pl.select(number=pl.int_range(300_000_000)).sort("number", descending=True)

    @ms.step(trees, memory="350MB")
    def small(trees: pl.LazyFrame) -> pl.LazyFrame:
        return trees
    """,
    )

    assert ran.statuses == {"trees": "ran", "gathers": "failed", "sorts": "failed", "small": "ran"}
    assert failure(ran, "gathers").message.startswith("gathers: held 0.3")
    assert failure(ran, "sorts").message.endswith("its memory is 0.35 GB")


def test_cost_is_that_of_the_worker(tmp_path: Path) -> None:
    """CPU seconds and memory are those of the process that computed."""
    ran = river(
        tmp_path,
        """
    @ms.step(trees, isolate=True)
    def busy(trees: pl.LazyFrame) -> pl.LazyFrame:
        block = np.ones(20_000_000)
        until = time.process_time() + 0.5
        while time.process_time() < until:
            block += 1
        return trees
    """,
    ).answer()

    assert 0.5 <= ran.step("busy").cpu < 5
    assert ran.step("busy").peak > 160_000_000


def test_parts_are_computed_by_several_workers(tmp_path: Path) -> None:
    """Each part is on record as soon as it is made: what failed later does not cost it."""
    days = """
    import os, time
    from datetime import datetime, timedelta
    from pathlib import Path

    moments = [datetime(2024, 1, 1) + timedelta(hours=6 * number) for number in range(32)]
    pl.DataFrame({"meter": range(32), "read": moments}).write_parquet(Path(__file__).parent / "readings.parquet")
    readings = ms.source("readings.parquet", key="meter", time="read")

    @ms.step(readings, partition="1d", isolate=True)
    def daily(readings: pl.DataFrame) -> pl.DataFrame:
        print(os.getpid())
        time.sleep(0.1)
        if Path(__file__).with_name("broken").exists() and readings.item(0, "meter") == 28:
            raise ValueError("the last day")
        return readings.with_columns(by=os.getpid())
    """
    (tmp_path / "broken").touch()
    first = run_river(tmp_path, days)
    assert failure(first, "daily").message == "daily: ValueError: the last day"
    (tmp_path / "broken").unlink()
    second = run_river(tmp_path, days).answer()

    assert 1 <= second.step("daily").parts <= 2
    assert second.frame("daily").height == 32
    workers = set(log(first, "daily").split()) & {str(each) for each in second.frame("daily").get_column("by")}
    assert len(workers) == min(2, len(os.sched_getaffinity(0)))


def test_file_that_was_edited_meanwhile_is_noticed(tmp_path: Path) -> None:
    """The worker imports what the file says now: it must be what was planned."""
    step = """
    @ms.step(trees, isolate=True)
    def high(trees: pl.LazyFrame) -> pl.LazyFrame:
        return trees.filter(pl.col("height") > LEAST)

    LEAST = 50
    """
    project = Project(write_river(tmp_path, TREES + step))
    write_river(tmp_path, TREES + step.replace("LEAST = 50", "LEAST = 60"))
    result, progress = execute_targets(project.workspace, [project.lowering.node(project.value("high"))], as_of=1, command="run")

    error = failure(Ran(project, result, progress, 1), "high")
    assert error.message == "high: 'river.LEAST' is not in its worker what it is in the process that began the run"


def test_worker_dies_with_the_run(tmp_path: Path) -> None:
    """Also when the run is killed, and the step is amid native code."""
    write_river(
        tmp_path,
        TREES
        + """
    @ms.step(trees, isolate=True)
    def sorts(trees: pl.LazyFrame) -> pl.DataFrame:
        Path(__file__).with_name("worker").write_text(str(os.getpid()))
        while True:
            pl.select(number=pl.int_range(3_000_000).shuffle()).sort("number")
    """,
    )
    code = f"from millstream.project import Project; Project({str(tmp_path / FILE)!r}).load('sorts')"
    with subprocess.Popen([sys.executable, "-c", code], env=python_environment()) as process:
        worker = _written(tmp_path / "worker")
        process.kill()

    assert gone(worker)


def test_step_of_no_file_cannot_be_isolated(tmp_path: Path) -> None:
    """A process of its own has nothing to import: said in a sentence."""
    operation = LibraryOperation((), lambda: (), lambda store, seen: 1)
    node = Node("one", (), operation, limits=Limits(isolate=True))
    ledger = Ledger(tmp_path / "ledger.sqlite")
    run = ledger.begin(as_of=0, command="run", environment={}, settings={})
    progress = execute([node], store=Store(tmp_path / "store"), ledger=ledger, run=run, as_of=0)

    assert str(progress.errors[node]).startswith("one: there is no file that a process of its own could import")


def _line(folder: Path, text: str) -> int:
    lines = (folder / FILE).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def _written(path: Path) -> int:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if path.exists() and path.read_text():
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError(f"{path} was not written")
