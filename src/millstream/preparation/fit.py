"""Learning a preparation from training rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from millstream.errors import ColumnError
from millstream.preparation.columns import find_column, kind_of, read_values, value_of
from millstream.preparation.records import LARGEST, CalendarPart, Chain, Codes, InputColumn, OneHot, Preparation, QuantileNormal, Step, Terms

MOST_KNOTS = 256
FARTHEST_NORMAL = 5.2
"""Scores are kept within ±5.2, where scikit-learn's QuantileTransformer stops (one in ten million)."""

TREES_ONE_IN, LINEAR_ONE_IN = 10_000, 1_000
"""A level is rare if it is met in fewer rows than one in so many."""
LINEAR_MOST_LEVELS = 100


def fit_preparation(frame: pl.DataFrame, columns: Sequence[str], *, kind: Literal["trees", "linear", "plain"]) -> Preparation:
    """Learn from the training rows how `columns` become a matrix; the order of the rows does not matter.

    Args:
        frame: the training rows only.
        columns: the feature columns, in the order of the matrix.
        kind: for trees, values as float32 and levels as codes; for linear models, normal scores and one-hot levels; plain: numbers and
            booleans as they are.

    Raises:
        ColumnError: a column is missing or of a type that is no feature.
    """
    found = [find_column(frame, column) for column in columns]
    inputs = tuple(input_column(series) for series in found)
    fit_step = {"trees": _fit_trees_step, "linear": _fit_linear_step, "plain": _fit_plain_step}[kind]
    steps = tuple(fit_step(frame, column) for column in inputs)
    outputs = tuple(name for step in steps for name in output_names(step))
    return Preparation(kind, inputs, outputs, steps)


def input_column(series: pl.Series) -> InputColumn:
    """What a column of the training rows is."""
    return InputColumn(series.name, kind_of(series), nullable=_is_nullable(series))


def _is_nullable(series: pl.Series) -> bool:
    return series.null_count() > 0 or (series.dtype.is_float() and bool(series.is_nan().any()))


def _fit_trees_step(frame: pl.DataFrame, column: InputColumn) -> Step:
    series = frame[column.name]
    if column.kind == "level":
        return Codes(column.name, _frequent_levels(series, TREES_ONE_IN))
    return value_of(series, column.kind)


def _fit_plain_step(frame: pl.DataFrame, column: InputColumn) -> Step:
    series = frame[column.name]
    if column.kind not in {"number", "boolean"}:
        raise ColumnError(f"column '{column.name}' is {series.dtype}, not a number", hint="make a number of it in a step")
    return value_of(series, column.kind)


def _fit_linear_step(frame: pl.DataFrame, column: InputColumn) -> Step:
    series = frame[column.name]
    if column.kind == "level":
        levels = _frequent_levels(series, LINEAR_ONE_IN)[:LINEAR_MOST_LEVELS]
        return OneHot(column.name, levels, indicator=column.nullable)
    value = value_of(series, column.kind)
    values = read_values(value, frame)
    present = values[np.abs(values) <= LARGEST]
    knots, normals = quantile_normal(present)
    return QuantileNormal(value, tuple(knots.tolist()), tuple(normals.tolist()), indicator=present.size < values.size)


def _frequent_levels(series: pl.Series, one_in: int) -> tuple[str, ...]:
    """The levels that are not rare, by descending frequency, then by name."""
    counts = series.cast(pl.String).alias("level").drop_nulls().value_counts(name="rows")
    frequent = counts.filter(pl.col("rows").cast(pl.Int64) * one_in >= len(series))
    return tuple(frequent.sort("rows", "level", descending=[True, False])["level"].to_list())


def quantile_normal(present: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At most MOST_KNOTS distinct training quantiles, and the normal score of the middle rank of each.

    Source: scikit-learn's QuantileTransformer(output_distribution="normal"), which also gives repeated values their middle rank.
    """
    from scipy.special import ndtri  # noqa: PLC0415 - costs 0.17 CPU s, and only a fit needs it

    if present.size == 0:
        return np.zeros(1), np.zeros(1)
    ordered = np.sort(present) + 0.0  # so that -0.0 is 0.0, whichever of the two came first
    knots = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    if knots.size > MOST_KNOTS:
        knots = np.unique(ordered[np.linspace(0, ordered.size - 1, MOST_KNOTS).round().astype(np.intp)])
    below, up_to = np.searchsorted(ordered, knots, side="left"), np.searchsorted(ordered, knots, side="right")
    normals = ndtri((below + up_to) / (2 * ordered.size))
    return knots, np.clip(normals, -FARTHEST_NORMAL, FARTHEST_NORMAL) + 0.0


def output_names(step: Step) -> list[str]:
    """What the outputs of a step are called."""
    match step:
        case OneHot(column, levels, indicator):
            return [f"{column} is {level}" for level in levels] + [f"{column} is missing"] * indicator
        case QuantileNormal(indicator=indicator):
            return [step.column] + [f"{step.column} is missing"] * indicator
        case Chain(source=source, indicator=indicator):
            name = f"{step.column} {source.part}" if isinstance(source, CalendarPart) else step.column
            return [name] + [f"{name} is missing"] * indicator
        case Terms(column, terms):
            return [f"{column} has {term}" for term in terms]
        case _:
            return [step.column]
