"""What gates say of a challenger, and when a model is worse than it was."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from millstream.errors import ConfigurationError, ContractError
from millstream.evaluation.declare import AllGates, AtLeast, Better, NotWorse
from millstream.evaluation.intervals import interval
from millstream.evaluation.judge import MOST_NEEDED, gate_text, is_worse, judge
from millstream.evaluation.records import Score

Numbers = NDArray[np.float64]

NOT_WORSE = NotWorse(by=0.005, metric=None)
BETTER = Better(by=0.005, metric=None)
AT_LEAST = AtLeast(value=0.7, metric=None)


def two_models(seed: int, size: int, gap: float, shared: float = 0.97) -> tuple[Numbers, Numbers, Numbers]:
    """Labels, and logits of a challenger whose signal is `gap` stronger than the champion's 1.0."""
    generator = np.random.default_rng(seed)
    truth = (generator.random(size) < 0.3).astype(np.float64)
    common, own = generator.normal(size=size), generator.normal(size=(2, size))
    noise = shared * common + math.sqrt(1.0 - shared**2) * own
    return truth, noise[0] + (1.0 + gap) * truth, noise[1] + truth


def test_a_much_better_challenger_is_accepted() -> None:
    """The whole interval lies above the margin, and the reason says so in numbers."""
    verdict = judge(BETTER, *two_models(0, 5_000, gap=0.3), metric="roc_auc")
    assert (verdict.outcome, verdict.gate, verdict.needed) == ("accepted", "better(by=0.005)", None)
    assert verdict.difference is not None
    assert verdict.difference.low > 0.005
    assert "roc_auc is better by" in verdict.reason
    assert "5,000 rows" in verdict.reason


def test_a_much_worse_challenger_is_refused() -> None:
    """The whole interval lies below the margin."""
    verdict = judge(NOT_WORSE, *two_models(0, 5_000, gap=-0.3), metric="roc_auc")
    assert (verdict.outcome, verdict.needed) == ("refused", None)
    assert "roc_auc is worse by" in verdict.reason


def test_a_point_estimate_below_the_margin_is_refused() -> None:
    """One block decides once: an interval across the margin does not help a challenger that looks too weak."""
    verdict = judge(BETTER, *two_models(1, 300, gap=0.0), metric="roc_auc")
    assert verdict.difference is not None
    assert verdict.difference.low < verdict.difference.difference <= 0.005 < verdict.difference.high
    assert verdict.outcome == "refused"


def test_a_promising_challenger_needs_labels() -> None:
    """The point estimate is beyond the margin, the interval is not yet: the verdict says how many labels are lacking."""
    verdict = judge(BETTER, *two_models(3, 300, gap=0.06), metric="roc_auc")
    assert verdict.outcome == "needs_labels"
    assert verdict.needed is not None
    assert f"needs about {verdict.needed:,} more labels" in verdict.reason


def test_the_labels_asked_for_would_decide() -> None:
    """The same rows repeated until as many are there as were asked for: the interval just clears the margin."""
    truth, challenger, champion = two_models(3, 300, gap=0.06)
    needed = judge(BETTER, truth, challenger, champion, metric="roc_auc").needed
    assert needed is not None
    times = math.ceil((300 + 1.1 * needed) / 300)
    again = (np.tile(rows, times) for rows in (truth, challenger, champion))
    assert judge(BETTER, *again, metric="roc_auc").outcome == "accepted"


def test_a_model_worse_by_more_than_the_margin_is_hardly_ever_accepted() -> None:
    """Truly 0.0067 worse, margin 0.005, 1,000 rows: at most 5 % of 400 blocks accept (point estimates: over 30 %)."""
    gap = -0.03027
    areas = [NormalDist().cdf((1.0 + weaker) / math.sqrt(2.0)) for weaker in (0.0, gap)]
    assert areas[0] - areas[1] == pytest.approx(0.0067, abs=1e-5)
    verdicts = [judge(NOT_WORSE, *two_models(seed, 1_000, gap=gap), metric="roc_auc") for seed in range(400)]
    by_point = [verdict for verdict in verdicts if verdict.difference and verdict.difference.difference > -0.005]
    assert sum(verdict.outcome == "accepted" for verdict in verdicts) <= 0.05 * len(verdicts)
    assert len(by_point) > 0.3 * len(verdicts)


def test_an_equal_challenger_is_not_worse() -> None:
    """The same scores: not worse by any margin, but not better either."""
    truth, score, _ = two_models(0, 200, gap=0.0)
    assert judge(NOT_WORSE, truth, score, score, metric="roc_auc").outcome == "accepted"
    assert judge(Better(by=0.0, metric=None), truth, score, score, metric="roc_auc").outcome == "refused"


@pytest.mark.parametrize("gate", [BETTER, NOT_WORSE])
def test_a_relative_gate_passes_without_a_champion(gate: Better | NotWorse) -> None:
    """The first version has nothing to be compared with."""
    truth, challenger, _ = two_models(0, 200, gap=0.0)
    verdict = judge(gate, truth, challenger, None, metric="roc_auc")
    assert (verdict.outcome, verdict.reason, verdict.difference) == ("accepted", "there is no champion", None)


def test_a_level_is_judged_without_a_champion() -> None:
    """at_least looks at the challenger alone, by the bound of its interval."""
    truth, challenger, _ = two_models(0, 5_000, gap=0.0)
    accepted, refused = (judge(AtLeast(value, None), truth, challenger, None, metric="roc_auc") for value in (0.7, 0.9))
    assert (accepted.outcome, refused.outcome) == ("accepted", "refused")
    assert "wanted 0.9" in refused.reason


def test_at_least_as_good_means_a_smaller_error() -> None:
    """For an error the level is the most that is allowed; the gate's own metric wins over the model's."""
    truth, score = np.zeros(400), np.random.default_rng(0).normal(size=400)
    outcomes = [judge(AtLeast(value, "rmse"), truth, score, None, metric="mae").outcome for value in (0.5, 2.0)]
    assert outcomes == ["refused", "accepted"]


def test_the_strictest_of_several_gates_counts() -> None:
    """Refused before needs_labels before accepted; the reason is that of the gates that decide."""
    rows = two_models(3, 300, gap=0.06)
    waiting = judge(AllGates((NOT_WORSE, BETTER)), *rows, metric="roc_auc")
    refused = judge(AllGates((BETTER, AtLeast(0.99, None))), *rows, metric="roc_auc")
    assert (waiting.outcome, waiting.gate) == ("needs_labels", "not_worse(by=0.005) & better(by=0.005)")
    assert waiting.needed == judge(BETTER, *rows, metric="roc_auc").needed
    assert refused.outcome == "refused"
    assert "wanted 0.99" in refused.reason
    assert "margin" in waiting.reason


def test_all_gates_passed_is_accepted() -> None:
    """Every reason is told when all gates agree."""
    verdict = judge(AllGates((BETTER, AT_LEAST)), *two_models(0, 5_000, gap=0.3), metric="roc_auc")
    assert verdict.outcome == "accepted"
    assert "; " in verdict.reason


def test_the_gate_reads_as_it_was_written() -> None:
    """The text of a gate names its metric when it has one."""
    assert gate_text(NotWorse(by=0.002, metric="log_loss")) == 'not_worse(by=0.002, metric="log_loss")'
    assert gate_text(AT_LEAST) == "at_least(0.7)"


@pytest.mark.parametrize("size", [4, 500])
def test_a_block_of_one_class_needs_labels(size: int) -> None:
    """No interval, no decision: as many rows again, at least a hundred."""
    verdict = judge(NOT_WORSE, np.zeros(size), np.linspace(0, 1, size), np.linspace(1, 0, size), metric="roc_auc")
    assert (verdict.outcome, verdict.needed) == ("needs_labels", max(100, size))


def test_a_challenger_without_answers_is_refused() -> None:
    """A score that is nan is no answer, whatever the others are."""
    truth, challenger, champion = two_models(0, 200, gap=0.5)
    challenger[:3] = np.nan
    verdict = judge(NOT_WORSE, truth, challenger, champion, metric="roc_auc")
    assert verdict.outcome == "refused"
    assert "3 of 200 scores" in verdict.reason


def test_scores_of_other_rows_are_an_error() -> None:
    """A block is judged row by row."""
    with pytest.raises(ContractError, match="10 and 9 scores for 10 labels"):
        judge(NOT_WORSE, np.zeros(10), np.zeros(10), np.zeros(9), metric="rmse")


def test_labels_that_are_not_numbers_are_an_error() -> None:
    """Rows whose label is unknown are not part of a block."""
    with pytest.raises(ContractError, match="labels that are not numbers"):
        judge(NOT_WORSE, np.array([0.0, np.nan]), np.zeros(2), None, metric="rmse")


@given(gap=st.floats(1e-12, 1.0), size=st.integers(10, 400))
def test_no_verdict_asks_for_more_than_ten_million_labels(gap: float, size: int) -> None:
    """However close to the margin the estimate is."""
    generator = np.random.default_rng(size)
    truth, champion = np.zeros(size), np.abs(generator.normal(size=size)) + 1.0
    challenger = champion - gap * 1e-3 + generator.normal(size=size)
    verdict = judge(Better(by=0.0, metric="mae"), truth, challenger, champion, metric="mae")
    assert verdict.needed is None or 1 <= verdict.needed <= MOST_NEEDED


def test_worse_beyond_noise_and_margin_is_worse() -> None:
    """Both keys: the loss is significant and larger than the margin."""
    answer, reason = is_worse(Score("roc_auc", 0.80, 0.79, 0.81, 5_000), Score("roc_auc", 0.70, 0.68, 0.72, 1_000), by=0.02)
    assert answer
    assert "roc_auc 0.7 on 1,000 rows against 0.8 on 5,000: worse by 0.1" in reason


@pytest.mark.parametrize(
    ("current", "word"),
    [
        (Score("roc_auc", 0.77, 0.70, 0.84, 100), "noise"),
        (Score("roc_auc", 0.785, 0.784, 0.786, 900_000), "within the margin"),
        (Score("roc_auc", 0.90, 0.89, 0.91, 900), "not worse"),
        (Score("roc_auc", math.nan, math.nan, math.nan, 3), "too few"),
    ],
)
def test_one_key_is_not_enough(current: Score, word: str) -> None:
    """A large loss on few rows, a sure loss within the margin, a gain, and nothing at all are not alarms."""
    answer, reason = is_worse(Score("roc_auc", 0.80, 0.7999, 0.8001, 10**6), current, by=0.02)
    assert not answer
    assert word in reason


def test_a_larger_error_is_worse() -> None:
    """The direction is the metric's."""
    reference, current = Score("rmse", 10.0, 9.5, 10.5, 500), Score("rmse", 14.0, 13.5, 14.5, 500)
    assert is_worse(reference, current)[0]
    assert not is_worse(current, reference)[0]


def test_two_metrics_cannot_be_compared() -> None:
    """A score is held against one of the same metric."""
    with pytest.raises(ConfigurationError, match=r"rmse.*mae"):
        is_worse(Score("rmse", 1.0, 0.9, 1.1, 50), Score("mae", 2.0, 1.9, 2.1, 50))


def test_an_unchanged_model_rarely_alarms() -> None:
    """New rows from the same world: false alarms in about 2.5 % of 300 blocks."""
    reference = interval("roc_auc", *two_models(5, 20_000, gap=0.0)[:2])
    alarms = [is_worse(reference, interval("roc_auc", *two_models(seed, 500, gap=0.0)[:2]))[0] for seed in range(300)]
    assert sum(alarms) <= 0.05 * len(alarms)
