"""SQLite files that several processes may open at once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from millstream.errors import StoreError

R = TypeVar("R")
Row = tuple[Any, ...]


class Database:
    """One SQLite file in WAL mode; a connection per thread; short transactions.

    `durable` says whether a commit is synced to disk before it returns.
    """

    def __init__(self, path: Path, migrations: Sequence[str], *, durable: bool = False) -> None:
        """Open `path` and bring it to the newest format; `migrations` are its formats, each as what has to be done to the one before.

        A file of a newer format is refused.
        """
        self.path = path
        self.durable = durable
        self._local = threading.local()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._migrate(migrations)

    def ensure(self, schema: str) -> None:
        """Make a room's own tables where they are not there yet."""
        self._guard(lambda: self._connection().executescript(schema))

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Row]:
        """All rows of a query."""
        return self._guard(lambda: self._connection().execute(query, values).fetchall())

    def row(self, query: str, values: Sequence[object] = ()) -> Row | None:
        """The first row of a query, or None."""
        found = self.rows(query, values)
        return found[0] if found else None

    def execute(self, query: str, values: Sequence[object] = ()) -> int:
        """Run one statement in its own transaction; returns the last row's id."""
        with self.transaction() as connection:
            return connection.execute(query, values).lastrowid or 0

    def execute_many(self, query: str, rows: Sequence[Sequence[object]]) -> None:
        """Run one statement for many rows in one transaction."""
        with self.transaction() as connection:
            connection.executemany(query, rows)

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """All or nothing, also after a kill."""
        connection = self._connection()
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except BaseException as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise self._explain(error) from error
            raise

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self.durable else 'NORMAL'}")
            self._local.connection = connection
        return connection

    def _migrate(self, migrations: Sequence[str]) -> None:
        found, newest = self._format(), len(migrations)
        if found > newest:
            hint = "upgrade millstream, or use another folder"
            raise StoreError(f"{self.path} was written by a newer millstream (format {found}, this one knows {newest})", hint=hint)
        if found < newest:
            with self.transaction() as connection:
                for number in range(self._format(), newest):
                    for statement in migrations[number].split(";\n"):
                        connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {newest}")

    def _format(self) -> int:
        row = self.row("PRAGMA user_version")
        return int(row[0]) if row else 0

    def _guard(self, action: Callable[[], R]) -> R:
        try:
            return action()
        except sqlite3.Error as error:
            raise self._explain(error) from error

    def _explain(self, error: sqlite3.Error) -> StoreError:
        hint = {
            "SQLITE_FULL": "free some space on the disk and run again: what is finished is kept",
            "SQLITE_READONLY": "make the folder writable, or work in a copy",
            "SQLITE_CANTOPEN": "make the folder writable, or work in a copy",
            "SQLITE_NOTADB": f"move {self.path.name} away: it is made anew",
        }.get(getattr(error, "sqlite_errorname", ""))
        return StoreError(f"{self.path}: {error}", hint=hint)
