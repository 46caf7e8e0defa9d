"""Reading table columns: which kind they are, and as what numbers they are read."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from millstream.errors import ColumnError, did_you_mean
from millstream.preparation.records import Boolean, CalendarPart, Empty, Encoded, Kind, Measure, Moment, Number, Value

UNSEEN = -1.0
"""The code of a level that the preparation does not know."""


def find_column(frame: pl.DataFrame, name: str) -> pl.Series:
    """The column of that name.

    Raises:
        ColumnError: the table has no such column.
    """
    if name not in frame.columns:
        raise ColumnError(f"column '{name}' is not in the table", hint=did_you_mean(name, frame.columns))
    return frame[name]


def is_all_null(series: pl.Series) -> bool:
    """Whether there are rows and none has a value; such a column may have come with any type."""
    return 0 < len(series) == series.null_count()


def kind_of(series: pl.Series) -> Kind:
    """The kind of feature that a column is by its type.

    Raises:
        ColumnError: a list, struct or other type that is no feature as it stands.
    """
    kind = _kind_of_type(series.dtype)
    if kind is None:
        message = f"column '{series.name}' is {series.dtype}, which is no feature as it stands"
        hint = f"make numbers, text or times of it in a step, or leave it out: ignore=['{series.name}']"
        raise ColumnError(message, hint=hint)
    return "number" if is_all_null(series) else kind


def value_of(series: pl.Series, kind: Kind) -> Value:
    """How a column of that kind (any but level) is read as one float per row."""
    if is_all_null(series):
        return Empty(series.name)
    match kind:
        case "boolean":
            return Boolean(series.name)
        case "moment":
            return Moment(series.name, _measure_of_type(series.dtype))
        case _:
            return Number(series.name)


def read_values(value: Value, frame: pl.DataFrame) -> NDArray[np.float64]:
    """One float per row, NaN for null; moments in seconds.

    Raises:
        ColumnError: the column is missing, or of another kind than at fit.
    """
    series = find_column(frame, value.column)
    if isinstance(value, Empty) or series.null_count() == len(series):
        return np.full(len(series), np.nan)
    kind = kind_of(series)
    if kind == "level" or value_of(series, kind) != value:
        raise _other_kind(series, _meaning(value))
    if isinstance(value, Moment):
        return _to_floats(_microseconds(series, value.measure)) / 1_000_000.0
    return _to_floats(series)


def read_levels(column: str, frame: pl.DataFrame, levels: tuple[str, ...]) -> NDArray[np.float64]:
    """The place of each row's level in `levels`, UNSEEN for any other level, NaN for null.

    Raises:
        ColumnError: the column is missing, or holds no text.
    """
    series = find_column(frame, column)
    if series.null_count() == len(series):
        return np.full(len(series), np.nan)
    if kind_of(series) != "level":
        raise _other_kind(series, "text")
    known = pl.Series(levels, dtype=pl.String)
    codes = pl.Series(range(len(levels)), dtype=pl.Float64)
    places = series.cast(pl.String).replace_strict(known, codes, default=UNSEEN, return_dtype=pl.Float64).to_numpy(writable=True)
    places[series.is_null().to_numpy()] = np.nan
    return places


def read_encoded(source: Encoded, frame: pl.DataFrame) -> NDArray[np.float64]:
    """The number of each row's level."""
    places = read_levels(source.column, frame, source.levels)
    numbers = np.array([*source.numbers, source.unseen, source.missing])
    last = len(source.levels)
    found = np.where(np.isnan(places), last + 1, np.where(places < 0.0, last, places))
    return numbers[found.astype(np.intp)]


def read_calendar(source: CalendarPart, frame: pl.DataFrame) -> NDArray[np.float64]:
    """One part of each row's date, NaN for null; a date has hour 0 and no time zone.

    Raises:
        ColumnError: the column is missing, or holds no moments.
    """
    series = find_column(frame, source.column)
    if series.null_count() == len(series):
        return np.full(len(series), np.nan)
    kind = series.dtype
    if isinstance(kind, pl.Datetime):
        aware = series if kind.time_zone else series.dt.replace_time_zone("UTC")
        series = aware.dt.convert_time_zone(source.tz)
    elif kind != pl.Date:
        raise _other_kind(series, "a moment")
    elif source.part == "hour":
        return np.where(series.is_null().to_numpy(), np.nan, 0.0)
    parts = {"hour": series.dt.hour, "weekday": series.dt.weekday, "day": series.dt.day, "month": series.dt.month}
    return _to_floats(parts[source.part]())


def _kind_of_type(dtype: pl.DataType) -> Kind | None:
    if dtype.is_numeric() or dtype == pl.Null:
        return "number"
    if dtype.is_temporal():
        return "moment"
    if dtype == pl.Boolean:
        return "boolean"
    return "level" if isinstance(dtype, pl.String | pl.Categorical | pl.Enum) else None


def _measure_of_type(dtype: pl.DataType) -> Measure:
    if dtype == pl.Duration:
        return "duration"
    return "time_of_day" if dtype == pl.Time else "instant"


def _microseconds(series: pl.Series, measure: Measure) -> pl.Series:
    """Whole microseconds, cut as polars cuts nanoseconds when it makes Python objects of them."""
    match measure:
        case "instant":
            return series.dt.epoch("us")
        case "duration":
            return series.dt.total_microseconds()
        case "time_of_day":
            return series.to_physical() // 1_000


def _to_floats(series: pl.Series) -> NDArray[np.float64]:
    return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _meaning(value: Value) -> str:
    return value.measure.replace("_", " ") if isinstance(value, Moment) else type(value).__name__.lower()


def _other_kind(series: pl.Series, expected: str) -> ColumnError:
    message = f"column '{series.name}' is {series.dtype}, but was {expected} at fit"
    return ColumnError(message, hint="cast it to what it was, or train again")
