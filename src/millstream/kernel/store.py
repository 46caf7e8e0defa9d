"""The content-addressed store: tables as parts in Parquet files, values as bytes, results by cache key."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import polars as pl

from millstream.errors import StoreError
from millstream.kernel.availability import Cut, available_at, is_timed
from millstream.kernel.database import Database
from millstream.kernel.digest import digest_bytes
from millstream.kernel.facts import Facts
from millstream.kernel.parts import split_by_day
from millstream.kernel.records import Artifact, Part, Piece, Table, Value, ValueKind

SCHEMA = """
CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, artifact BLOB NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL, size INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""
INLINE = 4_096
ROW_GROUP = 65_536
REMEMBERED = 768 * 1024 * 1024

_artifacts = msgspec.msgpack.Decoder(Artifact)


class Store:
    """Artifacts under one folder: written to a temporary name, renamed, then recorded."""

    def __init__(self, root: Path) -> None:
        """Open the store in `root`, making it if need be."""
        self.root = root
        self.objects = root / "objects"
        with _explained(root):
            self.objects.mkdir(parents=True, exist_ok=True)
        self.index = Database(root / "index.sqlite", SCHEMA, version=1)
        self._checked: set[str] = set()
        self._frames: OrderedDict[tuple[str, tuple[str, ...]], tuple[pl.DataFrame, int]] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    # results by cache key

    def find(self, keys: Sequence[str]) -> dict[str, Artifact]:
        """Those of the keys that have a result whose files are there."""
        found: dict[str, Artifact] = {}
        for start in range(0, len(keys), 500):
            some = keys[start : start + 500]
            marks = ",".join("?" * len(some))
            for key, blob in self.index.rows(f"SELECT key, artifact FROM results WHERE key IN ({marks})", some):  # noqa: S608  only marks are put in
                found[key] = _artifacts.decode(blob)
        present = {name: self.path(name).exists() for name in {name for artifact in found.values() for name in files_of(artifact)}}
        return {key: artifact for key, artifact in found.items() if all(present[name] for name in files_of(artifact))}

    def record(self, results: Mapping[str, Artifact]) -> None:
        """Say what each cache key gave."""
        now = time.time()
        rows = [(key, msgspec.msgpack.encode(artifact), now) for key, artifact in results.items()]
        self.index.execute_many("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", rows)

    def forget(self, file: str) -> None:
        """Drop a damaged file, so that what it held is made anew."""
        self.path(file).unlink(missing_ok=True)

    # small things that are remembered by name

    def note(self, name: str) -> bytes | None:
        """What was noted under this name."""
        row = self.index.row("SELECT value FROM notes WHERE name = ?", (name,))
        return row[0] if row else None

    def set_note(self, name: str, value: bytes) -> None:
        """Note something under a name."""
        self.index.execute("INSERT OR REPLACE INTO notes (name, value) VALUES (?, ?)", (name, value))

    # tables

    def write_table(self, frame: pl.DataFrame, facts: Facts) -> Table:
        """Store a frame in parts by the day of its facts; rows keep their order within a day."""
        ordered, slices = split_by_day(frame, facts)
        names = tuple(ordered.columns)
        name = digest_bytes("|".join(names).encode(), *(f"{each.day}:{each.digest}".encode() for each in slices)) + ".parquet"
        self._write(name, lambda path: ordered.write_parquet(path, compression="zstd", row_group_size=ROW_GROUP, statistics=False))
        parts = tuple(
            Part(each.day, each.digest, each.rows, (Piece(name, each.offset, names),), each.columns, each.earliest, each.latest, each.newest)
            for each in slices
        )
        return table_of(names, tuple(repr(kind) for kind in ordered.dtypes), facts, parts)

    def read(self, cut: Cut, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The visible rows, part after part in the order of their days."""
        wanted = tuple(columns) if columns is not None else None
        if all(until is None for _, until in cut.parts):
            return self._read_whole(cut, wanted)
        if wanted is None:
            return self._read_straddling(cut, cut.table.names)
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
        facts = table.facts
        frame = self.read(Cut(table, ((part, None),)), [name for name in dict.fromkeys((facts.time, facts.known_at)) if name])
        available = frame.select(available_at(facts)).to_series()
        newest = available.filter(available <= as_of).max()
        assert isinstance(newest, int)
        return newest

    def _read_straddling(self, cut: Cut, columns: tuple[str, ...]) -> pl.DataFrame:
        frames: list[pl.DataFrame] = []
        for whole, parts in _runs(cut.parts):
            frame = self._read_whole(Cut(cut.table, parts), columns)
            frames.append(frame if whole else frame.filter(available_at(cut.table.facts) <= parts[0][1]))
        return pl.concat(frames) if frames else self._read_whole(Cut(cut.table, ()), columns)

    def _read_whole(self, cut: Cut, columns: tuple[str, ...] | None) -> pl.DataFrame:
        names = columns if columns is not None else cut.table.names
        frames = [self._slice(piece, rows, names) for piece, rows in _contiguous(cut.parts)]
        if not frames:
            return self._slice(cut.table.parts[0].pieces[0], 0, names)
        return pl.concat(frames, rechunk=False) if len(frames) > 1 else frames[0]

    def _slice(self, piece: Piece, rows: int, names: tuple[str, ...]) -> pl.DataFrame:
        whole = self._remembered(piece.file, piece.columns)
        return whole.select(names).slice(piece.offset, rows)

    def _remembered(self, file: str, columns: tuple[str, ...]) -> pl.DataFrame:
        with self._lock:
            if (file, columns) in self._frames:
                self._frames.move_to_end((file, columns))
                return self._frames[file, columns][0]
        path = self._verified(file)
        frame = pl.read_parquet(path)
        size = int(frame.estimated_size())
        with self._lock:
            if (file, columns) not in self._frames:
                self._frames[file, columns] = frame, size
                self._held += size
            while len(self._frames) > 1 and self._held > REMEMBERED:
                _, (_, gone) = self._frames.popitem(last=False)
                self._held -= gone
        return frame

    # values

    def write_value(self, payload: bytes, kind: ValueKind = "json") -> Value:
        """Store bytes: in the record itself if small, else in a file named by their digest."""
        digest = digest_bytes(payload)
        if len(payload) <= INLINE:
            return Value(digest, kind, len(payload), inline=payload)
        name = f"{digest}.bin"
        self._write(name, lambda path: path.write_bytes(payload))
        return Value(digest, kind, len(payload), file=name)

    def read_value(self, value: Value) -> bytes:
        """The bytes of a stored value."""
        if value.file is None:
            return value.inline or b""
        return self._verified(value.file).read_bytes()

    # files

    def path(self, name: str) -> Path:
        """Where an object lies."""
        return self.objects / name[:2] / name

    def size(self) -> int:
        """Bytes of everything under the root."""
        return sum(entry.stat().st_size for entry in self.root.rglob("*") if entry.is_file())

    def _write(self, name: str, write: Callable[[Path], object]) -> None:
        path = self.path(name)
        if path.exists() and self._sha256(name) is not None:
            return
        with _explained(self.root):
            path.parent.mkdir(exist_ok=True)
            with _temporary(path) as temporary:
                write(temporary)
                digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
                with self.index.transaction() as index:  # who writes the same at once waits here: name and digest belong together
                    index.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (name, digest, temporary.stat().st_size))
                    temporary.replace(path)

    def _verified(self, name: str) -> Path:
        path = self.path(name)
        if name in self._checked:
            return path
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != self._sha256(name):
            self.forget(name)
            raise StoreError(f"the stored file {path.name[:16]}… was damaged and has been dropped", hint="run again: what it held is made anew")
        self._checked.add(name)
        return path

    def _sha256(self, name: str) -> str | None:
        """The digest of a file's bytes; None if it is not on record, as after a kill between renaming and recording."""
        row = self.index.row("SELECT sha256 FROM files WHERE name = ?", (name,))
        return row[0] if row else None


def table_of(names: tuple[str, ...], types: tuple[str, ...], facts: Facts, parts: Iterable[Part]) -> Table:
    """A manifest over parts in the order of their days."""
    ordered = tuple(sorted(parts, key=lambda part: (part.day is None, part.day or 0)))
    digest = digest_bytes("|".join((*names, *types)).encode(), *(f"{part.day}:{part.digest}".encode() for part in ordered))
    return Table(names, types, facts, ordered, digest)


def files_of(artifact: Artifact) -> set[str]:
    """The names of the files that hold an artifact."""
    if isinstance(artifact, Value):
        return {artifact.file} if artifact.file else set()
    return {piece.file for part in artifact.parts for piece in part.pieces}


@contextmanager
def _explained(root: Path) -> Generator[None]:
    """What the disk refuses, as an error with a cure."""
    try:
        yield
    except (OSError, pl.exceptions.ComputeError) as error:
        if not isinstance(error, OSError) and "IO error" not in str(error):
            raise
        raise StoreError(
            f"cannot write to {root}: {getattr(error, 'strerror', None) or error}",
            hint="free some space or make the folder writable, and run again: what is finished is kept",
        ) from error


@contextmanager
def _temporary(path: Path) -> Generator[Path]:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


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


def _contiguous(parts: Sequence[tuple[Part, int | None]]) -> Iterator[tuple[Piece, int]]:
    """Neighbouring parts that lie behind each other in one file, as one slice."""
    pending: Piece | None = None
    rows = 0
    for part, _ in parts:
        for piece in part.pieces:
            if pending is not None and piece.file == pending.file and piece.offset == pending.offset + rows:
                rows += part.rows
                continue
            if pending is not None:
                yield pending, rows
            pending, rows = piece, part.rows
    if pending is not None:
        yield pending, rows
