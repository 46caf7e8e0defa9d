"""Which of two is better on the same rows, and how sure that is."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from millstream.evaluation.bootstrap import average_precision_draws
from millstream.evaluation.intervals import (
    RANKING_METRICS,
    bootstrapped,
    contributions,
    enough_rows,
    normal_quantile,
    standard_error,
    student_quantile,
)
from millstream.evaluation.metrics import MetricDefinition, metric_named
from millstream.evaluation.records import PairedDifference


def paired_difference(
    metric: str,
    truth: NDArray[np.float64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    *,
    level: float = 0.95,
    seed: int = 0,
) -> PairedDifference:
    """How much better the first score is than the second, positive = better whatever the metric's direction.

    roc_auc: paired DeLong 1988. Means: paired t of the row losses (accuracy: Agresti and Min 2005, which stays honest
    when the two never disagree). rmse: delta method on the paired squared errors. average_precision: paired Poisson
    bootstrap (seeded; linearised above 100,000 rows). Bounds are `nan` when the rows are too few or of one class.

    Raises:
        ConfigurationError: There is no such metric.
    """
    definition = metric_named(metric)
    difference = definition.direction * (definition.function(truth, first) - definition.function(truth, second))
    low, high = math.nan, math.nan
    if math.isfinite(difference) and enough_rows(definition, truth):
        centre, half = _centre_and_half_width(definition, truth, (first, second), level, seed)
        centre = difference if centre is None else centre
        low, high = centre - half, centre + half
    return PairedDifference(metric, difference, low, high, truth.size)


def _centre_and_half_width(
    definition: MetricDefinition,
    truth: NDArray[np.float64],
    scores: tuple[NDArray[np.float64], NDArray[np.float64]],
    level: float,
    seed: int,
) -> tuple[float | None, float]:
    """The middle of the interval, `None` for the difference itself, and half its width."""
    if bootstrapped(definition, truth):
        draws = average_precision_draws(truth, scores, seed)
        return None, normal_quantile(level) * float(np.nanstd(draws[0] - draws[1], ddof=1))
    first, second = (contributions(definition, truth, score) for score in scores)
    strata = tuple(ours - theirs for ours, theirs in zip(first, second, strict=True))
    if definition.name == "accuracy":
        return _agresti_min(strata[0], level)
    quantile = normal_quantile(level) if definition.name in RANKING_METRICS else student_quantile(level, truth.size - 1)
    return None, quantile * standard_error(strata)


def _agresti_min(disagreement: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Wald's interval of two paired shares after half a row is added to each of the four cells."""
    rows = disagreement.size + 2.0
    better, worse = (float((disagreement == sign).sum() + 0.5) / rows for sign in (1.0, -1.0))
    centre = better - worse
    return centre, normal_quantile(level) * math.sqrt((better + worse - centre**2) / rows)
