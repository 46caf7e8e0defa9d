"""An interval of 95 % holds the true value in 95 % of samples, and says when it cannot be told."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from millstream.errors import ConfigurationError
from millstream.evaluation.bootstrap import MOST_ROWS, average_precision_draws, poisson_weights
from millstream.evaluation.intervals import contributions, interval, standard_error, student_quantile, wilson_bounds
from millstream.evaluation.metrics import METRICS, average_precision
from millstream.evaluation.ranking import placements

Numbers = NDArray[np.float64]


def binary_rows(generator: np.random.Generator, size: int, shift: float = 1.0, share: float = 0.3) -> tuple[Numbers, Numbers]:
    """Labels and probabilities from two normals `shift` apart: the true area is Phi(shift / sqrt 2)."""
    truth = (generator.random(size) < share).astype(np.float64)
    return truth, 1.0 / (1.0 + np.exp(-generator.normal(size=size) - shift * truth))


def coverage(metric: str, true_value: float, size: int, *, shift: float = 1.0) -> float:
    """The share of 300 samples whose interval holds the true value."""
    generator = np.random.default_rng(7)
    scores = [interval(metric, *binary_rows(generator, size, shift)) for _ in range(300)]
    return sum(score.low <= true_value <= score.high for score in scores) / len(scores)


@pytest.mark.parametrize(("size", "shift"), [(80, 1.0), (200, 1.0), (200, 2.0), (1000, 0.5)])
def test_delong_covers_the_true_area(size: int, shift: float) -> None:
    """In 300 samples about 95 % of the intervals hold the area, with few rows and with many."""
    assert 0.92 <= coverage("roc_auc", NormalDist().cdf(shift / math.sqrt(2.0)), size, shift=shift) <= 0.985


def test_delong_covers_a_little_less_near_one() -> None:
    """An area of 0.983 on 200 rows is held by 93.7 % (4,000 samples): DeLong's own limit, not better than it is."""
    assert 0.90 <= coverage("roc_auc", NormalDist().cdf(3.0 / math.sqrt(2.0)), 200, shift=3.0) <= 0.975


@pytest.mark.parametrize("metric", ["log_loss", "brier", "accuracy", "rmse", "mae", "average_precision"])
def test_the_other_intervals_cover_the_true_value(metric: str) -> None:
    """The same for means, the root of a mean, and average precision; true values from 400,000 rows."""
    true_value = METRICS[metric].function(*binary_rows(np.random.default_rng(0), 400_000))
    assert 0.92 <= coverage(metric, true_value, 250) <= 0.985


def test_placements_are_shares_of_pairs() -> None:
    """Each positive counts the negatives behind it, each negative the positives before it, ties half."""
    truth, score = np.array([1.0, 0.0, 1.0, 0.0, 0.0]), np.array([0.9, 0.9, 0.4, 0.1, 0.5])
    behind, before = placements(truth == 1.0, score)
    assert behind.tolist() == pytest.approx([2.5 / 3, 1 / 3])
    assert before.tolist() == pytest.approx([0.25, 1.0, 0.5])


def test_delong_equals_the_double_sum_over_pairs() -> None:
    """The fast algorithm gives the variance of the definition (DeLong 1988), here with ties."""
    generator = np.random.default_rng(3)
    truth, score = (generator.random(60) < 0.5).astype(np.float64), generator.integers(0, 9, 60) / 9
    pairs = np.heaviside(score[truth == 1.0][:, None] - score[truth == 0.0][None, :], 0.5)
    expected = pairs.mean(1).var(ddof=1) / pairs.shape[0] + pairs.mean(0).var(ddof=1) / pairs.shape[1]
    assert standard_error(contributions(METRICS["roc_auc"], truth, score)) == pytest.approx(math.sqrt(expected), rel=1e-12)


def test_the_area_stays_between_zero_and_one() -> None:
    """Near 1 the interval leans to the middle and never leaves [0, 1]."""
    score = interval("roc_auc", *binary_rows(np.random.default_rng(2), 60, shift=4.0))
    assert 0.0 < score.low < score.value < score.high <= 1.0
    assert score.value - score.low > score.high - score.value


def test_a_perfect_area_is_not_certain() -> None:
    """Where every pair is in order the lower bound still says how few rows that was."""
    truth = np.repeat([0.0, 1.0], 10)
    few, many = interval("roc_auc", truth, truth), interval("roc_auc", np.repeat(truth, 50), np.repeat(truth, 50))
    assert few.value == 1.0
    assert few.high == pytest.approx(1.0)
    assert 0.6 < few.low < many.low < 1.0


@pytest.mark.parametrize("metric", METRICS)
def test_few_rows_give_no_interval(metric: str) -> None:
    """Four rows: the value is told, its bounds are nan."""
    score = interval(metric, np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.2, 0.7, 0.4, 0.3]))
    assert math.isfinite(score.value)
    assert math.isnan(score.low)
    assert math.isnan(score.high)


def test_one_class_gives_no_area() -> None:
    """One class only: value and bounds are nan, the rows are still counted."""
    score = interval("roc_auc", np.zeros(50), np.linspace(0, 1, 50))
    assert math.isnan(score.value)
    assert math.isnan(score.low)
    assert score.n == 50


def test_an_error_is_never_below_zero() -> None:
    """A wide interval of an error ends at zero."""
    score = interval("mae", np.array([0.0, 0.0, 0.0, 0.0, 0.0, 9.0]), np.zeros(6))
    assert score.low == 0.0


def test_the_same_seed_draws_the_same_interval() -> None:
    """The bootstrap is a function of the rows and the seed."""
    truth, score = binary_rows(np.random.default_rng(4), 300)
    first, again, other = (interval("average_precision", truth, score, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_linearised_average_precision_agrees_with_the_bootstrap() -> None:
    """Above 100,000 rows nothing is drawn; the two errors agree within the noise of 300 draws."""
    truth, score = binary_rows(np.random.default_rng(5), 3_000)
    drawn = average_precision_draws(truth, [score], 0)[0].std(ddof=1)
    linear = standard_error(contributions(METRICS["average_precision"], truth, score))
    assert linear == pytest.approx(drawn, rel=0.15)
    many = interval("average_precision", *binary_rows(np.random.default_rng(5), MOST_ROWS + 1))
    assert 0.0 < many.high - many.low < 0.02


def test_a_draw_weighs_rows_as_if_they_were_repeated() -> None:
    """Average precision of a draw is that of the rows repeated by their weights, ties included."""
    generator = np.random.default_rng(6)
    truth, score = (generator.random(40) < 0.4).astype(np.float64), generator.integers(0, 12, 40) / 12
    weights = poisson_weights(np.random.default_rng(0), (300, 40))
    expected = [average_precision(np.repeat(truth, weight), np.repeat(score, weight)) for weight in weights]
    assert average_precision_draws(truth, [score], 0)[0] == pytest.approx(expected, abs=1e-12)


def test_weights_are_poisson() -> None:
    """Mean and variance are 1, and a row is left out with probability 1/e."""
    weights = poisson_weights(np.random.default_rng(0), (100, 10_000))
    assert (weights.mean(), weights.var()) == (pytest.approx(1.0, abs=0.005), pytest.approx(1.0, abs=0.01))
    assert (weights == 0).mean() == pytest.approx(math.exp(-1.0), abs=0.002)


@pytest.mark.parametrize("freedom", [4, 9, 30, 1000])
def test_the_students_quantile_is_scipys(freedom: int) -> None:
    """The expansion is close enough even for five rows."""
    assert student_quantile(0.95, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=2e-3)


def test_wilson_is_scipys() -> None:
    """The score interval of a share equals scipy's."""
    expected = stats.binomtest(17, 20).proportion_ci(method="wilson")
    assert wilson_bounds(17 / 20, 20, 0.95) == pytest.approx((expected.low, expected.high), rel=1e-12)


def test_an_unknown_metric_is_refused() -> None:
    """The name is checked before anything is computed."""
    with pytest.raises(ConfigurationError, match="rmsee"):
        interval("rmsee", np.zeros(9), np.zeros(9))
