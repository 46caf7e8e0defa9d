"""Learning a preparation from the steps that a user lists: `prepare=[…]`.

Each column is carried through the steps in their order. What is learnt from the truth (`target_encode`) reaches the rows that are
learnt from out of fold, so that no row's own truth is among its features.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from millstream.errors import ColumnError, did_you_mean
from millstream.preparation import declare
from millstream.preparation.columns import UNSEEN, find_column, kind_of, value_of
from millstream.preparation.fit import TREES_ONE_IN, input_column, output_names, quantile_normal
from millstream.preparation.records import (
    CalendarPart,
    Chain,
    Codes,
    Curve,
    Empty,
    Encoded,
    Fill,
    InputColumn,
    Logarithm,
    OneHot,
    Operation,
    Part,
    Preparation,
    Scaling,
    Source,
    Step,
    Terms,
)
from millstream.preparation.target_means import encode_by_target
from millstream.preparation.terms import terms_of
from millstream.preparation.vector_body import apply_step, operate, read_number, rounded

Numbers = NDArray[np.float64]
Form = Literal["number", "text", "moment", "done"]
VERBS: dict[type[declare.PreparationStep], str] = {
    declare.Impute: "impute",
    declare.Log: "log",
    declare.QuantileNormal: "quantile_normal",
    declare.Scale: "scale",
    declare.OneHot: "one_hot",
    declare.TargetEncode: "target_encode",
    declare.Calendar: "calendar",
    declare.TfIdf: "tf_idf",
}


@dataclass(frozen=True, slots=True)
class Truth:
    """The target of the training rows as numbers, and the block of each: a row is encoded by the rows of other blocks."""

    target: Numbers
    block: NDArray[np.int64]


@dataclass(slots=True)
class Track:
    """One column on its way through the steps: as a text (`values` is None), as numbers, or done."""

    column: InputColumn
    series: pl.Series
    source: Source | None = None
    values: Numbers | None = None
    operations: list[Operation] = field(default_factory=list[Operation])
    indicator: bool = False
    filled: str | None = None
    done: Step | None = None

    @property
    def form(self) -> Form:
        """What steps may do with it."""
        if self.done is not None:
            return "done"
        if self.values is None:
            return "text"
        dated = isinstance(self.series.dtype, pl.Datetime | pl.Date) and not isinstance(self.source, CalendarPart)
        return "moment" if dated and not self.operations else "number"

    def add(self, operation: Operation) -> None:
        """One more operation on its numbers."""
        assert self.values is not None
        self.operations.append(operation)
        self.values = operate(operation, self.values)

    def text(self) -> pl.Series:
        """Its texts."""
        return self.series.cast(pl.String)

    def present(self) -> Numbers:
        """Its numbers that are not missing."""
        assert self.values is not None
        return self.values[~np.isnan(self.values)]


def fit_declared(
    frame: pl.DataFrame, columns: Sequence[str], steps: Sequence[declare.PreparationStep], *, kind: Literal["trees", "linear"], truth: Truth
) -> tuple[Preparation, Numbers]:
    """The preparation, and the matrix of the training rows, shape (rows, outputs).

    For trees texts that no step takes become codes and missing values stay; for "linear" both are refused, and a value that is missing
    later only becomes the mean. Raises ColumnError for a column that a step names and cannot take.
    """
    tracks = [_track(find_column(frame, name), frame) for name in columns]
    for step in steps:
        tracks = _through(step, tracks, frame, truth)
    fitted = [_finish(track, kind) for track in tracks]
    inputs = tuple(input_column(find_column(frame, name)) for name in columns)
    outputs = tuple(name for step in fitted for name in output_names(step))
    blocks = [_block(track, step, frame) for track, step in zip(tracks, fitted, strict=True)]
    matrix = np.concatenate([np.empty((frame.height, 0)), *blocks], axis=1)
    return Preparation(kind, inputs, outputs, tuple(fitted)), rounded(matrix) if kind == "trees" else matrix


def _track(series: pl.Series, frame: pl.DataFrame) -> Track:
    column = input_column(series)
    if column.kind == "level":
        return Track(column, series)
    source = value_of(series, kind_of(series))
    return Track(column, series, source, read_number(source, frame))


def _through(step: declare.PreparationStep, tracks: list[Track], frame: pl.DataFrame, truth: Truth) -> list[Track]:
    """The tracks after one step."""
    chosen = _chosen(step, tracks)
    if isinstance(step, declare.Calendar):
        dated = {id(track) for track in chosen}
        return [each for track in tracks for each in (_calendar(track, step.tz, frame) if id(track) in dated else [track])]
    for track in chosen:
        _apply(step, track, truth)
    return tracks


def _apply(step: declare.PreparationStep, track: Track, truth: Truth) -> None:
    match step:
        case declare.Impute(filling=filling):
            _impute(track, filling)
        case declare.Log():
            track.add(Logarithm())
        case declare.QuantileNormal():
            knots, normals = quantile_normal(track.present())
            track.add(Curve(tuple(knots.tolist()), tuple(normals.tolist())))
        case declare.Scale():
            track.add(_scaling(track.present()))
        case declare.OneHot(min_share=share):
            track.done = OneHot(track.column.name, _frequent(track, share), track.column.nullable and track.filled is None, track.filled)
        case declare.TargetEncode(smoothing=smoothing):
            texts = track.text().fill_null(track.filled) if track.filled is not None else track.text()
            track.source, track.values = encode_by_target(texts, track.filled, truth.target, truth.block, smoothing=smoothing)
        case declare.TfIdf(terms=most):
            track.done = _terms(track, most)
        case declare.Calendar():
            pass


def _forms(step: declare.PreparationStep) -> set[Form]:
    """What a step is made for."""
    match step:
        case declare.OneHot() | declare.TargetEncode() | declare.TfIdf():
            return {"text"}
        case declare.Calendar():
            return {"moment"}
        case declare.Impute(filling="most_frequent"):
            return {"number", "moment", "text"}
        case declare.Log():
            return {"number"}
        case _:
            return {"number", "moment"}


def _chosen(step: declare.PreparationStep, tracks: Sequence[Track]) -> list[Track]:
    """The tracks that a step takes: those it names, or all that it is made for; a column of nulls alone fits any step."""
    forms, verb = _forms(step), f"prepare.{VERBS[type(step)]}"
    if step.columns is None:
        return [track for track in tracks if track.form in forms]
    known = {track.column.name for track in tracks}
    for name in step.columns:
        if name not in known:
            raise ColumnError(f"{verb}: '{name}' is no feature", hint=did_you_mean(name, known) or f"the features are {', '.join(sorted(known))}")
    named = [track for track in tracks if track.column.name in step.columns and not (isinstance(track.source, Empty) and track.form not in forms)]
    for track in named:
        if track.form not in forms:
            is_now = "used up by an earlier step" if track.form == "done" else f"a {track.form} here"
            raise ColumnError(f"{verb}: column '{track.column.name}' is {is_now}", hint=f"it takes each {' or '.join(sorted(forms))}")
    return named


def _calendar(track: Track, tz: str, frame: pl.DataFrame) -> list[Track]:
    """Four tracks for one."""
    sources = [CalendarPart(track.column.name, part, tz) for part in get_args(Part)]
    return [Track(track.column, track.series, source, read_number(source, frame)) for source in sources]


def _impute(track: Track, filling: declare.Filling) -> None:
    if track.values is None:
        counts = track.text().drop_nulls().value_counts(name="rows").sort("rows", track.column.name, descending=[True, False])
        track.filled = counts.item(0, 0) if counts.height else None
        return
    present = track.present()
    track.indicator = track.indicator or present.size < track.values.size
    track.add(Fill(_filling(present, filling) if present.size else 0.0))


def _filling(present: Numbers, filling: declare.Filling) -> float:
    match filling:
        case "median":
            return float(np.median(present))
        case "mean":
            return _mean(present)
        case "most_frequent":
            values, counts = np.unique(present, return_counts=True)
            return float(values[counts.argmax()])
        case "zero":
            return 0.0


def _scaling(present: Numbers) -> Scaling:
    if not present.size:
        return Scaling(0.0, 1.0)
    centre = _mean(present)
    distances = np.abs(present - centre)
    farthest = float(distances.max())
    return Scaling(centre, (farthest * math.sqrt(_mean((distances / farthest) ** 2)) if farthest else 0.0) or 1.0)


def _mean(numbers: Numbers) -> float:
    """The same in any order of the numbers, and never beyond them."""
    return math.fsum((numbers / numbers.size).tolist())


def _frequent(track: Track, share: float) -> tuple[str, ...]:
    """The texts that are not rare, the most frequent first, then by name."""
    texts = track.text().fill_null(track.filled) if track.filled is not None else track.text()
    counts = texts.alias("text").drop_nulls().value_counts(name="rows").filter(pl.col("rows") >= share * len(texts))
    return tuple(counts.sort("rows", "text", descending=[True, False]).get_column("text").to_list())


def _terms(track: Track, most: int) -> Terms:
    """The terms that are in the most texts, in their order; weights as scikit-learn's smooth idf."""
    texts = track.text().drop_nulls().to_list()
    found = Counter(term for text in texts for term in set(terms_of(text)))
    kept = sorted(sorted(found), key=lambda term: -found[term])[:most]
    weights = {term: math.log((1 + len(texts)) / (1 + found[term])) + 1.0 for term in kept}
    return Terms(track.column.name, tuple(sorted(kept)), tuple(weights[term] for term in sorted(kept)))


def _finish(track: Track, kind: Literal["trees", "linear"]) -> Step:
    """The step that a track has become."""
    if track.done is not None:
        return track.done
    if track.values is None or track.source is None:
        return _codes(track, kind)
    if kind == "linear":
        if isinstance(track.source, Empty):
            track.add(Fill(0.0))
        if np.isnan(track.values).any():
            hint = "put ms.prepare.impute() into the list"
            raise ColumnError(f"column '{track.column.name}' has missing values after prepare, which this method cannot take", hint=hint)
        if not any(isinstance(each, Fill) for each in track.operations):
            track.add(Fill(_filling(track.values, "mean") if track.values.size else 0.0))
    return Chain(track.source, tuple(track.operations), track.indicator)


def _codes(track: Track, kind: Literal["trees", "linear"]) -> Step:
    """For trees a text that no step has taken is its place by frequency."""
    if kind == "linear":
        hint = "put ms.prepare.one_hot() or target_encode() into the list"
        raise ColumnError(f"column '{track.column.name}' is a text after prepare, which this method cannot take", hint=hint)
    levels = _frequent(track, 1.0 / TREES_ONE_IN)
    if track.filled is None:
        return Codes(track.column.name, levels)
    places = tuple(float(place) for place in range(len(levels)))
    return Chain(Encoded(track.column.name, levels, places, UNSEEN, float(levels.index(track.filled))), (), indicator=False)


def _block(track: Track, step: Step, frame: pl.DataFrame) -> Numbers:
    """The outputs of the training rows; numbers made of the truth are those that the track carried, out of fold."""
    if not (isinstance(step, Chain) and track.values is not None):
        return apply_step(step, frame)
    if not step.indicator:
        return track.values[:, np.newaxis]
    assert track.source is not None
    return np.stack([track.values, np.isnan(read_number(track.source, frame))], axis=1)
