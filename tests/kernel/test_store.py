"""The store: nothing half-written, nothing twice, and what the disk refuses is told with a cure."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rivers import python_environment, run_python
from stored import BEGIN, TIMED, UNTIMED, frame, large, put, put_value, stored_files, whole

from millstream.errors import ColumnError, StoreError
from millstream.kernel.availability import DAY
from millstream.kernel.digest import digest_frame
from millstream.kernel.facts import Facts
from millstream.kernel.records import Table
from millstream.kernel.store import Store, files_of

# tables


def test_table_comes_back(tmp_path: Path) -> None:
    """Rows, types and order, also in another process's store."""
    table = put(Store(tmp_path), frame())

    assert whole(Store(tmp_path), table).equals(frame())
    assert [part.rows for part in table.parts] == [24, 24]


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(st.none() | st.integers(0, 96), st.none() | st.integers(0, 96)), max_size=12), hour=st.integers(-1, 100))
def test_cut_sees_what_is_available(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int | None, int | None]], hour: int) -> None:
    """Exactly the rows whose time has come and that were told a minute ago, day after day."""
    store = Store(tmp_path_factory.mktemp("store"))
    hours = pl.DataFrame({"n": range(len(rows)), "a": [a for a, _ in rows], "b": [b for _, b in rows]}, schema={"n": int, "a": int, "b": int})
    given_rows = hours.select("n", at=BEGIN + pl.duration(hours="a"), told=BEGIN + pl.duration(hours="b"))
    moment = int(BEGIN.timestamp()) * 1_000_000 + hour * 3_600_000_000

    seen = store.read(store.visible(put(store, given_rows), moment))

    expected = [n for n, (a, b) in enumerate(rows) if a is not None and b is not None and a <= hour and b < hour]
    assert sorted(seen["n"].to_list()) == expected


def test_key_of_a_cut_changes_only_when_something_becomes_available(tmp_path: Path) -> None:
    """Between two rows it is one key; each row that comes makes another."""
    store = Store(tmp_path)
    table = put(store, frame(4))
    first = int(BEGIN.timestamp()) * 1_000_000

    keys = [store.visible(table, first + minutes * 60_000_000).key for minutes in range(0, 4 * 60, 15)]

    assert len(set(keys)) == 5
    assert keys == sorted(keys, key=keys.index)


@pytest.mark.parametrize(
    "facts",
    [Facts(("n",), "at", "told", 0), Facts(("n",), "at", None, 60_000_000), Facts((), "at", "told", 60_000_000)],
    ids=["delay", "known_at", "key"],
)
def test_key_of_a_cut_has_the_facts(tmp_path: Path, facts: Facts) -> None:
    """The same rows, understood otherwise, are another input."""
    store = Store(tmp_path)

    assert store.visible(put(store, frame(), facts), None).key != store.visible(put(store, frame()), None).key


def test_key_of_nothing_has_the_types(tmp_path: Path) -> None:
    """A table of which nothing is visible is still a table of its columns."""
    store = Store(tmp_path)
    tables = [put(store, pl.DataFrame(schema={"at": pl.Datetime("us", "UTC"), "n": kind}), Facts((), "at")) for kind in (pl.Int8, pl.Int16)]

    assert len({store.visible(table, 0).key for table in tables}) == 2


def test_part_is_known_by_its_content(tmp_path: Path) -> None:
    """A day has the digest of its rows, whatever the other days are."""
    store = Store(tmp_path)

    two, one = put(store, frame()), put(store, frame().tail(24))

    assert one.parts[0].digest == two.parts[1].digest == digest_frame(frame().tail(24))
    assert two.parts[1].day == int(BEGIN.timestamp()) * 1_000_000 + DAY


def test_same_content_is_not_written_again(tmp_path: Path) -> None:
    """The file of an equal table stays as it is."""
    store = Store(tmp_path)
    put(store, frame())
    before = [(path, path.stat().st_ino, path.stat().st_mtime_ns) for path in stored_files(store)]

    Store(tmp_path).write_table(pl.concat([frame()[:7], frame()[7:]], rechunk=False), TIMED)

    assert [(path, path.stat().st_ino, path.stat().st_mtime_ns) for path in stored_files(store)] == before


# failure


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """What cannot be written is neither there nor on record."""
    store = Store(tmp_path)

    with pytest.raises(ColumnError, match="column 'x' holds Python objects"):
        store.write_table(pl.DataFrame({"x": pl.Series([object()], dtype=pl.Object)}), UNTIMED)

    assert stored_files(store) == []
    assert store.index.rows("SELECT * FROM files") == []


FILLING = """
import resource, sys
from pathlib import Path
import polars as pl
from millstream.errors import ColumnError, DamagedError, StoreError
from millstream.kernel.facts import Facts
from millstream.kernel.store import Store

store = Store(Path(sys.argv[1]))
limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
large = pl.DataFrame({"x": range(900_000)}).hash_rows().to_frame("x")
write = {"table": lambda: store.write_table(large, Facts()), "value": lambda: store.write_value(b"x" * 3_000_000)}[sys.argv[2]]
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, limit))
try:
    write()
except StoreError as error:
    print(error)
print([path for path in store.objects.rglob("*") if path.is_file()], store.index.rows("SELECT * FROM files"))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
write()
print(len(store.index.rows("SELECT * FROM files")))
"""


@pytest.mark.parametrize("what", ["table", "value"])
def test_full_disk(tmp_path: Path, what: str) -> None:
    """A file that cannot grow any more is an error with a cure; nothing half-written is left, and then it works."""
    said, hint, left, after = run_python(FILLING, str(tmp_path), what).stdout.splitlines()

    assert said.startswith(f"cannot write to {tmp_path}")
    assert "free some space" in hint
    assert (left, after) == ("[] []", "1")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_no_space_left(tmp_path: Path) -> None:
    """What the operating system says is told as it is meant."""
    with pytest.raises(StoreError, match=rf"cannot write to {tmp_path}: the disk is full\n.*`millstream gc`"):
        Store(tmp_path).files.write(f"{'ab' * 32}.bin", lambda path: Path("/dev/full").write_bytes(b"x" * 5_000))

    assert stored_files(Store(tmp_path)) == []


def test_store_that_is_a_file(tmp_path: Path) -> None:
    """The error says what is in the way, and where another place is said."""
    (tmp_path / "store").touch()

    with pytest.raises(StoreError, match=r"store is a file, not a folder\n.*pyproject\.toml"):
        Store(tmp_path / "store")


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """The error names the store, at its opening and at a write."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot write to"):
        Store(tmp_path / "file" / "store")

    store = Store(tmp_path / "store")
    store.objects.rmdir()
    with pytest.raises(StoreError, match="cannot write to"):
        put(store, frame())


@pytest.mark.parametrize(("size", "in_file"), [(10, False), (4_096, False), (4_097, True)])
def test_values_come_back(tmp_path: Path, size: int, in_file: bool) -> None:
    """Small ones lie in the record itself."""
    value = put_value(Store(tmp_path), b"x" * size)

    assert Store(tmp_path).read_value(value) == b"x" * size
    assert (value.file is not None) == in_file


def test_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """Before anything is read or written."""
    Store(tmp_path).index.rows("PRAGMA user_version = 99")

    with pytest.raises(StoreError, match="newer millstream"):
        Store(tmp_path)


# several processes


def test_killed_while_writing(tmp_path: Path) -> None:
    """A half-written file has another name, and is not taken for the result."""
    code = """
    import resource, signal, sys
    from pathlib import Path
    from millstream.kernel.store import Store
    store = Store(Path(sys.argv[1]))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    store.write_value(b"x" * 3_000_000)
    """
    assert run_python(code, str(tmp_path)).returncode == -signal.SIGXFSZ
    assert [path.stat().st_size for path in stored_files(Store(tmp_path))] == [100_000]

    value, _ = Store(tmp_path).write_value(b"x" * 3_000_000)

    assert Store(tmp_path).read_value(value) == b"x" * 3_000_000


def test_many_processes_write_one_store(tmp_path: Path) -> None:
    """Results of all of them are there, and what they share is whole."""
    code = """
    import sys
    from pathlib import Path
    import polars as pl
    from millstream.kernel.facts import Facts
    from millstream.kernel.store import Found, Store
    store = Store(Path(sys.argv[1]))
    for number in range(20):
        table = Found(store.write_table(pl.DataFrame({"n": [number] * 1_000}), Facts())[0])
        store.record({f"{sys.argv[2]}:{number}": table, f"shared:{number}": table})
    """
    command = [sys.executable, "-c", dedent(code), str(tmp_path)]
    processes = [subprocess.Popen([*command, str(number)], env=python_environment()) for number in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]

    store = Store(tmp_path)
    found = store.find([f"{name}:{number}" for name in ("0", "1", "2", "shared") for number in range(20)])
    assert len(found) == 80
    assert all(isinstance(each.artifact, Table) and whole(store, each.artifact).height == 1_000 for each in found.values())


# every column once


def test_column_that_is_stored_is_not_written_again(tmp_path: Path) -> None:
    """A step that adds a column writes a column, whatever it calls the others; also in another process."""
    rows = large()
    _, first = Store(tmp_path).write_table(rows, UNTIMED)

    store = Store(tmp_path)
    table, written = store.write_table(rows.rename({"x": "y"}).with_columns(more=pl.col("n") % 2 == 0), UNTIMED)

    assert 0 < written < first / 5
    assert whole(Store(tmp_path), table).equals(rows.rename({"x": "y"}).with_columns(more=pl.col("n") % 2 == 0))


def test_day_that_is_stored_is_not_written_again(tmp_path: Path) -> None:
    """A table with one more day writes that day."""
    rows = frame(24 * 200)
    put(Store(tmp_path), rows[: 24 * 199])

    table, _ = Store(tmp_path).write_table(rows, TIMED)

    (new,) = {piece.file for part in table.parts[199:] for piece in part.pieces} - {piece.file for part in table.parts[:199] for piece in part.pieces}
    assert pl.read_parquet(Store(tmp_path).path(new)).height == 24
    assert whole(Store(tmp_path), table).equals(rows)


def test_equal_columns_of_a_table_are_written_once(tmp_path: Path) -> None:
    """And come back under both names."""
    rows = large().with_columns(again=pl.col("x"))

    table = put(Store(tmp_path), rows, UNTIMED)

    assert pl.read_parquet(Store(tmp_path).path(next(iter(files_of(table))))).columns == ["n", "x", "word"]
    assert whole(Store(tmp_path), table).equals(rows)


def test_column_of_a_file_that_is_gone_is_written_again(tmp_path: Path) -> None:
    """What somebody deleted is not referred to."""
    store = Store(tmp_path)
    for name in files_of(put(store, large(), UNTIMED)):
        store.path(name).unlink()

    table = put(Store(tmp_path), large().with_columns(more=1), UNTIMED)

    assert whole(Store(tmp_path), table).equals(large().with_columns(more=1))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.none() | st.integers(0, 1)), max_size=8), min_size=1, max_size=4))
def test_tables_that_share_columns_come_back(tmp_path_factory: pytest.TempPathFactory, tables: list[list[tuple[int, int, int | None]]]) -> None:
    """Whatever of their days and columns is equal, in this order or another."""
    folder = tmp_path_factory.mktemp("store")
    frames = [
        pl.DataFrame({"n": [a for a, _, _ in rows], "w": [c for _, _, c in rows]}, schema={"n": int, "w": int})
        .with_columns(at=BEGIN + pl.duration(days=pl.Series([b for _, b, _ in rows], dtype=pl.Int64)), told=BEGIN)
        .sort("at", maintain_order=True)
        for rows in tables
    ]
    wide = [pl.concat([each] * 200).sort("at", maintain_order=True) for each in frames]

    written = [put(Store(folder), each) for each in (*frames, *wide)]

    assert all(whole(Store(folder), table).equals(each) for table, each in zip(written, (*frames, *wide), strict=True))
