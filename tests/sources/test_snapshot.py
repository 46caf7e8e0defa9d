"""Snapshots: what a source was, when its rows count, and what it must be."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from rivers import Ran, run_river

from millstream.errors import ColumnError, ContractError, MillstreamError, SourceError
from millstream.kernel.availability import text_of
from millstream.kernel.records import Table
from millstream.sources import history
from millstream.sources.snapshot import merged

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = 3_600_000_000


def river(options: str = "", address: str = "rows.csv") -> str:
    """A source, and a step that reads it as it is."""
    return f"""
rows = ms.source("{address}"{options})


@ms.step(rows)
def copy(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows
"""


def run(folder: Path, text: str | None = None, *, as_of: str | int = "2030-01-01", options: str = "", address: str = "rows.csv") -> Ran:
    """The rows of a file, with some options at its source."""
    if text is not None:
        (folder / "rows.csv").write_text(text, encoding="utf-8")
    return run_river(folder, river(options, address), as_of=as_of).answer()


def refused(folder: Path, text: str, options: str = "") -> MillstreamError:
    """The error that a file gives."""
    with pytest.raises(MillstreamError) as caught:
        run(folder, text, options=options)
    assert len(str(caught.value).splitlines()) <= 8
    return caught.value


def now() -> int:
    """This moment in microseconds."""
    return time.time_ns() // 1_000


# what a row counts from


AVAILABLE: Mapping[str, tuple[str, list[float | None]]] = {
    "when it happens": (', time="at"', [0, 10, 20, None]),
    "a while later": (', time="at", delay="90m"', [1.5, 11.5, 21.5, None]),
    "when it is told": (', time="at", known_at="told"', [5, 10, None, None]),
    "a while after it is told": (', time="at", known_at="told", delay="1h"', [6, 10, None, None]),
}


@pytest.mark.parametrize(("options", "hours"), AVAILABLE.values(), ids=AVAILABLE)
def test_availability(tmp_path: Path, options: str, hours: list[float | None]) -> None:
    """A row counts from the greater of its time, and when it was known plus the delay; not a microsecond earlier."""
    rows = pl.DataFrame({"row": [0, 1, 2, 3], "at": [0, 10, 20, None], "told": [5, 8, None, 30]}, schema={"row": int, "at": int, "told": int})
    moments = rows.with_columns(at=BEGIN + pl.duration(hours="at"), told=BEGIN + pl.duration(hours="told"))
    moments.write_parquet(tmp_path / "rows.parquet")

    for row, hour in enumerate(hours):
        for late, seen in ((-1, False), (0, True)) if hour is not None else ((10**12, False),):
            moment = int(BEGIN.timestamp() * 1e6 + (hour or 0) * HOUR) + late
            found = run(tmp_path, as_of=moment, options=options, address="rows.parquet").frame("rows")
            assert (row in found.get_column("row")) == seen


def test_null_time_is_counted_and_never_counts(tmp_path: Path) -> None:
    """The number of such rows is said once."""
    ran = run(tmp_path, "k,at\n1,2024-01-01\n2,\n3,\n", options=', key="k", time="at"')

    assert ran.frame("copy").get_column("k").to_list() == [1]
    assert ran.result.notes == ("rows: 2 rows never count: their at is null",)


def test_naive_times_are_utc(tmp_path: Path) -> None:
    """And a date is its midnight."""
    (tmp_path / "rows.csv").write_text("day,at\n2024-07-01,2024-07-01T12:00:00\n", encoding="utf-8")

    at = run(tmp_path, options=', time="at"').frame("copy").get_column("at")
    day = run(tmp_path, options=', time="day"').frame("copy").get_column("day")

    assert (at.dtype, at.item()) == (pl.Datetime("us", "UTC"), datetime(2024, 7, 1, 12, tzinfo=UTC))
    assert (day.dtype, day.item()) == (pl.Datetime("us", "UTC"), datetime(2024, 7, 1, tzinfo=UTC))


def test_naive_times_of_a_zone(tmp_path: Path) -> None:
    """The earlier of two that the clock showed twice; one that it never showed is null, and counted."""
    text = "k,at\n1,2024-07-01T12:00:00\n2,2024-11-03T01:30:00\n3,2024-03-10T02:30:00\n"

    ran = run(tmp_path, text, options=', time="at", tz="America/New_York"')

    assert dict(ran.frame("copy").select("k", "at").iter_rows()) == {
        1: datetime(2024, 7, 1, 16, tzinfo=UTC),
        2: datetime(2024, 11, 3, 5, 30, tzinfo=UTC),
    }
    assert ran.result.notes == ("rows: 1 rows never count: their at is null",)


def test_times_of_a_zone_keep_their_moment(tmp_path: Path) -> None:
    """A time that has a zone is converted; `tz` is for those that have none."""
    paris = pl.DataFrame({"at": [datetime(2024, 7, 1, 12)]}).with_columns(pl.col("at").dt.replace_time_zone("Europe/Paris"))
    paris.write_parquet(tmp_path / "rows.parquet")

    ran = run(tmp_path, options=', time="at", tz="Asia/Tokyo"', address="rows.parquet")

    assert ran.frame("copy").item() == datetime(2024, 7, 1, 10, tzinfo=UTC)


# what a source must be


@pytest.mark.parametrize("options", [', key="paymnet"', ', time="paymnet"', ', columns=["paymnet"]'])
def test_misspelt_column(tmp_path: Path, options: str) -> None:
    """The error names it, proposes the right one, and says where the source is declared."""
    error = refused(tmp_path, "payment,at\n1,2024-01-01\n", options)

    assert isinstance(error, ColumnError)
    assert "no column 'paymnet'" in error.message
    assert error.hint == "did you mean 'payment'?"
    assert error.where == f"{tmp_path / 'river.py'}:6"


def test_time_that_is_none(tmp_path: Path) -> None:
    """A number or a text is no time."""
    error = refused(tmp_path, "k,at\n1,yesterday\n", ', time="at"')

    assert isinstance(error, ColumnError)
    assert "must be a date or a datetime" in error.message


def test_null_key(tmp_path: Path) -> None:
    """A row about nothing is refused, with its place."""
    error = refused(tmp_path, "k,x\n1,1\n,2\n3,3\n", ', key="k"')

    assert isinstance(error, ContractError)
    assert "key 'k' of source 'rows' is null in 1 row of 3, first in 1" in error.message


def test_column_that_disappears(tmp_path: Path) -> None:
    """If the source names it, or it is key or time, it must stay; else what reads it says so."""
    for options in (', key="k"', ', time="at"', ', columns=["k", "x"]'):
        folder = tmp_path / str(len(options))
        folder.mkdir()
        run(folder, "k,at,x\n1,2024-01-01,1\n", options=options)
        gone = {"key": "at,x\n2024-01-01,1\n", "time": "k,x\n1,1\n", "columns": "k,at\n1,2024-01-01\n"}[options.split("=")[0][2:]]

        assert "has no column" in refused(folder, gone, options).message

    run(tmp_path, "k,x\n1,1\n")
    assert run(tmp_path, "k\n1\n").frame("copy").columns == ["k"]


def test_type_that_changes(tmp_path: Path) -> None:
    """A column is what it was when it was first seen, also one that came later."""
    run(tmp_path, "k,x\n1,1\n")
    run(tmp_path, "k,x,late\n1,1,2.5\n")

    assert "column 'x' of source 'rows' was Int64 and is String" in refused(tmp_path, "k,x,late\n1,a,2.5\n").message
    assert "column 'late' of source 'rows' was Float64 and is Boolean" in refused(tmp_path, "k,x,late\n1,1,true\n").message


def test_refused_file_leaves_no_snapshot(tmp_path: Path) -> None:
    """Once it is mended it is read, also as of a moment long ago."""
    (tmp_path / "rows.csv").write_text("k,at\n,2024-01-01\n", encoding="utf-8")
    with pytest.raises(ContractError):
        run(tmp_path, as_of="2024-02-01", options=', key="k", time="at"')

    ran = run(tmp_path, "k,at\n1,2024-01-01\n", as_of="2024-02-01", options=', key="k", time="at"')

    assert ran.frame("copy").height == 1


def test_files_of_one_source_have_the_same_columns(tmp_path: Path) -> None:
    """Else it is two sources."""
    for name, text in (("a.csv", "k,x\n1,1\n"), ("b.csv", "k,y\n1,1\n")):
        (tmp_path / name).write_text(text)

    with pytest.raises(ColumnError, match="different columns"):
        run(tmp_path, address="*.csv")


# snapshots


def test_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    """Nothing runs, and no row is processed; also if it was only touched, or moved with its folder."""
    run(tmp_path / "", "k\n1\n2\n")
    (tmp_path / "rows.csv").touch()

    again = run(tmp_path)

    assert again.statuses == {"rows": "cached", "copy": "cached"}
    assert (again.step("rows").rows, again.step("rows").parts) == (0, 0)


def test_store_that_moves_with_its_folder(tmp_path: Path) -> None:
    """Content counts, not where it lies."""
    (tmp_path / "here").mkdir()
    run(tmp_path / "here", "k\n1\n2\n")
    shutil.move(tmp_path / "here", tmp_path / "there")

    assert run(tmp_path / "there").executed == []


def test_only_new_files_are_read(tmp_path: Path) -> None:
    """Of a folder, by the bytes of its files."""
    (tmp_path / "days").mkdir()
    for day in (1, 2):
        (tmp_path / "days" / f"{day}.csv").write_text(f"k,at\n{day},2024-01-0{day}\n")
    run(tmp_path, options=', time="at"', address="days")
    (tmp_path / "days" / "3.csv").write_text("k,at\n3,2024-01-03\n4,2024-01-03\n")

    ran = run(tmp_path, options=', time="at"', address="days")

    assert (ran.step("rows").parts, ran.step("rows").rows) == (1, 2)
    assert ran.frame("copy").get_column("k").to_list() == [1, 2, 3, 4]


def test_day_that_two_files_bring_is_one_part(tmp_path: Path) -> None:
    """In the order of the files."""
    (tmp_path / "days").mkdir()
    (tmp_path / "days" / "a.csv").write_text("k,at\n1,2024-01-02\n2,2024-01-01\n")
    (tmp_path / "days" / "b.csv").write_text("k,at\n3,2024-01-02\n")

    ran = run(tmp_path, options=', time="at"', address="days")

    assert ran.frame("rows").get_column("k").to_list() == [2, 1, 3]
    assert len(ran.table("rows").parts) == 2


def test_run_as_of_now_sees_the_files_as_they_are(tmp_path: Path) -> None:
    """Also if its moment was taken a little before it looked."""
    run(tmp_path, "k\n1\n", as_of=now())

    changed = run(tmp_path, "k\n1\n2\n", as_of=now())
    again = run(tmp_path, as_of=changed.as_of)

    assert changed.frame("copy").height == 2
    assert again.executed == []


def test_before_the_first_snapshot_the_oldest_is_used(tmp_path: Path) -> None:
    """Cut by time, and the run says so once."""
    run(tmp_path, "k,at\n1,2024-01-01\n2,2024-03-01\n", options=', time="at"')

    ran = run(tmp_path, as_of="2024-02-01", options=', time="at"')

    today = text_of(now() // (24 * HOUR) * 24 * HOUR)
    assert ran.frame("copy").get_column("k").to_list() == [1]
    assert ran.result.notes == (f"rows: as of 2024-02-01 the snapshot of {today} was used: rows restated since then show their newest form",)


def test_source_without_a_time_is_not_replayable(tmp_path: Path) -> None:
    """It is seen as it was when the snapshot was taken, and the run says that too."""
    ran = run(tmp_path, "k\n1\n", as_of="2024-02-01")

    assert ran.frame("copy").height == 1
    assert "rows: without a time, so not replayable: it is seen as it was when the snapshot was taken" in ran.result.notes


def test_snapshot_stays_what_it_was(tmp_path: Path) -> None:
    """As of a moment between two snapshots the older one counts, whatever the file holds now."""
    earlier = now() - 2 * history.RECENT
    first = run(tmp_path, "k,at\n1,2024-01-01\n", as_of=earlier, options=', time="at"')

    newest = run(tmp_path, "k,at\n1,2024-01-01\n2,2024-01-01\n", as_of=now(), options=', time="at"')
    old = run(tmp_path, as_of=earlier, options=', time="at"')

    assert newest.frame("copy").height == 2
    assert old.executed == []
    assert old.frame("copy").equals(first.frame("copy"))


def test_snapshot_that_cannot_be_made_again(tmp_path: Path) -> None:
    """If what was read then is gone from the store and the file is another, nothing else is passed off as it."""
    first = run(tmp_path, "k,at\n1,2024-01-01\n", as_of="2024-02-01", options=', time="at"')
    first.project.store.index.execute("DELETE FROM results")
    (tmp_path / "rows.csv").write_text("k,at\n7,2024-01-01\n", encoding="utf-8")

    with pytest.raises(SourceError, match="has changed since the snapshot") as caught:
        run(tmp_path, as_of="2024-02-01", options=', time="at"')

    assert "put the file back" in str(caught.value)


def test_delay_is_no_content_but_another_input(tmp_path: Path) -> None:
    """What becomes known later makes the steps that read it run again, on the same rows."""
    before = run(tmp_path, "k,at\n1,2024-01-01\n", options=', time="at", delay="1h"')

    after = run(tmp_path, options=', time="at", delay="2h"')

    assert before.table("rows").parts[0].digest == after.table("rows").parts[0].digest
    assert "copy" in after.executed
    assert after.table("copy").facts.delay == timedelta(hours=2) // timedelta(microseconds=1)


# what a record of a run leads back to


RECORDED = {
    "files": 'rows = ms.source("days/*.csv", key="k", time="at")',
    "function": 'rows = ms.source(lambda since: [{"k": 1 if since is None else 2, "at": "2024-01-01"}], key="k", time="at")',
    "clock": 'rows = ms.time_spine("12h", start="2024-01-01", column="at")',
}


@pytest.mark.parametrize("text", RECORDED.values(), ids=RECORDED)
def test_recorded_units_make_the_table_again(tmp_path: Path, text: str) -> None:
    """Of every kind of source, also when the day is in several of them."""
    (tmp_path / "days").mkdir()
    for number in (1, 2, 3):
        (tmp_path / "days" / f"{number}.csv").write_text(f"k,at\n{number},2024-01-0{number}\n{number},2024-01-01\n", encoding="utf-8")
    run_river(tmp_path, text).answer()

    ran = run_river(tmp_path, as_of=text_of(now())).answer()

    keys = next(keys for node, keys in ran.progress.keys.items() if node.name == "rows")
    found = ran.project.store.find(keys)
    tables = [found[key].artifact for key in keys]
    assert merged(ran.project.store, [each for each in tables if isinstance(each, Table)]) == ran.table("rows")


def test_report_says_the_rows_that_were_read(tmp_path: Path) -> None:
    """Those of new files only."""
    (tmp_path / "days").mkdir()
    (tmp_path / "days" / "1.csv").write_text("k\n1\n2\n", encoding="utf-8")
    first = run(tmp_path, address="days").step("rows").rows
    (tmp_path / "days" / "2.csv").write_text("k\n3\n", encoding="utf-8")

    assert (first, run(tmp_path, address="days").step("rows").rows) == (2, 1)
