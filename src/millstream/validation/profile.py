"""What a table is: each column's nulls, range, moments and distribution.

A profile depends on the rows, never on their order. Distributions are kept where the data are: numbers and moments in
bins between their own quantiles, so each bin holds about as many rows; booleans and levels by name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from millstream.errors import ColumnError, did_you_mean
from millstream.validation.records import ColumnCounts, ColumnProfile, Kind, Profile

MOST_BINS = 64
MOST_LEVELS = 100
LONGEST_LEVEL = 100
"""Bytes of a level's name; longer ones are text, not levels, and count as other."""

_LARGEST_PROFILE = 1_000_000
_BYTES_OF_A_BIN = 32
_BYTES_OF_A_COLUMN = 400
_FEWEST_BINS = 4
_is_short = pl.col("level").str.len_bytes() <= LONGEST_LEVEL
_TICKS_PER_SECOND = {"ms": 1e3, "us": 1e6, "ns": 1e9}


def profile(frame: pl.DataFrame, columns: Sequence[str] | None = None) -> Profile:
    """The profile of a table, or of some of its columns, at most 1 MB as JSON.

    A table of more than about 400 columns gets fewer bins and levels per column. Of nested columns only the nulls are
    counted.

    Raises:
        ColumnError: The table has no such column.
    """
    names = frame.columns if columns is None else list(columns)
    room = _LARGEST_PROFILE // max(len(names), 1) - _BYTES_OF_A_COLUMN
    return Profile(frame.height, tuple(_profile_column(column_named(frame, name), room) for name in names))


def column_named(frame: pl.DataFrame, name: str) -> pl.Series:
    """The column of that name.

    Raises:
        ColumnError: The table has none.
    """
    if name not in frame.columns:
        raise ColumnError(f"the table has no column '{name}'", hint=did_you_mean(name, frame.columns))
    return frame.get_column(name)


def count_into(reference: ColumnProfile, column: pl.Series) -> ColumnCounts:
    """Counts new rows of a column into the bins and levels of its reference.

    A reference that was null throughout, or nested, has neither: all its new values are `other`.

    Raises:
        ColumnError: The column is of another kind than it was.
    """
    if column.dtype == pl.Null:
        return ColumnCounts(column.len(), column.len(), (0,) * len(reference.counts), (0,) * len(reference.levels), 0, None)
    if _is_opaque(reference):
        return _count_opaque(reference, column)
    if kind_of(column.dtype) != reference.kind or (reference.levels and not _has_names(column.dtype)):
        was = f"column '{reference.name}' was {reference.kind} ({reference.dtype})"
        raise ColumnError(f"{was} and is {kind_of(column.dtype)} ({dtype_name(column.dtype)})", hint="cast it to what it was")
    if reference.kind in {"number", "moment"}:
        return _count_bins(reference, column)
    return _count_levels(reference, column)


def kind_of(dtype: pl.DataType) -> Kind:
    """What a column holds, by its type; a type that is none of these (binary, nested, null) is a level without names."""
    if dtype.is_numeric():
        return "number"
    if dtype == pl.Boolean:
        return "boolean"
    return "moment" if dtype.is_temporal() else "level"


def dtype_name(dtype: pl.DataType) -> str:
    """The type as polars writes it; only its class where that is long, as of an Enum with many levels."""
    written = str(dtype)
    return written if len(written) <= LONGEST_LEVEL else type(dtype).__name__


def _profile_column(column: pl.Series, room: int) -> ColumnProfile:
    kind = kind_of(column.dtype)
    if kind in {"number", "moment"}:
        return _profile_numbers(column, kind, min(MOST_BINS, max(_FEWEST_BINS, room // _BYTES_OF_A_BIN)))
    return _profile_levels(column, kind, room)


def _profile_numbers(column: pl.Series, kind: Kind, bins: int) -> ColumnProfile:
    values = np.sort(_numbers(column)) + 0.0  # -0.0 becomes 0.0: which of the two comes first is up to the rows' order
    finite = values[np.isfinite(values)]
    edges = _quantile_edges(finite, bins)
    ends = np.concatenate(([0], np.searchsorted(values, edges, side="right"), [values.size]))
    minimum, maximum, mean, deviation = _moments(finite)
    return ColumnProfile(
        name=column.name,
        kind=kind,
        dtype=dtype_name(column.dtype),
        rows=column.len(),
        nulls=column.len() - values.size,
        minimum=minimum,
        maximum=maximum,
        mean=mean,
        deviation=deviation,
        edges=tuple(edges.tolist()),
        counts=tuple(np.diff(ends).tolist()),
        levels=(),
        other=0,
    )


def _numbers(column: pl.Series) -> NDArray[np.float64]:
    """The values that are not missing, as doubles; moments as seconds since 1970 UTC, times of day since midnight."""
    kind = column.dtype
    present = column.drop_nulls()
    if kind == pl.Date:
        return present.cast(pl.Int64).cast(pl.Float64).to_numpy() * 86_400.0
    if kind == pl.Time:
        return present.cast(pl.Int64).cast(pl.Float64).to_numpy() / _TICKS_PER_SECOND["ns"]
    if isinstance(kind, (pl.Datetime, pl.Duration)):
        return present.cast(pl.Int64).cast(pl.Float64).to_numpy() / _TICKS_PER_SECOND[kind.time_unit or "us"]
    return present.cast(pl.Float64).drop_nans().to_numpy()


def _quantile_edges(ordered: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Interior edges of at most so many bins: the values at evenly spaced ranks, or around each of a few distinct values.

    The outermost bins are empty in the reference: what lies outside its range falls there. There are 2 n^(2/5) evenly
    filled bins between them (Moore 1986, in D'Agostino and Stephens, "Goodness-of-fit techniques", p. 70).
    """
    if ordered.size == 0:
        return ordered
    distinct = ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))]
    if 2 * distinct.size < bins:
        edges = np.concatenate((_just_below(distinct), distinct))
    else:
        filled = min(bins - 2, math.ceil(2.0 * ordered.size**0.4))
        ranks = np.arange(1, filled + 1) * ordered.size // filled - 1
        edges = np.concatenate((_just_below(ordered[:1]), ordered[np.maximum(ranks, 0)]))
    interior: NDArray[np.float64] = np.unique(edges[np.isfinite(edges)])
    return interior


def _just_below(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The next smaller doubles; minus infinity below the smallest."""
    with np.errstate(over="ignore"):
        below: NDArray[np.float64] = np.nextafter(values, -np.inf)
    return below


def _moments(finite: NDArray[np.float64]) -> tuple[float | None, float | None, float | None, float | None]:
    """Minimum, maximum, mean and standard deviation of sorted values; None where there is none or it overflows."""
    if finite.size == 0:
        return None, None, None, None
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = float(finite.mean()), float(finite.std())
    return float(finite[0]), float(finite[-1]), _if_finite(mean), _if_finite(deviation)


def _if_finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _profile_levels(column: pl.Series, kind: Kind, room: int) -> ColumnProfile:
    nulls = column.null_count()
    levels = tuple(_most_frequent(column, room))
    return ColumnProfile(
        name=column.name,
        kind=kind,
        dtype=dtype_name(column.dtype),
        rows=column.len(),
        nulls=nulls,
        minimum=None,
        maximum=None,
        mean=None,
        deviation=None,
        edges=(),
        counts=(column.len() - nulls,),
        levels=levels,
        other=column.len() - nulls - sum(count for _, count in levels),
    )


def _most_frequent(column: pl.Series, room: int) -> Iterator[tuple[str, int]]:
    """The most frequent levels by count, then name, as many as fit into so many bytes of JSON."""
    if not _has_names(column.dtype):
        return
    short = _level_counts(column).filter(_is_short)
    if short.height > MOST_LEVELS:
        short = short.filter(pl.col("count") >= short.get_column("count").top_k(MOST_LEVELS).min())
    ordered = short.sort(["count", "level"], descending=[True, False]).head(MOST_LEVELS)
    for name, count in ordered.iter_rows():
        room -= len(json.dumps(name)) + len(str(count)) + len("[,],")
        if room < 0:
            return
        yield name, count


def _level_counts(column: pl.Series) -> pl.DataFrame:
    """Distinct levels and their rows, as columns `level` and `count`, in no order."""
    counts = column.drop_nulls().value_counts(name="count")
    return counts.select(pl.nth(0).cast(pl.String).alias("level"), pl.nth(1).cast(pl.Int64).alias("count"))


def _has_names(dtype: pl.DataType) -> bool:
    return isinstance(dtype, (pl.String, pl.Categorical, pl.Enum, pl.Boolean))


def _is_opaque(reference: ColumnProfile) -> bool:
    """Whether the reference knows nothing of its values: null throughout, binary or nested."""
    return reference.nulls == reference.rows or (reference.kind == "level" and not reference.levels)


def _count_opaque(reference: ColumnProfile, column: pl.Series) -> ColumnCounts:
    present = column.drop_nans() if column.dtype.is_float() else column
    values = present.len() - present.null_count()
    return ColumnCounts(column.len(), column.len() - values, (values,), (0,) * len(reference.levels), values, None)


def _count_bins(reference: ColumnProfile, column: pl.Series) -> ColumnCounts:
    values = _numbers(column)
    cells = np.searchsorted(np.asarray(reference.edges, dtype=np.float64), values, side="left")
    counts = np.bincount(cells, minlength=len(reference.counts))
    return ColumnCounts(column.len(), column.len() - values.size, tuple(counts.tolist()), (), 0, None)


def _count_levels(reference: ColumnProfile, column: pl.Series) -> ColumnCounts:
    nulls, names = column.null_count(), [name for name, _ in reference.levels]
    counted = _level_counts(column)
    listed = pl.col("level").is_in(names)
    known = dict(counted.filter(listed).iter_rows())
    levels = tuple(known.get(name, 0) for name in names)
    values = column.len() - nulls
    return ColumnCounts(column.len(), nulls, (values,), levels, values - sum(levels), _newcomer(counted.filter(~listed)))


def _newcomer(unlisted: pl.DataFrame) -> tuple[str, int] | None:
    """The most frequent level that could have been listed, the first by name among equals."""
    short = unlisted.filter(_is_short)
    if short.height == 0:
        return None
    most = short.filter(pl.col("count") == pl.col("count").max())
    return most.get_column("level").sort().item(0), most.get_column("count").item(0)
