"""Linear models: weights that are the optimum, and scores that are the same for a row and for many."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (scikit-learn and LightGBM are not typed throughout)

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from millstream.training.data import TrainingData
from millstream.training.methods.linear import fit_linear
from millstream.training.presets import Linear
from millstream.training.records import Constant, Task
from millstream.training.records import Linear as Weights
from millstream.training.row_body import compile_score
from millstream.training.vector_body import score_matrix

Numbers = NDArray[np.float64]


def _data(task: Task) -> TrainingData:
    random = np.random.default_rng(0)
    matrix = random.normal(size=(2_000, 12))
    matrix[:, 8:] = matrix[:, 8:] > 1.0
    number = matrix @ random.normal(size=12) + random.normal(size=2_000)
    return TrainingData(matrix, (number > 0).astype(np.float64) if task == "binary" else number, task)


def test_probabilities_are_those_of_scikit_learn() -> None:
    """The fit is the optimum that another solver finds too."""
    data = _data("binary")
    slow = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(data.matrix, data.target)
    scores = score_matrix(fit_linear(Linear(), data, seed=0).fitted, data.matrix)
    assert np.allclose(scores, slow.predict_proba(data.matrix)[:, 1], atol=1e-5)


def test_numbers_are_those_of_scikit_learn() -> None:
    """A number is fitted by ridge regression."""
    data = _data("regression")
    ridge = Ridge(alpha=1.0, solver="svd").fit(data.matrix, data.target)
    assert np.allclose(score_matrix(fit_linear(Linear(), data, seed=0).fitted, data.matrix), ridge.predict(data.matrix), rtol=1e-10)


def test_row_and_batch_give_the_same_bits() -> None:
    """Both bodies add in the order of the columns."""
    data = _data("binary")
    fitted = fit_linear(Linear(), data, seed=0).fitted
    score = compile_score(fitted)
    assert [score(row) for row in data.matrix.tolist()] == score_matrix(fitted, data.matrix).tolist()


def test_the_same_fit_gives_the_same_bits() -> None:
    """Nothing is random."""
    assert fit_linear(Linear(), _data("binary"), seed=0) == fit_linear(Linear(), _data("binary"), seed=1)


def test_many_columns_are_fitted() -> None:
    """Beyond 600 columns another solver finds the optimum."""
    random = np.random.default_rng(0)
    matrix = random.normal(size=(400, 700))
    data = TrainingData(matrix, (matrix[:, 0] > 0).astype(np.float64), "binary")
    scores = score_matrix(fit_linear(Linear(), data, seed=0).fitted, matrix)
    assert np.mean((scores > 0.5) == data.target) > 0.99


def test_one_class_is_a_constant() -> None:
    """Rows of one class leave nothing to learn."""
    assert fit_linear(Linear(), TrainingData(np.ones((5, 2)), np.ones(5), "binary"), seed=0).fitted == Constant(1.0)


def test_sums_beyond_the_exponential_are_probabilities() -> None:
    """A sum of -800 or 800 is no overflow."""
    score = compile_score(Weights(np.array([1.0]).tobytes(), 0.0, "logistic"))
    assert 0.0 <= score([-800.0]) < 1e-300
    assert score([-701.0]) < score([-699.0])
    assert score([800.0]) == 1.0
