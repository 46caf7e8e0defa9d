"""What is damaged, deleted or not to be read: it is never used, and made anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import polars as pl
import pytest
from rivers import run_python, run_river
from stored import BEGIN, UNTIMED, frame, large, put, put_value, whole

from millstream.errors import DamagedError, StoreError
from millstream.kernel.availability import DAY
from millstream.kernel.facts import Facts
from millstream.kernel.records import Table
from millstream.kernel.store import Found, Store, files_of
from millstream.kernel.units import Unit, keep

TWICE = """
data = ms.source("data.parquet")

@ms.step(data)
def twice(data: pl.LazyFrame) -> pl.LazyFrame:
    return data.select(pl.col("k") * 2)
"""
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a bit": lambda content: content[:100] + bytes([content[100] ^ 1]) + content[101:],
    "cut off": lambda content: content[:-10],
    "empty": lambda content: b"",
    "longer": lambda content: content + b"x",
}


def damaged_inside(table: Table) -> Table:
    """The same table, with other content in its record."""
    (part,) = table.parts
    (piece,) = part.pieces
    assert piece.inline is not None
    place = piece.inline.rindex(b"a")
    changed = piece.inline[:place] + b"b" + piece.inline[place + 1 :]
    return msgspec.structs.replace(table, parts=(msgspec.structs.replace(part, pieces=(msgspec.structs.replace(piece, inline=changed),)),))


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_caught_and_cured(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """A damaged file is never read: the first run says so and drops it, the next one makes it anew."""
    pl.DataFrame({"k": range(1_000)}).write_parquet(tmp_path / "data.parquet")
    first = run_river(tmp_path, TWICE).answer()
    (name,) = files_of(first.artifact("twice"))
    path = first.project.store.path(name)
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(StoreError, match="was damaged and has been dropped"):
        run_river(tmp_path).frame("twice")

    again = run_river(tmp_path).answer()
    assert (again.executed, again.step("twice").why) == (["twice"], "its stored result was gone")
    assert again.frame("twice").equals(first.frame("twice"))


@pytest.mark.parametrize("what", ["file", "results", "everything"])
def test_deleted_artifact_is_made_anew(tmp_path: Path, what: str) -> None:
    """Without a word but the reason."""
    pl.DataFrame({"k": range(1_000)}).write_parquet(tmp_path / "data.parquet")
    first = run_river(tmp_path, TWICE).answer()
    (name,) = files_of(first.artifact("twice"))
    if what == "file":
        first.project.store.path(name).unlink()
    elif what == "results":
        first.project.store.index.execute("DELETE FROM results")
    else:
        shutil.rmtree(first.project.store.objects)

    again = run_river(tmp_path).answer()

    assert again.step("twice").why == "its stored result was gone"
    assert again.frame("twice").equals(first.frame("twice"))


def test_damaged_record_is_no_result(tmp_path: Path) -> None:
    """It is made anew, as one that is gone."""
    store = Store(tmp_path)
    store.record({"key": Found(put(store, frame()))})
    store.index.execute("UPDATE results SET artifact = x'81a1'")

    assert store.find(["key"]) == {}


def test_what_cannot_be_read_is_not_dropped(tmp_path: Path) -> None:
    """A file may be whole although the system does not give it now."""
    store = Store(tmp_path)
    table = put(store, large(), UNTIMED)
    (name,) = files_of(table)
    code = """
    import os, resource, sys
    from pathlib import Path
    import msgspec
    from millstream.errors import StoreError
    from millstream.kernel.records import Table
    from millstream.kernel.store import Store
    store, table = Store(Path(sys.argv[1])), msgspec.json.decode(sys.argv[2], type=Table)
    opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(50)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(opened), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    os.close(opened.pop())
    try:
        while True:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    try:
        store.read(store.visible(table, None))
    except StoreError as error:
        print(error.message.rpartition(": ")[2])
    """
    said = run_python(code, str(tmp_path), msgspec.json.encode(table).decode())

    assert said.stdout == "Too many open files\n", said.stderr
    assert whole(Store(tmp_path), table).equals(large())
    assert store.path(name).exists()


def test_day_without_rows_among_others(tmp_path: Path) -> None:
    """Its result can be read by itself, and nothing is taken for damaged."""
    store = Store(tmp_path)
    rows = large().with_columns(at=BEGIN + pl.duration(days=1))
    day = int(BEGIN.timestamp()) * 1_000_000
    days = [("empty", Unit(day, day + DAY, ())), ("full", Unit(day + DAY, day + 2 * DAY, ()))]

    made, _ = keep(store, Unit(day, day + 2 * DAY, ()), days, Facts((), "at"), rows)

    assert isinstance(made["empty"], Table)
    assert isinstance(made["full"], Table)
    assert whole(Store(tmp_path), made["empty"]).equals(rows.head(0))
    assert whole(Store(tmp_path), made["full"]).equals(rows)


def test_damaged_value_is_caught(tmp_path: Path) -> None:
    """Also what is no table."""
    value = put_value(Store(tmp_path), b"x" * 10_000)
    assert value.file is not None
    Store(tmp_path).path(value.file).write_bytes(b"y" * 10_000)

    with pytest.raises(DamagedError, match="was damaged") as caught:
        Store(tmp_path).read_value(value)

    assert caught.value.content == value.file


def test_damage_in_a_record_is_caught(tmp_path: Path) -> None:
    """What is damaged is named by its digest, by which the results that hold it are dropped."""
    store = Store(tmp_path)
    value, table = put_value(store, b"x"), put(store, frame(2))
    results = {
        "value": Found(msgspec.structs.replace(value, inline=b"y")),
        "table": Found(damaged_inside(table)),
        "other": Found(put_value(store, b"z")),
    }
    store.record(results)

    with pytest.raises(DamagedError) as of_value:
        store.read_value(store.find(["value"])["value"].artifact)  # type: ignore[arg-type]
    with pytest.raises(DamagedError) as of_table:
        whole(store, store.find(["table"])["table"].artifact)  # type: ignore[arg-type]

    assert store.drop(results, holding=of_value.value.content) == ["value"]
    assert store.drop(results, holding=of_table.value.content) == ["table"]
    assert list(store.find(list(results))) == ["other"]


def test_file_that_was_renamed_but_not_recorded(tmp_path: Path) -> None:
    """A kill between the two leaves a file that nobody vouches for: it is written again."""
    store = Store(tmp_path)
    (name,) = files_of(put(store, frame()))
    store.index.execute("DELETE FROM files WHERE name = ?", (name,))

    table = put(Store(tmp_path), frame())

    assert whole(Store(tmp_path), table).equals(frame())


def test_result_without_its_file_is_no_result(tmp_path: Path) -> None:
    """What somebody deleted is made again."""
    store = Store(tmp_path)
    table = put(store, frame())
    store.record({"key": Found(table, 0.5)})
    assert store.find(["key"]) == {"key": Found(table, 0.5)}

    store.forget(next(iter(files_of(table))))

    assert store.find(["key"]) == {}
