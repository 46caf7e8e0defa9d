"""Other people's estimators: any object with scikit-learn's contract is a method.

They see the matrix prepared for trees: codes for text, `nan` for null, unscaled, columns in order.
The object itself is fitted and asked; nothing is stored here.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from millstream.errors import StepError
from millstream.training.data import TrainingData
from millstream.training.records import Task

SEEDS = ("random_state", "seed")
LARGEST_SEED = 2**31 - 1


def fit_estimator(estimator: object, data: TrainingData, *, seed: int) -> object:
    """A fitted copy of a user's estimator; the given one is not touched.

    Each `random_state` or `seed` that is None becomes `seed`, those inside a pipeline too.
    The target of a binary task is 0 and 1 as integers. Raises StepError with the estimator's class if it fails.
    """
    with _blamed(estimator, "fit"):
        fresh: Any = _copy(estimator)
        _set_seed(fresh, seed % LARGEST_SEED)
        fresh.fit(data.matrix, data.target.astype(np.int64) if data.task == "binary" else data.target)
    return fresh


def score_estimator(estimator: object, matrix: NDArray[np.float64], task: Task) -> NDArray[np.float64]:
    """The scores of a fitted estimator, shape (rows,): the probability of class 1 by its `classes_`, or what `predict` gives.

    Raises StepError with the estimator's class if it fails, or answers in another shape.
    """
    if not len(matrix):
        return np.empty(0)
    with _blamed(estimator, "score"):
        probable = task == "binary" and hasattr(estimator, "predict_proba")
        scores = _probability(estimator, matrix) if probable else _predicted(estimator, matrix)
    if scores.shape != (len(matrix),):
        message = f"{type(estimator).__name__} gave scores of shape {scores.shape} for {len(matrix)} rows"
        raise StepError(message, hint="one score per row is wanted")
    return scores


def _copy(estimator: object) -> object:
    from sklearn import base  # noqa: PLC0415 - costs 1.3 CPU s  # pyright: ignore[reportMissingTypeStubs]

    if not isinstance(estimator, base.BaseEstimator):
        return copy.deepcopy(estimator)
    return cast("object", base.clone(estimator))  # pyright: ignore[reportUnknownMemberType]


def _set_seed(estimator: Any, seed: int) -> None:  # noqa: ANN401 - any object with `fit` and `predict`
    if hasattr(estimator, "get_params") and hasattr(estimator, "set_params"):
        settings: Mapping[str, object] = estimator.get_params(deep=True)
        open_seeds = {name: seed for name, value in settings.items() if value is None and name.rsplit("__", 1)[-1] in SEEDS}
        if open_seeds:
            estimator.set_params(**open_seeds)
        return
    for name in SEEDS:
        if getattr(estimator, name, seed) is None:
            setattr(estimator, name, seed)


def _probability(estimator: Any, matrix: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: ANN401 - as above
    probabilities = np.asarray(estimator.predict_proba(matrix), dtype=np.float64)
    classes = [float(name) for name in getattr(estimator, "classes_", (0, 1))]
    return probabilities[:, classes.index(1.0)] if 1.0 in classes else np.zeros(len(matrix))


def _predicted(estimator: Any, matrix: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: ANN401 - as above
    return np.asarray(estimator.predict(matrix), dtype=np.float64)


@contextmanager
def _blamed(estimator: object, verb: str) -> Generator[None]:
    try:
        yield
    except Exception as error:
        first = str(error).strip().splitlines()[:1]
        told = first[0] if first else "without a message"
        message = f"{type(estimator).__name__} could not {verb}: {type(error).__name__}: {told}"
        raise StepError(message, hint="it gets a float64 matrix: codes for text, nan for null, unscaled") from error
