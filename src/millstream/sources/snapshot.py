"""Outside data as immutable snapshots, in parts by the day of their time."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import polars as pl

from millstream.errors import ColumnError, MillstreamError, SourceError
from millstream.kernel.availability import Cut, normalise_facts, text_of
from millstream.kernel.digest import digest_bytes, digest_value
from millstream.kernel.fingerprint import own_code
from millstream.kernel.records import Artifact, Cause, Part, Table, Value
from millstream.kernel.store import Found, Store, table_of
from millstream.kernel.units import Plan, Unit
from millstream.sources.declare import Source
from millstream.sources.files import file_digest, find_files, read_file
from millstream.validation.contract import check_snapshot

RECENT = 600_000_000
"""A run as of now sees its sources within so many microseconds."""


class Snapshot(msgspec.Struct, frozen=True):
    """What a source was at one moment: its files by path and content. `taken` is in microseconds."""

    taken: int
    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class SourceOperation:
    """Takes or finds the snapshot that counts at a moment."""

    name: str
    source: Source
    root: Path

    def plan(self, store: Store, inputs: Sequence[Artifact], as_of: int) -> Plan:
        """One unit per file of the snapshot; only files that were not read before are read."""
        del inputs
        taken = self._taken(store)
        snapshot = self._snapshot(store, taken, as_of)
        causes = (own_code("validation", "sources"), Cause("source", self._identity()))
        units = [Unit(None, None, (Value(digest, "bytes", 0),), item=path) for path, digest in snapshot.files]
        files = tuple((f"file {Path(path).name}", unit.seen[0]) for (path, _), unit in zip(snapshot.files, units, strict=True))
        merge = partial(self._together, snapshot, fresh=snapshot not in taken)
        return Plan(units, causes, self.source.facts, files, notes=self._older(as_of, snapshot), together=merge)

    def compute(self, store: Store, unit: Unit) -> pl.DataFrame:
        """The rows of one file."""
        return self._read(store, Path(unit.item or ""), unit.seen[0].digest) if isinstance(unit.seen[0], Value) else pl.DataFrame()

    def _together(self, snapshot: Snapshot, store: Store, artifacts: Sequence[Artifact], *, fresh: bool) -> Table:
        tables = [each for each in artifacts if isinstance(each, Table)]
        table = tables[0] if len(tables) == 1 else merged(store, tables)
        if fresh:
            store.set_note(f"snapshots {self._identity()}", msgspec.json.encode([*self._taken(store), snapshot]))
        return table

    def _read(self, store: Store, path: Path, digest: str) -> pl.DataFrame:
        self._check_unchanged(store, path, digest)
        frame = read_file(path, where=self.source.where)
        wanted = list(self.source.columns or frame.columns)
        facts = self.source.facts
        required = list(dict.fromkeys([*wanted, *facts.key, *(name for name in (facts.time, facts.known_at) if name)]))
        noted = store.note(f"types {self._identity()}")
        known = msgspec.json.decode(noted, type=dict[str, str]) if noted else {}
        try:
            check_snapshot(frame, source=self.name, required=required, key=facts.key, previous=known)
            frame = frame.select(required) if self.source.columns is not None else frame
            types = {name: str(kind) for name, kind in frame.schema.items() if kind != pl.Null}
            frame = normalise_facts(self._localised(frame), facts)
        except MillstreamError as error:
            raise type(error)(error.message, where=self.source.where, hint=error.hint) from None
        if types.keys() - known.keys():
            store.set_note(f"types {self._identity()}", msgspec.json.encode(types | known))
        return frame

    def _check_unchanged(self, store: Store, path: Path, digest: str) -> None:
        if not path.is_file() or file_digest(store, path) != digest:
            raise SourceError(
                f"{path.name} has changed since the snapshot that counts, and what was read of it then is no longer stored",
                where=self.source.where,
                hint=f"put the file back as it was, or move {store.root} away: all begins anew",
            )

    def _localised(self, frame: pl.DataFrame) -> pl.DataFrame:
        if self.source.tz is None:
            return frame
        naive = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime) and kind.time_zone is None]
        try:
            return frame.with_columns(
                pl.col(naive).dt.replace_time_zone(self.source.tz, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
            )
        except pl.exceptions.ComputeError as error:
            raise ColumnError(f"{self.name}: {error}", where=self.source.where) from error

    def _identity(self) -> str:
        source, facts = self.source, self.source.facts
        return digest_value([source.address, source.columns, facts.key, facts.time, facts.known_at, facts.delay, source.tz])[:16]

    def _taken(self, store: Store) -> list[Snapshot]:
        noted = store.note(f"snapshots {self._identity()}")
        return msgspec.json.decode(noted, type=list[Snapshot]) if noted else []

    def _snapshot(self, store: Store, taken: Sequence[Snapshot], as_of: int) -> Snapshot:
        """The snapshot that counts at the moment: what the files are now for a run as of now, else one of those taken."""
        now = time.time_ns() // 1_000
        recent = as_of > now - RECENT
        if not taken or (recent and as_of >= taken[-1].taken):
            files = find_files(self.source.address, self.root, where=self.source.where)
            content = tuple((str(file), file_digest(store, file)) for file in files)
            if not taken or content != taken[-1].files:
                return Snapshot(min(as_of, now) if recent else now, content)
        return next((each for each in reversed(taken) if each.taken <= as_of), taken[0])

    def _older(self, as_of: int, snapshot: Snapshot) -> tuple[str, ...]:
        if as_of >= snapshot.taken or time.time_ns() // 1_000 - as_of < RECENT:
            return ()
        day = text_of(snapshot.taken - snapshot.taken % 86_400_000_000)
        told = f"as of {text_of(as_of)} the snapshot of {day} was used: rows restated since then show their newest form"
        return (told,) if self.source.facts.time else (told, "without a time, so not replayable: it is seen as it was when the snapshot was taken")


def merged(store: Store, tables: Sequence[Table]) -> Table:
    """One table of several files; a day that several files bring is one part, in the order of the files."""
    first = tables[0]
    for table in tables:
        if (table.names, table.types) != (first.names, first.types):
            raise ColumnError("the files of one source have different columns", hint=f"{', '.join(first.names)} against {', '.join(table.names)}")
    days: dict[int | None, list[tuple[Table, Part]]] = defaultdict(list)
    for table in tables:
        for part in table.parts:
            days[part.day].append((table, part))
    parts = [found[0][1] if len(found) == 1 else _one_part(store, found) for found in days.values()]
    return table_of(first.names, first.types, first.facts, parts)


def _one_part(store: Store, found: Sequence[tuple[Table, Part]]) -> Part:
    key = digest_bytes(b"one part", *(part.digest.encode() for _, part in found))
    known = store.find([key]).get(key)
    if known is None:
        frame = pl.concat([store.read(Cut(table, ((part, None),))) for table, part in found])
        known = Found(store.write_table(frame, found[0][0].facts)[0])
        store.record({key: known})
    assert isinstance(known.artifact, Table)
    return known.artifact.parts[0]
