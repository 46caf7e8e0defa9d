"""From a training set to the plan of its requests: which columns are sent, of what type, and which may be null."""

from __future__ import annotations

import io
from collections.abc import Collection
from typing import Literal

import polars as pl

from millstream.errors import DeclarationError
from millstream.features.training_set import Question
from millstream.registry.records import InputField, Plan
from millstream.training.problem import Problem


def make_plan(
    model: str,
    *,
    question: Question,
    problem: Problem,
    looked_up_by: Collection[str],
    asked: pl.DataFrame,
    examples: pl.DataFrame,
    features: tuple[str, ...],
) -> Plan:
    """The plan of a model; `asked` are the question's columns, `examples` the rows of the training set.

    A column that is ignored and by which no view is looked up need not be sent.
    """
    columns = [name for name in asked.columns if question.separate or name != question.label]
    fields = tuple(
        _field(name, asked.schema[name], examples.get_column(name), question, optional=name in question.ignore and name not in looked_up_by)
        for name in columns
    )
    return Plan(model, question.label, problem.task, problem.metric, problem.classes, question.facts, fields, features, _schema(examples))


def _field(name: str, kind: pl.DataType, values: pl.Series, question: Question, *, optional: bool) -> InputField:
    role: Literal["input", "key", "time"] = "key" if name in question.key else "time" if name == question.time else "input"
    nullable = optional or role == "time" or values.null_count() > 0
    return InputField(name, _kind(name, kind), required=not optional and role != "time", nullable=nullable, role=role)


def _kind(name: str, kind: pl.DataType) -> Literal["number", "integer", "boolean", "level", "moment"]:
    if kind == pl.Boolean:
        return "boolean"
    if kind.is_integer():
        return "integer"
    if kind.is_numeric():
        return "number"
    if isinstance(kind, pl.Datetime | pl.Date):
        return "moment"
    if isinstance(kind, pl.String | pl.Null | pl.Categorical | pl.Enum):
        return "level"
    raise DeclarationError(f"column '{name}' is {kind}, which a request cannot carry", hint="make a number, a text or a moment of it in a step")


def _schema(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.head(0).write_ipc(buffer)
    return buffer.getvalue()
