"""The training set: every row asked, with what was known at that moment; and the truth, joined as it becomes known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import polars as pl

from millstream.errors import ColumnError, DeclarationError, did_you_mean
from millstream.features.views import OnDemand, View
from millstream.kernel.availability import DAY, Cut, available_at, is_timed
from millstream.kernel.facts import Facts
from millstream.kernel.fingerprint import own_code
from millstream.kernel.records import Artifact, Cause
from millstream.kernel.store import Store
from millstream.kernel.units import Plan, Seen, Unit, expect_tables, seen_of

TARGET, KNOWN, ASKED = "__target__", "__known__", "__asked__"
BATCH_DAYS = 92


class Question(msgspec.Struct, frozen=True):
    """What a training set asks: its facts, the label's column, and the columns that are no features."""

    key: tuple[str, ...]
    time: str | None
    label: str
    separate: bool
    ignore: tuple[str, ...]
    facts: Facts

    def features(self, columns: Sequence[str]) -> list[str]:
        """Every column but the key, the times, the label and what is ignored."""
        others = {*self.key, *self.ignore, self.facts.time, self.facts.known_at, *(() if self.separate else (self.label,))}
        return [name for name in columns if name not in others]


@dataclass(frozen=True, eq=False)
class TrainingSetOperation:
    """Joins the views to the rows asked, day by day of the question."""

    name: str
    question: Question
    views: tuple[View, ...]
    inputs: tuple[str, ...]
    where: str = ""

    def plan(self, store: Store, inputs: Sequence[Artifact], as_of: int) -> Plan:
        """The rows asked by the moment with their features, day by day."""
        seen = seen_of(store, inputs, as_of)
        expect_tables(self.name, self.inputs, seen, self.where)
        self._check(store, seen[0])
        hidden = () if self.question.separate else (Cause("label", self.question.label),)
        causes = (own_code("features"), *hidden, *(cause for view in self.views for cause in view.causes()))
        return Plan(self._units(seen), causes, self.question.facts, tuple(zip(self.inputs, seen, strict=True)), longest=BATCH_DAYS)

    def compute(self, store: Store, unit: Unit) -> pl.DataFrame:
        """The rows asked in some days, with their features."""
        tables = [store.read(each) for each in unit.seen if isinstance(each, Cut)]
        facts = [each.table.facts for each in unit.seen if isinstance(each, Cut)]
        return self.join(tables[0], tables, facts)

    def _units(self, seen: tuple[Seen, ...]) -> list[Unit]:
        rows = seen[0]
        assert isinstance(rows, Cut)
        days = [part.day for part, _ in rows.parts if part.day is not None]
        if not is_timed(self.question.facts, rows.table.names) or not days:
            return [Unit(None, None, seen)]
        return [Unit(day, day + DAY, tuple(self._reached(place, each, day) for place, each in enumerate(seen))) for day in days]

    def _reached(self, place: int, seen: Seen, day: int) -> Seen:
        if place == 0 and isinstance(seen, Cut):
            return seen.between(day, day + DAY)
        reach = next(view.reach for view in self.views if not isinstance(view, OnDemand) and view.place == place)
        return seen.between(None if reach is None else day - reach, day + DAY) if isinstance(seen, Cut) else seen

    def join(self, questions: pl.DataFrame, tables: Sequence[pl.DataFrame], facts: Sequence[Facts]) -> pl.DataFrame:
        """The questions with the columns of every view, in order. No view sees a label that is a column of the question."""
        asks = questions if self.question.separate else questions.drop(self.question.label)
        frame, brought = asks, dict.fromkeys(questions.columns, self.inputs[0])
        time = self.question.time
        asked = questions.get_column(time).cast(pl.Int64) if time else None
        columns: dict[str, list[str]] = {}
        for view in self.views:
            if isinstance(view, OnDemand):
                rows = frame.select(*asks.columns, *(name for read in view.reads for name in columns[read]))
                found = view.features(rows, self.question.key)
            else:
                found = view.features(frame, asked, tables[view.place], facts[view.place])
            for name in found.columns:
                if name in brought:
                    raise ColumnError(
                        f"both {brought[name]} and {view.name} bring a column '{name}'",
                        where=self.where,
                        hint='rename one, or use .on(…, prefix="…") or .select(…)',
                    )
                brought[name] = view.name
            columns[view.name] = found.columns
            frame = frame.hstack(found)
        return questions.hstack(frame.drop(asks.columns))

    def _check(self, store: Store, rows: Seen) -> None:
        assert isinstance(rows, Cut)
        known = rows.table.names
        label = None if self.question.separate else self.question.label
        for name, role in (*((each, "") for each in (*self.question.key, self.question.time)), (label, " for the label")):
            if name is not None and name not in known:
                hint = did_you_mean(name, known) or f"it has {', '.join(known)}"
                raise ColumnError(f"{self.inputs[0]}: the question has no column '{name}'{role}", where=self.where, hint=hint)
        checked = f"one row per key {rows.key}"
        if self.question.key and store.note(checked) is None:
            self._check_key(store.read(rows, self.question.key))
            store.set_note(checked, b"")

    def _check_key(self, keys: pl.DataFrame) -> None:
        twice = keys.filter(keys.is_duplicated())
        if twice.height:
            raise ColumnError(
                f"{self.inputs[0]}: several rows are asked for one key, as for {twice.row(0)}",
                where=self.where,
                hint="a question has one row per key: keep one, or make the key longer",
            )


def asked_rows(store: Store, examples: Cut, question: Question, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """All rows asked that are seen, in order of their time, with `__asked__` in microseconds."""
    frame = store.read(examples, columns)
    if question.time is None:
        return frame.with_columns(pl.lit(None, pl.Int64).alias(ASKED))
    return frame.with_columns(pl.col(question.time).cast(pl.Int64).alias(ASKED)).sort(ASKED, maintain_order=True)


def truth(store: Store, label: Cut, question: Question) -> pl.DataFrame:
    """The label as far as it is known: key, `__target__` and `__known__` in microseconds."""
    facts, frame = label.table.facts, store.read(label)
    column = label_column(frame.columns, facts, question.label)
    if frame.select(question.key).is_duplicated().any():
        raise ColumnError(f"label {question.label}: several rows for one key", hint="a label has one row per key")
    known = available_at(facts) if facts.known_at else pl.lit(None, pl.Int64)
    return frame.select(*question.key, pl.col(column).alias(TARGET), known.alias(KNOWN)).filter(pl.col(TARGET).is_not_null())


def label_column(columns: Sequence[str], facts: Facts, label: str) -> str:
    """The one column of a label besides its key and known_at."""
    values = [name for name in columns if name not in (*facts.key, facts.known_at)]
    if len(values) != 1:
        raise DeclarationError(
            f"label {label}: returns {len(values)} columns besides key and known_at ({', '.join(values)})", hint="a label has exactly one"
        )
    return values[0]


def with_truth(rows: pl.DataFrame, labels: pl.DataFrame | None, question: Question) -> pl.DataFrame:
    """Rows asked with `__target__` and `__known__`, null where the label is not known."""
    if labels is None:
        known = pl.when(pl.col(question.label).is_not_null()).then(pl.col(ASKED))
        return rows.with_columns(pl.col(question.label).alias(TARGET), known.alias(KNOWN))
    return rows.join(labels, on=list(question.key), how="left", maintain_order="left")
