"""Frames of pandas and back, column by column, each type as exactly as pandas can hold it.

Numbers, booleans, texts, moments, durations and categories are pandas' own types; dates, times, decimals, bytes, lists and structures are
Arrow's (`pd.ArrowDtype`). A null is `pd.NA` in columns of integers and booleans (which then are `Int64`, `boolean`), `NaT` in moments and NaN
in floats and texts. What comes back as NaN is null.
"""

from __future__ import annotations

from typing import Any, cast

import polars as pl

from millstream.errors import ColumnError, first_line
from millstream.kernel.extras import load_pandas, load_pyarrow

OLDEST = pl.CompatLevel.oldest()
"""Texts as `large_string`: other libraries cannot compute on views yet."""

LIBRARY: Any = pl
"""polars, where what it says of pandas and pyarrow is known only if they are installed."""


def to_pandas(frame: pl.DataFrame) -> Any:  # noqa: ANN401  a frame of pandas
    """A frame of its own: what is done to it is not seen elsewhere."""
    pd = load_pandas()
    columns = {column.name: _column(pd, column) for column in frame.iter_columns()}
    return pd.DataFrame(columns, index=pd.RangeIndex(frame.height), copy=False)


def from_pandas(frame: Any) -> pl.DataFrame:  # noqa: ANN401  a frame of pandas
    """A frame of polars; an index that has names becomes columns, any other is dropped."""
    pd = load_pandas()
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    for name in frame.columns:
        if not isinstance(name, str):
            raise ColumnError(f"the pandas frame has a column {name!r}, but a column's name is a text", hint="name it: frame.columns = [...]")
    if not frame.columns.is_unique:
        raise ColumnError(f"the pandas frame has two columns '{frame.columns[frame.columns.duplicated()][0]}'", hint="rename one of them")
    columns = {name: _series(pd, name, frame[name]) for name in frame.columns}
    return pl.DataFrame(columns) if columns else pl.DataFrame(height=len(frame))


def to_arrow(frame: pl.DataFrame) -> Any:  # noqa: ANN401  a table of pyarrow
    """A table of pyarrow over the same memory."""
    wide = next((name for name, kind in frame.schema.items() if isinstance(kind, pl.Int128 | pl.UInt128)), None)
    if wide is not None:
        raise _too_wide(wide, frame.schema[wide])
    return cast("Any", frame).to_arrow(compat_level=OLDEST)


def from_arrow(table: Any) -> pl.DataFrame:  # noqa: ANN401  a table of pyarrow
    """A frame of polars over the same memory."""
    twice = next((name for name in table.column_names if table.column_names.count(name) > 1), None)
    if twice is not None:
        raise ColumnError(f"the Arrow table has two columns '{twice}'", hint="rename one of them")
    frame: object = LIBRARY.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _column(pd: Any, column: pl.Series) -> Any:  # noqa: ANN401  an array of pandas
    kind = column.dtype
    if isinstance(kind, pl.Int128 | pl.UInt128):
        raise _too_wide(column.name, kind)
    if isinstance(kind, pl.Boolean) or kind.is_integer():
        return _whole_numbers(pd, column)
    if isinstance(kind, pl.Float32 | pl.Float64 | pl.Duration | pl.Datetime):
        return _moments(pd, column, kind.time_zone) if isinstance(kind, pl.Datetime) and kind.time_zone else column.to_numpy(writable=True)
    if isinstance(kind, pl.Categorical | pl.Enum):
        return _levels(pd, column)
    arrow: Any = cast("Any", column).to_arrow(compat_level=OLDEST)
    return pd.array(arrow, dtype="str") if isinstance(kind, pl.String) else pd.arrays.ArrowExtensionArray(load_pyarrow().chunked_array([arrow]))


def _whole_numbers(pd: Any, column: pl.Series) -> Any:  # noqa: ANN401  an array of pandas
    """Integers or booleans, with a mask if there are nulls."""
    if not column.null_count():
        return column.to_numpy(writable=True)
    masked = pd.arrays.BooleanArray if isinstance(column.dtype, pl.Boolean) else pd.arrays.IntegerArray
    return masked(column.fill_null(pl.lit(0).cast(column.dtype)).to_numpy(writable=True), column.is_null().to_numpy(writable=True))


def _moments(pd: Any, column: pl.Series, zone: str) -> Any:  # noqa: ANN401  an array of pandas
    utc = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy(writable=True)
    return pd.DatetimeIndex(utc).tz_localize("UTC").tz_convert(zone)


def _levels(pd: Any, column: pl.Series) -> Any:  # noqa: ANN401  an array of pandas
    """A categorical of the levels that occur, or an ordered one of all levels of an enumeration."""
    kind, texts = column.dtype, column.cast(pl.String)
    levels = kind.categories if isinstance(kind, pl.Enum) else texts.drop_nulls().unique(maintain_order=True)
    codes = texts.cast(pl.Enum(levels)).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    return pd.Categorical.from_codes(codes, levels.to_list(), ordered=isinstance(kind, pl.Enum))


def _series(pd: Any, name: str, column: Any) -> pl.Series:  # noqa: ANN401  a column of pandas
    try:
        if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.categories.inferred_type in {"string", "empty"}:
            levels = pl.Series(column.cat.categories.to_list(), dtype=pl.String)
            codes = pl.Series(column.cat.codes.to_numpy(), dtype=pl.Int64)
            texts = levels.gather(codes.set(codes < 0, None)).alias(name)
            return texts.cast(pl.Enum(levels) if column.cat.ordered else pl.Categorical)
        series: object = LIBRARY.from_pandas(column, nan_to_null=True)
    except Exception as error:
        raise ColumnError(
            f"column '{name}' of the pandas frame ({column.dtype}) has no one type: {first_line(error)}", hint="cast it: .astype(…)"
        ) from error
    if not isinstance(series, pl.Series) or isinstance(series.dtype, pl.Extension | pl.Object):
        raise ColumnError(f"column '{name}' of the pandas frame is {column.dtype}, which polars does not have", hint="cast it: .astype(…)")
    return series.alias(name)


def _too_wide(name: str, kind: pl.DataType) -> ColumnError:
    return ColumnError(f"column '{name}' is {kind}, which Arrow and pandas do not have", hint="cast it before, or ask for a pl.DataFrame")
