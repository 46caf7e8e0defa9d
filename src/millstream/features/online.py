"""One row online: the newest row per key for views, running sums per key for windows, exact at any moment that they hold.

The arithmetic is that of the batch, bit for bit: the same integers on the same grid, the same two look-ups as of the question.
Reading needs the standard library only.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from millstream.features.grid import SCALE

Key = tuple[object, ...]
History = tuple[list[int], list[int], list[tuple[object, ...]]]


@dataclass(frozen=True, slots=True)
class Running:
    """Running counts and sums of one key, by the moment from which each holds. `counts` and `sums` are per column."""

    moments: list[int]
    counts: list[list[int]]
    sums: list[list[int]]

    def at(self, moment: int, column: int) -> tuple[int, int]:
        """Count and sum of what holds at the moment."""
        place = bisect_right(self.moments, moment)
        return (self.counts[column][place - 1], self.sums[column][place - 1]) if place else (0, 0)


NOTHING = Running([], [], [])


@dataclass(frozen=True, slots=True)
class OnlineView:
    """The newest rows of a view by key. `on` are the columns of the request, `outputs` the features it brings; `max_age` in microseconds."""

    name: str
    on: tuple[str, ...]
    outputs: tuple[str, ...]
    max_age: int | None
    available: list[int]
    timed: Mapping[Key, History] = field(default_factory=dict[Key, History])
    static: Mapping[Key, tuple[object, ...]] | None = None

    def read(self, request: Mapping[str, object], at: int) -> Sequence[object]:
        """Its features for one request at a moment in microseconds."""
        key = tuple(request.get(column) for column in self.on)
        nothing: tuple[object, ...] = (None,) * len(self.outputs)
        if self.static is not None:
            return self.static.get(key, nothing)
        history = self.timed.get(key)
        if history is None:
            return nothing
        available, times, rows = history
        place = bisect_right(available, at) - 1
        if place < 0 or (self.max_age is not None and times[place] < at - self.max_age):
            return nothing
        return rows[place]

    def watermark(self, at: int) -> int | None:
        """How far the view had come: the newest moment at which something became available."""
        place = bisect_right(self.available, at)
        return self.available[place - 1] if place else None


@dataclass(frozen=True, slots=True)
class OnlineColumn:
    """One window of one column: where its running sums are, and how they become a feature."""

    output: str
    reduction: str
    window: int
    column: int
    on_grid: bool


@dataclass(frozen=True, slots=True)
class OnlineWindows:
    """Windows by key: what entered by a moment, less what had left by then, window by window."""

    name: str
    on: tuple[str, ...]
    columns: tuple[OnlineColumn, ...]
    available: list[int]
    entered: Sequence[Mapping[Key, Running]]
    left: Sequence[Mapping[Key, Running]]

    @property
    def outputs(self) -> tuple[str, ...]:
        """The features it brings."""
        return tuple(column.output for column in self.columns)

    def read(self, request: Mapping[str, object], at: int) -> Sequence[object]:
        """Its features for one request at a moment in microseconds."""
        key = tuple(request.get(column) for column in self.on)
        return [self._answer(column, key, at) for column in self.columns]

    def watermark(self, at: int) -> int | None:
        """How far the events had come."""
        place = bisect_right(self.available, at)
        return self.available[place - 1] if place else None

    def _answer(self, wanted: OnlineColumn, key: Key, at: int) -> object:
        entered, left = self.entered[wanted.window].get(key, NOTHING), self.left[wanted.window].get(key, NOTHING)
        count, total = entered.at(at, wanted.column)
        gone, less = left.at(at, wanted.column)
        count, total = count - gone, total - less
        if wanted.reduction == "count":
            return count
        exact = float(total) * SCALE if wanted.on_grid else total
        if wanted.reduction == "sum":
            return exact
        return float(exact) / float(count) if count else None


OnlineTable = OnlineView | OnlineWindows
