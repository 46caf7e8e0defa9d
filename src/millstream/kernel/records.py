"""What the kernel hands on: artifacts, their parts, and what a run did."""

from __future__ import annotations

from typing import Literal

import msgspec

from millstream.kernel.facts import Facts


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """Some columns of a part: rows `offset .. offset + rows` of a stored Parquet file."""

    file: str
    offset: int
    columns: tuple[str, ...]


class Part(msgspec.Struct, frozen=True, array_like=True):
    """The rows of a table that belong to one day, or all of them (`day` is None).

    Moments are microseconds since 1970 in UTC. `earliest` and `latest` bound the moments at which the rows become available.
    """

    day: int | None
    digest: str
    rows: int
    pieces: tuple[Piece, ...]
    columns: tuple[bytes, ...]
    earliest: int | None = None
    latest: int | None = None
    newest: int | None = None


class Table(msgspec.Struct, frozen=True, tag="table"):
    """A stored table: a manifest of parts."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    facts: Facts
    parts: tuple[Part, ...]
    digest: str

    @property
    def rows(self) -> int:
        """Rows of all parts."""
        return sum(part.rows for part in self.parts)


ValueKind = Literal["json", "bytes"]


class Value(msgspec.Struct, frozen=True, tag="value"):
    """A stored result that is not a table: JSON or bytes, in the record itself if small."""

    digest: str
    kind: ValueKind
    size: int
    inline: bytes | None = None
    file: str | None = None


Artifact = Table | Value


class Cause(msgspec.Struct, frozen=True):
    """One thing that a cache key is made of, as people would name it."""

    name: str
    value: str


class StepReport(msgspec.Struct, frozen=True):
    """What became of one step in a run. `rows` are the rows it processed, `seconds` its wall time."""

    name: str
    status: Literal["ran", "cached", "failed", "skipped"]
    seconds: float
    rows: int
    why: str
    key: str = ""
    parts: int = 0
    causes: tuple[Cause, ...] = ()
    notes: tuple[str, ...] = ()


class RunReport(msgspec.Struct, frozen=True):
    """What a run did. `as_of` is microseconds since 1970 in UTC."""

    run: str
    as_of: int
    seconds: float
    steps: tuple[StepReport, ...]
