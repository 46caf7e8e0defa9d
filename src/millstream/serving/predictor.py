"""A version that answers: online features as of the request, one row through the plan, one prediction.

The scoring itself is the generated row body of the plan; only on-demand functions of the user need a table of one row.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl

from millstream.errors import ColumnError, RequestError, did_you_mean
from millstream.features.online import OnlineTable
from millstream.features.views import OnDemand
from millstream.kernel.availability import text_of
from millstream.preparation.records import Codes, OneHot
from millstream.preparation.row_body import compile_row
from millstream.registry.records import Plan
from millstream.serving.batch import decided
from millstream.serving.records import Answer, RequestField
from millstream.training.candidates import FittedCandidate
from millstream.training.row_body import compile_score

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Retained:
    """The moments at which the online features are exact: from `since` to `clock` (None: now), in microseconds."""

    since: int | None
    clock: int | None

    def now(self) -> int:
        """The clock in force."""
        return self.clock if self.clock is not None else time.time_ns() // 1_000


class Predictor:
    """A trained version in the hand. One request or many rows: each is answered as of its own time, exactly as the batch would answer it."""

    def __init__(self, version: str, plan: Plan, candidate: FittedCandidate, views: Sequence[OnlineTable | OnDemand], retained: Retained) -> None:
        """`views` are the online tables and on-demand functions in the order of the training set."""
        self.version, self.plan, self.retained = version, plan, retained
        self._candidate = candidate
        self._views = list(views)
        self._schema = pl.read_ipc(io.BytesIO(plan.schema)).schema
        self._question = [field.name for field in plan.fields]
        self._brings = {view.name: list(view.outputs) for view in views if not isinstance(view, OnDemand)}
        self._score = _row_score(candidate, plan)
        self._levels = {step.column: frozenset(step.levels) for step in candidate.preparation.steps if isinstance(step, Codes | OneHot)}

    def fields(self) -> tuple[RequestField, ...]:
        """The columns of a request."""
        return tuple(
            RequestField(field.name, field.kind, required=field.required, nullable=field.nullable, role=field.role) for field in self.plan.fields
        )

    def predict(self, rows: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
        """Answer many rows at once: one row for each, in order, with `prediction`, and for classes `probability` (of the positive one).

        `rows` has the columns of a request; others are ignored, but for key and time, which are handed back. Features are looked up as of
        the time of each row. Raises ColumnError for a column that is missing or of another type, RequestError for a time before the
        features that are kept.
        """
        given = rows.collect() if isinstance(rows, pl.LazyFrame) else rows
        frame = self._asked_rows(given)
        moments = self._moments(frame)
        for view in self._views:
            if isinstance(view, OnDemand):
                reads = [name for read in view.reads for name in self._brings[read]]
                found = view.features(frame.select(name for name in (*self._question, *reads) if name in frame.columns), self.plan.facts.key)
                self._brings[view.name] = found.columns
            else:
                answers = [view.read(row, at) for row, at in zip(frame.select(view.on).iter_rows(named=True), moments, strict=True)]
                found = pl.DataFrame(answers, schema={name: self._schema[name] for name in view.outputs}, orient="row")
            frame = frame.hstack(found)
        told = [name for name in (*self.plan.facts.key, self.plan.facts.time) if name in frame.columns]
        return pl.DataFrame([*frame.select(told).get_columns(), *decided(self.plan, self._candidate, frame).get_columns()])

    def _asked_rows(self, given: pl.DataFrame) -> pl.DataFrame:
        """The columns of the question, of the types that were learnt from."""
        columns: list[pl.Series] = []
        looked_up = {name for view in self._views for name in (self.plan.facts.key if isinstance(view, OnDemand) else view.on)}
        for field in self.plan.fields:
            kind = self._schema[field.name]
            if field.name in given.columns:
                columns.append(_cast(given.get_column(field.name), kind))
            elif field.role == "time" or field.name in looked_up or (field.required and field.role != "key"):
                hint = did_you_mean(field.name, given.columns) or f"a question of {self.plan.model} has {', '.join(self._question)}"
                raise ColumnError(f"{self.plan.model}: the rows to predict have no column '{field.name}'", hint=hint)
            elif field.role != "key":
                columns.append(pl.Series(field.name, [None], dtype=kind).new_from_index(0, given.height))
        return pl.DataFrame(columns)

    def _moments(self, frame: pl.DataFrame) -> list[int]:
        """The moment as of which each row is answered, in microseconds."""
        name, now = self.plan.facts.time, self.retained.now()
        if name is None:
            return [now] * frame.height
        asked = frame.get_column(name).cast(pl.Int64)
        if asked.null_count():
            raise ColumnError(f"{self.plan.model}: '{name}' is null in {asked.null_count():,} rows", hint="say when each is asked")
        earliest = asked.min()
        if self.retained.since is not None and isinstance(earliest, int) and earliest < self.retained.since:
            raise RequestError(f"asked as of {text_of(earliest)}, but features are kept from {text_of(self.retained.since)} on", path=f"$.{name}")
        return asked.clip(upper_bound=now).to_list()

    def answer(self, request: Mapping[str, object], request_id: str) -> Answer:
        """Score one decoded request as of its moment."""
        asked, values = self.values(request)
        score = self._score(values)
        probability = score if self.plan.task == "binary" else None
        prediction = self.plan.classes[score >= 0.5] if self.plan.task == "binary" else score
        return Answer(request_id, prediction, probability, self.version, self._watermarks(asked), self._flags(values))

    def values(self, request: Mapping[str, object]) -> tuple[int, dict[str, object]]:
        """The moment of a request, and the request with all its features as of then."""
        asked, values = self._asked(request)
        at = min(asked, self.retained.now())
        if self.retained.since is not None and at < self.retained.since:
            raise RequestError(
                f"asked as of {text_of(at)}, but features are kept from {text_of(self.retained.since)} on", path=f"$.{self.plan.facts.time}"
            )
        for view in self._views:
            if isinstance(view, OnDemand):
                values.update(self._on_demand(view, values))
            else:
                values.update(zip(view.outputs, view.read(values, at), strict=True))
        return at, values

    def _asked(self, request: Mapping[str, object]) -> tuple[int, dict[str, object]]:
        name, values = self.plan.facts.time, dict(request)
        moment = values.get(name) if name else None
        if name is None or not isinstance(moment, datetime):
            asked = self.retained.now()
            if name is not None:
                values[name] = EPOCH + asked * MICROSECOND
            return asked, values
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware - EPOCH) // MICROSECOND, values

    def _on_demand(self, view: OnDemand, values: Mapping[str, object]) -> dict[str, object]:
        names = [*self._question, *(name for read in view.reads for name in self._brings[read])]
        schema = {name: self._schema[name] for name in names}
        row = pl.DataFrame([[_typed(values.get(name), kind) for name, kind in schema.items()]], schema=schema, orient="row")
        brought = view.features(row, self.plan.facts.key).row(0, named=True)
        self._brings[view.name] = list(brought)
        return brought

    def _watermarks(self, at: int) -> dict[str, str | None]:
        marks = {view.name: view.watermark(at) for view in self._views if not isinstance(view, OnDemand)}
        return {name: None if mark is None else text_of(mark) for name, mark in marks.items()}

    def _flags(self, values: Mapping[str, object]) -> tuple[str, ...]:
        unknown = [name for name, levels in self._levels.items() if values.get(name) is not None and values[name] not in levels]
        return tuple(f"unknown_level:{name}" for name in unknown)


def _cast(column: pl.Series, kind: pl.DataType) -> pl.Series:
    try:
        return column if column.dtype == kind else column.cast(kind)
    except pl.exceptions.PolarsError as error:
        raise ColumnError(f"column '{column.name}' is {column.dtype}, but {kind} was learnt from", hint="cast it") from error


def _row_score(candidate: FittedCandidate, plan: Plan) -> Callable[[Mapping[str, object]], float]:
    if candidate.fitted is None:
        schema = pl.read_ipc(io.BytesIO(plan.schema)).schema
        kinds = {name: schema[name] for name in plan.features}
        return lambda values: float(
            candidate.scores(pl.DataFrame({name: [_typed(values.get(name), kind)] for name, kind in kinds.items()}, schema=kinds))[0]
        )
    prepare, score = compile_row(candidate.preparation), compile_score(candidate.fitted)
    return lambda values: score(prepare(values))


def _typed(value: object, kind: pl.DataType) -> object:
    if isinstance(kind, pl.Date) and isinstance(value, datetime):
        return value.date()
    if isinstance(kind, pl.Datetime) and isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value
