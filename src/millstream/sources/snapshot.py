"""Outside data as immutable snapshots, in parts by the day of their time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from millstream.errors import ColumnError, SourceError
from millstream.kernel.availability import Cut
from millstream.kernel.digest import digest_bytes
from millstream.kernel.fingerprint import own_code
from millstream.kernel.records import Artifact, Cause, Part, Table, Value
from millstream.kernel.store import Found, Store, table_of
from millstream.kernel.units import Plan, Unit
from millstream.sources.declare import Source
from millstream.sources.files import file_digest, find_files, read_file
from millstream.sources.history import at_moment, identity_of, keep_snapshot, looks_now, moment_taken, notes_of, one_at_a_time, taken_of
from millstream.sources.intake import keep_types, known_types, take_in, types_of
from millstream.sources.records import Snapshot


@dataclass(frozen=True, eq=False)
class SourceOperation:
    """Takes or finds the snapshot that counts at a moment."""

    name: str
    source: Source
    root: Path

    def plan(self, store: Store, inputs: Sequence[Artifact], as_of: int) -> Plan:
        """One unit per file of the snapshot; only files that were not read before are read."""
        del inputs
        taken = taken_of(store, self._identity())
        snapshot = self._snapshot(store, taken, as_of)
        causes = (own_code("validation", "sources"), Cause("source", self._identity()))
        units = [Unit(None, None, (Value(digest, "bytes", 0),), item=path) for path, digest in snapshot.files]
        files = tuple((f"file {Path(path).name}", unit.seen[0]) for (path, _), unit in zip(snapshot.files, units, strict=True))
        merge = partial(self._together, snapshot, fresh=snapshot not in taken)
        return Plan(units, causes, self.source.facts, files, notes=notes_of(self.source, snapshot, as_of), together=merge)

    def compute(self, store: Store, unit: Unit) -> pl.DataFrame:
        """The rows of one file."""
        return self._read(store, Path(unit.item or ""), unit.seen[0].digest) if isinstance(unit.seen[0], Value) else pl.DataFrame()

    def _together(self, snapshot: Snapshot, store: Store, artifacts: Sequence[Artifact], *, fresh: bool) -> Table:
        table = merged(store, [each for each in artifacts if isinstance(each, Table)])
        if fresh:
            with one_at_a_time(store, self._identity()):
                keep_snapshot(store, self._identity(), snapshot)
        return table

    def _read(self, store: Store, path: Path, digest: str) -> pl.DataFrame:
        self._check_unchanged(store, path, digest)
        frame = read_file(path, where=self.source.where)
        known = known_types(store, self._identity())
        taken_in = take_in(frame, self.source, self.name, known)
        types = types_of(frame.select(taken_in.columns))
        if {**known, **types} != known:
            with one_at_a_time(store, self._identity()):
                keep_types(store, self._identity(), types)
        return taken_in

    def _check_unchanged(self, store: Store, path: Path, digest: str) -> None:
        if not path.is_file() or file_digest(store, path) != digest:
            raise SourceError(
                f"{path.name} has changed since the snapshot that counts, and what was read of it then is no longer stored",
                where=self.source.where,
                hint=f"put the file back as it was, or move {store.root} away: all begins anew",
            )

    def _identity(self) -> str:
        return identity_of(self.source, self.source.address)

    def _snapshot(self, store: Store, taken: Sequence[Snapshot], as_of: int) -> Snapshot:
        """The snapshot that counts at the moment: what the files are now for a run as of now, else one of those taken."""
        if looks_now(taken, as_of):
            files = find_files(str(self.source.address), self.root, where=self.source.where)
            content = tuple((str(file), file_digest(store, file)) for file in files)
            if not taken or content != taken[-1].files:
                return Snapshot(moment_taken(as_of), content)
        return at_moment(taken, as_of)


def merged(store: Store, tables: Sequence[Table]) -> Table:
    """One table of what the units of a source gave; a day that several of them bring is one part, in the order of the units."""
    first = tables[0]
    if len(tables) == 1:
        return first
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
