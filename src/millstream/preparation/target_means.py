"""Texts as means of the truth, drawn to the mean of all rows.

Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes", SIGKDD Explorations 3, 2001; the rows that are
learnt from are encoded out of fold, as scikit-learn's TargetEncoder does.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from millstream.preparation.records import Encoded

Numbers = NDArray[np.float64]
BLOCKS = 5


def encode_by_target(texts: pl.Series, filled: str | None, target: Numbers, block: NDArray[np.int64], *, smoothing: float) -> tuple[Encoded, Numbers]:
    """The encoding learnt from all rows, and the numbers of these rows, each learnt from the rows of other blocks.

    A text that no row has, or no row of another block, is the mean of all those rows; null is a text of its own if it was met.
    """
    levels = texts.drop_nulls().unique().sort().to_list()
    null = len(levels)
    known = pl.Series(range(null), dtype=pl.Int64)
    codes = texts.replace_strict(pl.Series(levels, dtype=pl.String), known, default=None, return_dtype=pl.Int64).fill_null(null).to_numpy()
    numbers, mean = _smoothed(codes, target, null + 1, smoothing)
    missing = numbers[levels.index(filled)] if filled is not None else numbers[null]
    encoded = Encoded(texts.name, tuple(levels), tuple(numbers[:null].tolist()), mean, float(missing))
    found = np.empty(len(target))
    for number in np.unique(block):
        own = block == number
        learnt, _ = _smoothed(codes[~own], target[~own], null + 1, smoothing) if not own.all() else (np.full(null + 1, mean), mean)
        found[own] = learnt[codes[own]]
    return encoded, found


def blocks_of(rows: int, *, together: NDArray[np.int64] | None, in_order: bool, seed: int) -> NDArray[np.int64]:
    """The block of each row: whole groups if rows belong together, neighbours in time if they are in order, else drawn at random."""
    if together is not None:
        _, group = np.unique(together, return_inverse=True)
        drawn = np.random.default_rng(seed).permutation(int(group.max(initial=-1)) + 1)
        return drawn[group] % BLOCKS
    places = np.arange(rows) * BLOCKS // max(rows, 1)
    return places if in_order else np.random.default_rng(seed).permutation(places)


def _smoothed(codes: NDArray[np.int64], target: Numbers, levels: int, smoothing: float) -> tuple[Numbers, float]:
    """The mean of each level with `smoothing` rows of the overall mean added, and the overall mean."""
    mean = float(target.mean())
    counts, sums = np.bincount(codes, minlength=levels), np.bincount(codes, weights=target, minlength=levels)
    weights = counts + smoothing
    return np.where(weights > 0.0, (sums + smoothing * mean) / np.where(weights > 0.0, weights, 1.0), mean), mean
