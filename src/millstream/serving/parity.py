"""Proof that one row and the batch agree, on golden rows and on what is rare: a version that fails is not registered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from millstream.errors import StepError
from millstream.preparation.row_body import compile_row
from millstream.serving.predictor import Predictor
from millstream.training.candidates import FittedCandidate
from millstream.training.records import Linear
from millstream.training.row_body import compile_score

TOLERANCE = 1e-12
NULLED_ROWS = 20


def prove_features(predictor: Predictor, golden: pl.DataFrame) -> None:
    """Every feature of the golden rows, computed from the request alone, is that of the training set bit for bit."""
    names = [field.name for field in predictor.plan.fields]
    for row in golden.iter_rows(named=True):
        _, values = predictor.values({name: row[name] for name in names})
        for feature in predictor.plan.features:
            if not same(values.get(feature), row[feature]):
                told = f"'{feature}' of {_key(predictor, row)} is {row[feature]!r} in training, but {values.get(feature)!r} for one request"
                raise StepError(
                    f"{predictor.plan.model}: {told}", hint="a view that reads what came later cannot be served; `millstream check` finds it"
                )


def prove_scores(model: str, candidate: FittedCandidate, golden: pl.DataFrame) -> tuple[pl.DataFrame, NDArray[np.float64]]:
    """Golden rows and variations of them (nulls, unknown levels, extremes) score the same one by one as together; returns both."""
    probes = pl.concat([golden, *_variations(candidate, golden)])
    batch = candidate.scores(probes)
    tolerance = TOLERANCE if candidate.fitted is None or isinstance(candidate.fitted, Linear) else 0.0
    for place, alone in enumerate(_one_by_one(candidate, probes)):
        if not abs(alone - batch[place]) <= tolerance * max(1.0, abs(batch[place])):
            raise StepError(
                f"{model}: one row scores {alone!r}, the same row in a batch {float(batch[place])!r}",
                hint="this is a defect of millstream or of the estimator: please report it",
            )
    return probes, batch


def same(first: object, second: object) -> bool:
    """Equal to the bit; NaN equals NaN."""
    if isinstance(first, float) and isinstance(second, float):
        return first == second or (math.isnan(first) and math.isnan(second))
    return first == second


def _one_by_one(candidate: FittedCandidate, probes: pl.DataFrame) -> Sequence[float]:
    if candidate.fitted is None:
        return [float(candidate.scores(probes.slice(place, 1))[0]) for place in range(min(probes.height, 30))]
    prepare, score = compile_row(candidate.preparation), compile_score(candidate.fitted)
    return [score(prepare(row)) for row in probes.iter_rows(named=True)]


def _variations(candidate: FittedCandidate, golden: pl.DataFrame) -> list[pl.DataFrame]:
    some = golden.head(NULLED_ROWS)
    return [
        _varied(some, column.name, value)
        for column in candidate.preparation.inputs
        for value in _rare(some.schema[column.name], nullable=column.nullable or candidate.fitted is not None)
    ]


def _varied(frame: pl.DataFrame, column: str, value: object) -> pl.DataFrame:
    return frame.with_columns(pl.lit(value, dtype=frame.schema[column]).alias(column))


def _rare(kind: pl.DataType, *, nullable: bool) -> list[object]:
    rare: list[object] = [None] if nullable else []
    if kind == pl.String:
        rare += ["", "a level nobody has seen"]
    elif kind.is_integer():
        rare += [0, 127 if kind.is_signed_integer() else 255]
    elif kind.is_float():
        rare += [0.0, -1e30, 1e30]
    return rare


def _key(predictor: Predictor, row: Mapping[str, object]) -> str:
    key = predictor.plan.facts.key
    return ", ".join(str(row[name]) for name in key) or "a row"
