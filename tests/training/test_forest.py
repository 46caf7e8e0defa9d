"""Forests: scikit-learn's trees as plain arrays over the values themselves."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (scikit-learn and LightGBM are not typed throughout)

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from millstream.training.data import TrainingData, nodes_of
from millstream.training.methods.forest import bin_codes, cut_points, fit_forest, trees_of_forest
from millstream.training.presets import Forest
from millstream.training.records import Constant, Task, Trees
from millstream.training.row_body import compile_score
from millstream.training.vector_body import score_matrix

Numbers = NDArray[np.float64]
FEW = Forest(trees=15, leaf=10, share=0.5)


def _data(rows: int = 3_000, task: Task = "binary") -> TrainingData:
    """Columns: number, number with nan, codes with -1, number with infinities."""
    random = np.random.default_rng(1)
    matrix = random.normal(size=(rows, 4))
    matrix[random.random(rows) < 0.2, 1] = np.nan
    matrix[:, 2] = random.integers(-1, 12, rows)
    matrix[random.random(rows) < 0.03, 3] = np.inf
    matrix[random.random(rows) < 0.03, 3] = -np.inf
    number = matrix[:, 0] + 0.9 * np.isnan(matrix[:, 1]) + 0.3 * (matrix[:, 2] % 3) + random.normal(size=rows)
    return TrainingData(matrix, (number > 0.5).astype(np.float64) if task == "binary" else number, task)


def _hostile(rows: int) -> Numbers:
    """Rows as never seen at the fit: nan, infinities, unseen codes in every column."""
    random = np.random.default_rng(2)
    odd = random.choice([np.nan, np.inf, -np.inf, -1.0, 0.0, 1e300, 99.0], size=(rows, 4))
    return np.where(random.random((rows, 4)) < 0.3, odd, random.normal(size=(rows, 4)))


def test_bodies_give_the_probabilities_of_scikit_learn() -> None:
    """Both bodies equal `predict_proba` on the same bins bit for bit, in columns with and without nan at the fit."""
    data, rows = _data(), _hostile(2_500)
    cuts = cut_points(data.matrix)
    forest = RandomForestClassifier(15, min_samples_leaf=5, n_jobs=1, random_state=0).fit(bin_codes(data.matrix, cuts), data.target)

    trees = trees_of_forest(forest, cuts)

    expected = forest.predict_proba(bin_codes(rows, cuts))[:, 1]
    assert np.array_equal(score_matrix(trees, rows), expected)
    assert list(map(compile_score(trees), rows.tolist())) == expected.tolist()


def test_bodies_give_the_numbers_of_scikit_learn() -> None:
    """The same for the mean of a regression, with more than 256 leaves a tree."""
    data, rows = _data(8_000, "regression"), _hostile(2_500)
    cuts = cut_points(data.matrix)
    forest = RandomForestRegressor(15, min_samples_leaf=2, n_jobs=1, random_state=0).fit(bin_codes(data.matrix, cuts), data.target)

    trees = trees_of_forest(forest, cuts)

    expected = forest.predict(bin_codes(rows, cuts))
    assert len(nodes_of(trees).feature) > 15 * 512
    assert np.array_equal(score_matrix(trees, rows), expected)
    assert list(map(compile_score(trees), rows.tolist())) == expected.tolist()


def test_the_same_fit_gives_the_same_bits() -> None:
    """The seed says everything that is random."""
    assert fit_forest(FEW, _data(), seed=3) == fit_forest(FEW, _data(), seed=3) != fit_forest(FEW, _data(), seed=4)


@pytest.mark.parametrize("seen", [True, False])
def test_missing_values_have_a_side(seen: bool) -> None:
    """With nan at the fit its side is learnt; without, it goes with the greater part of the rows."""
    random = np.random.default_rng(0)
    matrix = random.random((3_000, 1))
    target = (matrix[:, 0] > 0.7).astype(np.float64)
    if seen:
        matrix[:900], target[:900] = np.nan, 1.0
    score = compile_score(fit_forest(FEW, TrainingData(matrix, target, "binary"), seed=0).fitted)
    assert score([float("nan")]) > 0.9 if seen else score([float("nan")]) < 0.1


def test_few_values_are_parted_between_neighbours() -> None:
    """A column of few values gets a cut between each two; infinities are values too."""
    column = np.array([[3.0], [-np.inf], [1.0], [np.nan], [np.inf], [1.0]])
    assert cut_points(column)[0].tolist() == [-np.inf, 2.0, 3.0]
    assert bin_codes(column, cut_points(column))[:, 0].tolist()[:3] == [2.0, 0.0, 1.0]


def test_many_values_are_parted_into_255_bins_of_equal_rows() -> None:
    """A column of many values keeps 254 cuts, and no bin has more than its share of the rows and a value."""
    column = np.random.default_rng(0).normal(size=(25_500, 1))
    cuts = cut_points(column)
    counts = np.bincount(bin_codes(column, cuts)[:, 0].astype(np.int64))
    assert len(cuts[0]) == 254
    assert counts.max() <= 102


def test_neighbouring_doubles_are_parted() -> None:
    """Between two values without a double between them, the smaller one is the cut."""
    column = np.array([[1.0], [np.nextafter(1.0, 2.0)]])
    assert cut_points(column)[0].tolist() == [1.0]


def test_one_class_is_a_constant() -> None:
    """Rows of one class leave nothing to learn."""
    assert fit_forest(FEW, TrainingData(np.ones((50, 2)), np.zeros(50), "binary"), seed=0).fitted == Constant(0.0)


def test_a_column_of_nothing_is_never_asked() -> None:
    """A column that is all nan does not stop the fit."""
    data = _data()
    matrix = np.column_stack([data.matrix[:, 0], np.full(len(data.target), np.nan)])
    fitted = fit_forest(FEW, TrainingData(matrix, data.target, "binary"), seed=0).fitted
    assert isinstance(fitted, Trees)
    assert set(nodes_of(fitted).feature.tolist()) == {-1, 0}
