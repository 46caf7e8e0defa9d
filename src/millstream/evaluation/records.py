"""What an evaluation hands on: scores, differences and verdicts.

A value or bound that cannot be told (one class only, too few rows) is `nan`. MessagePack keeps it; JSON has no `nan`.
"""

from typing import Literal

import msgspec

Outcome = Literal["accepted", "refused", "needs_labels"]


class Score(msgspec.Struct, frozen=True):
    """One metric on some rows, with its interval.

    `value`, `low` and `high` are in the metric's own unit; `n` counts rows.
    """

    metric: str
    value: float
    low: float
    high: float
    n: int


class SliceScore(msgspec.Struct, frozen=True):
    """A score of the rows that share one level of a slice column."""

    name: str
    value: float
    low: float
    high: float
    n: int


class PairedDifference(msgspec.Struct, frozen=True):
    """How much better the first of two is on the same rows.

    Positive means that the first is better, whether the metric is a gain or an error.
    """

    metric: str
    difference: float
    low: float
    high: float
    n: int


class Verdict(msgspec.Struct, frozen=True):
    """What a gate says about a challenger, and why.

    `needed` is about how many more labels would decide, when the outcome is `needs_labels`.
    """

    outcome: Outcome
    gate: str
    difference: PairedDifference | None
    needed: int | None
    reason: str
