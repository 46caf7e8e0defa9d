"""What is made of the methods that a file names: distinct candidates, weights of classes, and what is not trained yet."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (scikit-learn is not typed throughout)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import millstream as ms
from millstream.errors import ColumnError, DeclarationError, MillstreamError
from millstream.training.candidates import candidates_of, check_candidates
from millstream.training.data import TrainingData, balanced_weights
from millstream.training.methods.boosting import fit_boosting
from millstream.training.methods.forest import fit_forest
from millstream.training.methods.linear import fit_linear
from millstream.training.presets import Boosting, Forest, Linear
from millstream.training.problem import Problem
from millstream.training.vector_body import score_matrix


def refused(declare: Callable[[], object]) -> str:
    """The message and the hint of a declaration that is refused, at the line of this file."""
    with pytest.raises(DeclarationError) as caught:
        declare()
    assert (caught.value.where or "").startswith(__file__)
    return f"{caught.value.message}; {caught.value.hint}"


def test_names_of_candidates() -> None:
    """After the method, numbered where there are several; a baseline is always among them."""
    methods = [ms.methods.boosting(), ms.methods.boosting(leaves=7), ms.methods.neighbours(k=3), DummyClassifier()]
    assert [each.name for each in candidates_of(methods)] == ["baseline", "boosting", "boosting_2", "neighbours", "DummyClassifier"]


def test_a_baseline_of_a_column_is_the_baseline() -> None:
    """It takes the place of the one that knows nothing."""
    assert [each.name for each in candidates_of([ms.methods.linear(), ms.methods.baseline("lag")])] == ["linear", "baseline"]


def test_portfolio_is_several_methods() -> None:
    """Which then compete as if each had been named."""
    names = [each.name for each in candidates_of([ms.methods.portfolio()])]
    assert names == ["baseline", "boosting", "boosting_2", "boosting_3", "linear", "forest"]


def test_estimator_with_a_preparation() -> None:
    """It keeps its name, and the steps are another candidate's causes."""
    steps = [ms.prepare.impute(), ms.prepare.scale()]
    first, second = candidates_of([ms.methods.estimator(DummyClassifier(), prepare=steps), DummyClassifier()])[1:]
    assert (first.name, second.name, list(first.prepare)) == ("DummyClassifier", "DummyClassifier_2", steps)
    assert {cause.value for cause in first.causes()} != {cause.value for cause in second.causes()}


def test_estimator_without_preparation_is_itself() -> None:
    """Wrapping alone changes nothing."""
    dummy = DummyClassifier()
    assert [each.method for each in candidates_of([ms.methods.estimator(dummy)])][1] is dummy


@pytest.mark.parametrize(
    ("method", "told"),
    [
        (ms.methods.ensemble(), "methods.ensemble() can be declared, but is not trained yet"),
        (ms.methods.linear(prepare=[StandardScaler()]), "prepare: a StandardScaler object can be declared, but is not trained yet"),
    ],
    ids=["ensemble", "transformer"],
)
def test_what_is_not_trained_yet(method: Any, told: str) -> None:
    """One sentence with the line of the model, before anything is fitted."""
    with pytest.raises(DeclarationError) as caught:
        candidates_of([method], where="shop.py:7")
    assert str(caught.value).splitlines()[:2] == [told, "  at shop.py:7"]


@pytest.mark.parametrize(
    ("declare", "told"),
    [
        (lambda: ms.methods.neighbours(k=0), "methods.neighbours: k must be a whole number of at least 1, not 0"),
        (lambda: ms.methods.boosting(class_weight=weight("balance")), "did you mean 'balanced'?"),
        (lambda: ms.methods.baseline(""), "the column's name is empty"),
        (lambda: ms.methods.linear(prepare=weight("impute")), "prepare must be a list, each item a step; it is 'impute'"),
        (lambda: ms.methods.linear(prepare=[weight(3)]), "methods.linear: prepare: 3 is no step"),
        (lambda: ms.methods.linear(prepare=[weight(DummyClassifier)]), "the class DummyClassifier is no step"),
        (lambda: ms.methods.estimator(weight(DummyClassifier)), "make an object of it: DummyClassifier()"),
        (lambda: ms.methods.estimator(weight(ms.methods.linear())), "is a method already"),
        (lambda: ms.split.group([]), "split.group: columns is empty"),
        (lambda: ms.split.group("customer", test=1), "leaves no rows to train on"),
    ],
)
def test_options_that_cannot_be_meant(declare: Callable[[], object], told: str) -> None:
    """The option is named, at the line that gives it."""
    assert told in refused(declare)


def weight(value: object) -> Any:
    """What a type checker would not let pass."""
    return value


def test_a_step_that_names_no_feature() -> None:
    """Before anything is fitted, with the line of the model."""
    candidates = candidates_of([ms.methods.linear(prepare=[ms.prepare.log(columns="Lot_Aera")])])
    with pytest.raises(ColumnError, match=r"methods\.linear: 'Lot_Aera' is no feature\n  at shop\.py:7\n  did you mean 'Lot_Area'\?"):
        check_candidates(candidates, NUMBERS, ["Lot_Area"], where="shop.py:7")


NUMBERS, CLASSES = Problem("regression", "rmse"), Problem("binary", "roc_auc", (0, 1))


def test_weights_of_classes_need_classes() -> None:
    """For a number they are refused."""
    candidates = candidates_of([ms.methods.forest(class_weight="balanced")])
    check_candidates(candidates, CLASSES, ["x"])
    with pytest.raises(MillstreamError, match=r"methods\.forest: class_weight is for classes, but the label is a number"):
        check_candidates(candidates, NUMBERS, ["x"])


def test_baseline_of_a_column_that_is_no_feature() -> None:
    """The nearest feature is proposed."""
    with pytest.raises(ColumnError, match=r"'lag_7' is no feature\n  did you mean 'lag_7d'\?"):
        check_candidates(candidates_of([ms.methods.baseline("lag_7")]), NUMBERS, ["lag_7d"])


def rare(rows: int = 4000) -> TrainingData:
    """One row in twenty is positive, and one column says something about it."""
    random = np.random.default_rng(0)
    target = (random.random(rows) < 0.05).astype(np.float64)
    return TrainingData(np.stack([random.normal(size=rows) + target, random.normal(size=rows)], axis=1), target, "binary")


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    """Both classes weigh half, and all rows together as much as before."""
    data = rare()
    weights = balanced_weights(data)
    assert weights[data.target == 1.0].sum() == pytest.approx(2000)
    assert weights.sum() == pytest.approx(4000)


@pytest.mark.parametrize("method", ["boosting", "linear", "forest"])
def test_balanced_classes_weigh_the_same(method: str) -> None:
    """Probabilities lie about a half instead of about one in twenty."""
    data = rare()
    fits = {
        "boosting": lambda weight: fit_boosting(Boosting(rounds=30, class_weight=weight), data, seed=0),
        "linear": lambda weight: fit_linear(Linear(class_weight=weight), data, seed=0),
        "forest": lambda weight: fit_forest(Forest(trees=20, class_weight=weight), data, seed=0),
    }
    plain, balanced = (float(score_matrix(fits[method](weight).fitted, data.matrix).mean()) for weight in (None, "balanced"))
    assert plain == pytest.approx(0.05, abs=0.02)
    assert balanced == pytest.approx(0.4, abs=0.15)


def test_balanced_linear_is_that_of_scikit_learn() -> None:
    """The same optimum."""
    data = rare()
    other = LogisticRegression(C=1.0, class_weight="balanced", tol=1e-10, max_iter=10_000).fit(data.matrix, data.target)
    scores = score_matrix(fit_linear(Linear(class_weight="balanced"), data, seed=0).fitted, data.matrix)
    assert np.allclose(scores, other.predict_proba(data.matrix)[:, 1], atol=1e-5)
