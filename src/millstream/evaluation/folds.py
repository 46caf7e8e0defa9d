"""Which rows train, which choose and which test: fold numbers from a declared split.

Moments are microseconds since 1970 UTC. Rows are labelled ones; `known` says when each label was known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from millstream.errors import ConfigurationError, ContractError
from millstream.evaluation.declare import GroupSplit, RandomSplit, Split, TimeSplit
from millstream.kernel.durations import add

if TYPE_CHECKING:
    from collections.abc import Iterator

TRAIN_ONLY, TEST, NOT_YET_KNOWN = -1, -2, -3
"""Fold numbers of rows that no fold validates on: the first block, the test block, asked before it but known too late."""

DEFAULT_TEST_SHARE = 0.2

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class FoldPlan:
    """A fold number for each row, shape (rows,): the fold that validates on it, or one of the negative marks.

    `test_start` is the cut of a split by time, `starts` the moment at which each fold's validation block begins.
    """

    test_start: int | None
    fold: NDArray[np.int8]
    folds: int
    starts: tuple[int, ...] = ()
    asked: NDArray[np.int64] | None = None
    known: NDArray[np.int64] | None = None

    def training_rows(self, number: int) -> NDArray[np.bool_]:
        """Rows that fold `number` (from 0) is fitted on: asked, and their label known, before its validation block."""
        if self.asked is None or self.known is None:
            others: NDArray[np.bool_] = (self.fold >= 0) & (self.fold != number)
            return others
        start = self.starts[number]
        return (self.asked < start) & (self.known <= start)

    def validation_rows(self, number: int) -> NDArray[np.bool_]:
        """Rows that fold `number` (from 0) is validated on."""
        return np.equal(self.fold, number)

    def selection_rows(self) -> NDArray[np.bool_]:
        """All rows of the training period whose label was known by the cut: those of the scored fit."""
        return np.greater_equal(self.fold, TRAIN_ONLY)

    def test_rows(self) -> NDArray[np.bool_]:
        """Rows of the test block."""
        return np.equal(self.fold, TEST)


def assign_folds(
    split: Split,
    *,
    asked: NDArray[np.int64] | None,
    known: NDArray[np.int64] | None,
    target: NDArray[np.float64],
    seed: int,
    groups: NDArray[np.int64] | None = None,
) -> FoldPlan:
    """The fold plan of a split for labelled rows; all arrays have shape (rows,).

    By time: the cut is the newest `asked` less the test duration (or the moment given, or where the newest 20 % begin).
    A row tests if asked from the cut on, and trains if asked before it and known by it. The training period is cut at
    quantiles of its rows, between distinct moments, into one block more than folds; fold k validates on block k + 1 and
    trains on what was asked before, and known by, its start. Without `known` a label is known with its row.
    At random: the test block has its exact share, folds differ by at most one row; stratified where the target is 0 and 1.
    By group: `groups` are the numbers of the rows' groups. Groups drawn at random test until their share is reached as nearly as they
    allow; the largest of the others goes first, always to the fold with the fewest rows.

    Raises:
        ConfigurationError: The split does not fit the rows (they have no time, or all lie on one side of the cut).
        ContractError: There are too few rows, or a block would be empty or hold one class only.
    """
    if target.size < 2 * (split.folds + 1):
        hint = "use fewer folds, or wait for more labels"
        raise ContractError(f"{target.size:,} labelled rows are too few for {split.folds} folds and a test block", hint=hint)
    if isinstance(split, RandomSplit):
        plan = _at_random(split, target, seed)
    elif isinstance(split, GroupSplit):
        assert groups is not None
        plan = _by_group(split, groups, seed)
    elif asked is None:
        raise ConfigurationError("a split by time needs rows with a time, and these have none", hint="use split.random")
    else:
        plan = _by_time(split, asked, asked if known is None else known)
    _check_blocks(plan, target)
    return plan


def _by_time(split: TimeSplit, asked: NDArray[np.int64], known: NDArray[np.int64]) -> FoldPlan:
    cut = _cut(split.test, asked)
    trains = (asked < cut) & (known <= cut)
    if not trains.any():
        hint = "use a shorter test block, or wait for more labels"
        raise ContractError(f"no row was asked before the test block begins ({_told(cut)}) with its label known by then", hint=hint)
    starts = _block_starts(asked[trains], split.folds)
    fold = np.full(asked.size, NOT_YET_KNOWN, dtype=np.int8)
    fold[trains] = np.searchsorted(np.array(starts), asked[trains], side="right") - 1
    fold[asked >= cut] = TEST
    return FoldPlan(cut, fold, split.folds, starts, asked, known)


def _cut(test: str | datetime | None, asked: NDArray[np.int64]) -> int:
    """The moment at which the test block begins; it must leave rows on both sides."""
    oldest, newest = int(asked.min()), int(asked.max())
    if test is None:
        cuts = _boundaries(asked, [1.0 - DEFAULT_TEST_SHARE])
        if not cuts:
            raise ContractError(f"all rows were asked at one moment ({_told(newest)}), so time cannot split them", hint="use split.random")
        return cuts[0]
    cut = _microseconds(test if isinstance(test, datetime) else add(_moment(newest), test, times=-1))
    if not oldest < cut <= newest:
        lacking = "test block" if cut > newest else "training period"
        hint = f"labelled rows were asked from {_told(oldest)} to {_told(newest)}"
        raise ConfigurationError(f"split.time(test={str(test)!r}) leaves no row in the {lacking}", hint=hint)
    return cut


def _block_starts(asked: NDArray[np.int64], folds: int) -> tuple[int, ...]:
    starts = _boundaries(asked, [(block + 1) / (folds + 1) for block in range(folds)])
    if not starts:
        moments = np.unique(asked).size
        hint = "use fewer folds, or wait for more labels"
        raise ContractError(f"the {moments:,} distinct moments of the training period cannot be cut into {folds + 1} blocks", hint=hint)
    return tuple(starts)


def _boundaries(asked: NDArray[np.int64], shares: list[float]) -> list[int]:
    """For each share the distinct moment whose first row lies nearest to it, none twice; empty if there are too few."""
    moments, counts = np.unique(asked, return_counts=True)
    if moments.size <= len(shares):
        return []
    rows_before = np.cumsum(counts) - counts
    chosen = [0]
    for later, share in zip(reversed(range(len(shares))), shares, strict=True):
        nearest = int(np.abs(rows_before - share * asked.size).argmin())
        chosen.append(min(max(nearest, chosen[-1] + 1), moments.size - 1 - later))
    return [int(moments[index]) for index in chosen[1:]]


def _at_random(split: RandomSplit, target: NDArray[np.float64], seed: int) -> FoldPlan:
    rows = _shuffled(target, seed)
    tests = max(1, round(split.test * rows.size))
    in_test = np.zeros(rows.size, dtype=np.bool_)
    in_test[np.arange(tests) * rows.size // tests] = True
    fold = np.full(rows.size, TEST, dtype=np.int8)
    rest = rows[~in_test]
    fold[rest] = np.arange(rest.size) % split.folds
    return FoldPlan(None, fold, split.folds)


def _by_group(split: GroupSplit, groups: NDArray[np.int64], seed: int) -> FoldPlan:
    """Whole groups in one block each: scikit-learn's GroupKFold inside the training period, in an order drawn at random."""
    sizes = np.bincount(groups)
    if sizes.size < split.folds + 1:
        hint = "use fewer folds, or split.random"
        raise ContractError(f"{sizes.size:,} groups ({', '.join(split.columns)}) are too few for {split.folds} folds and a test block", hint=hint)
    drawn = np.random.default_rng(seed).permutation(sizes.size)
    share = split.test * groups.size
    tests = int(np.abs(np.cumsum(sizes[drawn])[: sizes.size - split.folds] - share).argmin()) + 1
    block = np.full(sizes.size, TEST, dtype=np.int8)
    rest = drawn[tests:]
    rows = np.zeros(split.folds, dtype=np.int64)
    for group in rest[np.argsort(-sizes[rest], kind="stable")]:
        block[group] = rows.argmin()
        rows[block[group]] += sizes[group]
    return FoldPlan(None, block[groups], split.folds)


def _shuffled(target: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """All rows in random order, class after class: what is picked evenly from it is stratified."""
    order = np.random.default_rng(seed).permutation(target.size)
    return order[np.argsort(target[order], kind="stable")] if _is_binary(target) else order


def _is_binary(target: NDArray[np.float64]) -> bool:
    return bool(np.isin(target, (0.0, 1.0)).all())


def _check_blocks(plan: FoldPlan, target: NDArray[np.float64]) -> None:
    binary = _is_binary(target)
    for name, rows in _blocks(plan):
        classes = np.unique(target[rows])
        if not classes.size or (binary and classes.size < 2):
            holds = f"only rows of class {classes[0]:g}" if classes.size else "no rows with a label known by then"
            hint = "use fewer folds, another test block, or wait for more labels"
            raise ContractError(f"the {name} would hold {holds}", hint=hint)


def _blocks(plan: FoldPlan) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    yield "test block", plan.test_rows()
    for number in range(plan.folds):
        yield f"training part of fold {number + 1} of {plan.folds}", plan.training_rows(number)
        yield f"validation part of fold {number + 1} of {plan.folds}", plan.validation_rows(number)


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _told(microseconds: int) -> str:
    return f"{_moment(microseconds):%Y-%m-%d %H:%M}"
