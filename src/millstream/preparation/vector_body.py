"""A preparation applied to a table.

The row body does the same IEEE double operations in the same order, so both give the same bits.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

from millstream.preparation.columns import UNSEEN, find_column, read_calendar, read_encoded, read_levels, read_values
from millstream.preparation.records import (
    LARGEST,
    CalendarPart,
    Chain,
    Codes,
    Curve,
    Encoded,
    Fill,
    Logarithm,
    OneHot,
    Operation,
    Preparation,
    QuantileNormal,
    Scaling,
    Source,
    Step,
    Terms,
    segments,
)
from millstream.preparation.terms import term_weights


def prepare_matrix(preparation: Preparation, frame: pl.DataFrame) -> NDArray[np.float64]:
    """The matrix of a table: (rows, outputs), C-order; for trees every number is rounded to float32.

    Raises:
        ColumnError: a column is missing or of another kind than at fit.
    """
    matrix = np.empty((frame.height, len(preparation.outputs)))
    start = 0
    for step in preparation.steps:
        block = apply_step(step, frame)
        stop = start + block.shape[1]
        matrix[:, start:stop] = rounded(block) if preparation.kind == "trees" else block
        start = stop
    return matrix


def rounded(block: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers of float32, as trees compare them."""
    with np.errstate(over="ignore"):
        return block.astype(np.float32).astype(np.float64)


def apply_step(step: Step, frame: pl.DataFrame) -> NDArray[np.float64]:
    """The outputs of one step, side by side: (rows, outputs of the step)."""
    match step:
        case Codes():
            return read_levels(step.column, frame, step.levels)[:, np.newaxis]
        case OneHot():
            return _one_hot(step, frame)
        case QuantileNormal():
            return _quantile_normal(step, frame)
        case Chain():
            return _chain(step, frame)
        case Terms():
            numbers = term_weights(step.terms, step.weights)
            texts = find_column(frame, step.column).cast(pl.String).to_list()
            return np.array([numbers(text) for text in texts], dtype=np.float64).reshape(frame.height, len(step.terms))
        case _:
            return read_values(step, frame)[:, np.newaxis]


def _one_hot(step: OneHot, frame: pl.DataFrame) -> NDArray[np.float64]:
    codes = read_levels(step.column, frame, step.levels)
    if step.filled is not None:
        codes[np.isnan(codes)] = step.levels.index(step.filled) if step.filled in step.levels else UNSEEN
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


def _chain(step: Chain, frame: pl.DataFrame) -> NDArray[np.float64]:
    values = read_number(step.source, frame)
    missing = np.isnan(values)
    for operation in step.operations:
        values = operate(operation, values)
    return np.stack([values, missing], axis=1) if step.indicator else values[:, np.newaxis]


def read_number(source: Source, frame: pl.DataFrame) -> NDArray[np.float64]:
    """The number with which a chain begins, NaN where it is missing or beyond ±LARGEST."""
    match source:
        case Encoded():
            return read_encoded(source, frame)
        case CalendarPart():
            return read_calendar(source, frame)
        case _:
            values = read_values(source, frame)
            return np.where(np.abs(values) <= LARGEST, values, np.nan)


def operate(operation: Operation, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """What one operation makes of numbers of shape (rows,)."""
    match operation:
        case Fill(number):
            return np.where(np.isnan(values), number, values)
        case Logarithm():
            logarithms = np.array([math.log1p(value) for value in np.abs(values).tolist()], dtype=np.float64)
            return np.copysign(logarithms, values)
        case Scaling(centre, spread):
            with np.errstate(over="ignore"):
                return (values - centre) / spread
        case Curve(knots, normals):
            place = np.searchsorted(np.array(knots), values, side="right")
            origin, base, rise, width = np.array(segments(knots, normals))[np.where(np.isnan(values), 0, place)].T
            return np.where(np.isnan(values), np.nan, base + rise * ((values - origin) / width))
