"""What a preparation learns from training rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtri

from millstream.errors import ColumnError
from millstream.preparation.fit import FARTHEST_NORMAL, MOST_KNOTS, fit_preparation
from millstream.preparation.records import Codes, Empty, InputColumn, Moment, OneHot, QuantileNormal


def quantile_normal(values: list[float | None]) -> QuantileNormal:
    """What a linear preparation learns from one column of numbers."""
    (step,) = fit_preparation(pl.DataFrame({"x": values}, schema={"x": pl.Float64}), ["x"], kind="linear").steps
    assert isinstance(step, QuantileNormal)
    return step


def test_kinds_follow_the_types_of_the_columns() -> None:
    """Numbers, truth values, text and times are told apart by type, and nulls are remembered."""
    frame = pl.DataFrame({"n": [1, None], "b": [True, False], "s": ["x", "y"], "nan": [1.0, float("nan")], "none": [None, None]})
    frame = frame.with_columns(at=pl.datetime(2020, 1, 1), took=pl.duration(hours=1), c=pl.col("s").cast(pl.Categorical))

    inputs = fit_preparation(frame, frame.columns, kind="trees").inputs

    kinds = {"n": "number", "b": "boolean", "s": "level", "nan": "number", "none": "number"}
    assert {column.name: column.kind for column in inputs} == kinds | {"at": "moment", "took": "moment", "c": "level"}
    assert [column.name for column in inputs if column.nullable] == ["n", "nan", "none"]


def test_a_column_without_values_is_kept_as_a_number() -> None:
    """Nothing is known of it but that it is all null, whatever its type."""
    preparation = fit_preparation(pl.DataFrame({"x": [None, None]}, schema={"x": pl.String}), ["x"], kind="trees")

    assert preparation.inputs == (InputColumn("x", "number", nullable=True),)
    assert preparation.steps == (Empty("x"),)


def test_moments_remember_what_they_measure() -> None:
    """An instant, a duration and a time of day must not be taken for each other later."""
    one = pl.Series([1])
    frame = pl.DataFrame({"day": one.cast(pl.Date), "took": one.cast(pl.Duration), "opens": one.cast(pl.Time)})

    steps = fit_preparation(frame, frame.columns, kind="trees").steps

    assert steps == (Moment("day", "instant"), Moment("took", "duration"), Moment("opens", "time_of_day"))


def test_levels_stand_by_frequency_then_name() -> None:
    """The commonest level has code 0; equals are in order of name; the empty string is a level like any other."""
    frame = pl.DataFrame({"city": ["b", "c", "a", "c", "", None, "b", "c"]})

    assert fit_preparation(frame, ["city"], kind="trees").steps == (Codes("city", ("c", "b", "", "a")),)


def test_rare_levels_are_left_out() -> None:
    """One row in 1,001 is too few for a linear model; trees still tell it apart."""
    frame = pl.DataFrame({"city": ["a"] * 1_000 + ["b"]})

    assert fit_preparation(frame, ["city"], kind="linear").steps == (OneHot("city", ("a",), indicator=False),)
    assert fit_preparation(frame, ["city"], kind="trees").steps == (Codes("city", ("a", "b")),)


def test_a_linear_model_sees_at_most_a_hundred_levels() -> None:
    """The most frequent ones are kept."""
    frame = pl.DataFrame({"city": [f"{number:03}" for number in range(300)] + ["299"]})

    outputs = fit_preparation(frame, ["city"], kind="linear").outputs

    assert (len(outputs), outputs[0], outputs[-1]) == (100, "city is 299", "city is 098")


def test_scores_are_normal_at_middle_ranks() -> None:
    """Each distinct value has the normal score of the middle of its ranks."""
    step = quantile_normal([3.0, 1.0, 2.0, 2.0])

    assert step.knots == (1.0, 2.0, 3.0)
    assert step.normals == pytest.approx(ndtri([1 / 8, 4 / 8, 7 / 8]), abs=0)


def test_many_values_have_at_most_256_increasing_knots() -> None:
    """From the smallest to the largest value, with scores that never fall and end within ±5.2."""
    step = quantile_normal(np.random.default_rng(1).exponential(size=10_000).round(3).tolist())

    assert MOST_KNOTS // 2 < len(step.knots) <= MOST_KNOTS
    assert np.all(np.diff(step.knots) > 0)
    assert np.all(np.diff(step.normals) > 0)
    assert max(map(abs, step.normals)) <= FARTHEST_NORMAL


@pytest.mark.parametrize("values", [[7.0, 7.0, 7.0], [None, None], []])
def test_a_column_that_says_nothing_scores_zero(values: list[float | None]) -> None:
    """Constant, all null or without rows: one knot, score 0."""
    step = quantile_normal(values)

    assert (len(step.knots), step.normals) == (1, (0.0,))


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), float("-inf"), 1e308])
def test_what_has_no_score_is_missing(value: float | None) -> None:
    """Null, NaN, infinity and numbers near it ask for an indicator and leave no knot."""
    step = quantile_normal([1.0, 2.0, value])

    assert (step.knots, step.indicator) == ((1.0, 2.0), True)


def test_zero_has_one_sign() -> None:
    """Minus zero and zero are one knot."""
    assert str(quantile_normal([-0.0, 0.0]).knots) == "(0.0,)"


def test_outputs_are_named_for_readers() -> None:
    """Each output says which column, level or absence it stands for."""
    frame = pl.DataFrame({"x": [1, None], "city": ["a", None], "level": ["b", "c"]})

    outputs = fit_preparation(frame, frame.columns, kind="linear").outputs

    assert outputs == ("x", "x is missing", "city is a", "city is missing", "level is b", "level is c")


def test_a_type_that_is_no_feature_is_refused() -> None:
    """The message names the column and its type, and what to do."""
    frame = pl.DataFrame({"tags": [["a"], ["b"]]})

    with pytest.raises(ColumnError, match=r"'tags' is List\(String\)(.|\n)*ignore=\['tags'\]"):
        fit_preparation(frame, ["tags"], kind="trees")


def test_an_unknown_column_is_refused() -> None:
    """The message proposes the name that was meant."""
    with pytest.raises(ColumnError, match=r"'distanse'(.|\n)*'distance'"):
        fit_preparation(pl.DataFrame({"distance": [1]}), ["distanse"], kind="linear")
