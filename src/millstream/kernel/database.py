"""SQLite files that several processes may open at once."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from millstream.errors import StoreError
from millstream.kernel.disk import FREE, LOCAL, WRITABLE, explained
from millstream.kernel.locks import holders, told

PATIENCE = 60.0
"""Seconds that are waited for another process that writes."""

R = TypeVar("R")
Row = tuple[Any, ...]


class Database:
    """One SQLite file in WAL mode; a connection per thread; short transactions. Where this user may not write, it can be read.

    `durable` says whether a commit is synced to disk before it returns.
    """

    def __init__(self, path: Path, migrations: Sequence[str], *, durable: bool = False) -> None:
        """Open `path` and bring it to the newest format; `migrations` are its formats, each as what has to be done to the one before.

        A file of a newer format is refused.
        """
        self.path = path
        self.durable = durable
        self._local = threading.local()
        with explained(path.parent):
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
        connection = self._guard(self._connection)
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

    def compact(self) -> int:
        """Give back the space of what was deleted, if it is a quarter of the file and there is room to copy the rest; the bytes given back."""
        (pages,), (free,), (size,) = (self.rows(f"PRAGMA {name}")[0] for name in ("page_count", "freelist_count", "page_size"))
        if free * 4 < pages or shutil.disk_usage(self.path.parent).free < 2 * (pages - free) * size:
            return 0
        self.rows("VACUUM")
        self.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        return int(free * size)

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            try:
                connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if os.access(self.path.parent, os.W_OK) or not self.path.exists():
                    raise
                connection = _as_it_lies(self.path)
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
                    connection.execute(f"PRAGMA user_version = {number + 1}")

    def _format(self) -> int:
        row = self.row("PRAGMA user_version")
        return int(row[0]) if row else 0

    def _guard(self, action: Callable[[], R]) -> R:
        try:
            return action()
        except sqlite3.Error as error:
            raise self._explain(error) from error

    def _explain(self, error: sqlite3.Error) -> StoreError:
        kind = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
        match kind:
            case "SQLITE_BUSY":
                holding = told(holders(self.path.with_name(f"{self.path.name}-shm"), writing=True) or holders(self.path, writing=True))
                said = f"{self.path} has been locked for {PATIENCE:.0f} s by another process{holding}"
                return StoreError(said, hint="end it, or wait until it is done")
            case "SQLITE_FULL":
                return StoreError(f"cannot write to {self.path}: the disk is full", hint=FREE)
            case "SQLITE_READONLY" | "SQLITE_CANTOPEN" | "SQLITE_PERM":
                return StoreError(f"cannot write to {self.path}: it, or its folder, is read-only", hint=WRITABLE)
            case "SQLITE_NOTADB" | "SQLITE_CORRUPT":
                hint = f"put a copy of it back, or move {self.path.name} away: it is made anew, and what was on record is lost"
                return StoreError(f"{self.path} is damaged: {error}", hint=hint)
            case "SQLITE_IOERR" | "SQLITE_PROTOCOL":
                return StoreError(
                    f"{self.path} cannot be read or written: {error}", hint=f"is its disk full, failing, or on another machine? {LOCAL}"
                )
            case _:
                return StoreError(f"{self.path}: {error}")


def inspect(path: Path) -> tuple[int, str | None]:
    """The format of an SQLite file, and the first thing that is wrong with it, None if nothing is; the file is left as it is."""
    try:
        try:
            return _inspected(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=PATIENCE))
        except sqlite3.OperationalError:
            if os.access(path.parent, os.W_OK):
                raise
            return _inspected(_as_it_lies(path))
    except sqlite3.Error as error:
        return 0, str(error)


def _inspected(opened: sqlite3.Connection) -> tuple[int, str | None]:
    with closing(opened) as connection:
        ((number,),) = connection.execute("PRAGMA user_version")
        ((found,),) = connection.execute("PRAGMA integrity_check(1)")
    return int(number), None if found == "ok" else str(found).replace("\n", " ")


def _as_it_lies(path: Path) -> sqlite3.Connection:
    """Reads a file whose folder may not be written: nothing is made beside it, and what others write meanwhile is not seen."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None)
