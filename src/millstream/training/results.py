"""What training hands on: fold results, the leaderboard, the fit record, the scored fit."""

from __future__ import annotations

import msgspec

from millstream.evaluation.records import PairedDifference, Score, SliceScore

COST = "cost "
"""How the note begins that says what a fit took, before the digest of what it gave."""


class FoldResult(msgspec.Struct, frozen=True):
    """Scores of one candidate on the rows that one fold validates on (float64 bytes), and the rounds it kept."""

    scores: bytes
    rounds: int | None


class Cost(msgspec.Struct, frozen=True):
    """What a fit took: seconds, microseconds a row to score a batch, bytes. Kept beside the artifact, never in it."""

    seconds: float
    row_micros: float
    size: int


class Entry(msgspec.Struct, frozen=True):
    """One row of the leaderboard: the score over all folds, and what a fit takes on the average."""

    method: str
    score: Score
    rounds: int | None
    artifacts: tuple[str, ...]


class FitRecord(msgspec.Struct, frozen=True):
    """What was started and how much of it was kept: a refit follows it."""

    method: str
    rounds: int | None
    seed: int
    started: tuple[str, ...]


class Comparison(msgspec.Struct, frozen=True):
    """Methods side by side on the same folds; the best one first. `test_start` is the cut in microseconds."""

    metric: str
    rows: int
    folds: int
    test_start: int | None
    entries: tuple[Entry, ...]
    record: FitRecord


class Scored(msgspec.Struct, frozen=True):
    """The test block, opened once: the winner and the baseline, fitted on the training period alone.

    `truth` and `scores` are those of the winner, as float64 bytes.
    """

    winner: Score
    baseline: Score
    difference: PairedDifference
    slices: tuple[tuple[str, tuple[SliceScore, ...]], ...]
    trained_on: int
    truth: bytes
    scores: bytes
