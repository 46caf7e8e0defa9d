"""A table or view of an SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from millstream.errors import SourceError, did_you_mean
from millstream.sources.intake import parse_moments

KINDS: tuple[tuple[str, pl.DataType], ...] = (
    ("BOOL", pl.Boolean()),
    ("INT", pl.Int64()),
    ("CHAR", pl.String()),
    ("CLOB", pl.String()),
    ("TEXT", pl.String()),
    ("DATE", pl.String()),
    ("TIME", pl.String()),
    ("BLOB", pl.Binary()),
    ("REAL", pl.Float64()),
    ("FLOA", pl.Float64()),
    ("DOUB", pl.Float64()),
    ("NUM", pl.Float64()),
    ("DEC", pl.Float64()),
)
"""Of a declared type the first word that is in it says what a column is, as SQLite itself reads it."""


@dataclass(frozen=True)
class SqliteConnector:
    """Reads the whole table in one transaction; the file is opened for reading only."""

    path: Path
    table: str

    @property
    def appends(self) -> bool:
        """The table as it is now is all there is."""
        return False

    def read(self, since: datetime | None) -> pl.DataFrame:
        """All rows, in types as declared; columns declared as DATE, DATETIME or TIMESTAMP are parsed if they hold ISO text."""
        del since
        if not self.path.is_file():
            raise SourceError(f"there is no file '{self.path}'", hint="relative paths count from your file: sqlite:///data/shop.db")
        try:
            with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as database:
                return self._frame(database)
        except sqlite3.Error as error:
            raise SourceError(f"{self.path.name}: {error}", hint="is it an SQLite file, and not locked?") from None

    def _frame(self, database: sqlite3.Connection) -> pl.DataFrame:
        name = self.table.removeprefix("main.")
        columns: list[tuple[str, str]] = database.execute("SELECT name, upper(type) FROM pragma_table_info(?)", (name,)).fetchall()
        if not columns:
            known = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")]
            hint = did_you_mean(name, known) or f"it has {', '.join(known) or 'no tables'}"
            raise SourceError(f"{self.path.name} has no table '{self.table}'", hint=hint)
        rows = database.execute(f"SELECT * FROM {_quoted(name)}").fetchall()  # noqa: S608  a name that the file itself has just confirmed
        frame = pl.DataFrame({column: self._column(place, column, kind, rows) for place, (column, kind) in enumerate(columns)})
        return parse_moments(frame, {}, [column for column, kind in columns if "DATE" in kind or "TIME" in kind])

    def _column(self, place: int, column: str, kind: str, rows: list[tuple[object, ...]]) -> pl.Series:
        values = [row[place] for row in rows]
        declared = next((known for word, known in KINDS if word in kind), None)
        if isinstance(declared, pl.Boolean):
            values = [value if value is None else bool(value) for value in values]
        try:
            return pl.Series(column, values, dtype=declared, strict=True)
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            found = ", ".join(sorted({type(value).__name__ for value in values if value is not None}))
            hint = "cast it in a view of the database, and read that"
            raise SourceError(f"{self.table}: column '{column}' ({kind or 'of no declared type'}) holds {found}", hint=hint) from None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
