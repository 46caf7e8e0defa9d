"""Events as spans of the line of questions, and what holds on each stretch of it: the arithmetic of windows, vectorised.

An event takes part in a window from the moment it counts until it leaves. Between two such moments of one key nothing changes, so
a window is a step function. The line is cut at all of these moments, key after key; an event covers the stretches `[begin, end)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Places = NDArray[np.int64]

NOTHING = pl.Series([0], dtype=pl.Int128)
SAFE = 2.0**125
"""128-bit integers hold every sum over a window whose absolute terms add up to less than this."""


@dataclass(frozen=True, slots=True)
class Spans:
    """The stretches of the line, in order of group and moment, and where each event begins and ends.

    `group` and `moment` have shape (stretches,): a stretch holds from its moment to the next of its group. `begin` and `end` have
    shape (events,). `order` lists all beginnings, then all ends, in the order of the line; `last` marks the last of each stretch.
    """

    group: Places
    moment: Places
    begin: Places
    end: Places
    order: Places
    last: NDArray[np.bool_]

    @property
    def length(self) -> int:
        """How many stretches there are."""
        return len(self.moment)


def spans_of(group: Places, enter: Places, leave: Places) -> Spans:
    """The line of some events: each is about a group, from `enter` (included) to `leave` (excluded, and later)."""
    owner, moment = np.concatenate([group, group]), np.concatenate([enter, leave])
    order = np.lexsort((moment, owner))
    owner, moment = owner[order], moment[order]
    changes = (owner[1:] != owner[:-1]) | (moment[1:] != moment[:-1])
    first, last = np.append(True, changes)[: len(order)], np.append(changes, True)[: len(order)]
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.cumsum(first) - 1
    return Spans(owner[first], moment[first], place[: len(group)], place[len(group) :], order, last)


def covering(spans: Spans, present: NDArray[np.bool_]) -> Places:
    """How many of the events that are present cover each stretch."""
    return _difference(spans.begin[present], spans.end[present], spans.length)


def totals(spans: Spans, values: pl.Series) -> pl.Series | list[int]:
    """The exact sum of the whole numbers that cover each stretch; null adds nothing.

    128-bit integers where they are sure to hold every sum, else Python's own.
    """
    present = values.fill_null(0)
    if _size(present) < SAFE:
        signed = pl.concat([present, NOTHING - present]).gather(spans.order)
        return signed.cum_sum().filter(pl.Series(spans.last))
    return _large_totals(spans, present.to_list())


def squares(spans: Spans, values: pl.Series) -> pl.Series | list[int]:
    """The exact sum of the squares of the whole numbers that cover each stretch, as `totals`."""
    present = values.fill_null(0)
    sizes = present.cast(pl.Float64)
    if float((sizes * sizes).sum()) < SAFE:
        return totals(spans, present * present)
    return _large_totals(spans, [value * value for value in present.to_list()])


def highest(spans: Spans, present: NDArray[np.bool_], rank: Places) -> Places:
    """The highest rank among the events that are present and cover each stretch, -1 where none does.

    A sparse table turned round: each span is two overlapping blocks whose length is a power of two, and what holds on a block
    holds on both of its halves.
    """
    best = np.full(spans.length, -1, dtype=np.int64)
    begin, end, rank = spans.begin[present], spans.end[present], rank[present]
    level = np.frexp((end - begin).astype(np.float64))[1] - 1
    for power in range(int(level.max(initial=-1)), -1, -1):
        here = level == power
        np.maximum.at(best, begin[here], rank[here])
        np.maximum.at(best, end[here] - (1 << power), rank[here])
        if power:
            half = 1 << (power - 1)
            best[half:] = np.maximum(best[half:], best[:-half])
    return best


def distinct(spans: Spans, present: NDArray[np.bool_], value: Places) -> Places:
    """How many different values the events that are present bring to each stretch.

    `value` are numbers that are the same for events of one group with one value only. Spans of one value that overlap are one span.
    """
    begin, end, value = spans.begin[present], spans.end[present], value[present]
    order = np.lexsort((begin, value))
    begin, end = begin[order], end[order]
    other = value[order][1:] != value[order][:-1]
    shift = np.cumsum(np.append(False, other)[: len(order)]) * (spans.length + 1)
    reached = np.maximum.accumulate(end + shift)
    opens = np.append(True, (begin + shift)[1:] > reached[:-1])[: len(order)]
    closes = np.append(opens[1:], True)[: len(order)]
    return _difference(begin[opens], (reached - shift)[closes], spans.length)


def _difference(begin: Places, end: Places, length: int) -> Places:
    return np.cumsum(np.bincount(begin, minlength=length) - np.bincount(end, minlength=length))


def _size(values: pl.Series) -> float:
    return float(values.cast(pl.Float64).abs().sum())


def _large_totals(spans: Spans, values: list[int]) -> list[int]:
    signed = np.array([*values, *(-value for value in values)], dtype=object)
    running: list[int] = np.cumsum(signed[spans.order])[spans.last].tolist()
    return running
