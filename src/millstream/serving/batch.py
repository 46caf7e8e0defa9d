"""Predictions for many rows at once: open rows, each as of its own moment, exactly once by key and version."""

from __future__ import annotations

import time

import polars as pl

from millstream.features.training_set import ASKED
from millstream.registry.records import Plan
from millstream.training.candidates import FittedCandidate

SCORE, VERSION, PREDICTED_AT = "probability", "version", "predicted_at"


def predict_rows(plan: Plan, candidate: FittedCandidate, rows: pl.DataFrame, version: int) -> pl.DataFrame:
    """Key, time, prediction, probability (classes only), version and the clock, one row for each row given."""
    keep = [*plan.facts.key, *([plan.facts.time] if plan.facts.time else [])]
    answered = rows.select(*keep, ASKED).hstack(decided(plan, candidate, rows))
    columns = [name for name in answered.columns if name != ASKED]
    moment = pl.lit(time.time_ns() // 1_000, pl.Int64).cast(pl.Datetime("us", "UTC"))
    return answered.select(*columns, pl.lit(version, pl.Int64).alias(VERSION), moment.alias(PREDICTED_AT), ASKED)


def decided(plan: Plan, candidate: FittedCandidate, rows: pl.DataFrame) -> pl.DataFrame:
    """The prediction (and for classes the probability) for each of some rows that have all features."""
    scores = pl.Series(SCORE, candidate.scores(rows))
    if plan.task != "binary":
        return scores.alias("prediction").to_frame()
    negative, positive = plan.classes
    prediction = pl.when(pl.col(SCORE) >= 0.5).then(pl.lit(positive)).otherwise(pl.lit(negative))
    return scores.to_frame().select(prediction.alias("prediction"), SCORE)
