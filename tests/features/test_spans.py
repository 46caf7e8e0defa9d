"""What holds on each stretch of the line is what the events that cover it say, counted one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.features.spans import Places, Spans, covering, distinct, highest, spans_of, squares, totals


@dataclass(frozen=True)
class Event:
    """An event of a group, from `enter` for a while; without a value it does not count."""

    group: int
    enter: int
    length: int
    value: int | None


events = st.builds(Event, st.integers(0, 2), st.integers(0, 9), st.integers(1, 6), st.one_of(st.none(), st.integers(0, 3)))
huge = st.builds(Event, st.integers(0, 1), st.integers(0, 5), st.integers(1, 6), st.integers(-(2**120), 2**120))


def line(given: Sequence[Event]) -> Spans:
    """The line of some events."""
    enter, leave = (numbers(moments) for moments in zip(*map(ends, given), strict=True))
    return spans_of(numbers([each.group for each in given]), enter, leave)


def ends(event: Event) -> tuple[int, int]:
    """When an event enters and leaves."""
    return event.enter, event.enter + event.length


def numbers(values: Sequence[int]) -> Places:
    """As the functions take them."""
    return np.array(values, dtype=np.int64)


def values_at(given: Sequence[Event], spans: Spans, stretch: int) -> list[int]:
    """The values that cover a stretch."""
    group, moment = spans.group[stretch], spans.moment[stretch]
    there = [each for each in given if each.group == group and each.enter <= moment < each.enter + each.length]
    return [each.value for each in there if each.value is not None]


@settings(max_examples=200, deadline=None)
@given(given=st.lists(events, min_size=1, max_size=12))
def test_every_stretch_tells_what_covers_it(given: list[Event]) -> None:
    """Counts, sums, squares, the highest, and how many different ones."""
    spans = line(given)
    present = np.array([each.value is not None for each in given])
    steps = pl.Series([each.value for each in given], dtype=pl.Int128)
    values = numbers([each.value or 0 for each in given])
    covered = [values_at(given, spans, stretch) for stretch in range(spans.length)]

    assert covering(spans, present).tolist() == [len(each) for each in covered]
    assert list(totals(spans, steps)) == [sum(each) for each in covered]
    assert list(squares(spans, steps)) == [sum(value * value for value in each) for each in covered]
    assert highest(spans, present, values).tolist() == [max(each, default=-1) for each in covered]
    assert distinct(spans, present, values + 10 * numbers([each.group for each in given])).tolist() == [len(set(each)) for each in covered]


@settings(max_examples=50, deadline=None)
@given(given=st.lists(huge, min_size=1, max_size=100))
def test_sums_that_leave_128_bits_are_exact(given: list[Event]) -> None:
    """Python's integers take over."""
    spans = line(given)
    steps = pl.Series([each.value for each in given], dtype=pl.Int128)
    covered = [values_at(given, spans, stretch) for stretch in range(spans.length)]

    assert list(totals(spans, steps)) == [sum(each) for each in covered]
    assert list(squares(spans, steps)) == [sum(value * value for value in each) for each in covered]


def test_line_of_nothing() -> None:
    """No event, no stretch."""
    nothing = numbers([])
    spans = spans_of(nothing, nothing, nothing)
    none = np.array([], dtype=np.bool_)

    assert spans.length == 0
    assert [len(each) for each in (covering(spans, none), highest(spans, none, nothing), distinct(spans, none, nothing))] == [0, 0, 0]
    assert list(totals(spans, pl.Series([], dtype=pl.Int128))) == []


def test_the_line_is_cut_where_something_changes() -> None:
    """Two events of one group and one of another: five moments, one of them twice."""
    spans = spans_of(numbers([0, 0, 1]), numbers([1, 3, 2]), numbers([3, 5, 4]))

    assert list(zip(spans.group.tolist(), spans.moment.tolist(), strict=True)) == [(0, 1), (0, 3), (0, 5), (1, 2), (1, 4)]
    assert (spans.begin.tolist(), spans.end.tolist()) == ([0, 1, 3], [1, 2, 4])
