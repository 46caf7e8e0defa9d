"""Small stores: tables and values put into one, and read again."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from millstream.kernel.facts import Facts
from millstream.kernel.records import Table, Value
from millstream.kernel.store import Store

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
UNTIMED = Facts()
TIMED = Facts(("n",), "at", "told", 60_000_000)


def frame(rows: int = 48) -> pl.DataFrame:
    """A row every hour."""
    return pl.DataFrame({"n": range(rows), "word": ["a", None] * (rows // 2)}).with_columns(
        at=BEGIN + pl.duration(hours=pl.col("n")), told=BEGIN + pl.duration(hours=pl.col("n"))
    )


def put(store: Store, rows: pl.DataFrame, facts: Facts = TIMED) -> Table:
    """The table of some rows."""
    return store.write_table(rows, facts)[0]


def put_value(store: Store, content: bytes) -> Value:
    """The value of some bytes."""
    return store.write_value(content, "bytes")[0]


def whole(store: Store, table: Table) -> pl.DataFrame:
    """All rows of a table."""
    return store.read(store.visible(table, None))


def stored_files(store: Store) -> list[Path]:
    """Everything that lies among the objects."""
    return [path for path in store.objects.rglob("*") if path.is_file()]


def large(rows: int = 2_000) -> pl.DataFrame:
    """Too large for the record."""
    return pl.DataFrame({"n": range(rows), "x": [number / 7 for number in range(rows)], "word": [f"w{number % 9}" for number in range(rows)]})


@contextmanager
def public_folder() -> Generator[Path]:
    """A folder that every user can read."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
