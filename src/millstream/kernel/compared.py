"""Two tables side by side: rows that only one has, and columns whose values differ."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import polars as pl


class ColumnDifference(msgspec.Struct, frozen=True):
    """A column whose values differ: in how many rows, by how much at most if it is numeric, and the first of them as `(first, second)`."""

    name: str
    rows: int
    largest: float | None
    example: tuple[object, object]


class Compared(msgspec.Struct, frozen=True):
    """How two tables differ. Rows are matched by `key`; without one by their place if there are as many, else as a whole.

    `columns_first` and `columns_second` are those that only one has, `types` those of another type; `only_first` and `only_second`
    count rows without a match, `reordered` says that the same rows come in another order.
    """

    key: tuple[str, ...]
    rows_first: int
    rows_second: int
    columns_first: tuple[str, ...] = ()
    columns_second: tuple[str, ...] = ()
    types: tuple[tuple[str, str, str], ...] = ()
    only_first: int = 0
    only_second: int = 0
    differing: tuple[ColumnDifference, ...] = ()
    reordered: bool = False

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (
            self.columns_first or self.columns_second or self.types or self.only_first or self.only_second or self.differing or self.reordered
        )


def compare_tables(first: pl.DataFrame, second: pl.DataFrame, *, key: Sequence[str] = (), tolerance: float = 0.0) -> Compared:
    """How two tables differ; numbers count as equal if they differ by at most `tolerance` of their size (or of 1, if they are small)."""
    common = [name for name in first.columns if name in second.columns]
    types = tuple((name, str(first.schema[name]), str(second.schema[name])) for name in common if first.schema[name] != second.schema[name])
    told = Compared(
        tuple(key) if _is_key(first, second, key) else (),
        first.height,
        second.height,
        tuple(name for name in first.columns if name not in common),
        tuple(name for name in second.columns if name not in common),
        types,
    )
    left, right = _alike(first.select(common), second.select(common))
    if told.key:
        return _by_key(told, left, right, tolerance)
    if first.height == second.height:
        return _by_place(told, left, right, tolerance)
    return msgspec.structs.replace(told, only_first=_missing(left, right), only_second=_missing(right, left))


def _is_key(first: pl.DataFrame, second: pl.DataFrame, key: Sequence[str]) -> bool:
    there = bool(key) and set(key) <= set(first.columns) & set(second.columns)
    return there and not any(bool(frame.select(key).is_duplicated().any()) for frame in (first, second))


def _alike(first: pl.DataFrame, second: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both with the same types where one can be made the other: numbers of any kind are compared as numbers, all else as text."""
    casts: dict[str, pl.DataType | type[pl.DataType]] = {}
    for name, kind in first.schema.items():
        other = second.schema[name]
        if kind != other:
            casts[name] = pl.Float64 if kind.is_numeric() and other.is_numeric() else pl.String
    return first.cast(dict(casts)), second.cast(dict(casts))  # type: ignore[arg-type]


def _by_key(told: Compared, first: pl.DataFrame, second: pl.DataFrame, tolerance: float) -> Compared:
    key = list(told.key)
    order = second.select(key).with_row_index("__place__")
    places = first.select(key).join(order, on=key, how="left", nulls_equal=True, maintain_order="left").get_column("__place__")
    matched = places.is_not_null()
    both = int(matched.sum())
    left, right = first.filter(matched), second[places.drop_nulls()]
    others = [name for name in first.columns if name not in key]
    return msgspec.structs.replace(
        told,
        only_first=first.height - both,
        only_second=second.height - both,
        differing=_differing(left.select(others), right.select(others), tolerance),
    )


def _by_place(told: Compared, first: pl.DataFrame, second: pl.DataFrame, tolerance: float) -> Compared:
    differing = _differing(first, second, tolerance)
    if differing and not _missing(first, second):
        return msgspec.structs.replace(told, reordered=True)
    return msgspec.structs.replace(told, differing=differing)


def _differing(first: pl.DataFrame, second: pl.DataFrame, tolerance: float) -> tuple[ColumnDifference, ...]:
    found: list[ColumnDifference] = []
    for left, right in zip(first.iter_columns(), second.iter_columns(), strict=True):
        others = _others(left, right, tolerance)
        places = others.arg_true()
        if places.len():
            place = int(places[0])
            found.append(ColumnDifference(left.name, places.len(), _largest(left, right, others), (left[place], right[place])))
    return tuple(found)


def _largest(left: pl.Series, right: pl.Series, others: pl.Series) -> float | None:
    if not left.dtype.is_numeric() or not right.dtype.is_numeric():
        return None
    largest = (left.cast(pl.Float64) - right.cast(pl.Float64)).abs().filter(others).max()
    return float(largest) if isinstance(largest, int | float) else None


def _others(left: pl.Series, right: pl.Series, tolerance: float) -> pl.Series:
    others = left.ne_missing(right)
    if not tolerance or not left.dtype.is_numeric():
        return others
    a, b = left.cast(pl.Float64), right.cast(pl.Float64)
    near = pl.select(((pl.lit(a) - pl.lit(b)).abs() <= tolerance * pl.max_horizontal(pl.lit(b).abs(), 1.0)).fill_null(value=False)).to_series()
    return others & ~near


def _missing(first: pl.DataFrame, second: pl.DataFrame) -> int:
    """How many rows of the first the second has not, each as often as it is there."""
    if not first.width:
        return max(first.height - second.height, 0)
    names = first.columns
    counts = [frame.group_by(names).agg(pl.len().cast(pl.Int64).alias("__count__")) for frame in (first, second)]
    both = counts[0].join(counts[1], on=names, how="left", nulls_equal=True)
    more = both.select((pl.col("__count__") - pl.col("__count___right").fill_null(0)).clip(lower_bound=0).sum()).item()
    return int(more)
