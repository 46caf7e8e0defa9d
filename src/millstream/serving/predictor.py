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

from millstream.errors import RequestError
from millstream.features.online import OnlineTable
from millstream.features.views import OnDemand
from millstream.kernel.availability import text_of
from millstream.preparation.records import Codes, OneHot
from millstream.preparation.row_body import compile_row
from millstream.registry.records import Plan
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
    """Answers one request at a time, exactly as the batch would have answered the same row."""

    def __init__(self, version: str, plan: Plan, candidate: FittedCandidate, views: Sequence[OnlineTable | OnDemand], retained: Retained) -> None:
        """`views` are the online tables and on-demand functions in the order of the training set."""
        self.version, self.plan, self.retained = version, plan, retained
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

    def answer(self, request: Mapping[str, object], request_id: str) -> Answer:
        """Score one decoded request as of its moment."""
        asked, values = self.values(request)
        score = self._score(values)
        probability = score if self.plan.task == "binary" else None
        prediction = self.plan.classes[score >= 0.5] if self.plan.task == "binary" else score
        return Answer(request_id, prediction, probability, self.version, self._watermarks(asked), self._flags(values))

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The answers for some rows of the question, in order: `prediction`, and for two classes the `probability` of the positive one."""
        answers = [self.answer(row, str(place)) for place, row in enumerate(rows.iter_rows(named=True))]
        prediction = pl.Series("prediction", [answer.prediction for answer in answers])
        if self.plan.task != "binary":
            return prediction.to_frame()
        return pl.DataFrame([prediction, pl.Series("probability", [answer.probability for answer in answers], dtype=pl.Float64)])

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
