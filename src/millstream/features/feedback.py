"""Labels that are told one by one: they win for their key, are known when they came, and are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import polars as pl

from millstream.features.training_set import KNOWN, TARGET
from millstream.kernel.database import Database
from millstream.kernel.digest import digest_bytes
from millstream.kernel.facts import Facts
from millstream.kernel.fingerprint import own_code
from millstream.kernel.records import Artifact, Cause, Value
from millstream.kernel.store import Store
from millstream.kernel.units import Plan, Unit

SCHEMA = """
CREATE TABLE IF NOT EXISTS feedback (model TEXT NOT NULL, key TEXT NOT NULL, label TEXT NOT NULL, known_at INTEGER NOT NULL,
    PRIMARY KEY (model, key, known_at));
"""
WRITTEN_MOMENT = "%Y-%m-%dT%H:%M:%S%.fZ"
Label = bool | int | float | str


class FeedbackBook:
    """All labels told so far, synced to disk as they come; of those known at a moment the last one told for a key stands."""

    def __init__(self, root: Path) -> None:
        """Open the book beside the store."""
        self.database = Database(root / "feedback.sqlite", [SCHEMA], durable=True)

    def put(self, model: str, labels: Sequence[tuple[Sequence[object], Label, int]]) -> None:
        """Write down labels as (key, label, known_at in microseconds)."""
        rows = [(model, msgspec.json.encode(list(key)).decode(), msgspec.json.encode(label).decode(), known) for key, label, known in labels]
        self.database.execute_many("INSERT OR REPLACE INTO feedback VALUES (?, ?, ?, ?)", rows)

    def rows(self, model: str) -> list[tuple[str, str, int]]:
        """Key, label (JSON) and known_at of every label of a model."""
        return self.database.rows("SELECT key, label, known_at FROM feedback WHERE model = ? ORDER BY key, known_at", (model,))


@dataclass(frozen=True, eq=False)
class FeedbackOperation:
    """The labels told about a model, as a table with the question's key."""

    model: str
    key: tuple[str, ...]

    def plan(self, store: Store, inputs: Sequence[Artifact], as_of: int) -> Plan:
        """All labels told; the reader cuts them by what was known."""
        del inputs, as_of
        told = msgspec.json.encode(FeedbackBook(store.root).rows(self.model))
        seen = Value(digest_bytes(told), "json", len(told), inline=told)
        return Plan([Unit(None, None, (seen,))], (own_code("features"), Cause("labels told", seen.digest[:16])), Facts(self.key, None, KNOWN))

    def compute(self, store: Store, unit: Unit) -> pl.DataFrame:
        """The table of the labels told."""
        (told,) = unit.seen
        assert isinstance(told, Value)
        return self._table(msgspec.json.decode(store.read_value(told), type=list[tuple[str, str, int]]))

    def _table(self, told: Sequence[tuple[str, str, int]]) -> pl.DataFrame:
        keys = [msgspec.json.decode(key) for key, _, _ in told]
        columns = {name: pl.Series(name, [_text(key[place]) for key in keys], dtype=pl.String) for place, name in enumerate(self.key)}
        columns[TARGET] = pl.Series(TARGET, [_text(msgspec.json.decode(label)) for _, label, _ in told], dtype=pl.String)
        columns[KNOWN] = pl.Series(KNOWN, [known for _, _, known in told], dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
        return pl.DataFrame(list(columns.values()))


def value_of_text(text: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """A value that was written as JSON (text without its quotes), in its own type again; null where it is none of that type."""
    if kind == pl.Boolean:
        return pl.when(text == "true").then(statement=True).when(text == "false").then(statement=False)
    if isinstance(kind, pl.Date | pl.Datetime):
        return text.str.to_datetime(WRITTEN_MOMENT, strict=False).cast(kind)
    if kind.is_integer():
        return pl.coalesce(text.cast(kind, strict=False), text.cast(pl.Float64, strict=False).cast(kind, strict=False))
    return text.cast(kind, strict=False)


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


def with_feedback(rows: pl.DataFrame, told: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Rows with `__target__` and `__known__`, where what was told wins: of several labels for one key the one that came last."""
    if not told.height:
        return rows
    told = told.sort(KNOWN, maintain_order=True).unique(list(key), keep="last", maintain_order=True)
    kinds = {name: rows.schema[name] for name in (*key, TARGET)}
    typed = told.select(*(value_of_text(pl.col(name), kind).alias(name) for name, kind in kinds.items()), pl.col(KNOWN).cast(pl.Int64)).rename(
        {TARGET: "__told__", KNOWN: "__told_at__"}
    )
    joined = rows.join(typed, on=list(key), how="left", maintain_order="left")
    won = pl.col("__told__").is_not_null()
    target = pl.when(won).then("__told__").otherwise(TARGET)
    known = pl.when(won).then("__told_at__").otherwise(KNOWN)
    return joined.with_columns(target.alias(TARGET), known.alias(KNOWN)).drop("__told__", "__told_at__")
