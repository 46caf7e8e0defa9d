"""What nothing recent needs is removed, and nothing else; a kill in the middle loses nothing."""

from __future__ import annotations

import signal
import tempfile
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rivers import run_python
from stored import UNTIMED, large, put, put_value, stored_files, whole

from millstream.errors import StoreError
from millstream.kernel.damage import find_damage
from millstream.kernel.garbage import Rule, found_before, remove, survey
from millstream.kernel.ledger import Ledger
from millstream.kernel.past_runs import forget_runs, runs_before
from millstream.kernel.records import Cause, StepReport, Table
from millstream.kernel.store import Found, Store, files_of

DAY = 86_400.0


def keep(store: Store, key: str, rows: int = 2_000, *, also: bool = False) -> set[str]:
    """A result that is used now; its files. `also`: with one more column."""
    frame = large(rows)
    table = put(store, frame.with_columns(more=frame["n"] * 2) if also else frame, UNTIMED)
    store.record({key: Found(table)})
    return files_of(table)


def let_pass(store: Store, days: float) -> None:
    """So many days later nothing was used in between."""
    with store.index.transaction() as index:
        index.execute("UPDATE results SET used = used - ?", (days * DAY,))
        index.execute("UPDATE files SET used = used - ?", (days * DAY,))
        index.execute("UPDATE notes SET used = used - ?", (days * DAY,))


def days_ago(days: float, **more: frozenset[str] | tuple[str, ...]) -> Rule:
    """What was not used for so many days is garbage."""
    return Rule(time.time() - days * DAY, **more)  # type: ignore[arg-type]


def is_whole(store: Store, key: str) -> bool:
    """Whether a result is there, and can be read."""
    found = store.find([key]).get(key)
    return found is not None and isinstance(found.artifact, Table) and whole(store, found.artifact).height > 0


# what goes and what stays


def test_what_is_old_goes(tmp_path: Path) -> None:
    """Its record, its files and what the index knows of their columns; the dry run says the same and does nothing."""
    store = Store(tmp_path)
    old = keep(store, "old")
    let_pass(store, 3)
    new = keep(store, "new", 3_000)

    told = survey(store, days_ago(2))
    assert survey(store, days_ago(2)) == told == remove(store, days_ago(2))

    assert (told.results, told.files) == (1, 1)
    assert survey(store, days_ago(2)).out_of == told.out_of - told.bytes
    assert {path.name for path in stored_files(store)} == new
    assert not old & new
    assert store.index.rows("SELECT count(*) FROM columns JOIN files ON files.id = file") == store.index.rows("SELECT count(*) FROM columns")
    assert not is_whole(Store(tmp_path), "old")
    assert is_whole(Store(tmp_path), "new")


def test_what_was_found_again_is_not_old(tmp_path: Path) -> None:
    """Whoever finds a result keeps it, with its files."""
    store = Store(tmp_path)
    keep(store, "old")
    let_pass(store, 3)

    assert is_whole(Store(tmp_path), "old")
    assert remove(store, days_ago(2)).results == 0

    assert is_whole(Store(tmp_path), "old")


def test_file_of_an_old_result_that_a_new_one_holds_stays(tmp_path: Path) -> None:
    """A column is stored once: who needs it now keeps it, whoever wrote it."""
    store = Store(tmp_path)
    keep(store, "old")
    let_pass(store, 3)
    keep(store, "new", also=True)

    told = remove(store, days_ago(2))

    assert (told.results, told.files) == (1, 0)
    assert is_whole(Store(tmp_path), "new")


def test_what_is_pinned_stays(tmp_path: Path) -> None:
    """Results, their files and notes that are needed by name, and files that are needed by theirs."""
    store = Store(tmp_path)
    value = put_value(store, b"x" * 5_000)
    keep(store, "pinned")
    keep(store, "other", 3_000)
    for note in ("cost 1", "cost 2", "snapshots"):
        store.set_note(note, b"told")
    store.pin("delays@1", ["pinned", "cost 1"])
    let_pass(store, 400)

    told = remove(store, days_ago(2, files=frozenset({str(value.file)}), passing=("cost ",)))

    assert (told.results, told.files, told.notes) == (1, 1, 1)
    assert store.read_value(value) == b"x" * 5_000
    assert [store.note(note) for note in ("cost 1", "cost 2", "snapshots")] == [b"told", None, b"told"]
    assert is_whole(Store(tmp_path), "pinned")
    assert store.has_all("delays@1")


def test_what_killed_writers_left_goes(tmp_path: Path) -> None:
    """But not what is being written."""
    code = """
    import os, sys
    from pathlib import Path
    from millstream.kernel.store import Store
    Store(Path(sys.argv[1])).files.write("ab" * 32 + ".bin", lambda path: (path.write_bytes(b"x" * 7_000), os.kill(os.getpid(), 9)))
    """
    assert run_python(code, str(tmp_path)).returncode == -signal.SIGKILL
    store = Store(tmp_path)
    told = survey(store, days_ago(2))

    store.files.write(f"{'cd' * 32}.bin", lambda path: (path.write_bytes(b"y"), remove(store, days_ago(2))))

    assert (told.files, told.bytes) == (1, 7_000)
    assert [path.name for path in stored_files(store)] == [f"{'cd' * 32}.bin"]


@pytest.mark.parametrize(("keep_last", "age"), [(0, -1), (1, 1), (2, 2), (4, 1e9)])
def test_what_the_last_runs_used_is_younger(tmp_path: Path, keep_last: int, age: float) -> None:
    """A run uses nothing that was last found an hour before it began; of fewer runs than are to be kept everything is."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for days in (3, 2, 1):
        run = ledger.begin(as_of=0, command="run", environment={}, settings={})
        ledger.database.execute("UPDATE runs SET started = ? WHERE run = ?", (time.time() - days * DAY, run))

    moment = time.time() - age * DAY - 3_600

    assert found_before(ledger, keep_last) == pytest.approx(float("inf") if age < 0 else max(moment, 0), abs=60)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["make", "make", "find", "pin", "wait"]), st.integers(0, 5)), min_size=3, max_size=14))
def test_whatever_happened_only_what_is_old_goes(acts: list[tuple[str, int]]) -> None:
    """Results that share columns, made, found and pinned in any order: those that stay can be read, and no file stays for nothing."""
    with tempfile.TemporaryDirectory() as name:
        store, used, pinned = Store(Path(name)), dict[int, float](), set[int]()
        for act, number in acts:
            if act == "wait":
                let_pass(store, 1)
                used = {each: age + 1 for each, age in used.items()}
            elif act == "make":
                keep(store, str(number), 2_000 + 500 * (number // 2), also=number % 2 == 1)
                used[number] = 0
            elif number in used:
                used[number] = 0 if act == "find" and is_whole(Store(Path(name)), str(number)) else used[number]
                pinned |= {number} if act == "pin" else set()
                store.pin("version", [str(each) for each in pinned])

        remove(store, days_ago(1.5))

        stay = {number for number, age in used.items() if age < 1.5} | pinned
        fresh = Store(Path(name))
        assert {number for number in used if is_whole(fresh, str(number))} == stay
        held = set[str]().union(*(files_of(fresh.find([str(number)])[str(number)].artifact) for number in stay))
        assert {path.name for path in stored_files(fresh)} >= held
        assert {path.name for path in stored_files(fresh)} == held or any(age < 1.5 for age in used.values())
        assert find_damage(fresh).files == {}


# kills and links

KILLED = """
import os, sys
from pathlib import Path
from millstream.kernel import garbage
from millstream.kernel.locks import alone
from millstream.kernel.store import Store
garbage.BATCH = 3
left = int(sys.argv[2])
def hook(event, arguments):
    global left
    left -= event == "os.remove"
    if left < 0 and event == "os.remove":
        os.kill(os.getpid(), 9)
store = Store(Path(sys.argv[1]))
sys.addaudithook(hook)
with alone(store.root):
    garbage.remove(store, garbage.Rule(float(sys.argv[3])))
"""


@pytest.mark.parametrize("unlinked", [0, 1, 4, 8])
def test_kill_amid_the_removal(tmp_path: Path, unlinked: int) -> None:
    """Whenever it comes, what stays is whole, and the next time the rest goes."""
    store = Store(tmp_path)
    for number in range(10):
        keep(store, f"old {number}", 2_000 + number)
    let_pass(store, 3)
    new = keep(store, "new", also=True)
    rule = days_ago(2)

    assert run_python(KILLED, str(tmp_path), str(unlinked), str(rule.until)).returncode == -signal.SIGKILL

    after = Store(tmp_path)
    assert is_whole(after, "new")
    assert (find_damage(after).files, find_damage(after).strays) == ({}, [])
    remove(after, rule)
    assert {path.name for path in stored_files(after)} == new
    assert len(after.index.rows("SELECT * FROM files")) == len(new)


@pytest.mark.parametrize("what", ["objects", "folder"])
def test_links_are_not_followed(tmp_path: Path, what: str) -> None:
    """What lies behind one is not removed, even if it is called as our files are."""
    store = Store(tmp_path / "store")
    (name,) = keep(store, "old")
    let_pass(store, 3)
    moved = store.objects if what == "objects" else store.path(name).parent
    outside = moved.rename(tmp_path / "outside")
    moved.symlink_to(outside)

    with pytest.raises(StoreError, match="links are not followed"):
        remove(store, days_ago(2))

    assert len([path for path in outside.rglob("*") if path.name == name]) == 1


@pytest.mark.parametrize("name", ["../../precious.bin", "/etc/precious.bin", "precious"])
def test_names_that_are_not_ours_are_not_removed(tmp_path: Path, name: str) -> None:
    """Whatever somebody has written into the index."""
    store = Store(tmp_path / "store")
    (tmp_path / "precious.bin").write_bytes(b"x")
    (store.objects / "precious").write_bytes(b"x")
    store.index.execute("INSERT INTO files (name, sha256, size, used) VALUES (?, '', 1, 0)", (name,))

    remove(store, days_ago(2))

    assert (tmp_path / "precious.bin").exists()
    assert (store.objects / "precious").exists()
    assert store.index.rows("SELECT name FROM files") == []


# runs


def run_of(ledger: Ledger, days: float, *reports: StepReport) -> str:
    """A run so many days ago."""
    run = ledger.begin(as_of=0, command="run", environment={}, settings={})
    ledger.keep(run, reports, [(each, [(each.name, f"def {each.name}(): ...")]) for each in reports])
    ledger.finish(run, "done", 1.0)
    ledger.database.execute("UPDATE runs SET started = ? WHERE run = ?", (time.time() - days * DAY, run))
    return run


def report(name: str, key: str, status: str = "ran") -> StepReport:
    """What became of a step."""
    return StepReport(name, status, 0.1, 1, "new", key, causes=(Cause(name, f"code {key}"),))  # type: ignore[arg-type]


def test_old_runs_are_forgotten(tmp_path: Path) -> None:
    """With the causes and texts that only they had; not those that are asked for, nor the last ones in which a step finished."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    forgotten = run_of(ledger, 9, report("a", "a1"), report("b", "b1"))
    asked_for = run_of(ledger, 8, report("a", "a2"))
    last_of_b = run_of(ledger, 7, report("b", "b2"))
    failed = run_of(ledger, 6, report("b", "b3", "failed"))
    young = run_of(ledger, 1, report("a", "a4"))
    going_on = ledger.begin(as_of=0, command="run", environment={}, settings={})
    ledger.database.execute("UPDATE runs SET started = 0 WHERE run = ?", (going_on,))

    for run in (forgotten, young):
        ledger.keep_files(run, {"river.py": run, "same.py": ""})
        ledger.keep(run, [], results=[(msgspec.structs.replace(report("a", "a1"), digest=run), ["ab" * 32])], logs={"a": "said"})
    ledger.keep(young, [msgspec.structs.replace(report("a", "a4"), digest=young)])

    assert runs_before(ledger, time.time() - 5 * DAY, {asked_for}) == [forgotten, failed]
    forget_runs(ledger, [forgotten, failed])

    assert {each["run"] for each in ledger.runs()} == {asked_for, last_of_b, young, going_on}
    assert [ledger.code(Cause("a", f"code a{number}")) is not None for number in (1, 2, 4)] == [False, True, True]
    assert [ledger.knows("b", f"b{number}") for number in (1, 2, 3)] == [False, True, False]
    assert ledger.last("b") == report("b", "b2")
    assert ledger.run(asked_for).steps == (report("a", "a2"),)
    assert (ledger.files(forgotten), ledger.files(young)) == ({}, {"river.py": young, "same.py": ""})
    assert (ledger.keys("a", forgotten), ledger.keys("a", young)) == ([], ["ab" * 32])
    assert ledger.database.rows("SELECT run FROM logs") == [(young,)]
    assert ledger.database.rows("SELECT count(*) FROM code WHERE name LIKE '%.py'") == [(2,)]


def test_killed_run_is_forgotten_too(tmp_path: Path) -> None:
    """It is not going on, although nobody has written down its end."""
    code = """
    import os, sys
    from pathlib import Path
    from millstream.kernel.ledger import Ledger
    Ledger(Path(sys.argv[1])).begin(as_of=0, command="run", environment={}, settings={})
    os.kill(os.getpid(), 9)
    """
    run_python(code, str(tmp_path / "ledger.sqlite"))
    ledger = Ledger(tmp_path / "ledger.sqlite")

    assert runs_before(ledger, time.time() + 1) == ledger.killed()
    assert len(ledger.killed()) == 1
