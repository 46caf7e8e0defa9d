"""Other people's estimators as methods."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (scikit-learn and LightGBM are not typed throughout)

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from millstream.errors import StepError
from millstream.training.data import TrainingData
from millstream.training.methods.estimator import fit_estimator, score_estimator

Numbers = NDArray[np.float64]


class Nearest:
    """An estimator that knows nothing of scikit-learn."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self.mean = 0.0

    def fit(self, matrix: Numbers, target: Numbers) -> None:
        """Remembers the mean."""
        assert np.issubdtype(target.dtype, np.integer)
        self.mean = float(target.mean()) if len(matrix) else 0.0

    def predict(self, matrix: Numbers) -> list[float]:
        """The mean, for each row."""
        return [self.mean] * len(matrix)


class Short(Nearest):
    """An estimator that forgets rows."""

    def predict(self, matrix: Numbers) -> list[float]:
        """One score, whatever the rows."""
        return [self.mean] if len(matrix) else []


def _data() -> TrainingData:
    random = np.random.default_rng(0)
    matrix = random.normal(size=(500, 3))
    target = (matrix[:, 0] > 0).astype(np.float64)
    matrix[::10, 1] = np.nan
    return TrainingData(matrix, target, "binary")


def test_probabilities_of_the_positive_class() -> None:
    """A classifier is asked for the probability of class 1; `nan` reaches it."""
    data = _data()
    fitted = fit_estimator(DecisionTreeClassifier(), data, seed=1)
    scores = score_estimator(fitted, data.matrix, "binary")
    assert scores.dtype == np.float64
    assert scores[data.target == 1].min() > scores[data.target == 0].max()


def test_the_given_estimator_stays_as_it_was() -> None:
    """A copy is fitted, so that one object can stand in many folds."""
    given = DecisionTreeClassifier()
    fit_estimator(given, _data(), seed=1)
    assert not hasattr(given, "classes_")
    assert given.random_state is None


def test_a_seed_left_open_is_set() -> None:
    """`random_state` inside a pipeline and a plain `seed` get the seed; one that was chosen stays."""
    data = TrainingData(_data().matrix[:, :1], _data().target, "binary")
    pipeline = fit_estimator(make_pipeline(LogisticRegression(), memory=None), data, seed=7)
    chosen = fit_estimator(DecisionTreeClassifier(random_state=3), data, seed=7)
    plain = fit_estimator(Nearest(), data, seed=7)
    assert pipeline[-1].random_state == 7  # type: ignore[index]
    assert chosen.random_state == 3  # type: ignore[attr-defined]
    assert isinstance(plain, Nearest)
    assert plain.seed == 7


def test_numbers_are_predicted() -> None:
    """A regression takes what `predict` gives."""
    data = _data()
    number = TrainingData(data.matrix, 5.0 * data.matrix[:, 0], "regression")
    fitted = fit_estimator(DecisionTreeRegressor(), number, seed=1)
    assert np.corrcoef(score_estimator(fitted, data.matrix, "regression"), number.target)[0, 1] > 0.9


def test_without_probabilities_the_prediction_is_the_score() -> None:
    """An estimator without `predict_proba` scores with `predict`."""
    data = TrainingData(_data().matrix[:, [0, 2]], _data().target, "binary")
    fitted = fit_estimator(LinearSVC(), data, seed=1)
    assert set(score_estimator(fitted, data.matrix, "binary").tolist()) == {0.0, 1.0}


def test_a_class_never_seen_has_no_probability() -> None:
    """Fitted on negatives only, the probability of the positive class is 0."""
    data = TrainingData(_data().matrix, np.zeros(500), "binary")
    fitted = fit_estimator(DecisionTreeClassifier(), data, seed=1)
    assert score_estimator(fitted, data.matrix, "binary").tolist() == [0.0] * 500


def test_a_failing_fit_names_the_estimator() -> None:
    """The culprit comes first, in a few lines, and its own error stays the cause."""
    with pytest.raises(StepError, match=r"^LogisticRegression could not fit: ValueError: Input X contains NaN") as caught:
        fit_estimator(LogisticRegression(), _data(), seed=1)
    assert len(str(caught.value).splitlines()) <= 8
    assert isinstance(caught.value.__cause__, ValueError)


def test_scores_of_the_wrong_shape_are_refused() -> None:
    """One score per row, or an error that says so."""
    with pytest.raises(StepError, match=r"^Short gave scores of shape \(1,\) for 500 rows"):
        score_estimator(fit_estimator(Short(), _data(), seed=1), _data().matrix, "binary")
