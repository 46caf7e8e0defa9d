"""What every row of a source goes through once: its implicit contract, the chosen columns, and times in UTC."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

import msgspec
import polars as pl

from millstream.errors import ColumnError, MillstreamError, first_line
from millstream.kernel.availability import normalise_facts
from millstream.kernel.store import Store
from millstream.sources.declare import Source
from millstream.sources.protocol import Rows
from millstream.validation.contract import check_snapshot

NESTED = ("Array(", "List(", "Struct(")
_DATE = r"\d{4}-\d{2}-\d{2}"
_ZONE = r"(?:[Zz]|[+-]\d{2}:?\d{2})"
_ISO = rf"^{_DATE}(?:[Tt ]\d{{2}}:\d{{2}}(?::\d{{2}}(?:\.\d+)?)?{_ZONE}?)?$"


def take_in(frame: pl.DataFrame, source: Source, name: str, known: Mapping[str, str]) -> pl.DataFrame:
    """The rows as they are stored; `known` are the types of the columns so far.

    Raises ColumnError or ContractError, with the line of the source, if a column is missing or of another type, or a key is null.
    """
    facts = source.facts
    wanted = list(source.columns or frame.columns)
    required = list(dict.fromkeys([*wanted, *facts.key, *(each for each in (facts.time, facts.known_at) if each)]))
    try:
        check_snapshot(frame, source=name, required=required, key=facts.key, previous=known)
        frame = frame.select(required) if source.columns is not None else frame
        return normalise_facts(_localised(frame, source, name), facts)
    except MillstreamError as error:
        raise type(error)(error.message, where=source.where, hint=error.hint) from None


def known_types(store: Store, identity: str) -> dict[str, str]:
    """The type of every column that a source has had, as text."""
    noted = store.note(f"types {identity}")
    return msgspec.json.decode(noted, type=dict[str, str]) if noted else {}


def keep_types(store: Store, identity: str, types: Mapping[str, str]) -> None:
    """Remember the types of the columns; later ones of the same name win. One at a time."""
    known = known_types(store, identity)
    if {**known, **types} != known:
        store.set_note(f"types {identity}", msgspec.json.encode({**known, **types}))


def types_of(frame: pl.DataFrame) -> dict[str, str]:
    """The types of the columns of which something is known."""
    return {name: str(kind) for name, kind in frame.schema.items() if kind != pl.Null}


def frame_of(rows: Rows, known: Mapping[str, str]) -> pl.DataFrame:
    """Rows as a frame: of objects all are looked at, and texts that are ISO dates or times throughout are parsed, as in CSV files.

    A column that was text stays text. Whole numbers become floats where there were floats before.
    Raises ColumnError if a column holds what no type fits.
    """
    if isinstance(rows, pl.DataFrame):
        return rows
    try:
        frame = pl.from_dicts(list(rows), infer_schema_length=None) if rows else pl.DataFrame()
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        first = first_line(error) or type(error).__name__
        raise ColumnError(f"the objects do not fit into one table: {first}", hint="make them alike in a function `since -> rows`") from None
    return parse_moments(frame, known, frame.columns)


def parse_moments(frame: pl.DataFrame, known: Mapping[str, str], columns: Sequence[str]) -> pl.DataFrame:
    """The columns that are ISO dates or times throughout as such, unless they were something else before."""
    texts = [name for name in columns if frame.schema.get(name) == pl.String and known.get(name, "Date").startswith("Date")]
    return frame.with_columns(_parsed(frame.get_column(name), known.get(name, "")) for name in texts)


def widened(frame: pl.DataFrame, known: Mapping[str, str]) -> tuple[pl.DataFrame, dict[str, str]]:
    """The frame with floats where there were floats, and those of the known types that it must have.

    A whole number may become a float, and what is in a list or an object may change.
    """
    whole = [name for name, kind in frame.schema.items() if kind.is_integer() and known.get(name) == "Float64"]
    frame = frame.with_columns(pl.col(whole).cast(pl.Float64))
    return frame, {name: kind for name, kind in known.items() if name in frame.columns and not _may_be(frame.schema[name], kind)}


def _may_be(kind: pl.DataType, before: str) -> bool:
    text = str(kind)
    family = next((each for each in NESTED if before.startswith(each)), None)
    return text.startswith(family) if family else kind == pl.Float64 and before in {"Int8", "Int16", "Int32", "Int64"}


def _parsed(column: pl.Series, known: str) -> pl.Series:
    texts = column.drop_nulls()
    if not texts.len() or not texts.str.contains(_ISO).all():
        return column
    zoned = texts.str.contains(rf"{_ZONE}$")
    dates = texts.str.contains(rf"^{_DATE}$").all() and not known.startswith("Datetime")
    if zoned.any() and not zoned.all():
        return column
    zone = "UTC" if zoned.any() or "UTC" in known else None
    try:
        if dates:
            return pl.Series(column.name, [None if text is None else date.fromisoformat(text) for text in column], dtype=pl.Date)
        moments = [None if text is None else _moment(text, zone) for text in column]
    except ValueError:
        return column
    return pl.Series(column.name, moments, dtype=pl.Datetime("us", zone))


def _moment(text: str, zone: str | None) -> datetime:
    moment = datetime.fromisoformat(re.sub(r"[tz]", lambda letter: letter[0].upper(), text))
    if zone is None:
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _localised(frame: pl.DataFrame, source: Source, name: str) -> pl.DataFrame:
    if source.tz is None:
        return frame
    naive = [column for column, kind in frame.schema.items() if isinstance(kind, pl.Datetime) and kind.time_zone is None]
    try:
        return frame.with_columns(
            pl.col(naive).dt.replace_time_zone(source.tz, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
        )
    except pl.exceptions.ComputeError as error:
        raise ColumnError(f"{name}: {error}", where=source.where) from error
