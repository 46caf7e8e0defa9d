"""Tables in parts: one part per day of the table's own time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from millstream.kernel.availability import DAY, available_at, dated_by, is_timed
from millstream.kernel.digest import digest_table
from millstream.kernel.facts import Facts

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows `start .. stop` of an ordered frame: one day of it (None: all of it, or what never counts).

    `earliest` and `latest` bound the moments at which its rows become available; `newest` is the last moment of its days.
    """

    day: int | None
    start: int
    stop: int
    earliest: int | None = None
    latest: int | None = None
    newest: int | None = None


def split_by_day(frame: pl.DataFrame, facts: Facts) -> tuple[pl.DataFrame, list[Slice]]:
    """The frame ordered by day (rows keep their order within a day), and where each day lies.

    Rows that never become available (no time, or no known_at) come last, in a part that never counts.
    """
    if not is_timed(facts, frame.columns) or not frame.height:
        return frame, [Slice(None, 0, frame.height)]
    dated, available = frame.select(pl.col(dated_by(facts) or "").cast(pl.Int64).alias("dated"), available_at(facts).alias("available")).get_columns()
    days = _days(dated, available)
    if bool((days[1:] < days[:-1]).any()):
        order = np.argsort(days, kind="stable")
        frame, days, dated, available = frame[order], days[order], dated[order], available[order]
    starts = [0, *(np.flatnonzero(days[1:] != days[:-1]) + 1).tolist()]
    return frame, _slices(days, starts, available.fill_null(0).to_numpy(), dated.fill_null(0).to_numpy())


def part_digests(names: Sequence[str], digests: Mapping[str, Sequence[bytes]]) -> list[str]:
    """The digest of each part from those of its columns."""
    return [digest_table(names, (each.hex() for each in columns)) for columns in zip(*(digests[name] for name in names), strict=True)]


def bounds_of(slices: Sequence[Slice]) -> tuple[int, ...]:
    """Where each slice begins, and where the last one ends."""
    return (*(each.start for each in slices), slices[-1].stop)


def _days(dated: pl.Series, available: pl.Series) -> NDArray[np.int64]:
    day = (dated // DAY * DAY).to_numpy() if not dated.null_count() else (dated.fill_null(0) // DAY * DAY).to_numpy()
    return np.where(available.is_null().to_numpy(), NEVER, day) if available.null_count() else day


def _slices(days: NDArray[np.int64], starts: Sequence[int], available: NDArray[np.int64], dated: NDArray[np.int64]) -> list[Slice]:
    earliest, latest, newest = (
        reduce.reduceat(values, starts).tolist() for reduce, values in ((np.minimum, available), (np.maximum, available), (np.maximum, dated))
    )
    found: list[Slice] = []
    for number, (start, stop) in enumerate(pairwise([*starts, len(days)])):
        day = int(days[start])
        never = day == NEVER
        found.append(Slice(None, start, stop) if never else Slice(day, start, stop, earliest[number], latest[number], newest[number]))
    return found
