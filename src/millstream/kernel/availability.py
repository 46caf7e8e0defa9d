"""One rule for what counts: a row counts at moment t if max(time, known_at + delay) <= t."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import polars as pl

from millstream.errors import ColumnError, ConfigurationError
from millstream.kernel.digest import digest_bytes
from millstream.kernel.facts import Facts
from millstream.kernel.records import Part, Table

DAY = 86_400_000_000
MOMENT = pl.Datetime("us", "UTC")
FOREVER = 2**63


class Cut(msgspec.Struct, frozen=True):
    """The parts of a table that are visible at a moment; `until` bounds the rows of a part that straddles it."""

    table: Table
    parts: tuple[tuple[Part, int | None], ...]

    @property
    def key(self) -> str:
        """Digest of exactly the rows that are visible, and of the facts by which they are understood."""
        seen = [f"{part.day}:{part.digest}:{until}".encode() for part, until in self.parts]
        return digest_bytes(msgspec.json.encode((self.table.names, self.table.types, self.table.facts)), *seen)

    @property
    def rows(self) -> int:
        """Rows of all parts that are touched."""
        return sum(part.rows for part, _ in self.parts)

    def between(self, start: int | None, stop: int | None) -> Cut:
        """Only the parts whose day meets `[start, stop)`; parts without a day (they come last) are always kept."""
        first = 0 if start is None else bisect_right(self.parts, start - DAY, key=_day)
        end = len(self.parts) if stop is None else bisect_left(self.parts, stop, key=_day)
        undated = self.parts[bisect_left(self.parts, FOREVER, key=_day) :]
        return Cut(self.table, (*self.parts[first : max(first, end)], *(undated if stop is not None else ())))


def _day(seen: tuple[Part, int | None]) -> int:
    return FOREVER if seen[0].day is None else seen[0].day


def microseconds_of(moment: datetime) -> int:
    """Microseconds since 1970; a naive moment is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def moment_of(microseconds: int) -> datetime:
    """The moment in UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + (datetime.fromtimestamp(0, UTC).resolution * microseconds)


def parse_moment(text: str) -> int:
    """Microseconds of an ISO date or moment; a naive one is UTC, a date is its midnight."""
    try:
        return microseconds_of(datetime.fromisoformat(text))
    except ValueError:
        raise ConfigurationError(f"'{text}' is not a moment", hint="write an ISO date or time, as in 2013-06-01 or 2013-06-01T09:15:00Z") from None


def text_of(microseconds: int) -> str:
    """The moment as ISO text, without what is zero."""
    moment = moment_of(microseconds)
    if microseconds % DAY == 0:
        return moment.strftime("%Y-%m-%d")
    return moment.replace(tzinfo=None).isoformat(timespec="seconds" if microseconds % 1_000_000 == 0 else "microseconds") + "Z"


def as_moment(column: str, kind: pl.DataType) -> pl.Expr:
    """The column in microseconds UTC; naive moments are UTC, a date is its midnight."""
    expression = pl.col(column)
    if isinstance(kind, pl.Date):
        expression = expression.cast(pl.Datetime("us"))
    elif not isinstance(kind, pl.Datetime):
        raise ColumnError(
            f"column '{column}' is {kind}, but a time must be a date or a datetime", hint="parse it at the source, or in the step that returns it"
        )
    if not isinstance(kind, pl.Datetime) or kind.time_zone is None:
        return expression.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return expression.cast(MOMENT)


def normalise_facts(frame: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """The frame with its time and known_at columns in microseconds UTC."""
    columns = {name for name in (facts.time, facts.known_at) if name in frame.columns}
    wrong = {name: as_moment(name, frame.schema[name]) for name in columns if frame.schema[name] != MOMENT}
    return frame.with_columns(**wrong) if wrong else frame


def dated_by(facts: Facts) -> str | None:
    """The column that says to which day a row belongs: its time, or for a label when it is known."""
    return facts.time or facts.known_at


def available_at(facts: Facts) -> pl.Expr:
    """Microseconds at which each row becomes available; null where it never does."""
    known = pl.col(facts.known_at or facts.time or "").cast(pl.Int64) + facts.delay
    if facts.time is None:
        return known
    time = pl.col(facts.time).cast(pl.Int64)
    return pl.when(time.is_not_null() & known.is_not_null()).then(pl.max_horizontal(time, known))


def is_timed(facts: Facts, columns: Sequence[str] | Mapping[str, object]) -> bool:
    """Whether rows of a table with these columns can be cut by time."""
    dated = dated_by(facts)
    return dated is not None and dated in columns and (facts.known_at is None or facts.known_at in columns)
