"""Day by day: `partition="1d"` and `lookback`."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rivers import Ran, run_river

from millstream.errors import ColumnError, StepError

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


def events(*rows: tuple[int, int]) -> pl.DataFrame:
    """Values at hours since the beginning."""
    frame = pl.DataFrame({"hour": [hour for hour, _ in rows], "value": [value for _, value in rows]}, schema={"hour": int, "value": int})
    return frame.select("value", at=BEGIN + pl.duration(hours="hour"))


def river(body: str, options: str = 'partition="1d"') -> str:
    """A step over the events."""
    return f"""
events = ms.source("events.parquet", time="at")


@ms.step(events, {options})
def made(events: pl.LazyFrame) -> pl.LazyFrame:
    return {body}
"""


def run(folder: Path, rows: pl.DataFrame, text: str | None = None) -> Ran:
    """The river over these events."""
    rows.write_parquet(folder / "events.parquet")
    return run_river(folder, text).answer()


SEEN = 'events.sort("at").with_columns(seen=pl.len())'
"""Each row with the number of rows that its piece saw."""


def test_piece_sees_its_day(tmp_path: Path) -> None:
    """And gives the rows of that day."""
    ran = run(tmp_path, events((1, 1), (23, 2), (24, 3), (99, 4)), river(SEEN))

    assert ran.frame("made").get_column("seen").to_list() == [2, 2, 1, 1]
    assert ran.step("made").parts == 3


def test_piece_looks_back(tmp_path: Path) -> None:
    """With a lookback of a day it sees the day before too, and still gives its own day only."""
    ran = run(tmp_path, events((1, 1), (23, 2), (24, 3), (99, 4)), river(SEEN, 'partition="1d", lookback="1d"'))

    assert ran.frame("made").select("value", "seen").rows() == [(1, 2), (2, 2), (3, 3), (4, 1)]


def test_new_day_is_made_alone(tmp_path: Path) -> None:
    """The days that were there are reused."""
    before = run(tmp_path, events((1, 1), (25, 2)), river(SEEN))

    after = run(tmp_path, events((1, 1), (25, 2), (49, 3)))

    assert (after.step("made").parts, after.step("made").rows) == (1, 1)
    assert before.days("made").items() < after.days("made").items()


@pytest.mark.parametrize(("lookback", "parts"), [("", 1), (', lookback="1d"', 2), (', lookback="3d"', 4), (', lookback="36h"', 3)])
def test_late_row_redoes_the_days_that_look_back_to_it(tmp_path: Path, lookback: str, parts: int) -> None:
    """And no other; days are seen whole."""
    rows = [(24 * day, day) for day in range(10)]
    run(tmp_path, events(*rows), river(SEEN, f'partition="1d"{lookback}'))

    assert run(tmp_path, events(*rows, (24 * 4 + 1, 99))).step("made").parts == parts


def test_row_may_move_to_a_later_day_within_the_lookback(tmp_path: Path) -> None:
    """A day without events of its own is made of what reaches it."""
    ran = run(tmp_path, events((20, 1), (30, 2)), river('events.with_columns(pl.col("at").dt.offset_by("6h"))', 'partition="1d", lookback="1d"'))

    assert [at.date() for at in ran.frame("made").get_column("at")] == [date(2024, 1, 2), date(2024, 1, 2)]
    assert ran.frame("made").height == 2


def test_row_may_not_move_further(tmp_path: Path) -> None:
    """The error says how much lookback it wants."""
    text = river('events.with_columns(pl.col("at").dt.offset_by("50h"))')

    with pytest.raises(StepError, match="rows up to 2 days later") as caught:
        run(tmp_path, events((1, 1)), text)

    assert 'lookback="2d"' in str(caught.value)


def test_piece_must_keep_its_time(tmp_path: Path) -> None:
    """Without it nobody knows the day of a row."""
    with pytest.raises((StepError, ColumnError), match="time"):
        run(tmp_path, events((1, 1)), river('events.select("value")'))


def test_pieces_must_have_one_type(tmp_path: Path) -> None:
    """A type that depends on the data is refused."""
    text = river('events.collect().with_columns(pl.col("value").cast(pl.Int8 if events.collect().height > 1 else pl.Int16)).lazy()')

    with pytest.raises(StepError, match="cast in the function"):
        run(tmp_path, events((1, 1), (2, 1), (25, 1)), text)


def test_no_rows_at_all(tmp_path: Path) -> None:
    """An empty table is an empty table."""
    assert run(tmp_path, events(), river(SEEN)).frame("made").height == 0


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 24 * 8), st.integers(0, 9)), min_size=1, max_size=20), st.data())
def test_in_pieces_is_as_at_once(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int]], data: st.DataObject) -> None:
    """A sum over the last day, day by day and as rows come in any order, is that over everything."""
    rolling = 'events.sort("at", "value").rolling("at", period="1d").agg(pl.col("value").sum()).sort("at")'
    options = 'partition="1d", lookback="1d"'
    first = data.draw(st.lists(st.sampled_from(rows), min_size=1, max_size=len(rows), unique=True))
    folder, anew = tmp_path_factory.mktemp("pieces"), tmp_path_factory.mktemp("whole")
    run(folder, events(*first), river(rolling, options))

    pieces = run(folder, events(*rows)).frame("made")

    whole = run(anew, events(*rows), river(rolling, 'time="at"')).frame("made")
    assert pieces.equals(whole)
    assert pieces.get_column("at").max() == BEGIN + timedelta(hours=max(hour for hour, _ in rows))
