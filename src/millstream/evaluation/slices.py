"""How good a model is for each part of its rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from millstream.evaluation.intervals import interval
from millstream.evaluation.records import SliceScore

NULL_SLICE = "null"
"""What the slice of rows without a label is called."""


def slice_scores(
    metric: str,
    truth: NDArray[np.float64],
    score: NDArray[np.float64],
    labels: NDArray[np.object_] | Sequence[str | None],
    *,
    minimum: int = 100,
) -> list[SliceScore]:
    """The metric in each level of `labels` (one a row) with at least `minimum` rows, most rows first.

    Raises:
        ConfigurationError: There is no such metric.
    """
    if not len(labels):
        return []
    names = [NULL_SLICE if label is None else str(label) for label in labels]
    levels, level_of_row, counts = np.unique(np.array(names, dtype=np.str_), return_inverse=True, return_counts=True)
    rows_by_level = np.split(np.argsort(level_of_row, kind="stable"), np.cumsum(counts)[:-1])
    kept = [(str(name), rows) for name, rows in zip(levels, rows_by_level, strict=True) if rows.size >= minimum]
    scored = [_slice_score(name, metric, truth[rows], score[rows]) for name, rows in kept]
    return sorted(scored, key=lambda part: (-part.n, part.name))


def _slice_score(name: str, metric: str, truth: NDArray[np.float64], score: NDArray[np.float64]) -> SliceScore:
    told = interval(metric, truth, score)
    return SliceScore(name, told.value, told.low, told.high, told.n)
