"""What a user writes about outside data: where tables come from, and where they go."""

from __future__ import annotations

import inspect
import types
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, cast, get_args
from urllib.parse import urlsplit

from millstream.errors import did_you_mean
from millstream.kernel.declarations import (
    Columns,
    Declaration,
    Table,
    calendar_duration,
    describe,
    expect,
    expect_choice,
    fixed_duration,
    names,
    optional_name,
    refusal,
)
from millstream.kernel.durations import MICROSECONDS, MONTHS, microseconds
from millstream.kernel.facts import Facts
from millstream.sources.records import Api, Feed, Spine

if TYPE_CHECKING:
    from polars import DataFrame

Mode = Literal["append", "replace", "upsert"]
Fetch: TypeAlias = "Callable[[datetime | None], DataFrame | Sequence[Mapping[str, Any]]]"
"""From the newest time taken so far (UTC; None: nothing yet) to rows: dictionaries, or a polars frame."""
Address: TypeAlias = "str | Api | Feed | Fetch"
"""A path, a URI, a service of `ms.rest`, or a function `since -> rows`."""

DATABASES = ("postgresql", "snowflake", "sqlite")
SCHEMES = (*DATABASES, "http", "https")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Source(Table):
    """Outside data, and the three facts about it. Relative paths count from the file that declares it (see `where`)."""

    noun: ClassVar[str] = "source"
    address: Address | Spine
    table: str | None = None
    columns: tuple[str, ...] | None = None
    key: tuple[str, ...] = ()
    time: str | None = None
    known_at: str | None = None
    delay: str | None = None
    tz: str | None = None

    def __post_init__(self) -> None:
        """Check the options that need each other, and derive the facts."""
        if self.time is None:
            for option in ("known_at", "delay"):
                if getattr(self, option) is not None:
                    raise refusal(f"{self.title}: {option} needs a time", hint="say time='column' too: when it happened")
            if isinstance(self.address, Api) and self.address.since is not None:
                raise refusal(f"{self.title}: since needs a time", hint="say time='column' at the source: its newest one is sent")
        delay = 0 if self.delay is None else fixed_duration(self.delay, f"{self.title}: delay", positive=False)
        object.__setattr__(self, "facts", Facts(self.key, self.time, self.known_at, delay))
        self._check_columns()
        if self.tz is not None:
            _check_zone(self.tz, f"{self.title}: tz")
        super().__post_init__()

    @property
    def title(self) -> str:
        """A source and its address."""
        return f"source {_text_of(self.address, self.table)}"

    def _check_columns(self) -> None:
        if self.columns is None:
            return
        for option, needed in (("key", self.key), ("time", (self.time,)), ("known_at", (self.known_at,))):
            for column in needed:
                if column is not None and column not in self.columns:
                    hint = did_you_mean(column, self.columns) or f"add '{column}' to columns"
                    raise refusal(f"{self.title}: {option} '{column}' is not among its columns", hint=hint)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Sink(Declaration):
    """Where a table goes."""

    noun: ClassVar[str] = "sink"
    unreadable: ClassVar[str] = "a sink is only written: declare a source over the same address"
    address: str
    table: str | None = None
    mode: Mode = "append"

    @property
    def title(self) -> str:
        """A sink and its address."""
        return f"sink {_text_of(self.address, self.table)}"


def source(  # noqa: PLR0913  three facts and where they are found: the language is fixed
    address: Address,
    /,
    *,
    table: str | None = None,
    columns: Columns | None = None,
    key: Columns = (),
    time: str | None = None,
    known_at: str | None = None,
    delay: str | None = None,
    tz: str | None = None,
) -> Source:
    """Outside data, read as an immutable snapshot: `source("flights.parquet", key="flight", time="landed", delay="15m")`.

    `address`: files (a path, folder, pattern or https address), a database (`sqlite:///crm.db`) with its `table`, a service of
    `ms.rest`, or a function that gets the newest `time` taken so far (None at first, and without a time) and returns new rows.
    `columns`: only these. `key`: what a row is about. `time`: when it happened, or is asked. `known_at` (a column) and `delay`
    (a fixed duration after it): when it could be known; default: at `time`. `tz`: the zone of times without one (default UTC).
    Raises DeclarationError if the options do not fit each other.
    """
    _check_source(address, table)
    return Source(
        address=address,
        table=optional_name(table, "source: table"),
        columns=names(columns, "source: columns"),
        key=names(key, "source: key"),
        time=optional_name(time, "source: time"),
        known_at=optional_name(known_at, "source: known_at"),
        delay=delay,
        tz=tz,
    )


def time_spine(every: str, /, *, start: str, column: str) -> Source:
    """One row per period up to the moment of a run, for questions asked by the clock: `time_spine("1h", start="2024-01-01", column="asked")`.

    `every`: a duration of a second or more, calendar months too ("1mo" keeps the day of `start`, or takes the last day of a shorter
    month). `start`: the first moment (ISO, UTC unless it says otherwise). `column`: the only column, and its time.
    """
    calendar_duration(every, "time_spine: every")
    if not _has_months(every) and microseconds(every) < MICROSECONDS["s"]:
        raise refusal(f"time_spine: '{every}' is shorter than a second", hint="a spine has one row per period: ask less often")
    name = expect(column, str, "time_spine: column", wanted="a column's name")
    if not name:
        raise refusal("time_spine: column is empty", hint='as in column="asked"')
    return Source(address=Spine(every, _moment(start)), time=name)


def sink(address: str, /, *, table: str | None = None, mode: Mode = "append") -> Sink:
    """Where a table goes: `sink("data/delays")`, a folder, or `sink("postgresql://ops", table="delays")`, a database.

    `mode`: add to what is there, replace it, or (databases) replace the rows of the same key. This version writes folders.
    """
    expect_choice(mode, get_args(Mode), "sink: mode")
    _check_address(address, table, "sink", DATABASES)
    if mode == "upsert" and table is None:
        raise refusal("sink: files have no rows to replace one by one", hint='say mode="append" or "replace", or name a table of a database')
    return Sink(address=address, table=optional_name(table, "sink: table"), mode=mode)


def scheme_of(address: str) -> str | None:
    """What stands before `://`; None for paths."""
    return address.partition("://")[0] if "://" in address else None


def _check_source(address: object, table: str | None) -> None:
    if isinstance(address, str):
        _check_address(address, table, "source", SCHEMES)
        return
    if table is not None:
        raise refusal("source: only a database has a table", hint="leave table out")
    if isinstance(address, Api | Feed):
        return
    if not isinstance(address, types.FunctionType):
        wanted = "a text, a service of ms.rest or a function"
        expect(address, (str, Api, Feed, types.FunctionType), "source: the address", wanted=wanted, hint="write a function with def")
    positional = [each for each in inspect.signature(cast("Callable[..., object]", address)).parameters.values() if each.kind != each.KEYWORD_ONLY]
    if len(positional) != 1:
        raise refusal(f"source: {_text_of(address, None)} takes {len(positional)} parameters", hint="one: def fetch(since: datetime | None)")


def _check_address(address: object, table: str | None, verb: str, schemes: Sequence[str]) -> None:
    text = expect(address, str, f"{verb}: the address", wanted="a text")
    if not text:
        raise refusal(f"{verb}: the address is empty", hint="give a path, as in 'data/flights.parquet'")
    scheme = scheme_of(text)
    if scheme is not None and scheme not in schemes:
        hint = did_you_mean(scheme, schemes) or f"known are paths, {', '.join(f'{each}://' for each in schemes)}"
        raise refusal(f"{verb}: nothing is known of {scheme}://", hint=hint)
    if scheme is not None and "@" in urlsplit(text).netloc:
        raise refusal(f"{verb}: the address of a {scheme} server holds a user or a password", hint="name a connection of pyproject.toml instead")
    if scheme == "sqlite" and not text.startswith("sqlite:///"):
        raise refusal(f"{verb}: {text} names a server, but SQLite has a file", hint="three slashes before a relative path: sqlite:///data/shop.db")
    if scheme in DATABASES and not table:
        raise refusal(f"{verb}: which table of {text}?", hint='say table="schema.name"')
    if scheme not in DATABASES and table is not None:
        raise refusal(f"{verb}: {text} is no database, so it has no table", hint="leave table out")


def _text_of(address: object, table: str | None) -> str:
    """What an address is called in errors: without its query."""
    match address:
        case Api() | Feed():
            return address.url.partition("?")[0]
        case Spine():
            return f"of every {address.every}"
        case str():
            return " ".join([address.partition("?")[0] if scheme_of(address) else address, *([table] if table else [])])
        case _:
            return str(getattr(address, "__name__", describe(address)))


def _has_months(duration: str) -> bool:
    return any(unit in duration for unit in MONTHS)


def _moment(start: object) -> int:
    text = expect(start, str, "time_spine: start", wanted="a moment, as in '2024-01-01'")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise refusal(f"time_spine: start '{text}' is not a moment", hint="write an ISO date or time, as in 2024-01-01") from None
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _check_zone(zone: str, option: str) -> None:
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        hint = did_you_mean(zone, zoneinfo.available_timezones()) or "write it as in 'America/New_York'"
        raise refusal(f"{option}: there is no time zone '{zone}'", hint=hint) from None
