"""How sure a metric is: intervals from the rows it was measured on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from millstream.evaluation.bootstrap import MOST_ROWS, average_precision_draws
from millstream.evaluation.metrics import MetricDefinition, mean, metric_named, row_squared_error
from millstream.evaluation.ranking import placements, precision_influence
from millstream.evaluation.records import Score

RANKING_METRICS = frozenset({"roc_auc", "average_precision"})

FEWEST_ROWS = 5
"""Fewest rows (of each class, where the metric ranks) that an interval is told from."""


def interval(metric: str, truth: NDArray[np.float64], score: NDArray[np.float64], *, level: float = 0.95, seed: int = 0) -> Score:
    """The metric of some rows with its interval at `level`; `nan` bounds when the rows are too few or of one class.

    roc_auc: DeLong 1988, on the logit scale. average_precision: Poisson bootstrap (seeded; linearised above 100,000 rows),
    on the logit scale.
    accuracy: Wilson 1927. Other means: Student's t of the mean loss. rmse: the delta method. Errors never go below 0.

    Raises:
        ConfigurationError: There is no such metric.
    """
    definition = metric_named(metric)
    value = definition.function(truth, score)
    low, high = math.nan, math.nan
    if math.isfinite(value) and enough_rows(definition, truth):
        if definition.name == "accuracy":
            low, high = wilson_bounds(value, truth.size, level)
        elif definition.name in RANKING_METRICS:
            low, high = _ranking_bounds(definition, value, truth, score, level=level, seed=seed)
        else:
            half = student_quantile(level, truth.size - 1) * standard_error(contributions(definition, truth, score))
            low, high = max(0.0, value - half), value + half
    return Score(metric, value, low, high, truth.size)


def over_blocks(scores: Sequence[Score], *, level: float = 0.95) -> Score:
    """One score of several blocks that were scored apart: their mean by rows, with the interval of a mean of independent scores.

    Scores of different fits are not on one scale, so ranking metrics must not be pooled over them.
    """
    rows = sum(score.n for score in scores)
    value = sum(score.value * score.n for score in scores) / rows
    quantile = normal_quantile(level)
    errors = [(score.high - score.low) / (2 * quantile) * score.n / rows for score in scores]
    width = quantile * math.sqrt(sum(error * error for error in errors))
    return Score(scores[0].metric, value, value - width, value + width, rows)


def enough_rows(definition: MetricDefinition, truth: NDArray[np.float64]) -> bool:
    """Whether an interval can be told: `FEWEST_ROWS`, of each class for a metric that ranks."""
    if definition.name in RANKING_METRICS:
        return fewer_class(truth) >= FEWEST_ROWS
    return truth.size >= FEWEST_ROWS


def fewer_class(truth: NDArray[np.float64]) -> int:
    """The rows of the rarer class."""
    positives = int((truth == 1.0).sum())
    return min(positives, truth.size - positives)


def _ranking_bounds(
    definition: MetricDefinition,
    value: float,
    truth: NDArray[np.float64],
    score: NDArray[np.float64],
    *,
    level: float,
    seed: int,
) -> tuple[float, float]:
    """On the logit scale; where every pair is in order, Wilson's for as many trials as the rarer class has rows."""
    if value in {0.0, 1.0}:
        return wilson_bounds(value, fewer_class(truth), level)
    if bootstrapped(definition, truth):
        return logit_bounds(value, float(np.nanstd(average_precision_draws(truth, [score], seed)[0], ddof=1)), level)
    return logit_bounds(value, standard_error(contributions(definition, truth, score)), level)


def bootstrapped(definition: MetricDefinition, truth: NDArray[np.float64]) -> bool:
    """Whether the error of the metric is drawn, not linearised: average precision, up to `MOST_ROWS`."""
    return definition.name == "average_precision" and truth.size <= MOST_ROWS


def contributions(definition: MetricDefinition, truth: NDArray[np.float64], score: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """What each row adds to a metric, in independent strata: the metric varies as the sum of the strata's means.

    roc_auc: placements of the positives and of the negatives (DeLong, DeLong and Clarke-Pearson 1988). rmse: squared
    errors over twice the rmse (delta method). average_precision: the infinitesimal jackknife. Means: the row losses.
    Those of two scores subtract row by row.
    """
    if definition.name == "roc_auc":
        return placements(truth == 1.0, score)
    if definition.name == "rmse":
        squares = row_squared_error(truth, score)
        root = math.sqrt(mean(squares))
        return (squares / (2.0 * root) if root > 0.0 else squares,)
    if definition.row_loss is None:
        return (precision_influence(truth == 1.0, score),)
    return (definition.row_loss(truth, score),)


def standard_error(strata: tuple[NDArray[np.float64], ...]) -> float:
    """The standard error of the sum of the strata's means."""
    return math.sqrt(sum(float(stratum.var(ddof=1)) / stratum.size for stratum in strata))


def normal_quantile(level: float) -> float:
    """Half the width of the central interval of a standard normal at `level`: 1.96 at 0.95."""
    return NormalDist().inv_cdf(0.5 + level / 2.0)


def student_quantile(level: float, freedom: int) -> float:
    """The same for Student's t with so many degrees of freedom, at least 4.

    Source: the Cornish-Fisher expansion of Abramowitz and Stegun 1964, 26.7.5; within 0.2 % at 4 degrees, 1e-5 at 10.
    """
    z = normal_quantile(level)
    first = (z**3 + z) / 4.0
    second = (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0
    third = (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0
    fourth = (79.0 * z**9 + 776.0 * z**7 + 1482.0 * z**5 - 1920.0 * z**3 - 945.0 * z) / 92160.0
    return z + first / freedom + second / freedom**2 + third / freedom**3 + fourth / freedom**4


def logit_bounds(value: float, error: float, level: float) -> tuple[float, float]:
    """The interval of a value strictly between 0 and 1, symmetric on the logit scale, so it stays between them."""
    centre, half = math.log(value / (1.0 - value)), normal_quantile(level) * error / (value * (1.0 - value))
    return _logistic(centre - half), _logistic(centre + half)


def _logistic(logit: float) -> float:
    return 0.5 * (1.0 + math.tanh(0.5 * logit))


def wilson_bounds(share: float, rows: int, level: float) -> tuple[float, float]:
    """The score interval of a share of so many rows. Source: Wilson 1927."""
    square = normal_quantile(level) ** 2
    centre = (share + square / (2.0 * rows)) / (1.0 + square / rows)
    half = math.sqrt(square * (share * (1.0 - share) / rows + square / (4.0 * rows**2))) / (1.0 + square / rows)
    return max(0.0, centre - half), min(1.0, centre + half)
