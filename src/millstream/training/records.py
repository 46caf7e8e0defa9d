"""What a fit leaves behind: arrays that score anywhere, without the library that fitted them.

The arrays are bytes, little-endian on every machine, so that a record has one canonical content.
msgpack stores them, pickle never does.
Imports only the standard library and msgspec.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from typing import Literal, overload

import msgspec

Task = Literal["binary", "regression"]
"""Two classes (target 0 and 1; the score is the probability of 1), or a number."""

Link = Literal["identity", "logistic"]
"""From the sum of a model to its score: as it is, or `1 / (1 + exp(-sum))`."""


class Trees(msgspec.Struct, frozen=True, tag="trees"):
    """Decision trees over numeric columns, whose values are added up in order.

    The nodes of all trees stand in one table. A row goes left at a node if its value in the column `feature` is
    `<= threshold`, right if greater; if it is `nan`, left where `missing` is 1 and right where it is 0.
    The sum over a forest is divided by `divisor`, the number of its trees; boosting has a divisor of 1.
    A node comes after its parent, and the nodes of a tree stand between its root and the next one.
    """

    flavour: Literal["lightgbm", "forest"]
    roots: bytes
    """int32, one per tree: the node where it begins."""
    feature: bytes
    """int32, one per node: the column of the matrix that is asked; -1 at a leaf."""
    threshold: bytes
    """float64, one per node; 0 at a leaf."""
    left: bytes
    """int32, one per node; 0 at a leaf."""
    right: bytes
    """int32, one per node; 0 at a leaf."""
    missing: bytes
    """int8, one per node."""
    value: bytes
    """float64, one per node; 0 where it is no leaf."""
    link: Link = "identity"
    divisor: float = 1.0


class Linear(msgspec.Struct, frozen=True, tag="linear"):
    """A weighted sum of the columns, added up in their order to the intercept."""

    weights: bytes
    """float64, one per column."""
    intercept: float
    link: Link = "identity"


class Constant(msgspec.Struct, frozen=True, tag="constant"):
    """The same score for every row."""

    value: float


class Column(msgspec.Struct, frozen=True, tag="column"):
    """The value of the only column; `otherwise` where it is missing. A `probability` is kept within 0 and 1."""

    otherwise: float
    probability: bool


class Neighbours(msgspec.Struct, frozen=True, tag="neighbours"):
    """The mean target of the `k` nearest points; of equal distances the earlier point is nearer.

    Distances are sums of squared differences, column after column; targets are added up from the nearest on.
    """

    points: bytes
    """float64, point after point."""
    targets: bytes
    """float64, one per point."""
    k: int


Fitted = Trees | Linear | Constant | Column | Neighbours


@overload
def unpack(code: Literal["d"], content: bytes) -> list[float]: ...
@overload
def unpack(code: Literal["b", "i"], content: bytes) -> list[int]: ...
def unpack(code: Literal["b", "d", "i"], content: bytes) -> list[float] | list[int]:
    """The numbers in the bytes of a record: int8 (`b`), float64 (`d`) or int32 (`i`)."""
    numbers: array[float] | array[int] = array(code)
    numbers.frombytes(content)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def pack(code: Literal["b", "d", "i"], numbers: Iterable[float]) -> bytes:
    """The bytes of a record for some numbers: the inverse of `unpack`."""
    packed = array(code, numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()
