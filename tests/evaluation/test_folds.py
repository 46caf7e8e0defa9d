"""Which rows train, which validate, which test: nothing is trained on that was not known by then."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from millstream.errors import ConfigurationError, ContractError
from millstream.evaluation.declare import GroupSplit, RandomSplit, TimeSplit
from millstream.evaluation.folds import NOT_YET_KNOWN, FoldPlan, assign_folds

DAY = 86_400_000_000
START = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


def days(*numbers: float) -> NDArray[np.int64]:
    """Moments so many days after 1 January 2024, in microseconds."""
    return np.array([START + round(number * DAY) for number in numbers], dtype=np.int64)


def targets(size: int) -> NDArray[np.float64]:
    """0 and 1 by turns: every block holds both."""
    return np.arange(size, dtype=np.float64) % 2


def by_time(test: str | datetime | None, folds: int, asked: NDArray[np.int64], known: NDArray[np.int64] | None = None) -> FoldPlan:
    """The plan of a split by time, with both classes everywhere."""
    return assign_folds(TimeSplit(test=test, folds=folds), asked=asked, known=known, target=targets(asked.size), seed=0)


def places(rows: NDArray[np.bool_]) -> list[int]:
    """Where the marked rows are."""
    return [int(place) for place in np.flatnonzero(rows)]


def test_the_test_block_counts_back_from_the_newest_row() -> None:
    """With 30 daily rows and test="10d", rows asked from day 19 on are the test block."""
    plan = by_time("10d", 2, days(*range(30)))
    assert plan.test_start == days(19)[0]
    assert places(plan.test_rows()) == list(range(19, 30))
    assert places(plan.selection_rows()) == list(range(19))


def test_the_cut_may_be_a_moment() -> None:
    """A moment cuts where it is."""
    assert by_time(datetime(2024, 1, 21, tzinfo=UTC), 2, days(*range(30))).test_start == days(20)[0]


def test_months_follow_the_calendar() -> None:
    """One month before 30 March is 29 February in a leap year."""
    assert by_time("1mo", 2, days(*range(90))).test_start == days(59)[0]


def test_the_newest_fifth_tests_by_default() -> None:
    """Without a duration the cut lies where the newest 20 % of the rows begin."""
    assert places(by_time(None, 2, days(*range(30))).test_rows()) == list(range(24, 30))


def test_a_row_trains_only_if_its_label_was_known_by_the_cut() -> None:
    """Labels come 3 days late: the last 3 days before the cut neither train nor test."""
    asked = days(*range(30))
    plan = by_time("10d", 2, asked, asked + 3 * DAY)
    assert places(plan.selection_rows()) == list(range(17))
    assert places(plan.fold == NOT_YET_KNOWN) == [17, 18]
    assert places(plan.test_rows()) == list(range(19, 30))


def test_folds_are_windows_that_grow() -> None:
    """18 rows before the cut, 2 folds: blocks of 6; each fold trains on all that is before its block."""
    plan = by_time("11d", 2, days(*range(30)))
    assert [places(plan.validation_rows(number)) for number in (0, 1)] == [list(range(6, 12)), list(range(12, 18))]
    assert [places(plan.training_rows(number)) for number in (0, 1)] == [list(range(6)), list(range(12))]


def test_a_fold_trains_on_what_was_known_when_its_block_began() -> None:
    """The gap follows from the label's delay, fold by fold."""
    asked = days(*range(30))
    plan = by_time("11d", 2, asked, asked + 2 * DAY)
    first = int(np.flatnonzero(plan.validation_rows(0))[0])
    assert places(plan.training_rows(0)) == list(range(first - 1))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(60, 300), moments=st.integers(12, 400), folds=st.integers(1, 4))
def test_no_plan_by_time_leaks(seed: int, size: int, moments: int, folds: int) -> None:
    """Whatever the order, ties and delays: rows train on earlier, known rows; equal moments share a block."""
    generator = np.random.default_rng(seed)
    asked = START + generator.integers(0, moments, size) * DAY
    known = asked + generator.integers(0, 2, size) * DAY
    target = generator.normal(size=size)
    plan = assign_folds(TimeSplit(test=None, folds=folds), asked=asked, known=known, target=target, seed=0)
    assert plan.test_start == asked[plan.test_rows()].min()
    assert max(asked[plan.selection_rows()].max(), known[plan.selection_rows()].max() - 1) < plan.test_start
    for number in range(folds):
        training, validation = plan.training_rows(number), plan.validation_rows(number)
        assert asked[training].max() < asked[validation].min()
        assert known[training].max() <= asked[validation].min()
        assert not (training & ~plan.selection_rows()).any()
    blocks = {(moment, mark) for moment, mark in zip(asked, plan.fold, strict=True) if mark != NOT_YET_KNOWN}
    assert len(blocks) == len({moment for moment, _ in blocks})


def test_rows_without_a_time_cannot_be_split_by_it() -> None:
    """The other split is proposed."""
    with pytest.raises(ConfigurationError, match=r"(?s)needs rows with a time.*split\.random"):
        assign_folds(TimeSplit(test=None, folds=2), asked=None, known=None, target=targets(50), seed=0)


@pytest.mark.parametrize(("test", "lacking"), [("90d", "training period"), (datetime(2025, 1, 1, tzinfo=UTC), "test block")])
def test_a_cut_outside_the_data_is_refused(test: str | datetime, lacking: str) -> None:
    """The message says from when to when there are rows."""
    with pytest.raises(ConfigurationError, match=rf"(?s)leaves no row in the {lacking}.*2024-01-01 00:00 to 2024-01-30"):
        by_time(test, 2, days(*range(30)))


def test_labels_known_only_after_the_cut_are_refused() -> None:
    """Nothing would be left to train on."""
    asked = days(*range(30))
    with pytest.raises(ContractError, match="with its label known by then"):
        by_time("10d", 2, asked, asked + 40 * DAY)


def test_a_delay_longer_than_the_first_block_is_refused() -> None:
    """The first fold would have no row to train on."""
    asked = days(*range(30))
    with pytest.raises(ContractError, match="training part of fold 1 of 4 would hold no rows"):
        by_time("8d", 4, asked, asked + 6 * DAY)


def test_few_distinct_moments_are_refused() -> None:
    """Four moments before the cut cannot make five blocks."""
    with pytest.raises(ContractError, match=r"4 distinct moments.*5 blocks"):
        by_time("1d", 4, np.repeat(days(0, 1, 2, 3, 4, 5), 10))


def test_one_moment_cannot_be_split() -> None:
    """All rows of one batch load have no order."""
    with pytest.raises(ContractError, match="all rows were asked at one moment"):
        by_time(None, 2, np.repeat(days(0), 30))


def test_a_block_of_one_class_is_refused() -> None:
    """The block is named, and the class."""
    target = np.concatenate([targets(40), np.zeros(10)])
    with pytest.raises(ContractError, match="test block would hold only rows of class 0"):
        assign_folds(TimeSplit(test=None, folds=2), asked=days(*range(50)), known=None, target=target, seed=0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1_000), size=st.integers(100, 400), folds=st.integers(2, 5), share=st.sampled_from([0.1, 0.2, 0.35]))
def test_random_blocks_have_their_exact_shares(seed: int, size: int, folds: int, share: float) -> None:
    """The test block has its share to the row, folds differ by a row, and so do the classes in them."""
    target = (np.random.default_rng(seed).random(size) < 0.3).astype(np.float64)
    plan = assign_folds(RandomSplit(test=share, folds=folds), asked=None, known=None, target=target, seed=seed)
    sizes = [int(plan.validation_rows(number).sum()) for number in range(folds)]
    positives = [int(target[plan.validation_rows(number)].sum()) for number in range(folds)]
    assert plan.test_rows().sum() == round(share * size)
    assert abs(target[plan.test_rows()].sum() - share * target.sum()) <= 1.5
    assert max(sizes) - min(sizes) <= 1
    assert max(positives) - min(positives) <= 1


def test_random_folds_train_on_the_other_folds() -> None:
    """Training and validation rows of a fold are the training period, without the test block."""
    plan = assign_folds(RandomSplit(test=0.2, folds=3), asked=None, known=None, target=targets(60), seed=1)
    for number in range(3):
        assert not (plan.training_rows(number) & plan.validation_rows(number)).any()
        both = plan.training_rows(number) | plan.validation_rows(number)
        assert (both == plan.selection_rows()).all()
    assert (plan.selection_rows() ^ plan.test_rows()).all()
    assert plan.test_start is None


def test_the_seed_decides_the_random_folds() -> None:
    """The same seed gives the same plan, another one another."""
    first, again, other = (
        assign_folds(RandomSplit(test=0.2, folds=4), asked=None, known=None, target=targets(100), seed=seed).fold for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_a_number_is_split_without_strata() -> None:
    """A target that is no class is not checked for classes."""
    target = np.random.default_rng(0).normal(size=100)
    plan = assign_folds(RandomSplit(test=0.25, folds=4), asked=None, known=None, target=target, seed=0)
    assert plan.test_rows().sum() == 25


def test_fewer_rows_than_blocks_are_refused() -> None:
    """Two rows a block at least."""
    with pytest.raises(ContractError, match="8 labelled rows are too few for 4 folds"):
        assign_folds(RandomSplit(test=0.2, folds=4), asked=None, known=None, target=targets(8), seed=0)


def test_a_rare_class_needs_a_row_in_each_block() -> None:
    """Two positives cannot be in four folds and a test block."""
    target = np.zeros(100)
    target[:2] = 1.0
    with pytest.raises(ContractError, match="would hold only rows of class 0"):
        assign_folds(RandomSplit(test=0.2, folds=4), asked=None, known=None, target=target, seed=0)


def by_group(groups: list[int], *, test: float = 0.25, folds: int = 2, seed: int = 0) -> FoldPlan:
    """The plan of a split by group."""
    split = GroupSplit(("customer",), test=test, folds=folds)
    numbers = np.array(groups, dtype=np.int64)
    return assign_folds(split, asked=None, known=None, target=np.arange(numbers.size) * 1.5, seed=seed, groups=numbers)


@settings(max_examples=100, deadline=None)
@given(groups=st.lists(st.integers(0, 9), min_size=12, max_size=80), seed=st.integers(0, 9), folds=st.integers(2, 3))
def test_a_group_is_in_one_block(groups: list[int], seed: int, folds: int) -> None:
    """Never parted, and every block has rows."""
    numbers = np.unique(groups, return_inverse=True)[1].tolist()
    if len(set(numbers)) <= folds:
        with pytest.raises(ContractError, match=f"groups .customer. are too few for {folds} folds"):
            by_group(numbers, folds=folds, seed=seed)
        return
    plan = by_group(numbers, folds=folds, seed=seed)
    blocks = [{int(fold) for fold, own in zip(plan.fold, numbers, strict=True) if own == group} for group in set(numbers)]
    assert {len(block) for block in blocks} == {1}
    assert set.union(*blocks) == {-2, *range(folds)}


def test_blocks_of_groups_are_of_like_size() -> None:
    """A quarter tests, and both folds have half of the rest, as nearly as groups of five rows allow."""
    plan = by_group([group for group in range(40) for _ in range(5)])
    assert plan.test_rows().sum() == 50
    assert [int(plan.validation_rows(number).sum()) for number in range(2)] == [75, 75]


def test_groups_are_drawn_by_the_seed() -> None:
    """The same seed draws the same ones, another one others."""
    groups = [group for group in range(40) for _ in range(5)]
    plans = [by_group(groups, seed=seed).fold.tolist() for seed in (0, 0, 1)]
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]
