"""Nearest neighbours: what is learnt is the table itself.

Fix and Hodges, "Discriminatory Analysis: Nonparametric Discrimination", 1951; Cover and Hart, "Nearest Neighbor Pattern
Classification", IEEE Transactions on Information Theory 13, 1967.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream.training.data import Fit, TrainingData, constant_fit
from millstream.training.records import Neighbours as Points

if TYPE_CHECKING:
    from millstream.training.presets import Neighbours


def fit_neighbours(settings: Neighbours, data: TrainingData) -> Fit:
    """Keep the rows of a matrix prepared as "linear" (no `nan`, alike in scale) and their truth.

    With fewer rows than `settings.k` all of them are neighbours.
    """
    if constant := constant_fit(data):
        return constant
    return Fit(Points(data.matrix.astype("<f8").tobytes(), data.target.astype("<f8").tobytes(), min(settings.k, len(data.target))))
