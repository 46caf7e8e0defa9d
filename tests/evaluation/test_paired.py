"""Two scores on the same rows: positive means that the first is better, with an interval that holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from millstream.evaluation.metrics import METRICS
from millstream.evaluation.paired import paired_difference

Numbers = NDArray[np.float64]


def two_scores(generator: np.random.Generator, size: int, noise: float = 0.5) -> tuple[Numbers, Numbers, Numbers]:
    """Labels, probabilities, and the same probabilities with more noise: the first score is better."""
    truth = (generator.random(size) < 0.4).astype(np.float64)
    logit = generator.normal(size=size) + 1.5 * truth - 0.9
    return truth, 1.0 / (1.0 + np.exp(-logit)), 1.0 / (1.0 + np.exp(-logit - noise * generator.normal(size=size)))


@pytest.mark.parametrize("metric", METRICS)
def test_positive_means_that_the_first_is_better(metric: str) -> None:
    """For gains and for errors alike; the interval lies on the same side with enough rows."""
    truth, better, worse = two_scores(np.random.default_rng(0), 5_000, noise=2.0)
    difference = paired_difference(metric, truth, better, worse)
    assert 0.0 < difference.low < difference.difference < difference.high


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(30, 200))
def test_swapping_the_two_negates_the_difference(metric: str, seed: int, size: int) -> None:
    """difference(a, b) is exactly -difference(b, a), bounds swapped, for every metric."""
    truth, first, second = two_scores(np.random.default_rng(seed), size)
    one, other = paired_difference(metric, truth, first, second), paired_difference(metric, truth, second, first)
    assert (one.difference, one.low, one.high) == (-other.difference, -other.high, -other.low)


@pytest.mark.parametrize("metric", METRICS)
def test_the_interval_covers_the_true_difference(metric: str) -> None:
    """In 200 samples of 250 rows about 95 % hold the difference of 400,000 rows."""
    generator = np.random.default_rng(11)
    truth, first, second = two_scores(np.random.default_rng(0), 400_000)
    true_value = paired_difference(metric, truth, first, second).difference
    told = [paired_difference(metric, *two_scores(generator, 250)) for _ in range(200)]
    assert 0.91 <= sum(one.low <= true_value <= one.high for one in told) / len(told) <= 0.99


@pytest.mark.parametrize("metric", METRICS)
def test_pairing_narrows_the_interval(metric: str) -> None:
    """On the same rows the common noise cancels: narrower than the same scores on shuffled rows would be."""
    truth, first, second = two_scores(np.random.default_rng(1), 2_000, noise=0.1)
    truth_again, _, unrelated = two_scores(np.random.default_rng(2), 2_000, noise=0.1)
    order, order_again = np.argsort(truth, kind="stable"), np.argsort(truth_again, kind="stable")
    paired = paired_difference(metric, truth, first, second)
    unpaired = paired_difference(metric, truth[order], first[order], unrelated[order_again])
    assert paired.high - paired.low < 0.5 * (unpaired.high - unpaired.low)


def test_equal_scores_differ_by_nothing() -> None:
    """The same scores twice: difference and bounds are zero."""
    truth, score, _ = two_scores(np.random.default_rng(3), 100)
    difference = paired_difference("roc_auc", truth, score, score)
    assert (difference.difference, difference.low, difference.high, difference.n) == (0.0, 0.0, 0.0, 100)


def test_classes_that_never_disagree_are_not_certain_to_agree() -> None:
    """Accuracy on 50 rows without a disagreement says little about the next 50."""
    truth, score, _ = two_scores(np.random.default_rng(3), 50)
    difference = paired_difference("accuracy", truth, score, score)
    assert difference.difference == 0.0
    assert difference.low < -0.02 < 0.02 < difference.high


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision"])
def test_one_class_gives_no_bounds(metric: str) -> None:
    """Rows of one class cannot be ranked: bounds are nan."""
    difference = paired_difference(metric, np.ones(40), np.linspace(0, 1, 40), np.linspace(1, 0, 40))
    assert math.isnan(difference.low)
    assert math.isnan(difference.high)
