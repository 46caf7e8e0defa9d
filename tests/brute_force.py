"""What views and windows mean, said again as slowly and plainly as possible.

Written from the rule "what counts" of the language, one question at a time over plain rows: no sorting, no joins, nothing
shared with the library. Right by reading; for samples only. Rows are in the order of the snapshot, times are datetimes of
one kind (all aware or all naive).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Literal, TypeAlias

Row: TypeAlias = Mapping[str, object]
Key: TypeAlias = tuple[object, ...]
Reduction: TypeAlias = Literal["count", "sum", "mean", "std", "min", "max", "first", "last", "n_unique"]
Value: TypeAlias = int | float | str | datetime | None

STEPS_PER_UNIT = 2**20
"""Floats are added up as whole numbers of 2**-20."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The three facts about a table: what a row is about, when it happened, when we could know it.

    `time=None`: a table without time. `known_at=None`: known when it happened. `delay_us`: microseconds added to `known_at`.
    """

    key_columns: tuple[str, ...]
    time: str | None = None
    known_at: str | None = None
    delay_us: int = 0


def newest_row(rows: Sequence[Row], facts: Facts, key: Key, at: datetime, *, max_age_us: int | None = None) -> Row | None:
    """What a view answers for `key` at the moment `at`; None if nothing counts or the newest is older than `max_age_us`."""
    newest: Row | None = None
    for row in rows_of_key(rows, facts, key):
        if counts(row, facts, at) and (newest is None or not happened_before(row, newest, facts)):
            newest = row
    if newest is None or facts.time is None or max_age_us is None:
        return newest
    age = at - moment(newest, facts.time)
    return newest if age <= timedelta(microseconds=max_age_us) else None


def window(rows: Sequence[Row], facts: Facts, key: Key, at: datetime, *, width_us: int, column: str, reduction: Reduction) -> Value:
    """`reduction` of `column` over the rows of `key` that count at `at` and happened in `[at - width, at)`.

    `key=()` with no key columns is all rows. Floats must be finite.
    """
    assert facts.time is not None, "a window needs a time"
    start = at - timedelta(microseconds=width_us)
    inside = [row for row in rows_of_key(rows, facts, key) if counts(row, facts, at) and start <= moment(row, facts.time) < at]
    valued = [row for row in inside if row[column] is not None]
    if reduction == "count":
        return len(valued)
    if reduction == "n_unique":
        return len({row[column] for row in valued})
    if reduction in {"first", "last"}:
        return end_value(valued, facts, column, last=reduction == "last")
    if reduction in {"min", "max"}:
        return extreme([row[column] for row in valued], greatest=reduction == "max")
    return added([row[column] for row in valued], reduction)


def end_value(rows: Sequence[Row], facts: Facts, column: str, *, last: bool) -> Value:
    """The value of the row that happened last, or first; of equal times the one known last, or first, then the later or earlier row."""
    end: Row | None = None
    for row in rows:
        if end is None or (not happened_before(row, end, facts) if last else happened_before(row, end, facts)):
            end = row
    return None if end is None else plain(end[column])


def extreme(values: Sequence[object], *, greatest: bool) -> Value:
    """The greatest or smallest value; -0.0 is 0.0."""
    best: Value = None
    for value in map(plain, values):
        if best is None or (value > best if greatest else value < best):  # type: ignore[operator]
            best = value
    return best + 0.0 if isinstance(best, float) else best


def added(values: Sequence[object], reduction: Reduction) -> int | float | None:
    """Sum, mean, or the standard deviation of a sample (none of fewer than two values)."""
    numbers = [number for number in values if isinstance(number, int | float)]
    assert len(numbers) == len(values), "there is something that is not a number"
    if reduction == "sum":
        return total(numbers)
    if reduction == "mean":
        return float(total(numbers)) / len(numbers) if numbers else None
    exact = [Fraction(number) if isinstance(number, int) else Fraction(grid_steps(number), STEPS_PER_UNIT) for number in numbers]
    if len(exact) < 2:
        return None
    mean = sum(exact) / len(exact)
    return math.sqrt(sum((number - mean) ** 2 for number in exact) / (len(exact) - 1))


def total(numbers: Sequence[int | float]) -> int | float:
    """The sum that does not depend on the order: integers as they are, floats on the grid of 2**-20."""
    if all(isinstance(number, int) for number in numbers):
        return sum(numbers)
    return float(sum(grid_steps(float(number)) for number in numbers)) * 2.0**-20


def grid_steps(number: float) -> int:
    """The nearest whole number of 2**-20; a half goes up."""
    return math.floor(number * STEPS_PER_UNIT + 0.5)


def rows_of_key(rows: Sequence[Row], facts: Facts, key: Key) -> list[Row]:
    """Rows about `key`, in order; a key with a null in it is about nothing."""
    if any(part is None for part in key):
        return []
    return [row for row in rows if tuple(row[column] for column in facts.key_columns) == key]


def counts(row: Row, facts: Facts, at: datetime) -> bool:
    """Whether the row has happened and is known at `at`; a null time or `known_at` never counts."""
    if facts.time is None:
        return True
    if row[facts.time] is None or row[facts.known_at or facts.time] is None:
        return False
    known = moment(row, facts.known_at or facts.time) + timedelta(microseconds=facts.delay_us)
    return max(moment(row, facts.time), known) <= at


def happened_before(row: Row, other: Row, facts: Facts) -> bool:
    """Whether `other` is newer: a later time, or at the same time known later. Never for a table without time."""
    if facts.time is None:
        return False
    known_at = facts.known_at or facts.time
    return (moment(row, facts.time), moment(row, known_at)) < (moment(other, facts.time), moment(other, known_at))


def plain(value: object) -> int | float | str | datetime:
    """A value that can be compared."""
    assert isinstance(value, int | float | str | datetime)
    return value


def moment(row: Row, column: str) -> datetime:
    """The datetime in `column`."""
    value = row[column]
    assert isinstance(value, datetime), f"{column} is {value!r}, not a datetime"
    return value
