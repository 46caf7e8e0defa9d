"""Is the world still so, was the model right: rows against the champion's training profile, predictions against labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from millstream.features.training_set import ASKED, TARGET
from millstream.kernel.availability import microseconds_of, moment_of
from millstream.kernel.durations import add
from millstream.monitoring.drift import drift, drifted
from millstream.monitoring.performance import performance
from millstream.monitoring.records import DriftReport, Performance
from millstream.registry.records import Version
from millstream.registry.workspace import Workspace
from millstream.serving.answers import scores_given
from millstream.serving.versions import OpenVersion

MARGIN = 0.0


@dataclass(frozen=True, slots=True)
class Watch:
    """What a monitor saw at a moment; `since` bounds the rows asked that it looked at."""

    version: Version
    as_of: int
    since: int | None
    rows: int
    drift: DriftReport
    drifted: tuple[str, ...]
    performance: Performance


def watch_version(workspace: Workspace, opened: OpenVersion, rows: pl.DataFrame, *, window: str | None, as_of: int) -> Watch:
    """Look at the rows asked since the version was trained (or in the last `window` of them).

    `rows` are all rows asked with their features and, where known, `__target__`.
    """
    kinds = {name: rows.schema[name] for name in opened.plan.facts.key}
    answers = scores_given(workspace, opened.version, opened.plan.task, kinds)
    since = _since(opened.version, rows, window)
    recent = rows if since is None else rows.filter(pl.col(ASKED) > since)
    report = drift(opened.profile, recent.select(opened.plan.features))
    truth, score = _judged(opened, recent, answers)
    right = performance(opened.plan.metric, truth, score, reference=opened.version.test, margin=MARGIN)
    return Watch(opened.version, as_of, since, recent.height, report, drifted(report), right)


def _since(version: Version, rows: pl.DataFrame, window: str | None) -> int | None:
    trained = version.lineage.trained_until
    if window is None or not rows.height:
        return trained
    newest = rows.get_column(ASKED).max()
    return microseconds_of(add(moment_of(newest), window, times=-1)) if isinstance(newest, int) else trained


def _judged(opened: OpenVersion, recent: pl.DataFrame, answers: pl.DataFrame | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Truth (NaN where it is not known) and score of every answered row."""
    key = list(opened.plan.facts.key)
    if answers is None:
        return np.empty(0), np.empty(0)
    joined = recent.select(*key, TARGET).join(answers, on=key, how="inner", maintain_order="left")
    return numbers_of(opened, joined.get_column(TARGET)), joined.get_column("score").to_numpy()


def numbers_of(opened: OpenVersion, target: pl.Series) -> NDArray[np.float64]:
    """A label as numbers, NaN where it is not known."""
    known = target if opened.plan.task == "regression" else target == opened.plan.classes[1]
    return known.cast(pl.Float64).fill_null(float("nan")).to_numpy()
