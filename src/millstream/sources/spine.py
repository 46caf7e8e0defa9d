"""The clock as a source: one row per period, day by day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
import polars as pl
from numpy.typing import NDArray

from millstream.kernel.availability import DAY, MOMENT, microseconds_of, moment_of
from millstream.kernel.durations import MONTHS, add, microseconds
from millstream.kernel.fingerprint import own_code
from millstream.kernel.records import Artifact, Cause
from millstream.kernel.store import Store
from millstream.kernel.units import Plan, Unit
from millstream.sources.declare import Source
from millstream.sources.records import Spine

ROWS_AT_ONCE, DAYS_AT_ONCE = 1_000_000, 366


@dataclass(frozen=True, eq=False)
class SpineOperation:
    """Makes whole days; what of the last one is not asked yet, its readers do not see."""

    source: Source
    spine: Spine

    def plan(self, store: Store, inputs: Sequence[Artifact], as_of: int) -> Plan:
        """The days up to the moment; only those that were not made before are made."""
        del store, inputs
        units = [Unit(day, day + DAY, ()) for day in days_of(self.spine, as_of)] or [Unit(None, None, ())]
        causes = (own_code("sources"), Cause("spine", f"every {self.spine.every} from {self.spine.start} as {self.source.time}"))
        return Plan(units, causes, self.source.facts, longest=_days_at_once(self.spine.every))

    def compute(self, store: Store, unit: Unit) -> pl.DataFrame:
        """The periods that begin in some days."""
        del store
        moments = [] if unit.start is None or unit.stop is None else moments_between(self.spine, unit.start, unit.stop)
        return pl.DataFrame({self.source.time or "": pl.Series(moments, dtype=pl.Int64)}).cast(MOMENT)


def days_of(spine: Spine, as_of: int) -> list[int]:
    """The days in which a period begins, up to that of the moment."""
    stop = as_of - as_of % DAY + DAY
    if as_of < spine.start:
        return []
    length = _length(spine.every)
    if length is not None and length <= DAY:
        return list(range(spine.start - spine.start % DAY, stop, DAY))
    return sorted({int(moment) - int(moment) % DAY for moment in moments_between(spine, spine.start, stop)})


def moments_between(spine: Spine, start: int, stop: int) -> list[int] | NDArray[np.int64]:
    """When the periods begin that do so in `[start, stop)`, in microseconds. Each is counted from the first, so months do not drift."""
    length = _length(spine.every)
    if length is None:
        return [moment for moment in takewhile(lambda moment: moment < stop, _by_calendar(spine)) if moment >= start]
    first = spine.start + max(0, -(-(start - spine.start) // length)) * length
    return np.arange(first, stop, length, dtype=np.int64)


def _by_calendar(spine: Spine) -> Iterator[int]:
    begin, times = moment_of(spine.start), 0
    while True:
        yield microseconds_of(add(begin, spine.every, times=times))
        times += 1


def _length(every: str) -> int | None:
    """Microseconds of a period; None if it follows the calendar."""
    return None if any(unit in every for unit in MONTHS) else microseconds(every)


def _days_at_once(every: str) -> int:
    daily = DAY // min(DAY, _length(every) or DAY)
    return max(1, min(DAYS_AT_ONCE, ROWS_AT_ONCE // daily))
