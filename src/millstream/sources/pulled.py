"""Sources that are asked for their rows: what came is kept for good, and what is new is added to it.

Where a reading ends is written nowhere but in the table itself, as its newest time: so it is committed together with the rows,
and a reading that is killed is repeated, never lost.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from millstream.errors import ColumnError, MillstreamError, SourceError, first_line
from millstream.kernel.availability import DAY, MOMENT, Cut, moment_of, text_of
from millstream.kernel.parts import split_by_day
from millstream.kernel.records import Artifact, Cause, Table
from millstream.kernel.store import Found, Store, files_of, table_of
from millstream.kernel.units import Plan, Stored, Unit
from millstream.sources.declare import Source
from millstream.sources.history import (
    at_moment,
    identity_of,
    keep_snapshot,
    looks_now,
    moment_taken,
    notes_of,
    now,
    one_at_a_time,
    pin_snapshot,
    taken_of,
)
from millstream.sources.intake import frame_of, keep_types, known_types, parse_moments, take_in, types_of, widened
from millstream.sources.protocol import Connector
from millstream.sources.records import Snapshot

PLACE = "__place__"
LOST = "what was taken before is no longer stored: all was asked for again"


@dataclass(frozen=True, slots=True)
class _Reading:
    """When a source is asked, and from when on its answer counts, in microseconds. A snapshot knows its reading by its text."""

    asked: int
    taken: int

    @staticmethod
    def of(text: str) -> _Reading:
        asked, taken = text.split()
        return _Reading(int(asked), int(taken))

    @property
    def text(self) -> str:
        return f"{self.asked} {self.taken}"


@dataclass(frozen=True, eq=False)
class PulledOperation:
    """Asks for rows as of now, or finds the snapshot that counts at an earlier moment.

    `address` is what the source is known by: another one begins anew. `meaning` is what the connector's own code means.
    """

    name: str
    source: Source
    connector: Connector
    address: object
    meaning: tuple[Cause, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()

    def plan(self, store: Store, inputs: Sequence[Artifact], as_of: int) -> Plan:
        """One unit: a reading of now, or the one behind a snapshot that was taken before."""
        del inputs
        taken = taken_of(store, self._identity())
        if looks_now(taken, as_of):
            lost = bool(taken) and self._stored(store, taken[-1]) is None
            return self._plan(_Reading(now(), moment_taken(as_of)), (LOST,) if lost else ())
        snapshot = at_moment(taken, as_of)
        return self._plan(_reading_of(snapshot), notes_of(self.source, snapshot, as_of))

    def compute(self, store: Store, unit: Unit) -> Stored:
        """Ask and commit, one reading of a source at a time. What was taken before is not asked for again."""
        identity, reading = self._identity(), _Reading.of(unit.item or "")
        with one_at_a_time(store, identity):
            taken = taken_of(store, identity)
            known = next((each for each in taken if _reading_of(each) == reading), None)
            if known is not None:
                return Stored(self._found(store, known))
            before = self._stored(store, taken[-1]) if taken else None
            made = self._read(store, before)
            if before is None or made.table.digest != before.digest:
                _sync(store.path(name) for name in files_of(made.table) - (files_of(before) if before is not None else set()))
                self._commit(store, reading, made.table)
            return made

    def recorded(self, store: Store, digest: str) -> Table | None:
        """The table with that digest, if it was taken once and is stored; readings that found nothing new have keys of their own."""
        return next((self._stored(store, each) for each in taken_of(store, self._identity()) if each.files[0][1] == digest), None)

    def _plan(self, reading: _Reading, notes: Sequence[str] = ()) -> Plan:
        """Its key is made of what the source is and when it is asked: an upgrade of millstream leaves the only copy where it is."""
        causes = (*self.meaning, Cause("source", self._identity()), Cause("asked", text_of(reading.asked)))
        return Plan([Unit(None, None, (), item=reading.text)], causes, self.source.facts, notes=notes, sources=self.texts)

    def _identity(self) -> str:
        return identity_of(self.source, [self.address, self.source.table, [[cause.name, cause.value] for cause in self.meaning]])

    def _stored(self, store: Store, snapshot: Snapshot) -> Table | None:
        key = self._plan(_reading_of(snapshot)).keys[0]
        found = store.find([key]).get(key)
        return found.artifact if found is not None and isinstance(found.artifact, Table) else None

    def _found(self, store: Store, snapshot: Snapshot) -> Table:
        table = self._stored(store, snapshot)
        if table is None:
            raise SourceError(
                f"{self.name}: what was taken on {text_of(snapshot.taken)[:10]} is no longer stored",
                where=self.source.where,
                hint="a run as of now asks for all again",
            )
        return table

    def _read(self, store: Store, before: Table | None) -> Stored:
        """What the source has now: the table of before if nothing is new."""
        frame = self._asked(store, before)
        if before is not None and self.connector.appends:
            frame = _unseen(store, before, frame, self.source.where)
            return _appended(store, before, frame, self.source.where) if frame.height else Stored(before)
        table, size = store.write_table(frame, self.source.facts)
        return Stored(before) if before is not None and table.digest == before.digest else Stored(table, frame.height, size)

    def _commit(self, store: Store, reading: _Reading, table: Table) -> None:
        """The rows, that they are kept, and last the snapshot that names them: who dies in between has taken nothing."""
        key = self._plan(reading).keys[0]
        store.record({key: Found(table)})
        pin_snapshot(store, self._identity(), key)
        keep_snapshot(store, self._identity(), Snapshot(reading.taken, ((reading.text, table.digest),)))
        journal = store.index.path.with_name(f"{store.index.path.name}-wal")
        _sync([journal] if journal.exists() else [])

    def _asked(self, store: Store, before: Table | None) -> pl.DataFrame:
        """What the source answers, checked, with the types that it had."""
        known = known_types(store, self._identity())
        since = _newest(before) if before is not None and self.connector.appends else None
        try:
            frame = frame_of(self.connector.read(since), known)
        except MillstreamError as error:
            raise type(error)(error.message, where=error.where or self.source.where, hint=error.hint) from error.__cause__
        if not frame.width:
            if before is None:
                hint = "run again when there are some"
                raise SourceError(f"{self.name}: there are no rows yet, so its columns are not known", where=self.source.where, hint=hint)
            return store.read(Cut(before, ()))
        if before is not None and self.connector.appends:
            frame = _filled(frame, store.read(Cut(before, ())).schema)
        moments = [name for name in (self.source.facts.time, self.source.facts.known_at) if name in frame.columns]
        frame = parse_moments(frame, known, moments)
        frame, must = widened(frame.with_columns(pl.col(name).cast(MOMENT) for name in moments if frame.schema[name] == pl.Null), known)
        taken_in = take_in(frame, self.source, self.name, must)
        keep_types(store, self._identity(), types_of(frame.select(taken_in.columns)))
        return taken_in


def _reading_of(snapshot: Snapshot) -> _Reading:
    return _Reading.of(snapshot.files[0][0])


def _newest(table: Table) -> datetime | None:
    """The newest time of a table, as its parts have it."""
    newest = [part.newest for part in table.parts if part.newest is not None]
    return moment_of(max(newest)) if newest else None


def _filled(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The frame with all columns of the schema: null where it has none, and of its type where all is null."""
    missing = [pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in frame.columns]
    return frame.with_columns(missing).with_columns(pl.col(name).cast(kind) for name, kind in schema.items() if frame.schema.get(name) == pl.Null)


def _unseen(store: Store, before: Table, frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """The rows that are not in the table already, whole row by whole row: services send what is on the border twice."""
    time = before.facts.time
    oldest = frame.get_column(time).cast(pl.Int64).min() if time in frame.columns else None
    seen = store.read(_all(before).between(oldest - oldest % DAY if isinstance(oldest, int) else None, None))
    both = _joined(seen, frame, where)
    seen, fresh = both.head(seen.height), both.tail(frame.height).with_row_index(PLACE)
    unseen = fresh.join(seen, on=both.columns, how="anti", nulls_equal=True, maintain_order="left")
    return frame[unseen.get_column(PLACE)]


def _appended(store: Store, before: Table, frame: pl.DataFrame, where: str) -> Stored:
    """The table with more rows: only days that get some are written, unless a column is new or has become wider."""
    empty, facts = store.read(Cut(before, ())), before.facts
    fitted = _joined(empty, frame, where)
    if fitted.schema != empty.schema:
        table, size = store.write_table(_joined(store.read(_all(before)), frame, where), facts)
        return Stored(table, frame.height, size)
    days = {each.day for each in split_by_day(fitted, facts)[1]}
    meant = store.read(Cut(before, tuple((part, None) for part in before.parts if part.day in days)))
    more, size = store.write_table(pl.concat([meant, fitted]), facts)
    others = [part for part in before.parts if part.rows and part.day not in days]
    return Stored(table_of(before.names, before.types, facts, [*others, *more.parts]), frame.height, size)


def _joined(before: pl.DataFrame, frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """Rows below each other, in types that hold both."""
    try:
        return pl.concat([before, frame], how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        raise ColumnError(f"what is new does not fit what was taken before: {first_line(error)}", where=where) from None


def _all(table: Table) -> Cut:
    return Cut(table, tuple((part, None) for part in table.parts))


def _sync(paths: Iterable[Path]) -> None:
    """To the disk itself: what a service has given may never be asked for again."""
    files = sorted(paths)
    for path in (*files, *sorted({path.parent for path in files})):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
