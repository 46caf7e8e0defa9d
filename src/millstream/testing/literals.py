"""Tables written down as text: a line of column names, then a line per row, cells between bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import polars as pl

from millstream.errors import ConfigurationError, first_line

NULL = ("", "null", "-")
MOMENT = pl.Datetime("us", "UTC")
Kind = pl.DataType | type[pl.DataType]


def rows(text: str, **types: Kind) -> pl.DataFrame:
    '''The table that a text shows; `types` say those of columns that are not meant to be guessed.

    Integers, floats, `true` and `false`, ISO dates and times (UTC) are taken as such if all of a column are; all else is text. Empty cells,
    `-` and `null` are null; a line of dashes is left out. Raises ConfigurationError if a row has more or fewer cells than there are columns.

    >>> rows("""
    ... parcel | sent             | weight
    ... a      | 2024-01-01T09:00 | 2.5
    ... b      | 2024-01-02T10:00 |
    ... """).dtypes
    [String, Datetime(time_unit='us', time_zone='UTC'), Float64]
    '''
    names, cells = split_cells(text)
    unknown = next((name for name in types if name not in names), None)
    if unknown is not None:
        raise ConfigurationError(f"rows: a type is given for '{unknown}', which is no column", hint=f"there are: {', '.join(names)}")
    return pl.DataFrame([as_type(name, column, types[name]) if name in types else guessed(name, column) for name, column in cells.items()])


def split_cells(text: str) -> tuple[list[str], Mapping[str, list[str | None]]]:
    """The names of the columns, and the cells of each."""
    lines = [_inside(line.strip()) for line in text.strip().splitlines()]
    table = [[cell.strip() for cell in line.split("|")] for line in lines if line and not set(line) <= set("-+| ")]
    if not table:
        raise ConfigurationError("rows: the text has no line", hint="begin with the names of the columns, as in 'parcel | sent'")
    names, *body = table
    for number, cells in enumerate(body, 1):
        if len(cells) != len(names):
            raise ConfigurationError(f"rows: row {number} has {len(cells)} cells, there are {len(names)} columns: {' | '.join(cells)}")
    return names, {name: [None if cells[place] in NULL else cells[place] for cells in body] for place, name in enumerate(names)}


def _inside(line: str) -> str:
    """A line without the bars around it."""
    return line[1:-1] if line.startswith("|") and line.endswith("|") else line


def guessed(name: str, cells: Sequence[str | None]) -> pl.Series:
    """A column of the narrowest type that all of its cells have."""
    texts = pl.Series(name, cells, pl.String)
    if texts.null_count() == texts.len():
        return texts
    if set(texts.drop_nulls()) <= {"true", "false"}:
        return texts == "true"
    for kind in (pl.Int64, pl.Float64, pl.Date):
        made = texts.cast(kind, strict=False) if kind != pl.Date else texts.str.to_date("%Y-%m-%d", strict=False)
        if made.null_count() == texts.null_count():
            return made
    moments = [_moment(cell) for cell in cells]
    return pl.Series(name, moments, MOMENT) if all(made is not None for made, cell in zip(moments, cells, strict=True) if cell is not None) else texts


def as_type(name: str, cells: Sequence[str | None], kind: Kind) -> pl.Series:
    """A column of a type."""
    plain = kind.is_numeric() or kind.is_temporal() or kind == pl.Boolean
    column = guessed(name, cells) if plain else pl.Series(name, cells, pl.String)
    try:
        if isinstance(kind, pl.Datetime) and column.dtype == MOMENT and kind.time_zone is None:
            return column.dt.replace_time_zone(None).cast(kind)
        return column.cast(kind)
    except pl.exceptions.PolarsError as error:
        raise ConfigurationError(f"rows: column '{name}' cannot be {kind}: {first_line(error)}") from None


def _moment(cell: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(cell) if cell is not None else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
