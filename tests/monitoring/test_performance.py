"""How right a model was, as far as labels are known."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from millstream.errors import ConfigurationError
from millstream.evaluation.intervals import interval
from millstream.evaluation.records import Score
from millstream.monitoring.performance import performance
from millstream.monitoring.records import Performance

Numbers = NDArray[np.float64]


def predictions(seed: int, rows: int, signal: float) -> tuple[Numbers, Numbers]:
    """Labels, 30 % positive, and scores that tell them apart by so many deviations."""
    generator = np.random.default_rng(seed)
    truth = (generator.random(rows) < 0.3).astype(np.float64)
    return truth, generator.normal(size=rows) + signal * truth


REFERENCE = interval("roc_auc", *predictions(0, 5_000, signal=1.0))


def test_a_model_as_good_as_before_is_not_worse() -> None:
    """The same signal on other rows: not worse beyond noise."""
    found = performance("roc_auc", *predictions(1, 2_000, signal=1.0), reference=REFERENCE)
    assert not found.worse
    assert found.current is not None
    assert "not worse" in found.reason


def test_a_model_that_lost_its_signal_is_worse() -> None:
    """Half the signal is worse, and the reason says by how much."""
    found = performance("roc_auc", *predictions(1, 2_000, signal=0.5), reference=REFERENCE)
    assert found.worse
    assert "worse by 0.1" in found.reason


def test_within_the_margin_is_not_worse() -> None:
    """A loss that the owner accepts raises nothing."""
    truth, score = predictions(1, 2_000, signal=0.5)
    assert not performance("roc_auc", truth, score, reference=REFERENCE, margin=0.3).worse


def test_errors_are_worse_when_they_grow() -> None:
    """For rmse more is worse."""
    generator = np.random.default_rng(0)
    truth, noise = generator.normal(size=1_000), generator.normal(size=1_000)
    reference = interval("rmse", truth, truth + noise)
    assert performance("rmse", truth, truth + 2.0 * noise, reference=reference).worse
    assert not performance("rmse", truth, truth + 0.5 * noise, reference=reference).worse


def test_only_labelled_rows_count_and_coverage_is_told() -> None:
    """Predictions without a label yet are in the coverage, not in the metric."""
    truth, score = predictions(1, 1_000, signal=1.0)
    truth[250:] = np.nan
    found = performance("roc_auc", truth, score, reference=REFERENCE)
    assert (found.labelled, found.predicted, found.coverage) == (250, 1_000, 0.25)
    assert found.current == interval("roc_auc", truth[:250], score[:250])


@pytest.mark.parametrize(
    ("truth", "score", "reason"),
    [
        ([], [], "no label is known yet"),
        ([np.nan, np.nan], [0.1, 0.2], "no label is known yet"),
        ([1.0] * 20, [0.5] * 20, "20 labelled predictions are too few, or of one class, to tell roc_auc"),
        ([0.0, 1.0] * 20, [0.5] * 39 + [np.nan], "1 of 40 labelled predictions are not numbers"),
    ],
)
def test_what_cannot_be_told_is_not_worse(truth: list[float], score: list[float], reason: str) -> None:
    """Without labels, with one class only or with broken scores there is no metric, and the reason says why."""
    found = performance("roc_auc", np.array(truth), np.array(score), reference=REFERENCE)
    assert (found.current, found.worse, found.reason) == (None, False, reason)


def test_false_alarms_are_rare() -> None:
    """The test is two-sided at 95 %: at most 4 % of 200 trials call the same model worse."""
    trials = [performance("roc_auc", *predictions(seed, 500, signal=1.0), reference=REFERENCE).worse for seed in range(1, 201)]
    assert sum(trials) <= 8


def test_an_unknown_metric_is_refused() -> None:
    """A misspelt metric is the user's error, told as one."""
    with pytest.raises(ConfigurationError, match="roc_auc"):
        performance("roc_au", np.array([1.0]), np.array([0.5]), reference=REFERENCE)


def test_a_finding_survives_json() -> None:
    """What is stored is what was found."""
    for truth in (predictions(1, 100, signal=1.0)[0], np.full(100, np.nan)):
        found = performance("roc_auc", truth, predictions(1, 100, signal=1.0)[1], reference=Score("roc_auc", 0.7, 0.6, 0.8, 100))
        assert msgspec.json.decode(msgspec.json.encode(found), type=Performance) == found
