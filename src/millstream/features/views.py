"""Views as the training set joins them: what is looked up, by which columns, and what it is called there."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from millstream.errors import ColumnError, StepError, did_you_mean, first_line
from millstream.features.point_in_time import newest_rows
from millstream.features.windows import events_of, window_columns, window_features
from millstream.kernel.durations import microseconds
from millstream.kernel.facts import Facts
from millstream.kernel.fingerprint import fingerprint
from millstream.kernel.handing import IN_ORDER
from millstream.kernel.records import Cause


@dataclass(frozen=True, slots=True)
class Naming:
    """How a view's columns arrive: looked up by `on`, only the `selected`, after `prefix`."""

    on: tuple[str, ...] | None = None
    prefix: str = ""
    selected: tuple[str, ...] | None = None

    def apply(self, view: str, columns: Sequence[str]) -> dict[str, str]:
        """From the view's own column names to those of the training set."""
        for name in self.selected or ():
            if name not in columns:
                raise ColumnError(
                    f"{view}: select names '{name}', which it does not bring", hint=did_you_mean(name, columns) or f"it brings {', '.join(columns)}"
                )
        return {name: f"{self.prefix}{name}" for name in (self.selected or columns)}


@dataclass(frozen=True, slots=True)
class JoinedView:
    """The newest row of a table, as of the moment asked. `place` is the table's place among the inputs."""

    name: str
    place: int
    naming: Naming
    max_age: str | None

    @property
    def reach(self) -> int | None:
        """Microseconds that it looks back; None: to the beginning."""
        return microseconds(self.max_age) if self.max_age else None

    def causes(self) -> tuple[Cause, ...]:
        """What its columns depend on besides the table."""
        return (Cause(f"view {self.name}", f"{self.naming} {self.max_age}"),)

    def features(self, frame: pl.DataFrame, asked: pl.Series | None, table: pl.DataFrame, facts: Facts) -> pl.DataFrame:
        """Its columns, one row for each row of the frame."""
        on = look_up_columns(self.name, self.naming.on or facts.key, facts.key, frame.columns)
        found = newest_rows(frame, table, on=on, facts=facts, asked=asked, max_age=self.reach)
        names = self.naming.apply(self.name, found.columns)
        return found.select(pl.col(old).alias(new) for old, new in names.items())


@dataclass(frozen=True, slots=True)
class WindowView:
    """Windows ending at the moment asked."""

    name: str
    place: int
    naming: Naming
    key: tuple[str, ...]
    over: tuple[str, ...]
    columns: Mapping[str, tuple[str, str]]
    where: str = ""

    @property
    def reach(self) -> int:
        """Microseconds of its longest window."""
        return max(microseconds(each) for each in self.over)

    def causes(self) -> tuple[Cause, ...]:
        """What its columns depend on besides the table."""
        return (Cause(f"view {self.name}", f"{self.naming} {self.key} {self.over} {dict(self.columns)}"),)

    def features(self, frame: pl.DataFrame, asked: pl.Series | None, table: pl.DataFrame, facts: Facts) -> pl.DataFrame:
        """Its columns, one row for each row of the frame."""
        on = look_up_columns(self.name, self.naming.on or self.key, self.key, frame.columns)
        look_up_columns(self.name, self.key, self.key, table.columns)
        events = events_of(table, key=self.key, facts=facts, columns=self.columns, where=self.where)
        wanted = window_columns(self.over, self.columns)
        assert asked is not None
        found = window_features(frame, events, on=on, key=self.key, asked=asked, wanted=wanted)
        names = self.naming.apply(self.name, found.columns)
        return found.select(pl.col(old).alias(new) for old, new in names.items())


@dataclass(frozen=True, slots=True)
class OnDemand:
    """Computed when asked, row by row, from the question and the columns of the views it names. `eager`: it asks for a frame that is not lazy."""

    name: str
    function: types.FunctionType
    settings: Mapping[str, object]
    reads: tuple[str, ...]
    where: str
    eager: bool = False

    def causes(self) -> tuple[Cause, ...]:
        """Its code and settings, and the views that it reads."""
        settings = [Cause(f"setting {self.name}.{name}", repr(self.settings[name])) for name in sorted(self.settings)]
        return (*fingerprint(self.function).causes, *settings, Cause(f"view {self.name}", ", ".join(self.reads)))

    def features(self, rows: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
        """Its new columns, one row for each row given, in their order."""
        result = self._call(rows)
        missing = [name for name in key if name not in result.columns]
        if missing:
            raise ColumnError(
                f"{self.name}: must return the key {', '.join(key)} and new columns, but returns {result.columns}",
                where=self.where,
                hint=f"add {', '.join(missing)} to the select",
            )
        new = [name for name in result.columns if name not in key]
        if result.height != rows.height:
            raise self._other_rows(f"{rows.height:,} rows given, {result.height:,} returned")
        if key and not _same_rows(rows, result, key):
            given = rows.select(key)
            if not result.select(key).sort(key).equals(given.sort(key)):
                raise self._other_rows(f"returns other rows than those given: their {', '.join(key)} differ")
            result = given.join(result, on=list(key), how="left", nulls_equal=True, maintain_order="left")
        return result.select(new)

    def _other_rows(self, message: str) -> StepError:
        return StepError(f"{self.name}: {message}", where=self.where, hint="an on-demand function returns one row for each row given")

    def _call(self, rows: pl.DataFrame) -> pl.DataFrame:
        try:
            result = self.function(rows if self.eager else rows.lazy(), **self.settings)
            collected = result.collect(engine="in-memory", optimizations=IN_ORDER) if isinstance(result, pl.LazyFrame) else result
        except pl.exceptions.ColumnNotFoundError as error:
            raise ColumnError(f"{self.name}: {first_line(error)}", where=self.where, hint=f"it sees {', '.join(rows.columns)}") from error
        except Exception as error:
            raise StepError(f"{self.name}: {type(error).__name__}: {error}", where=self.where) from error
        if not isinstance(collected, pl.DataFrame):
            raise StepError(f"{self.name}: returned a {type(collected).__name__}, not a table", where=self.where)
        return collected


def _same_rows(rows: pl.DataFrame, result: pl.DataFrame, key: Sequence[str]) -> bool:
    """Whether the keys are the same, row by row; of a single row, as online, their values are compared without a query."""
    if rows.height == 1:
        return all(rows.item(0, name) == result.item(0, name) for name in key)
    return result.select(key).equals(rows.select(key))


View = JoinedView | WindowView | OnDemand


def look_up_columns(view: str, on: Sequence[str], key: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """The columns by which a view is looked up, checked against those that are there."""
    if len(on) != len(key):
        raise ColumnError(
            f"{view}: looked up by {len(on)} columns ({', '.join(on)}), but its key has {len(key)} ({', '.join(key)})",
            hint="name one column for each of the key",
        )
    for column in on:
        if column not in columns:
            raise ColumnError(
                f"{view}: is looked up by '{column}', which neither the question nor an earlier view brings",
                hint=did_you_mean(column, columns) or f"there are {', '.join(columns)}",
            )
    return tuple(on)
