"""What a table is, in at most a megabyte of JSON: the profile that models carry in place of their reference data."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["number", "boolean", "level", "moment"]


class ColumnProfile(msgspec.Struct, frozen=True):
    """One column: its range, moments and distribution.

    Nulls are None and NaN. `minimum`, `maximum`, `mean` and `deviation` (of the population) are over finite values, in
    seconds since 1970 UTC for moments; None where there is nothing to tell. Bin i of `counts` holds the values in
    (edges[i-1], edges[i]], the outer two reach to infinity; booleans and levels have no edges, and one bin with all
    values. `levels` are the most frequent ones by count then name ("false" and "true" for booleans), `other` the rows
    of all the rest, so rows = nulls + sum(counts), and for levels rows = nulls + sum of levels + other.
    """

    name: str
    kind: Kind
    dtype: str
    rows: int
    nulls: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    deviation: float | None
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    levels: tuple[tuple[str, int], ...]
    other: int


class Profile(msgspec.Struct, frozen=True):
    """One table: its number of rows, and its columns in the table's order."""

    rows: int
    columns: tuple[ColumnProfile, ...]


class ColumnCounts(msgspec.Struct, frozen=True):
    """A column of new rows, counted into the bins and levels of a reference.

    `counts` and `levels` run parallel to the reference's; `other` counts the rows of levels it does not list, and
    `newcomer` is the most frequent of those, if any.
    """

    rows: int
    nulls: int
    counts: tuple[int, ...]
    levels: tuple[int, ...]
    other: int
    newcomer: tuple[str, int] | None
