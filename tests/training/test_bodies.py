"""Fitted models as records: two bodies, one result, and nothing lost on the way through msgpack."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from millstream.training import row_body, vector_body
from millstream.training.data import Nodes, TrainingData, nodes_of, trees_of
from millstream.training.methods.baseline import fit_baseline
from millstream.training.presets import Baseline
from millstream.training.records import Constant, Fitted, Linear, Trees, pack, unpack
from millstream.training.row_body import compile_score
from millstream.training.vector_body import score_matrix

ODD = [float("nan"), float("inf"), float("-inf"), 0.0, -0.0, -1.0, 1.0, 0.5]


class Growing:
    """A node table that grows by splits."""

    def __init__(self) -> None:
        self.feature: list[int] = []
        self.threshold: list[float] = []
        self.left: list[int] = []
        self.right: list[int] = []
        self.missing: list[int] = []

    def leaf(self) -> int:
        """Add a leaf and give its place."""
        for numbers in (self.feature, self.threshold, self.left, self.right, self.missing):
            numbers.append(-1)
        return len(self.feature) - 1

    def split(self, node: int, column: int, threshold: float, missing: int) -> list[int]:
        """Make a leaf a split and give the places of its new leaves."""
        self.feature[node], self.threshold[node], self.missing[node] = column, threshold, missing
        self.left[node], self.right[node] = children = [self.leaf(), self.leaf()]
        return children


def _random_trees(seed: int, trees: int, leaves: int, columns: int = 3) -> Trees:
    """Trees of random shape; their thresholds are among the odd values too."""
    random = np.random.default_rng(seed)
    table, roots = Growing(), list[int]()
    for _ in range(trees):
        tips = [table.leaf()]
        roots += tips
        for _ in range(leaves - 1):
            threshold = float(random.choice([-np.inf, np.inf, 0.0, 0.5, random.normal()]))
            tips += table.split(tips.pop(int(random.integers(len(tips)))), int(random.integers(columns)), threshold, int(random.integers(2)))
    nodes = Nodes(
        roots=np.array(roots, dtype=np.int32),
        feature=np.array(table.feature, dtype=np.int32),
        threshold=np.array(table.threshold, dtype=np.float64),
        left=np.array(table.left, dtype=np.int32),
        right=np.array(table.right, dtype=np.int32),
        missing=np.array(table.missing, dtype=np.int8),
        value=random.normal(size=len(table.feature)),
    )
    return trees_of(nodes, flavour="forest", link="identity", divisor=float(trees))


def _plain_sum(trees: Trees, row: list[float]) -> float:
    """The definition of a score, as slow as it is simple."""
    nodes, total = nodes_of(trees), 0.0
    for root in nodes.roots.tolist():
        node = root
        while nodes.feature[node] >= 0:
            value = row[int(nodes.feature[node])]
            left = bool(nodes.missing[node]) if np.isnan(value) else value <= float(nodes.threshold[node])
            node = int(nodes.left[node] if left else nodes.right[node])
        total += float(nodes.value[node])
    return total / trees.divisor


def _matrix(rows: int, seed: int) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    return np.where(random.random((rows, 3)) < 0.5, random.choice(ODD, size=(rows, 3)), random.normal(size=(rows, 3)))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), trees=st.integers(1, 60), leaves=st.integers(1, 40))
def test_row_body_and_both_walks_follow_the_definition(seed: int, trees: int, leaves: int) -> None:
    """Generated expressions, nested tuples, selections and level-by-level walk: the same bits."""
    fitted, matrix = _random_trees(seed, trees, leaves), _matrix(40, seed)
    expected = [_plain_sum(fitted, row) for row in matrix.tolist()]

    assert list(map(compile_score(fitted), matrix.tolist())) == expected
    assert score_matrix(fitted, matrix).tolist() == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_body, "MOST_SPLITS_COMPILED", -1)
        patch.setattr(vector_body, "FEWEST_ROWS_SELECTED", 0)
        assert list(map(compile_score(fitted), matrix.tolist())) == expected
        assert score_matrix(fitted, matrix).tolist() == expected


@pytest.mark.parametrize("leaves", [256, 257])
def test_leaves_at_the_edge_of_a_byte(leaves: int) -> None:
    """256 leaves are still numbered by a byte, 257 no longer."""
    fitted, matrix = _random_trees(0, 3, leaves), _matrix(2_000, 1)
    assert score_matrix(fitted, matrix)[:200].tolist() == [_plain_sum(fitted, row) for row in matrix[:200].tolist()]


def test_more_rows_than_a_block() -> None:
    """Blocks of rows are put together in order."""
    fitted, matrix = _random_trees(0, 3, 10), _matrix(70_000, 1)
    scores = score_matrix(fitted, matrix)
    assert scores[::7_000].tolist() == [_plain_sum(fitted, row) for row in matrix[::7_000].tolist()]


def test_deep_trees_are_walked() -> None:
    """A tree deeper than Python's parser bears is no expression."""
    depth = 300
    chain = np.arange(depth, dtype=np.int32)
    leaves = np.full(depth + 1, -1, dtype=np.int32)
    nodes = Nodes(
        roots=np.zeros(1, dtype=np.int32),
        feature=np.concatenate([chain * 0, leaves]),
        threshold=np.concatenate([chain, leaves]).astype(np.float64),
        left=np.concatenate([chain + depth, leaves]),
        right=np.concatenate([np.where(chain < depth - 1, chain + 1, 2 * depth), leaves]).astype(np.int32),
        missing=np.zeros(2 * depth + 1, dtype=np.int8),
        value=np.arange(2 * depth + 1, dtype=np.float64),
    )
    fitted = trees_of(nodes, flavour="lightgbm", link="identity")
    assert [compile_score(fitted)([value]) for value in (0.0, 250.0, 1e9)] == [300.0, 550.0, 600.0]


def test_no_rows_give_no_scores() -> None:
    """An empty batch is answered by an empty array."""
    assert score_matrix(_random_trees(0, 2, 5), np.zeros((0, 3))).shape == (0,)


@pytest.mark.parametrize("fitted", [_random_trees(1, 4, 6), Linear(pack("d", [0.5, -2.0, 1e-9]), 0.25, "logistic"), Constant(0.125)])
def test_records_come_back_from_msgpack(fitted: Fitted) -> None:
    """What is stored is what was fitted."""
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(fitted), type=Fitted) == fitted


def test_numbers_come_back_from_bytes() -> None:
    """`unpack` is the inverse of `pack`; the bytes are little-endian."""
    assert unpack("d", pack("d", [0.1, -0.0])) == [0.1, -0.0]
    assert pack("i", [1]) == b"\x01\x00\x00\x00"


@pytest.mark.parametrize(("task", "target", "expected"), [("binary", [0.0, 1.0, 0.0, 0.0], 0.25), ("regression", [1.0, 2.0], 1.5)])
def test_baseline_is_the_mean(task: str, target: list[float], expected: float) -> None:
    """The baseline scores every row alike."""
    data = TrainingData(np.zeros((len(target), 1)), np.array(target), "binary" if task == "binary" else "regression")
    fitted = fit_baseline(Baseline(), data).fitted
    assert compile_score(fitted)([0.0]) == expected
    assert score_matrix(fitted, np.zeros((3, 1))).tolist() == [expected] * 3


def test_scoring_a_row_loads_no_library_of_the_field() -> None:
    """A server scores with the standard library and msgspec."""
    libraries = "{'numpy', 'polars', 'scipy', 'sklearn', 'lightgbm'}"
    code = f"import sys, millstream.training.row_body; print(*sorted({libraries} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []
