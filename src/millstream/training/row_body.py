"""The score of one row: pure Python, with the bits of the vector body.

Small trees become one generated expression each (`0.1 if x3 <= 0.5 else ...`); large ones are walked as nested tuples.
Imports nothing but the standard library and the records, so that a server can start without any library of the field.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from heapq import nsmallest
from operator import add, mul
from typing import cast

from millstream.training.records import Column, Constant, Fitted, Linear, Link, Neighbours, Trees, unpack

ScoreRow = Callable[[Sequence[float]], float]
"""From a row of the matrix to the probability of the positive class, or the number."""

Branch = tuple[int, float, "Branch | float", "Branch | float"]
"""Column, threshold, where smaller and equal values go, where others go."""

MOST_SPLITS_COMPILED = 32_000
DEEPEST_COMPILED = 80
"""Python's parser refuses more than 200 nested parentheses, and generates code for deep ones recursively."""
TREES_PER_FUNCTION = 50
SMALLEST_EXPONENT = -700.0


def compile_score(fitted: Fitted) -> ScoreRow:
    """The function from one row of the matrix to its score, equal to that row of `score_matrix`.

    A row is a list of `float` (`nan`: missing), as `compile_row` of its preparation gives it.
    """
    match fitted:
        case Constant(value):
            return lambda row: value  # noqa: ARG005 - every row has this score
        case Linear():
            return _linked(_linear_sum(fitted), fitted.link)
        case Column():
            return _column_value(fitted)
        case Neighbours():
            return _nearest_mean(fitted)
        case Trees():
            total = _trees_sum(fitted)
            return _linked(total if fitted.divisor == 1.0 else _divided(total, fitted.divisor), fitted.link)


def logistic(total: float) -> float:
    """The probability that belongs to a sum of log odds.

    Below -700 its first-order term, as `exp` of more than 709 is too large for a float.
    """
    return math.exp(total) if total < SMALLEST_EXPONENT else 1.0 / (1.0 + math.exp(-total))


def _linked(total: ScoreRow, link: Link) -> ScoreRow:
    return total if link == "identity" else lambda row: logistic(total(row))


def _divided(total: ScoreRow, divisor: float) -> ScoreRow:
    return lambda row: total(row) / divisor


def _linear_sum(fitted: Linear) -> ScoreRow:
    weights, intercept = unpack("d", fitted.weights), fitted.intercept
    return lambda row: reduce(add, map(mul, weights, row), intercept)


def _column_value(fitted: Column) -> ScoreRow:
    def value(row: Sequence[float]) -> float:
        found = float(row[0])
        if found != found:  # noqa: PLR0124 - true for nan
            return fitted.otherwise
        return min(max(found, 0.0), 1.0) if fitted.probability else found

    return value


def _nearest_mean(fitted: Neighbours) -> ScoreRow:
    targets, points = unpack("d", fitted.targets), unpack("d", fitted.points)
    width, places = len(points) // len(targets), range(len(targets))
    columns = [points[column::width] for column in range(width)]

    def mean(row: Sequence[float]) -> float:
        distances = [0.0] * len(targets)
        for value, column in zip(row, columns, strict=True):
            distances = [total + (gap := value - point) * gap for total, point in zip(distances, column, strict=True)]
        total = 0.0
        for place in nsmallest(fitted.k, places, key=distances.__getitem__):
            total += targets[place]
        return total / fitted.k

    return mean


@dataclass(frozen=True, slots=True)
class _Table:
    """The node table of trees as lists."""

    roots: list[int]
    feature: list[int]
    threshold: list[float]
    left: list[int]
    right: list[int]
    missing: list[int]
    value: list[float]


def _trees_sum(trees: Trees) -> ScoreRow:
    table = _Table(
        roots=unpack("i", trees.roots),
        feature=unpack("i", trees.feature),
        threshold=unpack("d", trees.threshold),
        left=unpack("i", trees.left),
        right=unpack("i", trees.right),
        missing=unpack("b", trees.missing),
        value=unpack("d", trees.value),
    )
    splits = len(table.feature) - table.feature.count(-1)
    small = splits <= MOST_SPLITS_COMPILED and _depth(table) <= DEEPEST_COMPILED
    return _compiled_sum(table) if small else _walked_sum(table)


def _depth(table: _Table) -> int:
    """The largest number of splits on a way; a node comes after its parent."""
    depths = [0] * len(table.feature)
    for node, column in enumerate(table.feature):
        if column >= 0:
            depths[table.left[node]] = depths[table.right[node]] = depths[node] + 1
    return max(depths, default=0)


def _compiled_sum(table: _Table) -> ScoreRow:
    expressions = _expressions(table)
    ends = [*table.roots[TREES_PER_FUNCTION::TREES_PER_FUNCTION], len(table.feature)]
    functions: list[Callable[[Sequence[float], float], float]] = []
    begin = 0
    for number, end in enumerate(ends):
        first = number * TREES_PER_FUNCTION
        roots = table.roots[first : first + TREES_PER_FUNCTION]
        columns = sorted(set(table.feature[begin:end]) - {-1})
        functions.append(_function(columns, [expressions[root] for root in roots]))
        begin = end

    def total(row: Sequence[float]) -> float:
        result = 0.0
        for function in functions:
            result = function(row, result)
        return result

    return total


def _function(columns: list[int], expressions: list[str]) -> Callable[[Sequence[float], float], float]:
    """Adds the values of some trees to a sum, one after the other."""
    read = [f"x{column} = row[{column}]" for column in columns]
    added = [f"total += {expression}" for expression in expressions]
    source = "\n ".join(["def add_trees(row, total):", *read, *added, "return total"])
    names: dict[str, object] = {}
    exec(compile(source, "<row body of trees>", "exec"), names)  # noqa: S102 - the source holds only numbers
    return cast("Callable[[Sequence[float], float], float]", names["add_trees"])


def _expressions(table: _Table) -> list[str]:
    """The value of each subtree as an expression; a comparison with `nan` is false, so its second branch is where `nan` goes."""
    texts = [repr(value) for value in table.value]
    for node in range(len(texts) - 1, -1, -1):
        column = table.feature[node]
        if column < 0:
            continue
        threshold, left, right = _literal(table.threshold[node]), texts[table.left[node]], texts[table.right[node]]
        if table.missing[node]:
            texts[node] = f"({right} if x{column} > {threshold} else {left})"
        else:
            texts[node] = f"({left} if x{column} <= {threshold} else {right})"
    return texts


def _literal(number: float) -> str:
    """A number in Python's syntax, which has no word for infinity."""
    return repr(number).replace("inf", "1e999")


def _walked_sum(table: _Table) -> ScoreRow:
    """Walks nested tuples.

    The row stands there twice: as it is, where `nan` goes right, and with `-inf` for `nan`, which goes left.
    """
    width = max(table.feature, default=-1) + 1
    roots = _nested(table, width)

    def total(row: Sequence[float]) -> float:
        values = [*row[:width], *(-math.inf if value != value else value for value in row[:width])]  # noqa: PLR0124 - true for nan
        result = 0.0
        for root in roots:
            node = root
            while type(node) is tuple:
                column, threshold, left, right = node
                node = left if values[column] <= threshold else right
            result += cast("float", node)
        return result

    return total


def _nested(table: _Table, width: int) -> list[Branch | float]:
    """The trees as nested tuples; a node comes after its parent, so the last is built first."""
    built: list[Branch | float] = list(table.value)
    for node in range(len(built) - 1, -1, -1):
        column = table.feature[node]
        if column >= 0:
            asked = column + width if table.missing[node] else column
            built[node] = (asked, table.threshold[node], built[table.left[node]], built[table.right[node]])
    return [built[root] for root in table.roots]
