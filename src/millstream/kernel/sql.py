"""Queries of DuckDB over the tables of one step: in memory, on one thread, so that the same query gives the same rows, and shut off from files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from millstream.errors import ColumnError, StepError, did_you_mean
from millstream.kernel.extras import load_duckdb

SETTINGS = {
    "threads": 1,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,  # a query sees the tables that were given to it, and no variable of Python
}
SEALED = ("SELECT setseed(0.5)", "SET TimeZone = 'UTC'", "SET enable_external_access = false", "SET lock_configuration = true")
NUMBERS = {f"{sign}{size}" for size in ("tinyint", "smallint", "integer", "bigint") for sign in ("", "u")} | {"decimal", "double", "float"}
MOMENTS = {"date", "time", "time_ns", *(f"timestamp{rest}" for rest in ("", "_s", "_ms", "_ns", " with time zone", "tz_ns"))}
SIMPLE = frozenset({*NUMBERS, *MOMENTS, "blob", "boolean", "enum", "null", "sqlnull", "uuid", "varchar"})


class Stream:
    """The rows of a frame, as often as they are read; DuckDB would ask a frame itself for pyarrow."""

    def __init__(self, frame: pl.DataFrame) -> None:
        """`frame` is read where it lies."""
        self.frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A stream of the rows, by Arrow's C interface."""
        return self.frame.__arrow_c_stream__(requested_schema)


class Queries:
    """A database of DuckDB that lives as long as the step, opened when the first table is handed to it."""

    def __init__(self, folder: Path) -> None:
        """What does not fit into memory lies in `folder` meanwhile."""
        self._folder = folder
        self._connection: Any = None
        self._columns: dict[str, list[str]] = {}

    def close(self) -> None:
        """Close what was opened."""
        if self._connection is not None:
            self._connection.close()

    def table(self, name: str, frame: pl.DataFrame) -> str:
        """Give a table its name; returns it as a query writes it."""
        self._refuse(name, frame)
        nothing = [column for column, kind in frame.schema.items() if kind == pl.Null]
        self._open().register(name, Stream(frame.cast(dict.fromkeys(nothing, pl.Int32)) if nothing else frame))
        self._columns[name] = frame.columns
        return quoted(name)

    def relation(self, name: str, frame: pl.DataFrame) -> object:
        """The table as a relation of DuckDB."""
        written = self.table(name, frame)
        return self._connection.sql(f"SELECT * FROM {written}").set_alias(name)  # noqa: S608  the name is quoted

    def rows(self, query: str) -> pl.DataFrame:
        """What one query gives; raises StepError for anything else than a query, ColumnError for an unknown column."""
        duckdb = load_duckdb()
        try:
            statements = self._connection.extract_statements(query)
            if len(statements) != 1 or statements[0].type not in {duckdb.StatementType.SELECT, duckdb.StatementType.MULTI}:
                kinds = ", ".join(each.type.name for each in statements) or "nothing"
                raise StepError(f"returned SQL that is not one query, but {kinds}", hint="return one SELECT: what it gives is the table")
            return frame_of(self._connection.sql(query))
        except duckdb.Error as error:
            raise self._explained(str(error)) from error

    def _open(self) -> Any:  # noqa: ANN401  a connection
        if self._connection is None:
            self._connection = load_duckdb().connect(":memory:", config={**SETTINGS, "temp_directory": str(self._folder)})
        return self._connection

    def seal(self) -> None:
        """No table is given any more: no file, extension or setting can be reached from now on."""
        if self._connection is not None:
            for statement in SEALED:
                self._connection.execute(statement).fetchall()

    def _refuse(self, name: str, frame: pl.DataFrame) -> None:
        alike: Mapping[str, str] = {}
        for column, kind in frame.schema.items():
            if isinstance(kind, pl.Int128 | pl.UInt128):
                raise ColumnError(
                    f"column '{column}' of {name} is {kind}, which DuckDB is not given", hint="cast it before, or ask for a pl.LazyFrame"
                )
            if column.lower() in alike:
                raise ColumnError(f"columns '{alike[column.lower()]}' and '{column}' of {name} are one to SQL", hint="rename one of them before")
            alike = {**alike, column.lower(): column}

    def _explained(self, message: str) -> StepError | ColumnError:
        first, *more = [line for line in message.splitlines() if line.strip()]
        column = re.search(r'[Cc]olumn (?:named )?"([^"]+)" not found|have a column named "([^"]+)"', first)
        if column is not None:
            name, known = column[1] or column[2], list(dict.fromkeys(each for columns in self._columns.values() for each in columns))
            return ColumnError(f"the query: there is no column '{name}'", hint=did_you_mean(name, known) or f"there are {', '.join(known)}")
        table = re.search(r"Table with name (\S+) does not exist", first)
        if table is not None:
            hint = f'it is given {", ".join(self._columns)}: write a table by its parameter, as in f"… from {{{next(iter(self._columns))}}}"'
            return StepError(f"the query: there is no table '{table[1]}'", hint=hint)
        if "INT128" in first and "out of range" in first:
            return StepError("the query: a sum of integers is beyond 64 bits", hint="sum something else: sum(CAST(… AS DOUBLE))")
        return StepError(f"the query: {first}", hint=more[-2].strip() if len(more) > 1 else None)


def frame_of(relation: Any) -> pl.DataFrame:  # noqa: ANN401  a relation of DuckDB
    """The rows of a relation. HUGEINT, which sums of integers are, comes as Int64; an interval without months as a duration."""
    columns, types = list(relation.columns), list(relation.types)
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise ColumnError(f"the query gives two columns '{twice}'", hint="rename one of them: … AS another_name")
    for name, kind in zip(columns, types, strict=True):
        _refuse_kind(name, kind, outermost=True)
    intervals = [name for name, kind in zip(columns, types, strict=True) if kind.id == "interval"]
    if intervals:
        _refuse_months(relation, intervals)
    written = ", ".join(_written(name, kind.id) for name, kind in zip(columns, types, strict=True))
    frame = pl.DataFrame(relation if all(kind.id not in CAST for kind in types) else relation.project(written))
    return frame.with_columns(pl.col(name).cast(pl.Duration("us")) for name in intervals)


def quoted(name: str) -> str:
    """A name as SQL writes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


CAST = {"hugeint": "CAST({0} AS BIGINT)", "uhugeint": "CAST({0} AS UBIGINT)", "interval": "epoch_us({0})"}


def _written(name: str, kind: str) -> str:
    return f"{CAST[kind].format(quoted(name))} AS {quoted(name)}" if kind in CAST else quoted(name)


def _refuse_kind(name: str, kind: Any, *, outermost: bool) -> None:  # noqa: ANN401  a type of DuckDB
    if kind.id in SIMPLE or (outermost and kind.id in CAST):
        return
    if kind.id not in {"list", "array", "struct"}:
        raise ColumnError(f"the query: column '{name}' holds {kind}, which a table does not", hint=f"cast it: CAST({quoted(name)} AS VARCHAR)")
    for _, inner in kind.children:
        if not isinstance(inner, int):
            _refuse_kind(name, inner, outermost=False)


def _refuse_months(relation: Any, intervals: list[str]) -> None:  # noqa: ANN401  a relation of DuckDB
    months = ", ".join(
        f"coalesce(bool_or(datepart('year', {quoted(name)}) <> 0 OR datepart('month', {quoted(name)}) <> 0), false)" for name in intervals
    )
    for name, some in zip(intervals, relation.aggregate(months).fetchall()[0], strict=True):
        if some:
            raise ColumnError(f"the query: column '{name}' holds intervals of months, which have no fixed length", hint="give days, or two dates")
