"""Nearest neighbours and columns as predictions: the same for a row and for many, and what they should be."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (scikit-learn is not typed throughout)

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from millstream.errors import ColumnError
from millstream.preparation.row_body import compile_row
from millstream.training.candidates import Candidate, Learning, fit_candidate, unpack_candidate
from millstream.training.data import TrainingData
from millstream.training.methods.neighbours import fit_neighbours
from millstream.training.presets import Baseline, Neighbours
from millstream.training.problem import Problem
from millstream.training.records import Column, Constant, Task
from millstream.training.row_body import compile_score
from millstream.training.vector_body import score_matrix

Numbers = NDArray[np.float64]


def data_of(task: Task, rows: int = 400) -> TrainingData:
    """Points in five dimensions, and a truth that depends on two of them."""
    random = np.random.default_rng(1)
    matrix = random.normal(size=(rows, 5))
    number = matrix[:, 0] + matrix[:, 1] ** 2 + random.normal(size=rows) / 5
    return TrainingData(matrix, (number > 0.5).astype(np.float64) if task == "binary" else number, task)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_answers_are_those_of_scikit_learn(task: Task) -> None:
    """Shares of the positive class, and means."""
    data, asked = data_of(task), np.random.default_rng(2).normal(size=(100, 5))
    fitted = fit_neighbours(Neighbours(k=7), data).fitted
    if task == "binary":
        expected = KNeighborsClassifier(7).fit(data.matrix, data.target).predict_proba(asked)[:, 1]
    else:
        expected = KNeighborsRegressor(7).fit(data.matrix, data.target).predict(asked)
    assert np.allclose(score_matrix(fitted, asked), expected, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    points=st.lists(st.tuples(st.integers(-2, 2), st.floats(-3, 3), st.floats(-1e9, 1e9)), min_size=2, max_size=30),
    asked=st.lists(st.tuples(st.integers(-2, 2), st.floats(-3, 3)), min_size=1, max_size=8),
    k=st.integers(1, 6),
)
def test_a_row_and_many_have_the_same_bits(points: list[tuple[int, float, float]], asked: list[tuple[int, float]], k: int) -> None:
    """Also where distances are equal: then the earlier point is nearer."""
    matrix = np.array([point[:2] for point in points], dtype=np.float64)
    fitted = fit_neighbours(Neighbours(k=k), TrainingData(matrix, np.array([point[2] for point in points]), "regression")).fitted
    questions = np.array(asked, dtype=np.float64)
    score = compile_score(fitted)

    assert [score(row).hex() for row in questions.tolist()] == [value.hex() for value in score_matrix(fitted, questions).tolist()]


def test_nothing_to_choose_between() -> None:
    """One class, or no columns, needs no neighbours."""
    data = data_of("binary")
    assert fit_neighbours(Neighbours(), TrainingData(data.matrix, np.ones(400), "binary")).fitted == Constant(1.0)
    assert isinstance(fit_neighbours(Neighbours(), TrainingData(data.matrix[:, :0], data.target, "binary")).fitted, Constant)


PROBLEMS = {"binary": Problem("binary", "log_loss", (0, 1)), "regression": Problem("regression", "mae")}
LAGS = pl.DataFrame({"lag": [5, None, 2, 16_777_217], "text": ["a", "b", None, "c"]})


@pytest.mark.parametrize(("task", "answers"), [("regression", [5.0, 2.5, 2.0, 16_777_217.0]), ("binary", [1.0, 0.25, 1.0, 1.0])])
def test_baseline_of_a_column(task: Task, answers: list[float]) -> None:
    """Its value, not rounded; the mean of the truth where it is null; a probability is kept within 0 and 1."""
    target = np.array([1.0, 2.0, 3.0, 4.0] if task == "regression" else [0.0, 0.0, 0.0, 1.0])
    fitted = fit_candidate(Candidate("baseline", Baseline("lag")), Learning(("lag", "text"), PROBLEMS[task], 0), (LAGS, target))
    kept = unpack_candidate(fitted.pack())
    assert kept.fitted is not None
    prepare, score = compile_row(kept.preparation), compile_score(kept.fitted)

    assert kept.scores(LAGS).tolist() == answers
    assert [score(prepare(row)) for row in LAGS.iter_rows(named=True)] == answers
    assert all(type(score(prepare(row))) is float for row in LAGS.iter_rows(named=True))


def test_baseline_of_a_text() -> None:
    """It is refused by name."""
    with pytest.raises(ColumnError, match="column 'text' is String, not a number"):
        fit_candidate(Candidate("baseline", Baseline("text")), Learning(("lag", "text"), PROBLEMS["regression"], 0), (LAGS, np.ones(4)))


def test_a_column_that_is_not_sent_is_missing() -> None:
    """Nothing but the mean is known then."""
    score = compile_score(Column(0.5, probability=True))
    assert [score([value]) for value in (math.nan, -1.0, 0.25, 7.0)] == [0.5, 0.0, 0.25, 1.0]
