"""The reductions of a window: how the values that are in it become one. The order of events never matters."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from millstream.features.grid import SCALE
from millstream.features.spans import Places, Spans, covering, distinct, highest, squares, totals

SUMMED = frozenset({"sum", "mean", "std"})


def is_summed(reduction: str) -> bool:
    """Whether a reduction adds values up."""
    return reduction in SUMMED


def check_type(reduction: str, kind: pl.DataType) -> str | None:
    """What to do instead if the reduction is not defined for values of that type, else None."""
    if is_summed(reduction) and not (kind.is_numeric() or kind == pl.Boolean):
        return "count it, or cast it in a step"
    if reduction in {"min", "max"} and not (kind.is_numeric() or kind.is_temporal() or isinstance(kind, pl.Boolean | pl.String)):
        return "numbers, texts and moments have an order: cast it in a step"
    if reduction != "count" and (kind.is_nested() or kind == pl.Object):
        return "count it, or make a plain value of it in a step"
    return None


class Reduced:
    """One column over the stretches of a line, by each reduction that is asked for; sums and counts are worked out once."""

    def __init__(self, spans: Spans, group: pl.Series, values: pl.Series, steps: pl.Series | None) -> None:
        """`group`, `values` and `steps` (whole numbers, for sums) have one item an event; null values do not count."""
        self._spans, self._group, self._values, self._steps = spans, group, values, steps
        self._on_grid = not (values.dtype.is_integer() or values.dtype == pl.Boolean)

    def by(self, reduction: str) -> pl.Series:
        """One value a stretch; raises InvalidOperationError or OverflowError if a sum of integers leaves 64 bits."""
        ways: dict[str, Callable[[], pl.Series]] = {
            "count": lambda: pl.Series(self._count),
            "sum": self._sum,
            "mean": self._mean,
            "std": self._deviation,
            "min": lambda: self._extreme(descending=True),
            "max": lambda: self._extreme(descending=False),
            "first": lambda: self._end(oldest=True),
            "last": lambda: self._end(oldest=False),
            "n_unique": self._distinct,
        }
        return ways[reduction]()

    @cached_property
    def _present(self) -> NDArray[np.bool_]:
        return self._values.is_not_null().to_numpy()

    @cached_property
    def _count(self) -> Places:
        return covering(self._spans, self._present)

    @cached_property
    def _total(self) -> pl.Series | list[int]:
        assert self._steps is not None
        return totals(self._spans, self._steps)

    def _sum(self) -> pl.Series:
        if self._on_grid:
            return _floats(self._total) * SCALE
        return pl.Series(self._total, dtype=pl.Int64) if isinstance(self._total, list) else self._total.cast(pl.Int64)

    def _mean(self) -> pl.Series:
        frame = pl.DataFrame({"total": _floats(self._total), "count": self._count})
        count, total = pl.col("count"), pl.col("total") * SCALE if self._on_grid else pl.col("total")
        return frame.select(pl.when(count > 0).then(total / count.cast(pl.Float64))).to_series()

    def _deviation(self) -> pl.Series:
        """The standard deviation of a sample: the root of the squared distances from the mean over count - 1; null of fewer than two.

        With the mean split into whole and rest, both exact, nothing is lost to cancellation.
        """
        assert self._steps is not None
        around, rest = _around_mean(self._count, self._total, squares(self._spans, self._steps))
        frame = pl.DataFrame({"around": around, "rest": rest, "count": pl.Series(self._count).cast(pl.Float64)})
        distances = pl.col("around") - pl.col("rest") * pl.col("rest") / pl.col("count")
        deviation = (distances / (pl.col("count") - 1.0)).sqrt()
        scaled = deviation * SCALE if self._on_grid else deviation
        return frame.select(pl.when(pl.col("count") > 1.0).then(scaled)).to_series()

    def _distinct(self) -> pl.Series:
        values = self._values + 0.0 if self._values.dtype.is_float() else self._values
        pairs = pl.DataFrame({"group": self._group, "value": values}).with_row_index("row")
        alike = pairs.select(pl.col("row").first().over("group", "value")).to_series().to_numpy()
        return pl.Series(distinct(self._spans, self._present, alike.astype(np.int64)))

    def _extreme(self, *, descending: bool) -> pl.Series:
        """The greatest value, or the smallest; -0.0 is 0.0."""
        values = self._values + 0.0 if self._values.dtype.is_float() else self._values
        order = values.arg_sort(descending=descending, nulls_last=True).to_numpy().astype(np.int64)
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        return _picked(values, order, highest(self._spans, self._present, rank))

    def _end(self, *, oldest: bool) -> pl.Series:
        """The value of the last event, or of the first: events stand in order of their time, then of when they were known."""
        order = np.arange(len(self._values), dtype=np.int64)[:: -1 if oldest else 1]
        return _picked(self._values, order, highest(self._spans, self._present, order))


def _around_mean(count: Places, total: pl.Series | list[int], squared: pl.Series | list[int]) -> tuple[pl.Series, pl.Series]:
    """The squared distances from the whole number next to the mean, summed exactly, and the rest of the total, as floats.

    With total = count * whole + rest the squares around the whole number are squared - whole * (total + rest); the rest is at most
    half of the count, so taking rest² / count off them cancels no more than half.
    """
    if isinstance(total, list) or isinstance(squared, list):
        numbers = [_around_whole(*each) for each in zip(count.tolist(), list(total), list(squared), strict=True)]
        return _floats([around for around, _ in numbers]), _floats([rest for _, rest in numbers])
    frame = pl.DataFrame({"n": pl.Series(np.maximum(count, 1)).cast(pl.Int128), "s": total, "q": squared})
    two = pl.lit(2, pl.Int128)
    whole = frame.with_columns(w=(two * pl.col("s") + pl.col("n")) // (two * pl.col("n")))
    rest = whole.with_columns(r=pl.col("s") - pl.col("n") * pl.col("w"))
    found = rest.select(around=pl.col("q") - pl.col("w") * (pl.col("s") + pl.col("r")), rest="r")
    return _floats(found["around"]), _floats(found["rest"])


def _around_whole(count: int, total: int, squared: int) -> tuple[int, int]:
    whole = (2 * total + max(count, 1)) // (2 * max(count, 1))
    rest = total - count * whole
    return squared - whole * (total + rest), rest


def _floats(numbers: pl.Series | list[int]) -> pl.Series:
    if isinstance(numbers, list):
        return pl.Series([float(number) for number in numbers], dtype=pl.Float64)
    return numbers.cast(pl.Float64)


def _picked(values: pl.Series, order: Places, rank: Places) -> pl.Series:
    """The values at these ranks; null for -1."""
    places = pl.Series(np.append(order, -1)[rank])
    return values.gather(places.set(places < 0, None))
