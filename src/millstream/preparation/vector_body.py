"""A preparation applied to a table.

The row body does the same IEEE double operations in the same order, so both give the same bits.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from millstream.preparation.columns import read_levels, read_values
from millstream.preparation.records import LARGEST, Codes, OneHot, Preparation, QuantileNormal, Step


def prepare_matrix(preparation: Preparation, frame: pl.DataFrame) -> NDArray[np.float64]:
    """The matrix of a table: (rows, outputs), C-order; for trees every number is rounded to float32.

    Raises:
        ColumnError: a column is missing or of another kind than at fit.
    """
    matrix = np.empty((frame.height, len(preparation.outputs)))
    start = 0
    for step in preparation.steps:
        block = _apply(step, frame)
        stop = start + block.shape[1]
        matrix[:, start:stop] = _rounded(block) if preparation.kind == "trees" else block
        start = stop
    return matrix


def _rounded(block: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return block.astype(np.float32)


def _apply(step: Step, frame: pl.DataFrame) -> NDArray[np.float64]:
    """The outputs of one step, side by side: (rows, outputs of the step)."""
    match step:
        case Codes():
            return read_levels(step.column, frame, step.levels)[:, np.newaxis]
        case OneHot():
            return _one_hot(step, frame)
        case QuantileNormal():
            return _quantile_normal(step, frame)
        case _:
            return read_values(step, frame)[:, np.newaxis]


def _one_hot(step: OneHot, frame: pl.DataFrame) -> NDArray[np.float64]:
    codes = read_levels(step.column, frame, step.levels)
    block = np.zeros((frame.height, len(step.levels) + step.indicator))
    known = np.flatnonzero(codes >= 0.0)
    block[known, codes[known].astype(np.intp)] = 1.0
    if step.indicator:
        block[:, -1] = np.isnan(codes)
    return block


def _quantile_normal(step: QuantileNormal, frame: pl.DataFrame) -> NDArray[np.float64]:
    values = read_values(step.value, frame)
    present = np.abs(values) <= LARGEST
    values = np.where(present, values, 0.0)
    segments = np.array(step.segments())[np.searchsorted(np.array(step.knots), values, side="right")]
    origin, base, rise, width = segments.T
    block = np.zeros((frame.height, 1 + step.indicator))
    block[present, 0] = (base + rise * ((values - origin) / width))[present]
    if step.indicator:
        block[:, 1] = ~present
    return block
