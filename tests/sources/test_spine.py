"""The clock as a source: every period once, day by day, never drifting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from rivers import Ran, run_river

import millstream as ms
from millstream.errors import DeclarationError

RIVER = """
clock = ms.time_spine("{every}", start="{start}", column="asked")


@ms.step(clock, key="hour")
def hours(clock: pl.LazyFrame) -> pl.LazyFrame:
    return clock.with_columns(hour=pl.col("asked").dt.offset_by("1h"))
"""


def run(folder: Path, every: str, start: str, as_of: str) -> Ran:
    """A spine as of a moment."""
    return run_river(folder, RIVER.format(every=every, start=start), as_of=as_of).answer()


def asked(ran: Ran) -> list[datetime]:
    """Its visible rows."""
    return ran.frame("clock").get_column("asked").to_list()


def utc(text: str) -> datetime:
    """A moment."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("every", ["1s", "7m", "1h", "90m", "5h", "1d", "36h", "1w", "1d1us"])
def test_periods_follow_each_other(tmp_path: Path, every: str) -> None:
    """From the start to the moment, both included, wherever days end."""
    begin, end = utc("2024-02-27T23:00:00"), utc("2024-02-28T11:00:00" if every == "1s" else "2024-03-19T08:00:00")
    step = {"1s": timedelta(seconds=1), "7m": timedelta(minutes=7), "90m": timedelta(minutes=90), "1d1us": timedelta(days=1, microseconds=1)}.get(
        every, timedelta(hours={"1h": 1, "5h": 5, "1d": 24, "36h": 36, "1w": 168}.get(every, 0))
    )

    found = asked(run(tmp_path, every, begin.isoformat(), end.isoformat()))

    assert found == [begin + step * number for number in range((end - begin) // step + 1)]


def test_months_do_not_drift(tmp_path: Path) -> None:
    """The last day of a shorter month, and then again the day of the start."""
    found = asked(run(tmp_path, "1mo", "2024-01-31T06:00:00+01:00", "2024-05-01"))

    assert found == [utc(f"2024-{day}T05:00:00") for day in ("01-31", "02-29", "03-31", "04-30")]


def test_quarters_and_days_together(tmp_path: Path) -> None:
    """Months are counted before days."""
    assert asked(run(tmp_path, "1q2d", "2024-01-01", "2024-12-31")) == [utc(day) for day in ("2024-01-01", "2024-04-03", "2024-07-05", "2024-10-07")]


def test_before_the_start_there_is_nothing(tmp_path: Path) -> None:
    """A table with its column and no rows."""
    ran = run(tmp_path, "1h", "2024-01-01T12:00:00", "2024-01-01T11:59:59")

    assert ran.frame("hours").schema == {"asked": pl.Datetime("us", "UTC"), "hour": pl.Datetime("us", "UTC")}
    assert ran.frame("hours").height == 0


def test_only_new_days_are_made(tmp_path: Path) -> None:
    """Old ones are found, whatever the moment within the day; the same parts."""
    first = run(tmp_path, "1h", "2024-01-01", "2024-01-10T12:30:00")
    same_day = run(tmp_path, "1h", "2024-01-01", "2024-01-10T20:00:00")
    later = run(tmp_path, "1h", "2024-01-01", "2024-01-13T00:00:00")

    assert [each.step("clock").parts for each in (first, same_day, later)] == [10, 0, 3]
    assert [each.step("clock").rows for each in (first, same_day, later)] == [10 * 24, 0, 3 * 24]
    assert [len(asked(each)) for each in (first, same_day, later)] == [9 * 24 + 13, 9 * 24 + 21, 12 * 24 + 1]
    assert later.table("clock").parts[:10] == first.table("clock").parts


def test_spine_has_no_key_and_gives_its_time_on(tmp_path: Path) -> None:
    """A step says the key."""
    ran = run(tmp_path, "1h", "2024-01-01", "2024-01-02")

    assert (ran.table("clock").facts.key, ran.table("clock").facts.time) == ((), "asked")
    assert (ran.table("hours").facts.key, ran.table("hours").facts.time) == (("hour",), "asked")


def test_another_spine_is_another_table(tmp_path: Path) -> None:
    """Start, period and column are in the cache key."""
    run(tmp_path, "1h", "2024-01-01", "2024-01-03")

    ran = run(tmp_path, "2h", "2024-01-01", "2024-01-03")

    assert len(asked(ran)) == 25


@pytest.mark.parametrize(
    ("every", "start", "column", "said"),
    [
        ("1 hour", "2024-01-01", "asked", "did you mean '1h'?"),
        ("0h", "2024-01-01", "asked", "no time at all"),
        ("5ms", "2024-01-01", "asked", "shorter than a second"),
        ("1h", "yesterday", "asked", "start 'yesterday' is not a moment"),
        ("1h", "2024-01-01", "", "column is empty"),
    ],
)
def test_mistakes_are_refused_where_they_are_made(every: str, start: str, column: str, said: str) -> None:
    """With what to write instead."""
    with pytest.raises(DeclarationError) as caught:
        ms.time_spine(every, start=start, column=column)

    assert said in str(caught.value)
    assert str(caught.value.where).startswith(__file__)
