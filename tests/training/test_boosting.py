"""Boosting: LightGBM's trees as plain arrays, and a fit that is a pure function of what it is given."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (scikit-learn and LightGBM are not typed throughout)

from __future__ import annotations

import lightgbm
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from millstream.training.data import TrainingData
from millstream.training.methods.boosting import fit_boosting, patience, trees_of_text
from millstream.training.presets import Boosting
from millstream.training.records import Constant, Task, Trees
from millstream.training.row_body import compile_score
from millstream.training.vector_body import score_matrix

Numbers = NDArray[np.float64]
FEW = Boosting(rounds=40, leaves=15, rate=0.1)


def _rows(rows: int, seed: int) -> Numbers:
    """Columns: number, number with nan, codes with -1, few values around zero, number with infinities."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, 5))
    matrix[random.random(rows) < 0.2, 1] = np.nan
    matrix[:, 2] = random.integers(-1, 12, rows)
    matrix[:, 3] = random.integers(-2, 3, rows)
    matrix[random.random(rows) < 0.02, 4] = np.inf
    matrix[random.random(rows) < 0.02, 4] = -np.inf
    return matrix.astype(np.float32).astype(np.float64)


def _hostile(rows: int, seed: int) -> Numbers:
    """Rows as never seen at the fit: nan, infinities, unseen codes, signed zeros and tiny numbers in every column."""
    random = np.random.default_rng(seed)
    odd = random.choice([np.nan, np.inf, -np.inf, -1.0, 0.0, -0.0, 1e-36, -1e-36, 1e300, 99.0], size=(rows, 5))
    return np.where(random.random((rows, 5)) < 0.3, odd, _rows(rows, seed + 1))


def _data(rows: int = 3_000, task: Task = "binary", *, validation: bool = False) -> TrainingData:
    def truth(matrix: Numbers, seed: int) -> Numbers:
        number = np.nan_to_num(matrix[:, 0]) + 0.7 * np.isnan(matrix[:, 1]) + 0.3 * (matrix[:, 2] % 3) + matrix[:, 3]
        number = number + np.random.default_rng(seed).normal(size=len(matrix))
        return (number > 0.5).astype(np.float64) if task == "binary" else 100 + number

    matrix, other = _rows(rows, 1), _rows(rows, 2)
    if not validation:
        return TrainingData(matrix, truth(matrix, 3), task)
    return TrainingData(matrix, truth(matrix, 3), task, other, truth(other, 4))


def _booster(matrix: Numbers, target: Numbers, **parameters: object) -> lightgbm.Booster:
    chosen = {"objective": "binary", "num_threads": 1, "verbosity": -1, "min_data_in_leaf": 5} | parameters
    return lightgbm.train(chosen, lightgbm.Dataset(matrix, target), 30)


@pytest.mark.parametrize("objective", ["binary", "regression"])
@pytest.mark.parametrize("use_missing", [True, False])
def test_bodies_give_the_raw_scores_of_lightgbm(objective: str, use_missing: bool) -> None:
    """Row and vector body add up to LightGBM's raw score bit for bit, on rows as hostile as they come."""
    data = _data(task="binary" if objective == "binary" else "regression")
    booster = _booster(data.matrix, data.target, objective=objective, use_missing=use_missing)
    rows = _hostile(2_500, 7)

    trees = trees_of_text(booster.model_to_string())
    raw = msgspec.structs.replace(trees, link="identity")

    expected = np.asarray(booster.predict(rows, raw_score=True))
    assert np.array_equal(score_matrix(raw, rows), expected)
    assert np.array_equal(score_matrix(raw, rows[:100]), expected[:100])
    assert list(map(compile_score(raw), rows.tolist())) == expected.tolist()


def test_probabilities_are_those_of_lightgbm() -> None:
    """The logistic link gives LightGBM's probability within the last bits of its exponential."""
    data = _data()
    booster = _booster(data.matrix, data.target)
    rows = _hostile(500, 8)
    scores = score_matrix(trees_of_text(booster.model_to_string()), rows)
    assert np.allclose(scores, np.asarray(booster.predict(rows)), rtol=1e-14, atol=0)


@pytest.mark.parametrize(("missing_seen", "expected"), [(True, "as learnt"), (False, "as zero")])
def test_direction_of_missing_values(missing_seen: bool, expected: str) -> None:
    """With nan at the fit a split has a learnt side for it; without, nan scores like 0.0."""
    random = np.random.default_rng(0)
    matrix = random.normal(loc=3.0, size=(2_000, 1))
    target = (matrix[:, 0] > 3.0).astype(np.float64)
    if missing_seen:
        matrix[:500], target[:500] = np.nan, 1.0
    fit = fit_boosting(FEW, TrainingData(matrix, target, "binary"), seed=0, rounds=20)
    score = compile_score(fit.fitted)
    assert score([float("nan")]) > 0.7 if expected == "as learnt" else score([float("nan")]) == score([0.0]) < 0.4


def test_splits_on_categories_are_refused() -> None:
    """A text with splits on categories is no record of ours."""
    data = _data()
    codes = np.abs(data.matrix[:, 2:3])
    booster = lightgbm.train({"verbosity": -1}, lightgbm.Dataset(codes, codes[:, 0] % 3, categorical_feature=[0]), 3)
    with pytest.raises(ValueError, match="without categories"):
        trees_of_text(booster.model_to_string())


def test_zero_as_missing_is_refused() -> None:
    """A text in which zero means missing is no record of ours."""
    data = _data()
    with pytest.raises(ValueError, match="zero_as_missing"):
        trees_of_text(_booster(data.matrix, data.target, zero_as_missing=True).model_to_string())


def test_the_same_fit_gives_the_same_bits() -> None:
    """Data, settings, seed and rounds are all that a fit depends on."""
    data = _data(validation=True)
    assert fit_boosting(FEW, data, seed=5) == fit_boosting(FEW, data, seed=5)


def test_another_seed_gives_another_fit() -> None:
    """The seed reaches the sampling of rows and columns."""
    assert fit_boosting(FEW, _data(), seed=5) != fit_boosting(FEW, _data(), seed=6)


def test_the_kept_rounds_are_found_again_without_validation_rows() -> None:
    """A fit of exactly the kept rounds is the stopped fit, bit for bit, and stopping chose fewer than allowed."""
    data = _data(validation=True)
    stopped = fit_boosting(Boosting(rounds=400, leaves=31, rate=0.2), data, seed=1)
    again = fit_boosting(Boosting(leaves=31, rate=0.2), TrainingData(data.matrix, data.target, "binary"), seed=1, rounds=stopped.rounds)
    assert stopped.rounds is not None
    assert 1 <= stopped.rounds < 200
    assert again == stopped


def test_without_validation_rows_all_rounds_are_kept() -> None:
    """Nothing stops a fit that has no validation rows."""
    fit = fit_boosting(FEW, _data(), seed=1)
    assert fit.rounds == 40
    assert isinstance(fit.fitted, Trees)
    assert len(fit.fitted.roots) == 40 * 4


@pytest.mark.parametrize(("best", "rows", "expected"), [(1, 500, 200.0), (1, 20_000, 100.0), (10, 10**6, 23.0), (900, 500, 290.0)])
def test_patience_grows_with_the_best_round_and_shrinks_with_the_rows(best: int, rows: int, expected: float) -> None:
    """Few rows wait 200 rounds, many rows 20 and three tenths of the best round."""
    assert patience(best, rows) == expected


def test_what_follows_the_best_round_leaves_no_trace() -> None:
    """How long a fit waited in vain does not change it."""
    data = _data(2_000, validation=True)
    short = fit_boosting(Boosting(rounds=150, rate=0.3), data, seed=1)
    long = fit_boosting(Boosting(rounds=1_000, rate=0.3), data, seed=1)
    assert short == long


def test_numbers_keep_their_scale() -> None:
    """A regression scores numbers; the mean of the target is in the first tree."""
    data = _data(task="regression")
    scores = score_matrix(fit_boosting(FEW, data, seed=0).fitted, data.matrix)
    assert abs(scores.mean() - data.target.mean()) < 0.1
    assert np.corrcoef(scores, data.target)[0, 1] > 0.8


def test_one_class_is_a_constant() -> None:
    """Rows of one class leave nothing to learn."""
    fit = fit_boosting(FEW, TrainingData(np.ones((50, 2)), np.ones(50), "binary"), seed=0)
    assert fit.fitted == Constant(1.0)


def test_columns_without_information_give_the_prior() -> None:
    """A column with one value is never split: each tree is one leaf."""
    data = TrainingData(np.ones((400, 1)), np.repeat([0.0, 0.0, 0.0, 1.0], 100), "binary")
    scores = score_matrix(fit_boosting(FEW, data, seed=0).fitted, np.zeros((3, 1)))
    assert np.allclose(scores, 0.25)
