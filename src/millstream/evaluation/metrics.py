"""How good predictions are: metrics with scikit-learn's meaning, errors not negated.

`truth` holds 0 and 1, or numbers; `score` the probability of the positive class, or numbers; both have shape (rows,).
A metric that is not defined on the rows (one class only, no rows, a score that is `nan`) is `nan`, never an exception.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from millstream.errors import ConfigurationError, did_you_mean
from millstream.evaluation.ranking import count_by_group, rank

Task = Literal["binary", "regression"]
Metric = Callable[[NDArray[np.float64], NDArray[np.float64]], float]
RowLoss = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """A metric: its direction, the task it is for, and its function.

    `row_loss` gives the values whose mean is the metric, when it is such a mean.
    """

    name: str
    larger_is_better: bool
    task: Task
    function: Metric
    row_loss: RowLoss | None = None

    @property
    def direction(self) -> float:
        """1.0 for a gain, -1.0 for an error."""
        return 1.0 if self.larger_is_better else -1.0


def roc_auc(truth: NDArray[np.float64], score: NDArray[np.float64]) -> float:
    """The share of (positive, negative) pairs in right order; equal scores count half.

    Source: Mann and Whitney 1947, equal to the trapezoidal area of scikit-learn's `roc_auc_score`.
    """
    positive = truth == 1.0
    pairs = int(positive.sum()) * int((~positive).sum())
    if pairs == 0 or np.isnan(score).any():
        return math.nan
    ranking = rank(score)
    negatives = count_by_group(ranking, ~positive)
    twice_behind = 2 * np.cumsum(negatives) - negatives
    return int((count_by_group(ranking, positive) * twice_behind).sum()) / (2 * pairs)


def average_precision(truth: NDArray[np.float64], score: NDArray[np.float64]) -> float:
    """Precision at each distinct score, weighted by the gain in recall there.

    Source: scikit-learn's `average_precision_score`, but `nan` instead of 0 where there is no positive row.
    """
    positive = truth == 1.0
    if not positive.any() or np.isnan(score).any():
        return math.nan
    ranking = rank(score)
    found = count_by_group(ranking, positive)[::-1]
    seen = count_by_group(ranking, np.ones_like(positive))[::-1]
    return float((found * (np.cumsum(found) / np.cumsum(seen))).sum() / found.sum())


def row_log_loss(truth: NDArray[np.float64], score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minus the natural logarithm of the probability given to the true class, clipped like scikit-learn's."""
    given = np.where(truth == 1.0, score, 1.0 - score)
    losses: NDArray[np.float64] = -np.log(np.clip(given, SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY))
    return losses


def row_squared_error(truth: NDArray[np.float64], score: NDArray[np.float64]) -> NDArray[np.float64]:
    """The squared distance of each score from its truth."""
    return np.square(truth - score)


def row_absolute_error(truth: NDArray[np.float64], score: NDArray[np.float64]) -> NDArray[np.float64]:
    """The absolute distance of each score from its truth."""
    return np.abs(truth - score)


def row_correct(truth: NDArray[np.float64], score: NDArray[np.float64]) -> NDArray[np.float64]:
    """1.0 where the class said at threshold 0.5 (inclusive) is the true one, else 0.0, and `nan` without a score."""
    correct = ((score >= 0.5) == (truth == 1.0)).astype(np.float64)
    return np.where(np.isnan(score), np.nan, correct)


def rmse(truth: NDArray[np.float64], score: NDArray[np.float64]) -> float:
    """The root of the mean squared error, in the unit of the truth."""
    return math.sqrt(mean(row_squared_error(truth, score)))


def mean(values: NDArray[np.float64]) -> float:
    """The mean; `nan` of nothing."""
    return float(values.mean()) if values.size else math.nan


def _mean_of(name: str, task: Task, row_loss: RowLoss, *, larger_is_better: bool = False) -> MetricDefinition:
    return MetricDefinition(name, larger_is_better, task, lambda truth, score: mean(row_loss(truth, score)), row_loss)


_DEFINITIONS = (
    MetricDefinition("roc_auc", larger_is_better=True, task="binary", function=roc_auc),
    MetricDefinition("average_precision", larger_is_better=True, task="binary", function=average_precision),
    _mean_of("log_loss", "binary", row_log_loss),
    _mean_of("brier", "binary", row_squared_error),
    _mean_of("accuracy", "binary", row_correct, larger_is_better=True),
    MetricDefinition("rmse", larger_is_better=False, task="regression", function=rmse),
    _mean_of("mae", "regression", row_absolute_error),
)

METRICS: Mapping[str, MetricDefinition] = MappingProxyType({definition.name: definition for definition in _DEFINITIONS})


def metric_named(name: str) -> MetricDefinition:
    """The metric of that name.

    Raises:
        ConfigurationError: There is none.
    """
    if name not in METRICS:
        hint = did_you_mean(name, METRICS) or f"known metrics: {', '.join(METRICS)}"
        raise ConfigurationError(f"metric '{name}' does not exist", hint=hint)
    return METRICS[name]


def default_metric(task: Task) -> str:
    """The metric of a task when the user names none."""
    return "roc_auc" if task == "binary" else "rmse"
