"""How right a model was, on the predictions whose labels have come."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from millstream.evaluation.intervals import interval
from millstream.evaluation.judge import is_worse
from millstream.evaluation.records import Score
from millstream.monitoring.records import Performance


def performance(metric: str, truth: NDArray[np.float64], score: NDArray[np.float64], *, reference: Score, margin: float = 0.0) -> Performance:
    """The metric on labelled predictions against that at training; worse if significantly so, and by more than `margin`.

    `truth` and `score` run parallel, one row a prediction, shape (rows,); `truth` is NaN where the label is not known yet.

    Raises:
        ConfigurationError: There is no such metric.
    """
    known = ~np.isnan(truth)
    labelled, predicted = int(known.sum()), truth.size
    current = _measured(metric, truth[known], score[known])
    if current is None:
        worse, reason = False, _why_not(metric, truth[known], score[known])
    else:
        worse, reason = is_worse(reference, current, by=margin)
    return Performance(
        current=current,
        reference=reference,
        labelled=labelled,
        predicted=predicted,
        coverage=labelled / predicted if predicted else 0.0,
        worse=worse,
        reason=reason,
    )


def _measured(metric: str, truth: NDArray[np.float64], score: NDArray[np.float64]) -> Score | None:
    """The metric with its interval; None where either cannot be told."""
    measured = interval(metric, truth, score)
    told = all(math.isfinite(number) for number in (measured.value, measured.low, measured.high))
    return measured if told else None


def _why_not(metric: str, truth: NDArray[np.float64], score: NDArray[np.float64]) -> str:
    if truth.size == 0:
        return "no label is known yet"
    broken = int((~np.isfinite(score)).sum())
    if broken:
        return f"{broken:,} of {truth.size:,} labelled predictions are not numbers"
    return f"{truth.size:,} labelled predictions are too few, or of one class, to tell {metric}"
