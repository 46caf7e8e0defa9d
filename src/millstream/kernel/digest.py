"""Digests of content: equal for equal values, whatever the file, chunk or memory layout.

Version 1. A column's digest is SHA-256 over its logical type, its number of rows, its validity and its canonical values; a table's digest is
SHA-256 over the names, types and digests of its columns in order. Row order counts. Ours, not a library's, so that no upgrade changes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Protocol

import msgspec
import numpy as np
import polars as pl


class Hash(Protocol):
    """Takes in bytes."""

    def update(self, data: bytes, /) -> None:
        """Take in some bytes."""
        ...


VERSION = b"millstream table digest 1"


def digest_bytes(*pieces: bytes) -> str:
    """SHA-256 of length-prefixed pieces, as hexadecimal text."""
    state = hashlib.sha256()
    for piece in pieces:
        state.update(len(piece).to_bytes(8, "little"))
        state.update(piece)
    return state.hexdigest()


def digest_value(value: object) -> str:
    """Digest of a JSON-like value: dictionaries by sorted key, floats by their shortest text."""
    return digest_bytes(msgspec.json.encode(value, order="sorted"))


def digest_column(column: pl.Series) -> str:
    """Digest of a column's type and values, without its name."""
    state = hashlib.sha256()
    _feed(state, column)
    return state.hexdigest()


def digest_table(names: Iterable[str], column_digests: Iterable[str]) -> str:
    """Digest of a table from the names and digests of its columns."""
    pieces = [VERSION]
    for name, digest in zip(names, column_digests, strict=True):
        pieces += [name.encode(), digest.encode()]
    return digest_bytes(*pieces)


def digest_frame(frame: pl.DataFrame) -> str:
    """Digest of a whole frame, computed column by column."""
    return digest_table(frame.columns, (digest_column(column) for column in frame.iter_columns()))


def _feed(state: Hash, column: pl.Series) -> None:
    state.update(f"{column.dtype!r}|{column.len()}|{column.null_count()}|".encode())
    if column.dtype == pl.Null:
        return
    if column.null_count():
        state.update(np.packbits(column.is_not_null().to_numpy()).tobytes())
        column = column.drop_nulls()
    _feed_values(state, column)


def _feed_values(state: Hash, column: pl.Series) -> None:
    kind = column.dtype
    if isinstance(kind, pl.Categorical | pl.Enum | pl.Decimal | pl.String):
        column, kind = column.cast(pl.String).cast(pl.Binary), pl.Binary()
    if isinstance(kind, pl.Binary):
        state.update(column.bin.size().cast(pl.UInt32).to_numpy().tobytes())
        state.update(b"".join(column.to_list()))
    elif isinstance(kind, pl.List):
        state.update(column.list.len().cast(pl.UInt32).to_numpy().tobytes())
        _feed(state, column.explode(empty_as_null=False))
    elif isinstance(kind, pl.Array):
        _feed(state, column.explode())
    elif isinstance(kind, pl.Struct):
        for field in column.struct.fields:
            state.update(f"{field}|".encode())
            _feed(state, column.struct.field(field))
    else:
        state.update(_numbers(column, kind))


def _numbers(column: pl.Series, kind: pl.DataType) -> bytes:
    if kind.is_float():
        values = column.to_numpy()
        return np.ascontiguousarray(np.where(np.isnan(values), np.array(np.nan, values.dtype), values)).tobytes()
    if isinstance(kind, pl.Boolean):
        return np.packbits(column.to_numpy()).tobytes()
    if isinstance(kind, pl.Int128 | pl.UInt128):
        return b"".join(value.to_bytes(16, "little", signed=isinstance(kind, pl.Int128)) for value in column.to_list())
    return np.ascontiguousarray(column.to_physical().to_numpy()).tobytes()
