"""Candidates: a method with a name, fitted together with its own preparation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from millstream.errors import StoreError
from millstream.kernel.fingerprint import fingerprint_value, versions
from millstream.kernel.records import Cause
from millstream.kernel.signing import load_signed, sign_pickle
from millstream.preparation.fit import fit_preparation
from millstream.preparation.records import Preparation
from millstream.preparation.vector_body import prepare_matrix
from millstream.training.data import Fit, TrainingData
from millstream.training.declare import Method
from millstream.training.methods.baseline import fit_baseline
from millstream.training.methods.boosting import fit_boosting
from millstream.training.methods.estimator import fit_estimator, score_estimator
from millstream.training.methods.forest import fit_forest
from millstream.training.methods.linear import fit_linear
from millstream.training.presets import Baseline, Boosting, Forest, Linear
from millstream.training.problem import Problem
from millstream.training.records import Fitted, Task
from millstream.training.vector_body import score_matrix

Labelled = tuple[pl.DataFrame, NDArray[np.float64]]
"""Rows and their truth as numbers."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A method and what it is called on the leaderboard."""

    name: str
    method: Method

    def causes(self) -> tuple[Cause, ...]:
        """What its fit depends on besides data, seed and rounds."""
        if isinstance(self.method, Baseline | Boosting | Forest | Linear):
            return (Cause(f"method {self.name}", repr(self.method)), *versions(*_libraries(self.method)))
        return (Cause(f"method {self.name}", type(self.method).__qualname__), *fingerprint_value(self.name, self.method))


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


def candidates_of(methods: Sequence[Method]) -> tuple[Candidate, ...]:
    """The methods with distinct names, a baseline always among them."""
    listed = list(methods) if any(isinstance(each, Baseline) for each in methods) else [Baseline(), *methods]
    named: list[Candidate] = []
    for method in listed:
        name = type(method).__name__.lower() if isinstance(method, Baseline | Boosting | Forest | Linear) else type(method).__name__
        alike = sum(each.name == name or each.name.startswith(f"{name}_") for each in named)
        named.append(Candidate(f"{name}_{alike + 1}" if alike else name, method))
    return tuple(named)


@dataclass(frozen=True, slots=True)
class Learning:
    """What is learnt from which columns, with which seed."""

    features: Sequence[str]
    problem: Problem
    seed: int


def fit_candidate(
    candidate: Candidate, learning: Learning, rows: Labelled, *, validation: Labelled | None = None, rounds: int | None = None
) -> FittedCandidate:
    """Fit preparation and method on these rows only. A pure function: no clock, no other rows; `validation` rows only say when to stop."""
    method, task = candidate.method, learning.problem.task
    frame, target = rows
    preparation = fit_preparation(
        frame, [] if isinstance(method, Baseline) else learning.features, kind="linear" if isinstance(method, Linear) else "trees"
    )
    held = (None, None) if validation is None or rounds is not None else (prepare_matrix(preparation, validation[0]), validation[1])
    data = TrainingData(prepare_matrix(preparation, frame), target, task, *held)
    if isinstance(method, Baseline | Boosting | Forest | Linear):
        fit = _fit(method, data, seed=learning.seed, rounds=rounds)
        return FittedCandidate(preparation, fit.fitted, None, fit.rounds, task)
    return FittedCandidate(preparation, None, fit_estimator(method, data, seed=learning.seed), None, task)


def _fit(method: Baseline | Boosting | Forest | Linear, data: TrainingData, *, seed: int, rounds: int | None) -> Fit:
    match method:
        case Boosting():
            return fit_boosting(method, data, seed=seed, rounds=rounds)
        case Forest():
            return fit_forest(method, data, seed=seed)
        case Linear():
            return fit_linear(method, data, seed=seed)
        case Baseline():
            return fit_baseline(method, data)


def _libraries(method: Baseline | Boosting | Forest | Linear) -> tuple[str, ...]:
    return {Boosting: ("lightgbm",), Forest: ("scikit-learn",), Linear: ("scikit-learn",), Baseline: ()}[type(method)]
