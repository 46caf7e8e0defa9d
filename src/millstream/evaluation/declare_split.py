"""How rows are split into training and test: `ms.split`."""

from __future__ import annotations

from datetime import UTC, datetime

from millstream.evaluation.declare import GroupSplit, RandomSplit, TimeSplit
from millstream.kernel.declarations import Columns, calendar_duration, describe, expect_number, names, refusal

__all__ = ["group", "random", "time"]

MOST_FOLDS = 100


def time(*, test: str | datetime | None = None, folds: int = 4) -> TimeSplit:
    """Train on what was asked, and its label known, before a moment; test on what was asked from then on.

    `test`: a duration counted back from the newest labelled row ("30d"), or a moment ("2013-05-01" or a datetime, UTC unless it
    says otherwise); None: the newest 20 % of rows. `folds`: blocks of time inside the training period, for choosing.
    """
    expect_number(folds, "split.time: folds", low=1, high=MOST_FOLDS, whole=True)
    return TimeSplit(test=None if test is None else _test(test), folds=folds)


def random(*, test: float = 0.2, folds: int = 4) -> RandomSplit:
    """Test on rows drawn at random, stratified by a binary label.

    `test`: their share, between 0 and 1. `folds`: parts of the other rows, for choosing.
    """
    expect_number(folds, "split.random: folds", low=2, high=MOST_FOLDS, whole=True)
    _expect_share(test, "split.random")
    return RandomSplit(test=test, folds=folds)


def group(columns: Columns, /, *, test: float = 0.2, folds: int = 4) -> GroupSplit:
    """Test on rows of groups that no method has learnt from: rows with the same values in `columns` are never parted.

    For rows that resemble each other: houses of a neighbourhood, visits of a patient. `test`: about the share of rows that test.
    `folds`: parts of the other rows, of nearly equal size. Rows without a value are one group. The columns may be in `ignore`.
    """
    expect_number(folds, "split.group: folds", low=2, high=MOST_FOLDS, whole=True)
    _expect_share(test, "split.group")
    by = names(columns, "split.group: columns")
    if not by:
        raise refusal("split.group: columns is empty", hint="name what keeps rows together, as in split.group('customer')")
    return GroupSplit(columns=by, test=test, folds=folds)


def _expect_share(test: float, split: str) -> None:
    expect_number(test, f"{split}: test", low=0, high=1)
    if test in {0, 1}:
        raise refusal(f"{split}: test={test} leaves no rows to {'test' if test == 0 else 'train'} on", hint="as in test=0.2")


def _test(test: object) -> str | datetime:
    match test:
        case datetime():
            return _in_utc(test)
        case str():
            return _moment(test) or calendar_duration(test, "split.time: test")
        case _:
            raise refusal(f"split.time: test must be a duration or a moment, not {describe(test)}", hint="as in test='30d'")


def _moment(text: str) -> datetime | None:
    try:
        return _in_utc(datetime.fromisoformat(text))
    except ValueError:
        return None


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
