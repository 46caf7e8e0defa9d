"""A challenger against the champion, on matured rows that neither has seen; one block decides once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from millstream.evaluation.declare import Better, Gate
from millstream.evaluation.judge import judge
from millstream.evaluation.records import Verdict
from millstream.features.training_set import ASKED, KNOWN, TARGET
from millstream.monitoring.watch import numbers_of
from millstream.serving.versions import OpenVersion

BLOCK_SHARE = 3


@dataclass(frozen=True, slots=True)
class Block:
    """Rows asked in `[start, stop]` on which a challenger is judged."""

    start: int
    stop: int
    rows: pl.DataFrame


def newest_third(rows: pl.DataFrame, champion: OpenVersion, *, after: int | None) -> Block | None:
    """The newest third of the matured rows asked since the champion's last training row (and `after` a moment); None if there are none."""
    matured = _matured(rows, champion.version.lineage.trained_until, after)
    if matured.height < BLOCK_SHARE:
        return None
    start = matured.get_column(ASKED).to_list()[matured.height - matured.height // BLOCK_SHARE]
    return _block(matured.filter(pl.col(ASKED) >= start))


def unseen_by_both(rows: pl.DataFrame, champion: OpenVersion, challenger: OpenVersion, *, after: int | None) -> Block | None:
    """All matured rows asked since either was trained (and `after` a moment)."""
    return _block(_matured(rows, champion.version.lineage.trained_until, challenger.version.lineage.trained_until, after))


def judge_on(block: Block, challenger: OpenVersion, champion: OpenVersion, gate: Gate | None) -> Verdict:
    """What the deployment's gate says of the challenger on the block; without a gate it must be better."""
    truth = numbers_of(champion, block.rows.get_column(TARGET))
    theirs, ours = (np.asarray(each.candidate.scores(block.rows)) for each in (challenger, champion))
    return judge(Better() if gate is None else gate, truth, theirs, ours, metric=champion.plan.metric)


def _matured(rows: pl.DataFrame, *after: int | None) -> pl.DataFrame:
    known = rows.filter(pl.col(TARGET).is_not_null(), pl.col(KNOWN).is_not_null())
    latest = max((moment for moment in after if moment is not None), default=None)
    return known if latest is None else known.filter(pl.col(ASKED) > latest)


def _block(rows: pl.DataFrame) -> Block | None:
    if not rows.height:
        return None
    asked = rows.get_column(ASKED)
    return Block(asked[0], asked[-1], rows)
