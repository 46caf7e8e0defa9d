"""What the kernel hands on: artifacts, their parts, and what a run did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from millstream.kernel.facts import Facts


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """Some columns of a part: rows `offset .. offset + rows` of a stored Parquet file, or of `inline` (an Arrow file) if they are few.

    `stored` are the names of the columns in the file, where they differ: a column keeps the name under which it was stored first.
    """

    file: str
    offset: int
    columns: tuple[str, ...]
    stored: tuple[str, ...] = ()
    inline: bytes | None = None


class Part(msgspec.Struct, frozen=True, array_like=True):
    """The rows of a table that belong to one day, or all of them (`day` is None).

    Moments are microseconds since 1970 in UTC. `earliest` and `latest` bound the moments at which the rows become available.
    `columns` are the first 16 bytes of the digest of each column.
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


class Value(msgspec.Struct, frozen=True, tag="value"):
    """A stored result that is not a table, in the record itself if small. `kind` is the name of the codec that made its bytes, as `json`."""

    digest: str
    kind: str
    size: int
    inline: bytes | None = None
    file: str | None = None


class Collection(msgspec.Struct, frozen=True, tag="collection"):
    """Several results of one step: by name, or without names in a list."""

    members: tuple[Table | Value | Collection, ...]
    names: tuple[str, ...] | None
    digest: str


Artifact = Table | Value | Collection


class Cause(msgspec.Struct, frozen=True):
    """One thing that a cache key is made of, as people would name it."""

    name: str
    value: str


def differing(before: Sequence[Cause], now: Sequence[Cause]) -> list[str]:
    """The names of causes that are not the same, in the order in which they are told."""
    old, new = ({cause.name: cause.value for cause in causes} for causes in (before, now))
    return [name for name in {**old, **new} if old.get(name) != new.get(name)]


class StepReport(msgspec.Struct, frozen=True):
    """What became of one step in a run.

    `rows` are the rows it processed, `seconds` its wall time (of a cached step: the time that it saved), `cpu` its share of the CPU seconds
    of the process, `peak` the most bytes of memory that the process held meanwhile, `size` the bytes that it wrote. `shape` are rows and
    columns of its table, `digest` is that of its result, `attempts` how often it was tried.
    """

    name: str
    status: Literal["ran", "cached", "failed", "skipped"]
    seconds: float
    rows: int
    why: str
    key: str = ""
    parts: int = 0
    causes: tuple[Cause, ...] = ()
    notes: tuple[str, ...] = ()
    cpu: float = 0.0
    peak: int = 0
    size: int = 0
    shape: tuple[int, int] | None = None
    digest: str = ""
    attempts: int = 1


class RunReport(msgspec.Struct, frozen=True):
    """What a run did. `as_of` is microseconds since 1970 in UTC."""

    run: str
    as_of: int
    seconds: float
    steps: tuple[StepReport, ...]


class Circumstances(msgspec.Struct, frozen=True):
    """Under what a run was made. `as_of` is microseconds since 1970 in UTC, `started` seconds; `seconds` is None while it runs."""

    run: str
    started: float
    as_of: int
    command: str
    status: str
    seconds: float | None
    environment: dict[str, str]
    settings: dict[str, dict[str, object]]
