"""What a preparation makes of a table."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
import pytest

from millstream.errors import ColumnError
from millstream.preparation.fit import fit_preparation
from millstream.preparation.records import Codes, InputColumn, Number, Preparation, QuantileNormal
from millstream.preparation.vector_body import prepare_matrix

NAN = float("nan")
KINDS: tuple[Literal["trees", "linear"], ...] = ("trees", "linear")


def test_trees_see_numbers_codes_and_nan() -> None:
    """Null is NaN, an unseen level is -1, infinity stays, truth is 1."""
    training = pl.DataFrame({"x": [1.0, 2.0], "city": ["a", "a"], "open": [True, False]})
    asked = pl.DataFrame({"x": [None, float("inf")], "city": ["b", None], "open": [True, None]})

    matrix = prepare_matrix(fit_preparation(training, training.columns, kind="trees"), asked)

    np.testing.assert_array_equal(matrix, [[NAN, -1.0, 1.0], [float("inf"), NAN, NAN]])
    assert (matrix.dtype.name, matrix.flags.c_contiguous) == ("float64", True)


def test_trees_see_float32_without_a_warning() -> None:
    """Numbers are rounded to float32 and are infinite beyond its range."""
    frame = pl.DataFrame({"x": [0.1, 1e39, -1e39, 2.0**24 + 1]})

    matrix = prepare_matrix(fit_preparation(frame, ["x"], kind="trees"), frame)

    assert matrix[:, 0].tolist() == [float(np.float32(0.1)), float("inf"), float("-inf"), 2.0**24]


def test_linear_scores_are_interpolated_between_knots() -> None:
    """Linear between knots, constant outside, 0 and an indicator for what is missing."""
    step = QuantileNormal(Number("x"), (0.0, 10.0), (-1.0, 1.0), indicator=True)
    preparation = Preparation("linear", (InputColumn("x", "number", nullable=True),), ("x", "x is missing"), (step,))

    matrix = prepare_matrix(preparation, pl.DataFrame({"x": [-5.0, 0.0, 2.5, 10.0, 99.0, None, float("inf")]}))

    assert matrix[:, 0].tolist() == [-1.0, -1.0, -0.5, 1.0, 1.0, 0.0, 0.0]
    assert matrix[:, 1].tolist() == [0.0] * 5 + [1.0] * 2


def test_one_hot_has_a_place_for_null_and_none_for_the_unseen() -> None:
    """A known level lights its own output, null its indicator, an unseen level nothing."""
    preparation = fit_preparation(pl.DataFrame({"city": ["a", "a", "b", None]}), ["city"], kind="linear")

    matrix = prepare_matrix(preparation, pl.DataFrame({"city": ["a", "b", None, "c"]}))

    assert matrix.tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]


def test_normal_scores_of_training_rows_are_normal() -> None:
    """A skewed column comes out with mean 0 and deviation 1."""
    frame = pl.DataFrame({"x": np.random.default_rng(3).lognormal(size=20_000)})

    scores = prepare_matrix(fit_preparation(frame, ["x"], kind="linear"), frame)

    assert scores.mean() == pytest.approx(0.0, abs=0.01)
    assert scores.std() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_may_be_all_null_in_any_type(kind: Literal["trees", "linear"]) -> None:
    """A table of one row often has no type for its nulls."""
    training = pl.DataFrame({"x": [1, 2], "city": ["a", "b"]})
    preparation = fit_preparation(training, ["x", "city"], kind=kind)

    untyped = prepare_matrix(preparation, pl.DataFrame({"x": [None], "city": [None]}))

    typed = pl.DataFrame({"x": [None], "city": [None]}, schema=training.schema)
    np.testing.assert_array_equal(untyped, prepare_matrix(preparation, typed))


def test_numbers_may_come_in_another_width() -> None:
    """Integers where floats were seen, and text as categories: the meaning is the same."""
    training = pl.DataFrame({"x": [1.0, 2.5], "city": ["a", "b"]})
    asked = training.with_columns(pl.col("x").cast(pl.Int32), pl.col("city").cast(pl.Categorical))

    matrix = prepare_matrix(fit_preparation(training, ["x", "city"], kind="trees"), asked)

    assert matrix.tolist() == [[1.0, 0.0], [2.0, 1.0]]


@pytest.mark.parametrize("asked", [pl.Series("x", ["1"]), pl.Series("x", [True]), pl.Series("x", [1]).cast(pl.Date)])
def test_another_kind_than_at_fit_is_refused(asked: pl.Series) -> None:
    """Text, truth or time where a number was learnt is an error, not a guess."""
    preparation = fit_preparation(pl.DataFrame({"x": [1, 2]}), ["x"], kind="trees")

    with pytest.raises(ColumnError, match=r"'x' is .* but was number at fit"):
        prepare_matrix(preparation, asked.to_frame())


def test_a_number_is_no_level() -> None:
    """Numbers where text was learnt are refused."""
    preparation = Preparation("trees", (InputColumn("city", "level", nullable=False),), ("city",), (Codes("city", ("1",)),))

    with pytest.raises(ColumnError, match="'city' is Int64, but was text at fit"):
        prepare_matrix(preparation, pl.DataFrame({"city": [1]}))


def test_a_duration_is_no_instant() -> None:
    """Seconds since 1970 and seconds that passed are told apart."""
    at, took = pl.Series("at", [5]).cast(pl.Datetime), pl.Series("at", [5]).cast(pl.Duration)
    preparation = fit_preparation(at.to_frame(), ["at"], kind="trees")

    with pytest.raises(ColumnError, match="but was instant at fit"):
        prepare_matrix(preparation, took.to_frame())
