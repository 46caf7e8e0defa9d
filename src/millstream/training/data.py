"""What a method learns from, and what it hands back: records that carry numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from millstream.training.records import Constant, Fitted, Link, Task, Trees

Numbers = NDArray[np.float64]
Places = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Prepared rows and their truth.

    `matrix` has shape (rows, columns), `target` shape (rows,): 0 and 1, or numbers. On the validation rows, if any,
    a method may choose how long it learns; they are never among the rows it learns from.
    """

    matrix: Numbers
    target: Numbers
    task: Task
    validation_matrix: Numbers | None = None
    validation_target: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted model; `rounds` is how many rounds were kept, for methods that have rounds."""

    fitted: Fitted
    rounds: int | None = None


@dataclass(frozen=True, slots=True)
class Nodes:
    """The node table of `Trees` as arrays: `roots` has shape (trees,), all others (nodes,)."""

    roots: Places
    feature: Places
    threshold: Numbers
    left: Places
    right: Places
    missing: NDArray[np.int8]
    value: Numbers


def nodes_of(trees: Trees) -> Nodes:
    """The arrays in a record, without a copy."""
    return Nodes(
        roots=np.frombuffer(trees.roots, "<i4"),
        feature=np.frombuffer(trees.feature, "<i4"),
        threshold=np.frombuffer(trees.threshold, "<f8"),
        left=np.frombuffer(trees.left, "<i4"),
        right=np.frombuffer(trees.right, "<i4"),
        missing=np.frombuffer(trees.missing, "i1"),
        value=np.frombuffer(trees.value, "<f8"),
    )


def trees_of(nodes: Nodes, *, flavour: Literal["lightgbm", "forest"], link: Link, divisor: float = 1.0) -> Trees:
    """The record of some arrays; columns that do not matter at a node (leaf or not) become 0."""
    leaf = nodes.feature < 0
    return Trees(
        flavour=flavour,
        roots=nodes.roots.astype("<i4").tobytes(),
        feature=np.where(leaf, -1, nodes.feature).astype("<i4").tobytes(),
        threshold=np.where(leaf, 0.0, nodes.threshold).astype("<f8").tobytes(),
        left=np.where(leaf, 0, nodes.left).astype("<i4").tobytes(),
        right=np.where(leaf, 0, nodes.right).astype("<i4").tobytes(),
        missing=np.where(leaf, 0, nodes.missing).astype("i1").tobytes(),
        value=np.where(leaf, nodes.value, 0.0).astype("<f8").tobytes(),
        link=link,
        divisor=divisor,
    )


def balanced_weights(data: TrainingData) -> Numbers:
    """The weight of each row with which both classes weigh half, shape (rows,): scikit-learn's `class_weight="balanced"`."""
    rows, positive = len(data.target), int((data.target == 1.0).sum())
    return np.where(data.target == 1.0, rows / (2.0 * positive), rows / (2.0 * (rows - positive)))


def constant_fit(data: TrainingData) -> Fit | None:
    """The fit if there is nothing to choose between (one class only, or no columns), else None."""
    if data.matrix.shape[1] and (data.task == "regression" or np.ptp(data.target) > 0):
        return None
    return Fit(Constant(float(np.mean(data.target))))
