"""Candidates: a method with a name, fitted together with its own preparation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from millstream.errors import ColumnError, DeclarationError, StoreError, did_you_mean
from millstream.kernel.fingerprint import fingerprint_value, versions
from millstream.kernel.records import Cause
from millstream.kernel.signing import load_signed, sign_pickle
from millstream.preparation.declare import PreparationStep
from millstream.preparation.fit import fit_preparation
from millstream.preparation.fit_declared import Truth, fit_declared
from millstream.preparation.records import Preparation
from millstream.preparation.target_means import blocks_of
from millstream.preparation.vector_body import prepare_matrix
from millstream.training.data import Fit, TrainingData
from millstream.training.declare import Estimator, Method
from millstream.training.methods.baseline import fit_baseline
from millstream.training.methods.boosting import fit_boosting
from millstream.training.methods.estimator import fit_estimator, score_estimator
from millstream.training.methods.forest import fit_forest
from millstream.training.methods.linear import fit_linear
from millstream.training.methods.neighbours import fit_neighbours
from millstream.training.presets import PORTFOLIO, Baseline, Boosting, Ensemble, Fittable, Forest, Linear, Neighbours, Portfolio, Wrapped
from millstream.training.problem import Problem
from millstream.training.records import Fitted, Task
from millstream.training.vector_body import score_matrix

Labelled = tuple[pl.DataFrame, NDArray[np.float64]]
"""Rows and their truth as numbers."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A method and what it is called on the leaderboard: a preset that is fitted itself, or somebody else's estimator."""

    name: str
    method: Fittable | Estimator
    prepare: tuple[PreparationStep, ...] = ()

    def causes(self) -> tuple[Cause, ...]:
        """What its fit depends on besides data, seed and rounds."""
        if isinstance(self.method, Fittable):
            return (Cause(f"method {self.name}", repr(self.method)), *versions(*_libraries(self.method)))
        method = Cause(f"method {self.name}", type(self.method).__qualname__)
        return (method, Cause(f"prepare of {self.name}", repr(self.prepare)), *fingerprint_value(self.name, self.method))


class Packed(msgspec.Struct, frozen=True):
    """A fitted candidate as bytes: no pickle but for other people's estimators, and that one signed."""

    preparation: Preparation
    fitted: Fitted | None
    pickled: bytes | None
    rounds: int | None
    task: Task


@dataclass(frozen=True, slots=True)
class FittedCandidate:
    """A fitted preparation and a fitted model; `estimator` is somebody else's object."""

    preparation: Preparation
    fitted: Fitted | None
    estimator: object | None
    rounds: int | None
    task: Task

    def scores(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Probability of the positive class, or the number; shape (rows,)."""
        matrix = prepare_matrix(self.preparation, frame)
        return score_estimator(self.estimator, matrix, self.task) if self.fitted is None else score_matrix(self.fitted, matrix)

    def pack(self) -> bytes:
        """The candidate as bytes."""
        pickled = None if self.estimator is None else sign_pickle(self.estimator)
        return msgspec.msgpack.encode(Packed(self.preparation, self.fitted, pickled, self.rounds, self.task))


def unpack_candidate(content: bytes, *, unpickle: bool = True) -> FittedCandidate:
    """The candidate of some bytes; a signed pickle is loaded only if the caller may."""
    packed = msgspec.msgpack.decode(content, type=Packed)
    if packed.pickled is None:
        return FittedCandidate(packed.preparation, packed.fitted, None, packed.rounds, packed.task)
    if not unpickle:
        raise StoreError(
            "this model is somebody else's estimator, kept as a signed pickle", hint="allow it in pyproject.toml: [tool.millstream] unpickle = true"
        )
    return FittedCandidate(packed.preparation, None, load_signed(packed.pickled), packed.rounds, packed.task)


def candidates_of(methods: Sequence[Method], *, where: str | None = None) -> tuple[Candidate, ...]:
    """The methods with distinct names, a baseline always among them; `where` is the line that names them.

    Raises DeclarationError for what can be declared and is not trained yet.
    """
    fitted = [each for method in methods for each in _fitted(method, where)]
    listed = fitted if any(isinstance(each, Baseline) for each in fitted) else [Baseline(), *fitted]
    named: list[Candidate] = []
    for method, given in zip(listed, [_prepare_of(each, where) for each in listed], strict=True):
        bare = cast("Estimator", method.estimator) if isinstance(method, Wrapped) else method
        name = type(bare).__name__.lower() if isinstance(bare, Fittable) else type(bare).__name__
        alike = sum(each.name == name or each.name.startswith(f"{name}_") for each in named)
        named.append(Candidate(f"{name}_{alike + 1}" if alike else name, bare, given))
    return tuple(named)


def check_candidates(candidates: Sequence[Candidate], problem: Problem, columns: Sequence[str], *, where: str | None = None) -> None:
    """Refuse, before anything is fitted, what does not suit the label or names a column that is no feature."""
    for candidate in candidates:
        method = candidate.method
        if problem.task != "binary" and getattr(method, "class_weight", None) is not None and isinstance(method, Fittable):
            raise DeclarationError(
                f"methods.{candidate.name}: class_weight is for classes, but the label is a number", where=where, hint="leave it out"
            )
        named = [method.column] if isinstance(method, Baseline) and method.column is not None else []
        for column in [*named, *(name for step in candidate.prepare for name in step.columns or ())]:
            if column not in columns:
                hint = did_you_mean(column, columns) or f"the features are {', '.join(columns)}"
                raise ColumnError(f"methods.{candidate.name}: '{column}' is no feature", where=where, hint=hint)


def _fitted(method: Method, where: str | None) -> Sequence[Fittable | Wrapped | Estimator]:
    """What is fitted of a method: a portfolio is several."""
    match method:
        case Portfolio():
            return PORTFOLIO
        case Ensemble():
            raise DeclarationError("methods.ensemble() can be declared, but is not trained yet", where=where, hint="leave it out of methods")
        case _:
            return [method]


def _prepare_of(method: Fittable | Wrapped | Estimator, where: str | None) -> tuple[PreparationStep, ...]:
    """The steps of a method's own preparation; none for the automatic one."""
    if isinstance(method, Baseline) or not isinstance(method, Fittable | Wrapped):
        return ()
    other = next((each for each in method.prepare if not isinstance(each, PreparationStep)), None)
    if other is not None:
        message = f"prepare: a {type(other).__name__} object can be declared, but is not trained yet"
        raise DeclarationError(message, where=where, hint="steps of ms.prepare are")
    return tuple(each for each in method.prepare if isinstance(each, PreparationStep))


@dataclass(frozen=True, slots=True)
class Learning:
    """What is learnt from which columns, with which seed.

    `together` has one number a row, the same for rows that the split keeps together; `in_order`: rows stand in order of their time.
    """

    features: Sequence[str]
    problem: Problem
    seed: int
    together: NDArray[np.int64] | None = None
    in_order: bool = False


def fit_candidate(
    candidate: Candidate, learning: Learning, rows: Labelled, *, validation: Labelled | None = None, rounds: int | None = None
) -> FittedCandidate:
    """Fit preparation and method on these rows only. A pure function: no clock, no other rows; `validation` rows only say when to stop."""
    method, task = candidate.method, learning.problem.task
    preparation, matrix = _prepared(candidate, learning, rows)
    held = (None, None) if validation is None or rounds is not None else (prepare_matrix(preparation, validation[0]), validation[1])
    data = TrainingData(matrix, rows[1], task, *held)
    if isinstance(method, Fittable):
        fit = _fit(method, data, seed=learning.seed, rounds=rounds)
        return FittedCandidate(preparation, fit.fitted, None, fit.rounds, task)
    return FittedCandidate(preparation, None, fit_estimator(method, data, seed=learning.seed), None, task)


def _prepared(candidate: Candidate, learning: Learning, rows: Labelled) -> tuple[Preparation, NDArray[np.float64]]:
    """The preparation of a method, and the matrix that it learns from."""
    method, (frame, target) = candidate.method, rows
    kind: Literal["trees", "linear"] = "linear" if isinstance(method, Linear | Neighbours) else "trees"
    if candidate.prepare:
        block = blocks_of(frame.height, together=learning.together, in_order=learning.in_order, seed=learning.seed)
        return fit_declared(frame, learning.features, candidate.prepare, kind=kind, truth=Truth(target, block))
    if isinstance(method, Baseline):
        preparation = fit_preparation(frame, [method.column] if method.column is not None else [], kind="plain")
    else:
        preparation = fit_preparation(frame, learning.features, kind=kind)
    return preparation, prepare_matrix(preparation, frame)


def _fit(method: Fittable, data: TrainingData, *, seed: int, rounds: int | None) -> Fit:
    match method:
        case Boosting():
            return fit_boosting(method, data, seed=seed, rounds=rounds)
        case Forest():
            return fit_forest(method, data, seed=seed)
        case Linear():
            return fit_linear(method, data, seed=seed)
        case Neighbours():
            return fit_neighbours(method, data)
        case Baseline():
            return fit_baseline(method, data)


def _libraries(method: Fittable) -> tuple[str, ...]:
    return {Boosting: ("lightgbm",), Forest: ("scikit-learn",), Linear: ("scikit-learn",), Neighbours: (), Baseline: ()}[type(method)]
