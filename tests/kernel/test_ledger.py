"""The ledger: which runs there were, in their order, and what became of their steps."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import msgspec.structs
import pytest
from rivers import python_environment

from millstream.errors import NotFoundError, StoreError
from millstream.kernel.database import Database
from millstream.kernel.ledger import FORMATS, Ledger
from millstream.kernel.records import Cause, StepReport

RAN = StepReport("clean", "ran", 0.5, 10, "new", "key", 1, (Cause("clean", "abc"), Cause("setting days", "2")), ("a note",))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def begin(ledger: Ledger, as_of: int = 7) -> str:
    """A run that begins."""
    return ledger.begin(as_of=as_of, command="run", environment={"python": "3.11"}, settings={"clean": {"days": 2}})


def test_run_comes_back(ledger: Ledger) -> None:
    """With its moment, its time and its steps, in the order in which they were done."""
    run = begin(ledger)
    ledger.keep(run, [RAN])
    ledger.keep(run, [StepReport("b", "cached", 0.0, 0, "unchanged"), StepReport("a", "skipped", 0.0, 0, "clean did not finish")])
    ledger.finish(run, "done", 1.5)

    report = ledger.run(run)

    assert (report.run, report.as_of, report.seconds) == (run, 7, 1.5)
    assert report.steps[0] == RAN
    assert [step.name for step in report.steps] == ["clean", "b", "a"]
    assert ledger.runs()[0] | {"started": 0} == {"run": run, "started": 0, "as_of": 7, "command": "run", "status": "done", "seconds": 1.5}


def test_runs_are_sorted_by_their_start(ledger: Ledger) -> None:
    """Also those that begin within one second."""
    runs = [begin(ledger) for _ in range(50)]

    assert runs == sorted(runs)
    assert [each["run"] for each in ledger.runs(50)] == runs[::-1]
    assert ledger.run().run == runs[-1]


def test_runs_that_begin_at_once_are_different(ledger: Ledger) -> None:
    """Several threads open runs in one file."""
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(begin, [ledger] * 40))

    assert len(set(runs)) == 40


def test_run_is_found_by_its_beginning(ledger: Ledger) -> None:
    """As people type it."""
    run = begin(ledger)

    assert ledger.run(run[:12]).run == run


@pytest.mark.parametrize(("name", "told"), [("2001", "there is no run '2001'"), (None, "nothing has been run yet")])
def test_run_that_is_not_there(ledger: Ledger, name: str | None, told: str) -> None:
    """The error says what to do."""
    with pytest.raises(NotFoundError, match=told) as caught:
        ledger.run(name)

    assert caught.value.exit_code == 4


BEGUN = """
import sys
from pathlib import Path
from millstream.kernel.ledger import Ledger
print(Ledger(Path(sys.argv[1])).begin(as_of=0, command="run", environment={}, settings={}), flush=True)
sys.stdin.readline()
"""


def test_run_whose_process_is_gone_was_killed(tmp_path: Path) -> None:
    """As long as it lives the run goes on; after kill -9 it does not, whoever has its number then."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    command = [sys.executable, "-c", BEGUN, str(tmp_path / "ledger.sqlite")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=python_environment()) as process:
        assert process.stdout is not None
        run = process.stdout.readline().strip()
        before = ledger.runs()[0]["status"], ledger.killed()
        process.kill()

    assert before == ("running", [])
    assert (ledger.runs()[0]["status"], ledger.killed()) == ("killed", [run])

    ledger.settle(run)
    assert (ledger.runs()[0]["status"], ledger.killed()) == ("killed", [])


def test_run_that_goes_on_here_is_not_killed(ledger: Ledger) -> None:
    """Nor is one that has come to its end, whose sign is gone."""
    going_on, done = begin(ledger), begin(ledger)
    ledger.finish(done, "done", 1.0)
    ledger.settle(done)

    assert {each["run"]: each["status"] for each in ledger.runs()} == {going_on: "running", done: "done"}
    assert ledger.killed() == []


def test_run_that_cannot_begin_leaves_no_sign(ledger: Ledger) -> None:
    """On a full disk, say."""
    ledger.database.rows("PRAGMA max_page_count = 1")

    with pytest.raises(StoreError, match="the disk is full"):
        ledger.begin(as_of=0, command="run", environment={}, settings={"clean": {"words": "x" * 1_000_000}})

    assert list((ledger.database.path.parent / "running").iterdir()) == []


def test_last_is_the_newest_report_of_a_step_that_finished(ledger: Ledger) -> None:
    """Failed and skipped ones do not count, nor does the run that asks."""
    first, second, third = begin(ledger), begin(ledger), begin(ledger)
    ledger.keep(first, [RAN])
    ledger.keep(second, [StepReport("clean", "failed", 0.0, 0, "it broke")])
    ledger.keep(third, [StepReport("clean", "cached", 0.0, 0, "unchanged")])

    assert ledger.last("clean", before=third) == RAN
    assert ledger.last("clean", before=first) is None
    assert ledger.last("other") is None
    found = ledger.last("clean")
    assert found is not None
    assert found.status == "cached"


def test_reports_of_a_step_newest_first(ledger: Ledger) -> None:
    """With the runs that had it; a step kept twice in one run is the later one."""
    first, second = begin(ledger), begin(ledger)
    for run in (first, second):
        ledger.keep(run, [StepReport("clean", "failed", 0.0, 0, "it broke")])
        ledger.keep(run, [RAN])

    assert ledger.reports("clean") == [(second, RAN), (first, RAN)]
    assert ledger.steps() == ["clean"]


def test_code_is_kept_by_its_digest(ledger: Ledger) -> None:
    """So that what ran months ago can be shown; what is no code has no text."""
    run = begin(ledger)
    other = StepReport("clean", "ran", 0.5, 10, "new", "other key", causes=(Cause("clean", "def"),))
    ledger.keep(run, [RAN, other], [(RAN, (("clean", "def clean(): ...\n"), ("unknown", "x"))), (other, (("clean", "def clean(): return 1\n"),))])

    assert ledger.code(Cause("clean", "abc")) == "def clean(): ...\n"
    assert ledger.code(Cause("clean", "def")) == "def clean(): return 1\n"
    assert ledger.code(Cause("setting days", "2")) is None


def test_what_a_key_is_made_of_is_kept_once(ledger: Ledger) -> None:
    """However many runs find it again; each report has it all the same."""
    runs = [begin(ledger) for _ in range(3)]
    for run in runs:
        ledger.keep(run, [msgspec.structs.replace(RAN, causes=() if ledger.knows("clean", "key") else RAN.causes)])

    assert ledger.database.row("SELECT count(*) FROM causes") == (1,)
    assert [report for _, report in ledger.reports("clean")] == [RAN] * 3


def test_ledger_of_the_format_before_is_brought_up_to_date(tmp_path: Path) -> None:
    """Nothing that was on record is lost."""
    old = Database(tmp_path / "ledger.sqlite", FORMATS[:1])
    old.execute("INSERT INTO runs VALUES ('20250101-000000-1', 0, 0, 'run', 'done', 1.5, '{}', '{}')")
    old.execute("INSERT INTO run_steps VALUES ('20250101-000000-1', 'clean', ?)", (msgspec.msgpack.encode(RAN),))

    ledger = Ledger(tmp_path / "ledger.sqlite")

    assert ledger.run().steps == (RAN,)
    assert begin(ledger) > "20250101"


def test_ledger_is_opened_again(tmp_path: Path) -> None:
    """What was written is there for the next process."""
    run = begin(Ledger(tmp_path / "ledger.sqlite"))

    assert Ledger(tmp_path / "ledger.sqlite").run().run == run


def test_file_that_is_no_ledger(tmp_path: Path) -> None:
    """The error says which file to move away."""
    (tmp_path / "ledger.sqlite").write_bytes(b"something else entirely" * 100)

    with pytest.raises(StoreError, match=r"move ledger\.sqlite away"):
        Ledger(tmp_path / "ledger.sqlite")


def test_transaction_is_all_or_nothing(ledger: Ledger) -> None:
    """What fails in the middle leaves nothing."""
    with pytest.raises(StoreError):
        ledger.database.execute_many("INSERT INTO code VALUES (?, 'clean', 'x')", [("abc",), (None,)])

    assert ledger.code(Cause("clean", "abc")) is None
