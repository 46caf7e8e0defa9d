"""Tables in parts: one part per day of the table's own time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from millstream.kernel.availability import DAY, available_at, dated_by, is_timed
from millstream.kernel.digest import digest_column, digest_table
from millstream.kernel.facts import Facts

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows `offset .. offset + rows` of an ordered frame: one day of it."""

    day: int | None
    offset: int
    rows: int
    digest: str
    columns: tuple[bytes, ...]
    earliest: int | None
    latest: int | None
    newest: int | None


def split_by_day(frame: pl.DataFrame, facts: Facts) -> tuple[pl.DataFrame, list[Slice]]:
    """The frame ordered by day (rows keep their order within a day), and where each day lies.

    Rows that never become available (no time, or no known_at) come last, in a part that never counts.
    """
    if not is_timed(facts, frame.columns):
        return frame, [_slice(frame, facts, None, 0, frame.height)]
    if not frame.height:
        return frame, [_slice(frame, facts, NEVER, 0, 0)]
    day = frame.select(pl.when(available_at(facts).is_not_null()).then(_day(facts))).to_series()
    days = day.fill_null(NEVER).to_numpy()
    if bool((days[1:] < days[:-1]).any()):
        order = np.argsort(days, kind="stable")
        frame, days = frame[order], days[order]
    bounds = [0, *(np.flatnonzero(days[1:] != days[:-1]) + 1).tolist(), frame.height]
    return frame, [_slice(frame, facts, int(days[start]), start, stop - start) for start, stop in pairwise(bounds)]


def _day(facts: Facts) -> pl.Expr:
    return pl.col(dated_by(facts) or "").cast(pl.Int64).floordiv(DAY) * DAY


def _slice(frame: pl.DataFrame, facts: Facts, day: int | None, offset: int, rows: int) -> Slice:
    part = frame.slice(offset, rows)
    columns = [digest_column(column) for column in part.iter_columns()]
    earliest = latest = newest = None
    if day is not None and day != NEVER:
        available = part.select(available_at(facts)).to_series()
        earliest, latest = available.min(), available.max()
        newest = part.get_column(dated_by(facts) or "").cast(pl.Int64).max()
    packed = tuple(bytes.fromhex(digest)[:16] for digest in columns)
    return Slice(None if day == NEVER else day, offset, rows, digest_table(part.columns, columns), packed, earliest, latest, newest)  # type: ignore[arg-type]
