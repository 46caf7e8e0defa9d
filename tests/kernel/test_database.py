"""Databases: every earlier format comes up to date, whole or not at all, and what is refused is told with a cure."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from textwrap import dedent

import pytest
from rivers import python_environment, run_python
from stored import public_folder

from millstream.errors import StoreError
from millstream.kernel import database, ledger, store
from millstream.kernel.database import Database, inspect

BEFORE = ["CREATE TABLE things (name TEXT);\nINSERT INTO things VALUES ('old')"]
ENDLESS = "SELECT count(*) FROM (WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n)"


@contextmanager
def working(code: str, *arguments: str) -> Generator[subprocess.Popen[str]]:
    """A process that says a line when it is in the midst of something, until it is killed."""
    command = [sys.executable, "-c", dedent(code), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=python_environment()) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def public() -> Generator[Path]:
    with public_folder() as folder:
        yield folder


def is_locked(path: Path) -> bool:
    """Whether somebody is writing."""
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
    return False


# formats


@pytest.mark.parametrize("formats", [store.FORMATS, ledger.FORMATS], ids=["store", "ledger"])
def test_every_earlier_format_comes_up_to_date(tmp_path: Path, formats: list[str]) -> None:
    """Step by step it becomes what a new file is."""
    new = Database(tmp_path / "new.sqlite", formats)
    schema = "SELECT type, name, tbl_name FROM sqlite_schema ORDER BY name"

    for number in range(1, len(formats)):
        Database(tmp_path / f"{number}.sqlite", formats[:number])
        old = Database(tmp_path / f"{number}.sqlite", formats)

        assert old.rows(schema) == new.rows(schema)
        assert inspect(old.path) == (len(formats), None)


def test_store_of_the_first_format_keeps_files_and_notes(tmp_path: Path) -> None:
    """A version's bundle can still be read; results are made anew."""
    content = b"x" * 5_000
    value, _ = store.Store(tmp_path / "new").write_value(content, "bytes")
    assert value.file is not None
    old = Database(tmp_path / "index.sqlite", store.FORMATS[:1])
    old.execute("INSERT INTO files VALUES (?, ?, ?)", (value.file, store.Store(tmp_path / "new").files.sha256(value.file), 5_000))
    old.execute("INSERT INTO notes VALUES ('snapshots', x'01')")
    old.execute("INSERT INTO results VALUES ('key', 'x', 0)")
    shutil.copytree(tmp_path / "new" / "objects", tmp_path / "objects")

    opened = store.Store(tmp_path)

    assert opened.read_value(value) == content
    assert opened.note("snapshots") == b"\x01"
    assert opened.find(["key"]) == {}


def test_kill_amid_a_migration_leaves_the_old_format(tmp_path: Path) -> None:
    """What was half done is undone, and the next process does it."""
    path = tmp_path / "x.sqlite"
    Database(path, BEFORE)
    code = """
    import sys
    from pathlib import Path
    from millstream.kernel.database import Database
    print("begun", flush=True)
    Database(Path(sys.argv[1]), [sys.argv[2], "ALTER TABLE things RENAME TO others;\\nDELETE FROM others;\\n" + sys.argv[3]])
    """
    with working(code, str(path), BEFORE[0], ENDLESS) as process:
        while not is_locked(path):
            time.sleep(0.02)
        time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()

    assert inspect(path) == (1, None)
    assert Database(path, BEFORE).rows("SELECT name FROM things") == [("old",)]
    assert Database(path, [*BEFORE, "ALTER TABLE things RENAME TO others"]).rows("SELECT name FROM others") == [("old",)]


def test_failed_migration_leaves_the_old_format(tmp_path: Path) -> None:
    """Also of several formats at once none is half there."""
    Database(tmp_path / "x.sqlite", BEFORE)

    with pytest.raises(StoreError, match="no such table"):
        Database(tmp_path / "x.sqlite", [*BEFORE, "CREATE TABLE more (n)", "INSERT INTO nowhere VALUES (1)"])

    assert Database(tmp_path / "x.sqlite", BEFORE).rows("SELECT name FROM sqlite_schema") == [("things",)]


def test_two_processes_migrate_at_once(tmp_path: Path) -> None:
    """One does it, the other finds it done."""
    Database(tmp_path / "index.sqlite", store.FORMATS[:1])
    code = "import sys\nfrom pathlib import Path\nfrom millstream.kernel.store import Store\nStore(Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen(command, env=python_environment()) for _ in range(3)]

    assert [process.wait() for process in processes] == [0, 0, 0]
    assert inspect(tmp_path / "index.sqlite") == (len(store.FORMATS), None)


# what is refused


def test_hung_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes and does not come to an end is named."""
    monkeypatch.setattr(database, "PATIENCE", 0.1)
    path = tmp_path / "x.sqlite"
    Database(path, BEFORE)
    code = """
    import sys, time
    from pathlib import Path
    from millstream.kernel.database import Database
    with Database(Path(sys.argv[1]), [sys.argv[2]]).transaction() as connection:
        print("begun", flush=True)
        time.sleep(600)
    """
    with working(code, str(path), BEFORE[0]) as process:
        with pytest.raises(StoreError) as caught:
            Database(path, BEFORE).execute("INSERT INTO things VALUES ('new')")

        named = f" (process {process.pid})" if sys.platform == "linux" else ""
        assert caught.value.message == f"{path} has been locked for 0 s by another process{named}"
        assert caught.value.hint == "end it, or wait until it is done"


def test_full_disk(tmp_path: Path) -> None:
    """Nothing of the transaction is kept, and what to do is said."""
    things = Database(tmp_path / "x.sqlite", BEFORE)
    things.rows("PRAGMA max_page_count = 1")

    with pytest.raises(StoreError, match=r"x\.sqlite: the disk is full\n.*`millstream gc`"):
        things.execute_many("INSERT INTO things VALUES (?)", [("x" * 1_000,)] * 100)

    assert things.rows("SELECT name FROM things") == [("old",)]


def test_folder_of_somebody_else(public: Path) -> None:
    """A user who may not write can read what is on record, and is told why nothing else works."""
    code = """
    import os, sys
    from pathlib import Path
    from millstream.errors import StoreError
    from millstream.kernel.facts import Facts
    from millstream.kernel.ledger import Ledger
    from millstream.kernel.locks import in_use
    from millstream.kernel.store import Store
    root = Path(sys.argv[1])
    if os.getuid() == 0:
        os.setuid(65534)
    def lock():
        with in_use(root):
            pass
    store, ledger = Store(root), Ledger(root / "ledger.sqlite")
    print(len(ledger.runs()), store.note("told"))
    begin = lambda: ledger.begin(as_of=0, command="run", environment={}, settings={})
    for act in (begin, lock, lambda: store.set_note("told", b""), lambda: store.write_value(b"x" * 5_000), lambda: Store(root / "inner")):
        try:
            act()
        except StoreError as error:
            print(error.message.replace(str(root), "ROOT"), "|", error.hint)
    """
    make = """
    import sys
    from pathlib import Path
    from millstream.kernel.ledger import Ledger
    from millstream.kernel.store import Store
    Store(Path(sys.argv[1])).set_note("told", b"x")
    Ledger(Path(sys.argv[1]) / "ledger.sqlite").begin(as_of=0, command="run", environment={}, settings={})
    """
    assert run_python(make, str(public)).returncode == 0
    for path in (public, *public.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    said = run_python(code, str(public)).stdout.splitlines()
    public.chmod(0o755)

    assert said[0] == "1 b'x'"
    assert said[3] == f"cannot write to ROOT/index.sqlite: it, or its folder, is read-only | {database.WRITABLE}"
    refused = ("ROOT/running", "ROOT", "ROOT", "ROOT/inner")
    assert [*said[1:3], *said[4:]] == [f"cannot write to {each}: permission is denied | {database.WRITABLE}" for each in refused]


def test_damaged_file(tmp_path: Path) -> None:
    """A page that is overwritten is found by whoever looks, and by whoever meets it."""
    things = Database(tmp_path / "x.sqlite", BEFORE)
    things.execute_many("INSERT INTO things VALUES (?)", [("x" * 1_000,)] * 100)
    things.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    with things.path.open("r+b") as file:
        file.seek(8 * 4_096)
        file.write(os.urandom(4_096))

    number, wrong = inspect(things.path)

    assert number == 1
    assert wrong
    with pytest.raises(StoreError, match=r"is damaged: .*\n.*move x\.sqlite away"):
        Database(things.path, BEFORE).rows("SELECT sum(length(name)) FROM things")


def test_space_is_given_back(tmp_path: Path) -> None:
    """When much was deleted, the file becomes small again; when little was, it stays."""
    things = Database(tmp_path / "x.sqlite", BEFORE)
    things.execute_many("INSERT INTO things VALUES (?)", [("x" * 1_000,)] * 1_000)
    things.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    before = things.path.stat().st_size
    assert things.compact() == 0

    things.execute("DELETE FROM things WHERE name != 'old'")

    assert things.compact() > 900_000
    assert things.path.stat().st_size < before / 10
    assert things.rows("SELECT name FROM things") == [("old",)]
