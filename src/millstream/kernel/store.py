"""The content-addressed store: tables as parts in Parquet files, values as bytes, results by cache key."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import msgspec
import polars as pl

from millstream.errors import ColumnError, DamagedError, StoreError
from millstream.kernel.availability import Cut, available_at, is_timed
from millstream.kernel.columns import INLINE, Columns
from millstream.kernel.database import Database, Row
from millstream.kernel.digest import digest_bytes
from millstream.kernel.disk import ELSEWHERE, explained
from millstream.kernel.facts import Facts
from millstream.kernel.files import Files
from millstream.kernel.parts import bounds_of, part_digests, split_by_day
from millstream.kernel.records import Artifact, Collection, Part, Table, Value

FORMATS = [
    """
CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, artifact BLOB NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL, size INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value BLOB NOT NULL)
""",
    """
DROP TABLE results;
CREATE TABLE results (key TEXT PRIMARY KEY, artifact BLOB NOT NULL, size INTEGER NOT NULL, seconds REAL NOT NULL, used REAL NOT NULL);
CREATE INDEX results_used ON results (used, size);
ALTER TABLE files RENAME TO files_before;
CREATE TABLE files (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, sha256 TEXT NOT NULL, size INTEGER NOT NULL, used REAL NOT NULL DEFAULT 0);
INSERT INTO files (name, sha256, size) SELECT name, sha256, size FROM files_before;
DROP TABLE files_before;
CREATE INDEX files_used ON files (used, size);
ALTER TABLE notes ADD COLUMN used REAL NOT NULL DEFAULT 0;
CREATE TABLE columns (digest BLOB PRIMARY KEY, file INTEGER NOT NULL, name TEXT NOT NULL, start INTEGER NOT NULL,
    rows INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX columns_of_file ON columns (file);
CREATE TABLE pins (name TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (name, key)) WITHOUT ROWID
""",
]
"""`used` says when something was last found or noted (to the hour); no file is older than the results that it holds. Pins say what is needed by
name, whatever its age. `size` of a result is that of its record."""

RECORD = """INSERT INTO results (key, artifact, size, seconds, used) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET artifact = excluded.artifact, size = excluded.size, seconds = excluded.seconds, used = max(used, excluded.used)"""
USED = {
    "results": "UPDATE results SET used = max(used, ?) WHERE key = ?",
    "files": "UPDATE files SET used = max(used, ?) WHERE name = ?",
    "notes": "UPDATE notes SET used = max(used, ?) WHERE name = ?",
}
LOST = "key NOT IN (SELECT key FROM results) AND key NOT IN (SELECT name FROM notes)"
FOUND_AGAIN = 3_600.0
_artifacts: msgspec.msgpack.Decoder[Artifact] = msgspec.msgpack.Decoder(Artifact)


class Found(msgspec.Struct, frozen=True):
    """What a cache key gave, and the seconds that it took."""

    artifact: Artifact
    seconds: float = 0.0


class Store:
    """Artifacts under one folder: written to a temporary name, renamed, then recorded."""

    def __init__(self, root: Path) -> None:
        """Open the store in `root`, making it if need be."""
        self.root = root
        self.objects = root / "objects"
        if root.is_file():
            raise StoreError(f"the store {root} is a file, not a folder", hint=f"move it away, or {ELSEWHERE}")
        with explained(root):
            self.objects.mkdir(parents=True, exist_ok=True)
        self.index = Database(root / "index.sqlite", FORMATS)
        self.files = Files(root, self.index)
        self.columns = Columns(self.files)

    # results by cache key

    def find(self, keys: Sequence[str]) -> dict[str, Found]:
        """Those of the keys that have a result whose files are there."""
        found: dict[str, Found] = {}
        now = time.time()
        stale: list[str] = []
        for key, blob, seconds, used in self._rows("key, artifact, seconds, used", keys):
            artifact = decoded(blob)
            if artifact is None:
                continue
            found[key] = Found(artifact, seconds)
            if used < now - FOUND_AGAIN:
                stale.append(key)
        files = {key: files_of(each.artifact) for key, each in found.items()}
        present = {name: self.path(name).exists() for name in set[str]().union(*files.values())}
        there = {key: each for key, each in found.items() if all(present[name] for name in files[key])}
        needed = [key for key in stale if key in there]
        if needed:
            with self.index.transaction() as index:
                index.executemany(USED["results"], [(now, key) for key in needed])
                index.executemany(USED["files"], [(now, name) for name in set[str]().union(*(files[key] for key in needed))])
        return there

    def record(self, results: Mapping[str, Found]) -> None:
        """Say what each cache key gave."""
        now = time.time()
        blobs = {key: (msgspec.msgpack.encode(each.artifact), each.seconds) for key, each in results.items()}
        with self.index.transaction() as index:
            index.executemany(RECORD, [(key, blob, len(blob), seconds, now) for key, (blob, seconds) in blobs.items()])
            index.executemany(USED["files"], [(now, name) for name in set[str]().union(*(files_of(each.artifact) for each in results.values()))])

    def borrow(self, other: Store, artifact: Artifact) -> None:
        """Hold the files of another store's artifact here too."""
        for name in files_of(artifact):
            self.files.borrow(other.files, name)

    def pin(self, name: str, keys: Iterable[str]) -> None:
        """Say that some results (by key) and notes (by name) are needed under a name, however old they become; what is gone is no longer."""
        with self.index.transaction() as index:
            index.execute(f"DELETE FROM pins WHERE name = ? AND {LOST}", (name,))  # noqa: S608  no value is put in
            index.executemany("INSERT OR IGNORE INTO pins VALUES (?, ?)", [(name, key) for key in keys])

    def has_all(self, name: str) -> bool:
        """Whether something is needed under a name, and all of it is there."""
        query = f"SELECT count(*), coalesce(sum({LOST}), 0) FROM pins WHERE name = ?"  # noqa: S608  no value is put in
        ((count, lost),) = self.index.rows(query, (name,))
        return count > 0 and not lost

    def needed_files(self) -> set[str]:
        """The files of what is needed by name."""
        blobs = self.index.rows("SELECT artifact FROM results WHERE key IN (SELECT key FROM pins)")
        return set[str]().union(*(files_of(artifact) for (blob,) in blobs if (artifact := decoded(blob)) is not None))

    def drop(self, keys: Iterable[str], *, holding: str | None = None) -> list[str]:
        """Drop results, so that they are made anew (only those `holding` what a DamagedError names); the keys dropped."""
        found = self._rows("key, artifact", list(keys))
        dropped = [key for key, blob in found if holding is None or (artifact := decoded(blob)) is None or holds(artifact, holding)]
        self.index.execute_many("DELETE FROM results WHERE key = ?", [(key,) for key in dropped])
        return dropped

    def forget(self, *files: str) -> None:
        """Drop damaged files, so that what they held is made anew."""
        self.files.forget(*files)

    # small things that are remembered by name

    def note(self, name: str) -> bytes | None:
        """What was noted under this name."""
        row = self.index.row("SELECT value, used FROM notes WHERE name = ?", (name,))
        if row is None:
            return None
        if row[1] < (now := time.time()) - FOUND_AGAIN:
            self.index.execute(USED["notes"], (now, name))
        return bytes(row[0])

    def set_note(self, name: str, value: bytes) -> None:
        """Note something under a name."""
        self.index.execute("INSERT OR REPLACE INTO notes (name, value, used) VALUES (?, ?, ?)", (name, value, time.time()))

    # tables

    def write_table(self, frame: pl.DataFrame, facts: Facts) -> tuple[Table, int]:
        """Store a frame in parts by the day of its facts, rows in their order within a day; returns it with the bytes written."""
        objects = [name for name, kind in frame.schema.items() if kind == pl.Object]
        if objects:
            raise ColumnError(f"column '{objects[0]}' holds Python objects, which cannot be stored", hint="return values of a polars type")
        ordered, slices = split_by_day(frame, facts)
        names, bounds = tuple(ordered.columns), bounds_of(slices)
        digests = self.columns.digests(ordered, bounds)
        pieces, size = self.columns.write(ordered, bounds, digests)
        parts = [
            Part(each.day, digest, each.stop - each.start, lying, columns, each.earliest, each.latest, each.newest)
            for each, digest, lying, columns in zip(
                slices, part_digests(names, digests), pieces, zip(*(digests[name] for name in names), strict=True), strict=True
            )
        ]
        return table_of(names, tuple(repr(kind) for kind in ordered.dtypes), facts, parts), size

    def read(self, cut: Cut, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The visible rows, part after part in the order of their days."""
        wanted = tuple(columns) if columns is not None else cut.table.names
        if all(until is None for _, until in cut.parts):
            return self._read_whole(cut, wanted)
        facts = cut.table.facts
        needed = dict.fromkeys([*wanted, *(name for name in (facts.time, facts.known_at) if name)])
        return self._read_straddling(cut, tuple(needed)).select(wanted)

    def visible(self, table: Table, as_of: int | None) -> Cut:
        """What can be seen of a table at a moment, part by part (None: all of it)."""
        if as_of is None or not is_timed(table.facts, table.names):
            return Cut(table, tuple((part, None) for part in table.parts))
        seen: list[tuple[Part, int | None]] = []
        for part in table.parts:
            if part.earliest is None or part.latest is None or part.earliest > as_of:
                continue
            seen.append((part, None if part.latest <= as_of else self._newest_until(table, part, as_of)))
        return Cut(table, tuple(seen))

    def _newest_until(self, table: Table, part: Part, as_of: int) -> int:
        """The last moment up to `as_of` at which a row of the part became available. It is noted, and how long it stands: a run need not read it."""
        facts = table.facts
        name = f"newest {part.digest} {facts.time} {facts.known_at} {facts.delay}"
        noted = self.note(name)
        newest, following = msgspec.msgpack.decode(noted, type=tuple[int, int]) if noted is not None else (0, 0)
        if not newest <= as_of < following:
            frame = self.read(Cut(table, ((part, None),)), [name for name in dict.fromkeys((facts.time, facts.known_at)) if name])
            available = frame.select(available_at(facts)).to_series()
            past = available <= as_of
            newest, following = cast("int", available.filter(past).max()), cast("int", available.filter(~past).min())
            self.set_note(name, msgspec.msgpack.encode((newest, following)))
        return newest

    def _read_straddling(self, cut: Cut, columns: tuple[str, ...]) -> pl.DataFrame:
        frames: list[pl.DataFrame] = []
        for whole, parts in _runs(cut.parts):
            frame = self._read_whole(Cut(cut.table, parts), columns)
            frames.append(frame if whole else frame.filter(available_at(cut.table.facts) <= parts[0][1]))
        return pl.concat(frames) if frames else self._read_whole(Cut(cut.table, ()), columns)

    def _read_whole(self, cut: Cut, names: tuple[str, ...]) -> pl.DataFrame:
        parts = [part for part, _ in cut.parts]
        return self.columns.read(parts, cut.table.names, names) if parts else self.columns.read(cut.table.parts[:1], cut.table.names, names).head(0)

    # values

    def write_value(self, payload: bytes, kind: str = "json") -> tuple[Value, int]:
        """Store bytes: in the record itself if small, else in a file named by their digest; returns them with the bytes written."""
        digest = digest_bytes(payload)
        if len(payload) <= INLINE:
            return Value(digest, kind, len(payload), inline=payload), 0
        name = f"{digest}.bin"
        return Value(digest, kind, len(payload), file=name), self.files.write(name, lambda path: path.write_bytes(payload))

    def read_value(self, value: Value) -> bytes:
        """The bytes of a stored value."""
        if value.file is not None:
            return self.files.verified(value.file).read_bytes()
        content = value.inline or b""
        if digest_bytes(content) != value.digest:
            raise DamagedError("a stored value was changed since it was written", content=value.digest)
        return content

    # as a whole

    def path(self, name: str) -> Path:
        """Where a stored file lies."""
        return self.files.path(name)

    def size(self) -> int:
        """Bytes of all stored files, and of the index."""
        ((size,),) = self.index.rows("SELECT coalesce(sum(size), 0) FROM files")
        return int(size) + self.index.path.stat().st_size

    def _rows(self, columns: str, keys: Sequence[str]) -> list[Row]:
        """Those columns of the results of some keys."""
        rows: list[Row] = []
        for start in range(0, len(keys), 500):
            some = keys[start : start + 500]
            marks = ",".join("?" * len(some))
            rows += self.index.rows(f"SELECT {columns} FROM results WHERE key IN ({marks})", some)  # noqa: S608  only names and marks are put in
        return rows


def table_of(names: tuple[str, ...], types: tuple[str, ...], facts: Facts, parts: Iterable[Part]) -> Table:
    """A manifest over parts in the order of their days."""
    ordered = tuple(sorted(parts, key=lambda part: (part.day is None, part.day or 0)))
    digest = digest_bytes("|".join((*names, *types)).encode(), *(f"{part.day}:{part.digest}".encode() for part in ordered))
    return Table(names, types, facts, ordered, digest)


def files_of(artifact: Artifact) -> set[str]:
    """The names of the files that hold an artifact."""
    if isinstance(artifact, Collection):
        return {name for each in artifact.members for name in files_of(each)}
    if isinstance(artifact, Value):
        return {artifact.file} if artifact.file else set()
    return {piece.file for part in artifact.parts for piece in part.pieces if piece.inline is None}


def holds(artifact: Artifact, content: str) -> bool:
    """Whether an artifact holds stored content: a file, or what has that digest."""
    if isinstance(artifact, Collection):
        return content == artifact.digest or any(holds(each, content) for each in artifact.members)
    parts = artifact.parts if isinstance(artifact, Table) else ()
    return content in files_of(artifact) or content in (artifact.digest, *(part.digest for part in parts))


def decoded(blob: bytes) -> Artifact | None:
    """The artifact of a record; None if the record is damaged."""
    try:
        return _artifacts.decode(blob)
    except msgspec.DecodeError:
        return None


def _runs(parts: Sequence[tuple[Part, int | None]]) -> Iterator[tuple[bool, tuple[tuple[Part, int | None], ...]]]:
    """Whole parts together, each straddling part alone, in order."""
    together: list[tuple[Part, int | None]] = []
    for part, until in parts:
        if until is None:
            together.append((part, until))
            continue
        if together:
            yield True, tuple(together)
            together = []
        yield False, ((part, until),)
    if together:
        yield True, tuple(together)
