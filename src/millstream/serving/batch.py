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
    scores = pl.Series(SCORE, candidate.scores(rows))
    keep = [*plan.facts.key, *([plan.facts.time] if plan.facts.time else [])]
    answered = rows.select(*keep, ASKED).with_columns(scores)
    if plan.task == "binary":
        negative, positive = plan.classes
        prediction = pl.when(pl.col(SCORE) >= 0.5).then(pl.lit(positive)).otherwise(pl.lit(negative))
        answered = answered.with_columns(prediction.alias("prediction"))
    else:
        answered = answered.rename({SCORE: "prediction"})
    columns = [*keep, "prediction", *([SCORE] if plan.task == "binary" else [])]
    moment = pl.lit(time.time_ns() // 1_000, pl.Int64).cast(pl.Datetime("us", "UTC"))
    return answered.select(*columns, pl.lit(version, pl.Int64).alias(VERSION), moment.alias(PREDICTED_AT), ASKED)
