"""Gradient boosting of decision trees with LightGBM.

Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NeurIPS 2017;
Friedman, "Stochastic Gradient Boosting", 2002.
LightGBM is imported inside the function (1.4 CPU s), and only to fit: what is kept are plain trees.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from millstream.training.data import Fit, Nodes, Numbers, Places, TrainingData, balanced_weights, constant_fit, trees_of
from millstream.training.records import Trees

if TYPE_CHECKING:
    import lightgbm
    from lightgbm.callback import CallbackEnv

    from millstream.training.presets import Boosting

LARGEST_SEED = 2**31 - 1

Train = Callable[..., "lightgbm.Booster"]
"""`lightgbm.train`, whose annotations are not complete."""

Block = dict[str, str]
"""One tree of the model's text: lines `name=numbers`."""


def fit_boosting(settings: Boosting, data: TrainingData, *, seed: int, rounds: int | None = None) -> Fit:
    """Boosted trees: a pure function of data, settings, seed and rounds, on one thread.

    `rounds` fits exactly so many. Without it, and with validation rows, those up to the best one on them are kept;
    without both, `settings.rounds`. The fit stops after `patience` rounds without a better one.
    Fewer rounds of the same fit are its first trees, bit for bit.
    """
    if constant := constant_fit(data):
        return constant
    import lightgbm  # noqa: PLC0415 - costs 1.4 CPU s

    parameters = _parameters(settings, data, seed)
    training = lightgbm.Dataset(data.matrix, data.target, weight=balanced_weights(data) if settings.class_weight else None, params=parameters)
    stopping: _Stopping | None = None
    validation: list[lightgbm.Dataset] = []
    if rounds is None and data.validation_matrix is not None and data.validation_target is not None:
        validation = [lightgbm.Dataset(data.validation_matrix, data.validation_target, reference=training)]
        stopping = _Stopping(len(data.target))
    most = settings.rounds if rounds is None else rounds
    callbacks: list[Callable[..., Any]] = [stopping] if stopping else []
    train = cast("Train", lightgbm.train)  # pyright: ignore[reportUnknownMemberType]
    booster = train(parameters, training, most, valid_sets=validation, callbacks=callbacks)
    kept = stopping.best if stopping else _Round(most, booster.num_trees())
    return Fit(trees_of_text(booster.model_to_string(num_iteration=kept.trees)), kept.number)


def patience(best: int, rows: int) -> float:
    """How many rounds may follow the best one: more if that came late, and on few rows, whose loss jumps about.

    >>> patience(10, rows=1_000), patience(10, rows=100_000), patience(1_000, rows=1_000)
    (200.0, 23.0, 320.0)
    """
    return max(0.3 * best + 20, 200 * min(1.0, 10_000 / rows))


def _parameters(settings: Boosting, data: TrainingData, seed: int) -> dict[str, Any]:
    binary = data.task == "binary"
    start = seed % LARGEST_SEED
    return {
        "objective": "binary" if binary else "regression",
        "metric": "binary_logloss" if binary else "l2",
        "num_leaves": settings.leaves,
        "learning_rate": settings.rate,
        "min_data_in_leaf": 20,
        "max_bin": 255,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "feature_fraction": 0.8,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    } | dict.fromkeys(("seed", "data_random_seed", "bagging_seed", "feature_fraction_seed"), start)


@dataclass(frozen=True, slots=True)
class _Round:
    """A moment of boosting: its round, counted from 1, and the trees by then (a round that finds no split adds none)."""

    number: int
    trees: int
    loss: float = math.inf


class _Stopping:
    """A callback of `lightgbm.train` that knows the best round and stops when patience ends; no clock."""

    def __init__(self, rows: int) -> None:
        self.best = _Round(0, 0)
        self._rows = rows

    def __call__(self, moment: CallbackEnv) -> None:
        """Look at the loss on the validation rows after a round; LightGBM calls it."""
        from lightgbm.callback import EarlyStopException  # noqa: PLC0415 - costs 1.4 CPU s

        results = moment.evaluation_result_list or []
        loss, number = float(results[0][2]), moment.iteration + 1
        if loss < self.best.loss or number == 1:
            self.best = _Round(number, cast("lightgbm.Booster", moment.model).num_trees(), loss)
        if number - self.best.number > patience(self.best.number, self._rows):
            raise EarlyStopException(self.best.number - 1, results)


# -- LightGBM's text ------------------------------------------------------------


def trees_of_text(text: str) -> Trees:
    """The trees in LightGBM's model text: one score, numeric splits, the average of the target already in the first tree.

    The side of `nan` is that of LightGBM's `NumericalDecision`: where a split's missing type is NaN (the column had some at the
    fit), its default side; where it is None, `nan` counts as 0.0, which goes left if `0.0 <= threshold`.
    ValueError for what `fit_boosting` never asks for: the missing type Zero, splits on categories, several trees a round.
    """
    header, *blocks = text.split("\n\nTree=")
    if "\nnum_tree_per_iteration=1\n" not in header:
        message = "a LightGBM text with one tree per round is wanted"
        raise ValueError(message)
    tables = [_table(_lines(block)) for block in blocks]
    roots = np.cumsum([0, *(len(table.feature) for table in tables)]).astype(np.int32)[:-1]
    nodes = Nodes(
        roots=roots,
        feature=np.concatenate([table.feature for table in tables]),
        threshold=np.concatenate([table.threshold for table in tables]),
        left=np.concatenate([table.left + root for table, root in zip(tables, roots, strict=True)]),
        right=np.concatenate([table.right + root for table, root in zip(tables, roots, strict=True)]),
        missing=np.concatenate([table.missing for table in tables]),
        value=np.concatenate([table.value for table in tables]),
    )
    return trees_of(nodes, flavour="lightgbm", link="logistic" if "\nobjective=binary" in header else "identity")


def _lines(block: str) -> Block:
    """The lines of a tree; after the last one come an empty line and the rest of the text."""
    return dict(line.split("=", 1) for line in block.split("\n\n", 1)[0].splitlines() if "=" in line)


def _table(block: Block) -> Nodes:
    """One tree: its splits in the order in which they were made, then its leaves."""
    splits, leaves = int(block["num_leaves"]) - 1, np.array(block["leaf_value"].split(), dtype=np.float64)
    if not splits:
        zero = np.zeros(1)
        return Nodes(_places("0"), _places("-1"), zero, _places("0"), _places("0"), np.zeros(1, dtype=np.int8), leaves)
    threshold = np.array(block["threshold"].split(), dtype=np.float64)
    none = np.zeros(len(leaves), dtype=np.int32)
    return Nodes(
        roots=_places("0"),
        feature=np.concatenate([_places(block["split_feature"]), none - 1]),
        threshold=np.concatenate([threshold, np.zeros(len(leaves))]),
        left=np.concatenate([_children(block["left_child"], splits), none]),
        right=np.concatenate([_children(block["right_child"], splits), none]),
        missing=np.concatenate([_missing_left(_places(block["decision_type"]), threshold), none.astype(np.int8)]),
        value=np.concatenate([np.zeros(splits), leaves]),
    )


def _places(numbers: str) -> Places:
    return np.array(numbers.split(), dtype=np.int32)


def _children(numbers: str, splits: int) -> Places:
    """A child is the number of a split, or `-1 - number` of a leaf."""
    child = _places(numbers)
    return np.where(child < 0, splits - 1 - child, child).astype(np.int32)


def _missing_left(decision: Places, threshold: Numbers) -> NDArray[np.int8]:
    """Bit 0: split on categories; bit 1: default left; bits 2 and 3: missing type None, Zero or NaN."""
    missing_type = decision >> 2
    if np.any(decision & 1) or np.any(missing_type == 1):
        message = "a LightGBM text without categories and without zero_as_missing is wanted"
        raise ValueError(message)
    return np.where(missing_type == 2, (decision >> 1) & 1, threshold >= 0.0).astype(np.int8)
