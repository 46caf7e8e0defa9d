"""Average precision on Poisson-weighted copies of the rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from millstream.evaluation.ranking import count_by_group, rank

DRAWS = 300

MOST_ROWS = 100_000
"""Above so many rows the linearised error is as good as the draws and many times faster."""

_CELLS_AT_ONCE = 2_000_000


def average_precision_draws(truth: NDArray[np.float64], scores: Sequence[NDArray[np.float64]], seed: int) -> NDArray[np.float64]:
    """Average precision of each score in each draw, shape (scores, `DRAWS`); a draw weighs the rows of all scores alike.

    Source: Poisson bootstrap, Chamandy et al. 2012 ("Estimating uncertainty for massive data streams", Google).
    """
    positive = truth == 1.0
    rankings = [_DescendingPositives.of(positive, score) for score in scores]
    generator = np.random.default_rng(seed)
    at_once = max(1, _CELLS_AT_ONCE // truth.size)
    blocks: list[NDArray[np.float64]] = []
    for first in range(0, DRAWS, at_once):
        weights = poisson_weights(generator, (min(at_once, DRAWS - first), truth.size))
        blocks.append(np.stack([ranking.average_precision(weights) for ranking in rankings]))
    return np.concatenate(blocks, axis=1)


def poisson_weights(generator: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Poisson(1) weights, drawn by looking 16 random bits up in the inverse distribution (20x faster than `poisson`)."""
    return _INVERSE_POISSON[generator.integers(0, 65536, shape, dtype=np.uint16)]


def _inverse_poisson() -> NDArray[np.uint8]:
    probabilities = [math.exp(-1.0) / math.factorial(count) for count in range(12)]
    return np.searchsorted(np.cumsum(probabilities), (np.arange(65536) + 0.5) / 65536).astype(np.uint8)


_INVERSE_POISSON = _inverse_poisson()


@dataclass(frozen=True, slots=True)
class _DescendingPositives:
    """Rows by descending score, and where the groups of equal scores that hold a positive row lie among them."""

    order: NDArray[np.int64]
    ends: NDArray[np.int64]
    positive_rows: NDArray[np.int64]
    positive_starts: NDArray[np.int64]

    @classmethod
    def of(cls, positive: NDArray[np.bool_], score: NDArray[np.float64]) -> _DescendingPositives:
        ranking = rank(-score)
        found = count_by_group(ranking, positive)
        group_ends = np.append(ranking.starts[1:], score.size) - 1
        kept = found[found > 0]
        rows = ranking.order[positive[ranking.order]]
        return cls(ranking.order, group_ends[found > 0], rows, np.cumsum(kept) - kept)

    def average_precision(self, weights: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Weighted average precision for each row of weights; `nan` for a draw without a positive."""
        seen = np.cumsum(weights[:, self.order], axis=1, dtype=np.int32)[:, self.ends]
        gained = np.add.reduceat(weights[:, self.positive_rows].astype(np.int64), self.positive_starts, axis=1)
        found = np.cumsum(gained, axis=1)
        area = (gained * (found / np.maximum(seen, 1))).sum(axis=1)
        total = found[:, -1]
        return np.where(total > 0, area / np.maximum(total, 1), np.nan)
