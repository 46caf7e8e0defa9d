"""What is learnt: the task and the metric that follow from a label's type, and its values as numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from millstream.errors import ColumnError, ContractError
from millstream.evaluation.metrics import METRICS, default_metric
from millstream.training.records import Task

ClassValue = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Problem:
    """A task and its metric. `classes` are the negative and the positive value of a binary label: the greater one is positive."""

    task: Task
    metric: str
    classes: tuple[ClassValue, ...] = ()

    def numbers(self, target: pl.Series) -> NDArray[np.float64]:
        """The label as 0 and 1, or as numbers; shape (rows,)."""
        if self.task == "regression":
            return target.cast(pl.Float64).to_numpy()
        return (target == self.classes[1]).cast(pl.Float64).to_numpy()


def problem_of(label: str, target: pl.Series, metric: str | None, *, where: str | None = None) -> Problem:
    """The task of a label that is known: the metric names it; without one, two values are classes and more are numbers.

    `where` is the line of the model. Raises MillstreamError for a label that cannot be learnt.
    """
    task = METRICS[metric].task if metric else _task(label, target)
    if task == "regression":
        if not (target.dtype.is_numeric() or target.dtype == pl.Boolean):
            message = f"label '{label}' is {target.dtype}, which has no {metric or 'number'}"
            raise ColumnError(message, where=where, hint="choose a metric for classes, as roc_auc")
        return Problem("regression", metric or default_metric("regression"))
    values = target.unique().drop_nulls().sort().to_list()
    if len(values) == 1:
        message = f"label '{label}' is {values[0]} in all {target.len():,} rows"
        raise ContractError(message, where=where, hint="wait for labels of the other kind")
    if len(values) > 2:
        some = ", ".join(map(str, values[:5])) + "…" * (len(values) > 5)
        message = f"label '{label}' has {len(values)} values ({some}): more than two classes are not trained yet"
        raise ColumnError(message, where=where, hint="ask for one class against the others, or choose rmse for a number")
    return Problem("binary", metric or default_metric("binary"), tuple(values))


def _task(label: str, target: pl.Series) -> Task:
    kind = target.dtype
    if isinstance(kind, pl.Boolean | pl.String | pl.Categorical | pl.Enum):
        return "binary"
    if not kind.is_numeric():
        raise ColumnError(f"label '{label}' is {kind}", hint="a label is a number, a boolean or a text")
    return "binary" if kind.is_integer() and target.n_unique() <= 2 else "regression"
