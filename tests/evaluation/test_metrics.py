"""What each metric means: scikit-learn's values, errors not negated, `nan` where undefined."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

from millstream.errors import ConfigurationError
from millstream.evaluation.metrics import METRICS, default_metric, metric_named

Numbers = NDArray[np.float64]

ORACLES: dict[str, Callable[[Numbers, Numbers], float]] = {
    "roc_auc": sklearn_metrics.roc_auc_score,
    "average_precision": sklearn_metrics.average_precision_score,
    "log_loss": sklearn_metrics.log_loss,
    "brier": sklearn_metrics.brier_score_loss,
    "accuracy": lambda truth, score: float(sklearn_metrics.accuracy_score(truth, score >= 0.5)),
    "rmse": sklearn_metrics.root_mean_squared_error,
    "mae": sklearn_metrics.mean_absolute_error,
}


def rows(seed: int, size: int, distinct: int) -> tuple[Numbers, Numbers]:
    """Labels and probabilities with many equal values; both classes are present."""
    generator = np.random.default_rng(seed)
    truth = (generator.random(size) < 0.4).astype(np.float64)
    truth[:2] = (0.0, 1.0)
    return truth, generator.integers(0, distinct + 1, size) / distinct


@pytest.mark.parametrize("name", ORACLES)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(2, 300), distinct=st.sampled_from([1, 3, 20, 10**6]))
def test_a_metric_is_scikit_learns(name: str, seed: int, size: int, distinct: int) -> None:
    """Every metric equals scikit-learn's to 1e-12, with few rows, with ties, with probabilities of 0 and 1."""
    truth, score = rows(seed, size, distinct)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        expected = ORACLES[name](truth, score)
    assert METRICS[name].function(truth, score) == pytest.approx(expected, abs=1e-12, rel=1e-12)


def test_the_oracles_cover_every_metric() -> None:
    """No metric goes without a comparison."""
    assert set(ORACLES) == set(METRICS)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_errors_are_smaller_when_better(task: str) -> None:
    """A perfect score is at least as good as a constant one in each metric's own direction."""
    truth = np.array([0.0, 1.0, 0.0, 1.0, 1.0])
    for definition in METRICS.values():
        if definition.task == task:
            perfect, constant = definition.function(truth, truth), definition.function(truth, np.full(5, 0.4))
            assert definition.direction * perfect > definition.direction * constant


def test_equal_scores_count_half() -> None:
    """A constant score has an area of one half."""
    assert METRICS["roc_auc"].function(np.array([0.0, 1.0, 1.0]), np.full(3, 0.7)) == 0.5


@pytest.mark.parametrize("present", [0.0, 1.0])
def test_area_of_one_class_is_nan(present: float) -> None:
    """With one class there are no pairs: nan, no exception."""
    assert math.isnan(METRICS["roc_auc"].function(np.full(4, present), np.linspace(0, 1, 4)))


def test_average_precision_without_positives_is_nan() -> None:
    """Nothing to find: nan, where scikit-learn says 0 with a warning."""
    assert math.isnan(METRICS["average_precision"].function(np.zeros(4), np.linspace(0, 1, 4)))


@pytest.mark.parametrize("name", METRICS)
def test_a_score_that_is_nan_makes_the_metric_nan(name: str) -> None:
    """A missing score is never ranked or counted as an answer."""
    assert math.isnan(METRICS[name].function(np.array([0.0, 1.0, 1.0]), np.array([0.1, np.nan, 0.9])))


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_of_no_rows_is_nan(name: str) -> None:
    """No rows: nan, no warning."""
    assert math.isnan(METRICS[name].function(np.empty(0), np.empty(0)))


def test_an_unknown_metric_proposes_the_nearest() -> None:
    """A misspelt metric is named, and the one that was meant."""
    with pytest.raises(ConfigurationError, match="'auc_roc' does not exist") as caught:
        metric_named("auc_roc")
    assert "roc_auc" in str(caught.value)


def test_the_default_metric_follows_the_task() -> None:
    """Binary: the area under the ROC curve; a number: the root mean squared error."""
    assert (default_metric("binary"), default_metric("regression")) == ("roc_auc", "rmse")
