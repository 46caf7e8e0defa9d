"""Digests of content: equal for equal values, whatever the file, chunk or memory layout.

Version 1. A column's digest is SHA-256, cut to 128 bits, over its logical type, its number of rows, its validity and its canonical values; a
table's digest is SHA-256 over the names and digests of its columns in order. Row order counts. Ours, not a library's, so that no upgrade
changes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Protocol

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

VERSION = b"millstream table digest 1"
COLUMN = 16
"""Bytes of a column's digest."""


class Hash(Protocol):
    """Takes in bytes."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take in some bytes."""
        ...


class Values(Protocol):
    """The canonical bytes of a column without nulls."""

    def feed(self, state: Hash, start: int, stop: int) -> None:
        """Hand the values of some rows to a hash."""
        ...


def digest_bytes(*pieces: bytes) -> str:
    """SHA-256 of length-prefixed pieces, as hexadecimal text."""
    return hashlib.sha256(b"".join([part for piece in pieces for part in (len(piece).to_bytes(8, "little"), piece)])).hexdigest()


def digest_value(value: object) -> str:
    """Digest of a JSON-like value: dictionaries by sorted key, floats by their shortest text."""
    return digest_bytes(msgspec.json.encode(value, order="sorted"))


def digest_column(column: pl.Series) -> str:
    """Digest of a column's type and values, without its name."""
    return digest_slices(column, (0, column.len()))[0].hex()


def digest_slices(column: pl.Series, bounds: Sequence[int]) -> list[bytes]:
    """The digest of the rows between each two neighbouring bounds (16 bytes each), all from one pass over the column."""
    kind, start, stop = column.dtype, bounds[0], bounds[-1]
    if start or stop < column.len():
        column = column.slice(start, stop - start)
    cuts = [bound - start for bound in bounds]
    if len(cuts) > 2 and kind.is_nested():
        return [digest_slices(column.slice(a, b - a), (0, b - a))[0] for a, b in pairwise(cuts)]
    validity = column.is_not_null().to_numpy() if column.null_count() else None
    present = cuts if validity is None else np.concatenate(([0], np.cumsum(validity)))[cuts].tolist()
    values = _values(column if validity is None else column.drop_nulls())
    digests: list[bytes] = []
    for (a, b), (p, q) in zip(pairwise(cuts), pairwise(present), strict=True):
        nulls = b - a if kind == pl.Null else (b - a) - (q - p)
        state = hashlib.sha256(f"{kind!r}|{b - a}|{nulls}|".encode())
        if validity is not None and nulls and kind != pl.Null:
            state.update(np.packbits(validity[a:b]).tobytes())
        values.feed(state, p, q)
        digests.append(state.digest()[:COLUMN])
    return digests


def digest_table(names: Iterable[str], column_digests: Iterable[str]) -> str:
    """Digest of a table from the names and digests of its columns."""
    pieces = [VERSION]
    for name, digest in zip(names, column_digests, strict=True):
        pieces += [name.encode(), digest.encode()]
    return digest_bytes(*pieces)


def digest_frame(frame: pl.DataFrame) -> str:
    """Digest of a whole frame, computed column by column."""
    return digest_table(frame.columns, (digest_column(column) for column in frame.iter_columns()))


def _values(column: pl.Series) -> Values:
    kind = column.dtype
    if kind == pl.Null:
        return _Nothing()
    if isinstance(kind, pl.Categorical | pl.Enum | pl.Decimal | pl.String):
        return _texts(column.cast(pl.String))
    if isinstance(kind, pl.Binary):
        return _Pieces(column.bin.size().cast(pl.UInt32).to_numpy(), b"".join(column.to_list()))
    if kind.is_nested():
        return _Nested(column)
    if isinstance(kind, pl.Boolean):
        return _Bits(column.to_numpy())
    return _Fixed(_numbers(column, kind))


class _Nothing:
    def feed(self, state: Hash, start: int, stop: int) -> None:
        """There is nothing to hand on."""


class _Fixed:
    """Values of one width."""

    def __init__(self, values: NDArray[np.generic]) -> None:
        self._values = np.ascontiguousarray(values)

    def feed(self, state: Hash, start: int, stop: int) -> None:
        if stop > start:
            state.update(self._values[start:stop].data.cast("B"))


class _Bits:
    def __init__(self, values: NDArray[np.bool_]) -> None:
        self._values = values

    def feed(self, state: Hash, start: int, stop: int) -> None:
        state.update(np.packbits(self._values[start:stop]).tobytes())


class _Pieces:
    """Texts or bytes: all lengths, then all contents."""

    def __init__(self, sizes: NDArray[np.uint32], content: bytes) -> None:
        self._sizes, self._content = sizes, memoryview(content)
        self._ends = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))

    def feed(self, state: Hash, start: int, stop: int) -> None:
        state.update(self._sizes[start:stop].tobytes())
        state.update(self._content[self._ends[start] : self._ends[stop]])


class _Nested:
    """Lists, arrays and structures: taken apart, always whole."""

    def __init__(self, column: pl.Series) -> None:
        self._column = column

    def feed(self, state: Hash, start: int, stop: int) -> None:
        column, kind = self._column.slice(start, stop - start), self._column.dtype
        if isinstance(kind, pl.List):
            state.update(column.list.len().cast(pl.UInt32).to_numpy().tobytes())
            _feed(state, column.explode(empty_as_null=False))
        elif isinstance(kind, pl.Array):
            _feed(state, column.explode())
        else:
            for field in column.struct.fields:
                state.update(f"{field}|".encode())
                _feed(state, column.struct.field(field))


def _feed(state: Hash, column: pl.Series) -> None:
    """An inner column, as part of the outer one's digest."""
    state.update(f"{column.dtype!r}|{column.len()}|{column.null_count()}|".encode())
    if column.dtype == pl.Null:
        return
    if column.null_count():
        state.update(np.packbits(column.is_not_null().to_numpy()).tobytes())
        column = column.drop_nulls()
    _values(column).feed(state, 0, column.len())


def _texts(column: pl.Series) -> Values:
    sizes = column.str.len_bytes().to_numpy()
    joined: str = column.str.join("").item() or ""
    return _Pieces(sizes, joined.encode())


def _numbers(column: pl.Series, kind: pl.DataType) -> NDArray[np.generic]:
    if kind.is_float():
        values = column.to_numpy()
        wrong = np.isnan(values)
        return np.where(wrong, np.array(np.nan, values.dtype), values) if wrong.any() else values
    if isinstance(kind, pl.Int128 | pl.UInt128):
        signed = isinstance(kind, pl.Int128)
        return np.frombuffer(b"".join(value.to_bytes(16, "little", signed=signed) for value in column.to_list()), "V16")
    return column.to_physical().to_numpy()
