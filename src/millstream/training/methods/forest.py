"""Random forests with scikit-learn.

Breiman, "Random Forests", Machine Learning 45, 2001. scikit-learn is imported inside the function (1.3 CPU s), and only to fit.
Columns of many values are binned first, as LightGBM and scikit-learn's own histogram boosting do: up to twice as fast, and as
good on five data sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from millstream.training.data import Fit, Nodes, Numbers, TrainingData, constant_fit, trees_of
from millstream.training.records import Trees

if TYPE_CHECKING:
    from millstream.training.presets import Forest

MOST_BINS = 255
LARGEST_SEED = 2**32


def fit_forest(settings: Forest, data: TrainingData, *, seed: int) -> Fit:
    """Deep trees, each on a random share of the rows, averaged.

    `nan` goes where it served best at each split; in a column that had none at the fit, to the side that got more rows.
    """
    if constant := constant_fit(data):
        return constant
    cuts = cut_points(data.matrix)
    forest = _forest(settings, seed, binary=data.task == "binary")
    forest.fit(bin_codes(data.matrix, cuts), data.target)
    return Fit(trees_of_forest(forest, cuts))


def _forest(settings: Forest, seed: int, *, binary: bool) -> Any:  # noqa: ANN401 - scikit-learn is not typed
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor  # noqa: PLC0415  # pyright: ignore[reportMissingTypeStubs]

    kind: Any = RandomForestClassifier if binary else RandomForestRegressor
    weights = {"class_weight": settings.class_weight} if binary else {}
    return kind(
        n_estimators=settings.trees,
        min_samples_leaf=settings.leaf,
        max_samples=settings.share,
        max_features="sqrt" if binary else 1 / 3,
        n_jobs=1,
        random_state=seed % LARGEST_SEED,
        **weights,
    )


def cut_points(matrix: Numbers) -> list[Numbers]:
    """Per column the ascending bounds of at most 255 bins.

    Each stands in the middle between two neighbouring values, at quantiles of the rows if there are more than 255 values.
    """
    return [_cuts(column[~np.isnan(column)]) for column in np.ascontiguousarray(matrix.T)]


def _cuts(values: Numbers) -> Numbers:
    distinct, counts = np.unique(values, return_counts=True)
    last = np.arange(len(distinct) - 1)
    if len(distinct) > MOST_BINS:
        wanted = len(values) * np.arange(1, MOST_BINS) / MOST_BINS
        last = np.unique(np.searchsorted(np.cumsum(counts), wanted))
        last = last[last < len(distinct) - 1]
    below, above = distinct[last], distinct[last + 1]
    with np.errstate(invalid="ignore"):
        middle = below / 2 + above / 2
    return np.where((middle >= below) & (middle < above), middle, below)


def bin_codes(matrix: Numbers, cuts: Sequence[Numbers]) -> NDArray[np.float32]:
    """Each value as the number of cut points below it, `nan` as `nan`: what scikit-learn sees."""
    codes = np.empty(matrix.shape, dtype=np.float32)
    for column, points in enumerate(cuts):
        values = np.ascontiguousarray(matrix[:, column])
        codes[:, column] = np.where(np.isnan(values), np.nan, np.searchsorted(points, values, side="left"))
    return codes


def trees_of_forest(forest: Any, cuts: Sequence[Numbers]) -> Trees:  # noqa: ANN401 - scikit-learn is not typed
    """The trees of a forest fitted on bin codes, with thresholds among the values.

    At a leaf stands the share of the second class, or the mean. "code <= threshold" says the same as
    "value <= cut point number floor(threshold)".
    """
    trees: list[Any] = [member.tree_ for member in forest.estimators_]
    roots = np.cumsum([0, *(tree.node_count for tree in trees)]).astype(np.int32)[:-1]
    feature = np.concatenate([tree.feature for tree in trees]).astype(np.int32)
    nodes = Nodes(
        roots=roots,
        feature=feature,
        threshold=_bounds(feature, np.concatenate([tree.threshold for tree in trees]), cuts),
        left=np.concatenate([tree.children_left + root for tree, root in zip(trees, roots, strict=True)]),
        right=np.concatenate([tree.children_right + root for tree, root in zip(trees, roots, strict=True)]),
        missing=np.concatenate([tree.missing_go_to_left for tree in trees]).astype(np.int8),
        value=np.concatenate([tree.value[:, 0, -1] for tree in trees]),
    )
    return trees_of(nodes, flavour="forest", link="identity", divisor=float(len(trees)))


def _bounds(feature: NDArray[np.int32], threshold: Numbers, cuts: Sequence[Numbers]) -> Numbers:
    """An infinite threshold parts the values from `nan`, and stays."""
    bounds = threshold.copy()
    for column, points in enumerate(cuts):
        here = (feature == column) & np.isfinite(threshold)
        bounds[here] = points[np.floor(threshold[here]).astype(np.int64)]
    return bounds
