"""One row online: the newest row per key for views, step functions per key for windows, exact at any moment that they hold.

The numbers are those of the batch, bit for bit: both look up the same step functions. Reading needs the standard library only.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Key = tuple[object, ...]
History = tuple[list[int], list[int], list[tuple[object, ...]]]
Answers: TypeAlias = "array[float] | array[int] | list[object]"
"""One answer a stretch; `nan` stands for null."""


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
class Timeline:
    """The answers of one window as step functions of the moment asked, key after key.

    `stretches` says where those of a key begin and end; each holds from its moment (in microseconds) to the next.
    """

    stretches: Mapping[Key, tuple[int, int]]
    moments: array[int]
    answers: tuple[Answers, ...]

    def at(self, key: Key, moment: int) -> int | None:
        """The stretch that holds for a key at a moment; None before the first."""
        first, stop = self.stretches.get(key, (0, 0))
        place = bisect_right(self.moments, moment, first, stop) - 1
        return place if place >= first else None


@dataclass(frozen=True, slots=True)
class OnlineColumn:
    """One window of one column: which timeline answers, at which place, and what it is where nothing counts."""

    output: str
    window: int
    place: int
    empty: float | None


@dataclass(frozen=True, slots=True)
class OnlineWindows:
    """Windows by key, one timeline a window."""

    name: str
    on: tuple[str, ...]
    columns: tuple[OnlineColumn, ...]
    available: list[int]
    timelines: tuple[Timeline, ...]

    @property
    def outputs(self) -> tuple[str, ...]:
        """The features it brings."""
        return tuple(column.output for column in self.columns)

    def read(self, request: Mapping[str, object], at: int) -> Sequence[object]:
        """Its features for one request at a moment in microseconds."""
        key = tuple(request.get(column) for column in self.on)
        found = [timeline.at(key, at) for timeline in self.timelines]
        return [self._answer(column, found[column.window]) for column in self.columns]

    def watermark(self, at: int) -> int | None:
        """How far the events had come."""
        place = bisect_right(self.available, at)
        return self.available[place - 1] if place else None

    def _answer(self, wanted: OnlineColumn, place: int | None) -> object:
        if place is None:
            return wanted.empty
        answer = self.timelines[wanted.window].answers[wanted.place][place]
        return None if answer != answer else answer  # noqa: PLR0124 - true for nan


OnlineTable = OnlineView | OnlineWindows
