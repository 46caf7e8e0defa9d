"""What a user writes about outside data: where tables come from, and where they go."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from millstream.errors import did_you_mean
from millstream.kernel.declarations import (
    Columns,
    Declaration,
    Table,
    expect,
    expect_choice,
    fixed_duration,
    names,
    optional_name,
    refusal,
)
from millstream.kernel.facts import Facts

Mode = Literal["append", "replace"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Source(Table):
    """Outside data, and the three facts about it. Relative paths count from the file that declares it (see `where`)."""

    noun: ClassVar[str] = "source"
    address: str
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
        delay = 0 if self.delay is None else fixed_duration(self.delay, f"{self.title}: delay", positive=False)
        object.__setattr__(self, "facts", Facts(self.key, self.time, self.known_at, delay))
        self._check_columns()
        if self.tz is not None:
            _check_zone(self.tz, f"{self.title}: tz")
        super().__post_init__()

    @property
    def title(self) -> str:
        """A source and its address."""
        return f"source {self.address}"

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
    mode: Mode = "append"

    @property
    def title(self) -> str:
        """A sink and its address."""
        return f"sink {self.address}"


def source(
    address: str,
    /,
    *,
    columns: Columns | None = None,
    key: Columns = (),
    time: str | None = None,
    known_at: str | None = None,
    delay: str | None = None,
    tz: str | None = None,
) -> Source:
    """Outside data, read as an immutable snapshot: `source("flights.parquet", key="flight", time="landed", delay="15m")`.

    `columns`: only these. `key`: what a row is about. `time`: when it happened, or is asked. `known_at` (a column) and `delay`
    (a fixed duration after it): when it could be known; default: at `time`. `tz`: the zone of times without one (default UTC).
    Raises DeclarationError if the options do not fit each other.
    """
    return Source(
        address=_address(address, "source"),
        columns=names(columns, "source: columns"),
        key=names(key, "source: key"),
        time=optional_name(time, "source: time"),
        known_at=optional_name(known_at, "source: known_at"),
        delay=delay,
        tz=tz,
    )


def sink(address: str, /, *, mode: Mode = "append") -> Sink:
    """Where a table goes: `sink("data/delays")`. `mode`: add to what is there, or replace it."""
    expect_choice(mode, get_args(Mode), "sink: mode")
    return Sink(address=_address(address, "sink"), mode=mode)


def _address(address: str, verb: str) -> str:
    if not expect(address, str, f"{verb}: the address", wanted="a text"):
        raise refusal(f"{verb}: the address is empty", hint="give a path, as in 'data/flights.parquet'")
    return address


def _check_zone(zone: str, option: str) -> None:
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        hint = did_you_mean(zone, zoneinfo.available_timezones()) or "write it as in 'America/New_York'"
        raise refusal(f"{option}: there is no time zone '{zone}'", hint=hint) from None
