"""The score that knows no feature: what every other method has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from millstream.training.data import Fit, TrainingData
from millstream.training.records import Column, Constant

if TYPE_CHECKING:
    from millstream.training.presets import Baseline


def fit_baseline(settings: Baseline, data: TrainingData) -> Fit:
    """The share of the positive class, or the mean of the target; with a column, that only where its value is missing.

    >>> from millstream.training.presets import Baseline
    >>> data = TrainingData(np.zeros((4, 1)), np.array([0.0, 0.0, 0.0, 1.0]), "binary")
    >>> fit_baseline(Baseline(), data).fitted
    Constant(value=0.25)
    """
    mean = float(np.mean(data.target))
    return Fit(Constant(mean) if settings.column is None else Column(mean, probability=data.task == "binary"))
