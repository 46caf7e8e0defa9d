"""Where the values of each column lie: stored once, whatever tables and runs it belongs to."""

from __future__ import annotations

import errno
import io
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path

import polars as pl

from millstream.errors import DamagedError, StoreError
from millstream.kernel.digest import digest_bytes, digest_slices
from millstream.kernel.disk import number_of, refusal
from millstream.kernel.files import Files
from millstream.kernel.records import Part, Piece
from millstream.kernel.threads import cores

Place = tuple[str, str, int]
"""Where some rows of a column lie: file, name in the file, first row."""

Address = tuple[int, str, int]
Bounds = tuple[int, ...]

INLINE = 4_096
ROW_GROUP = 65_536
REMEMBERED = 768 * 1024 * 1024
LARGE = 1_000_000
"""Cells from which on columns are digested side by side."""
INSERT = """INSERT INTO columns (file, digest, name, start, rows) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (digest) DO UPDATE SET file = excluded.file, name = excluded.name, start = excluded.start, rows = excluded.rows"""


class Columns:
    """Columns of tables in Parquet files; those used last are kept in memory."""

    def __init__(self, files: Files) -> None:
        """`files` are where they lie."""
        self.files = files
        self.memory = Memory(REMEMBERED)

    def digests(self, frame: pl.DataFrame, bounds: Sequence[int]) -> dict[str, list[bytes]]:
        """The digest of every slice of every column; a column that is in memory already is not digested again."""
        columns = frame.get_columns()
        if frame.height * frame.width < LARGE:
            return {column.name: self.memory.digests(column, tuple(bounds)) for column in columns}
        with ThreadPoolExecutor(cores()) as pool:
            digests = [pool.submit(self.memory.digests, column, tuple(bounds)) for column in columns]
            return {column.name: each.result() for column, each in zip(columns, digests, strict=True)}

    def write(self, frame: pl.DataFrame, bounds: Sequence[int], digests: Mapping[str, Sequence[bytes]]) -> tuple[list[tuple[Piece, ...]], int]:
        """Store what is not stored yet: the pieces of each slice, and the bytes written."""
        if len(bounds) == 2 and frame.estimated_size() <= INLINE:
            return [(Piece("", 0, tuple(frame.columns), inline=_packed(frame)),)], 0
        places = self._known({digest for column in digests.values() for digest in column})
        missing: dict[tuple[int, ...], list[str]] = defaultdict(list)
        claimed: set[tuple[bytes, ...]] = set()
        for name, column in digests.items():
            numbers = tuple(number for number, digest in enumerate(column) if digest not in places)
            if numbers and tuple(column) not in claimed:
                claimed.add(tuple(column))
                missing[numbers].append(name)
        size = 0
        for numbers, names in missing.items():
            for compressed, some in _by_compression(frame, names):
                size += self._store(frame.select(some), bounds, numbers, digests, places, compressed=compressed)
        return [_pieces([(name, places[column[number]]) for name, column in digests.items()]) for number in range(len(bounds) - 1)], size

    def read(self, parts: Sequence[Part], columns: Sequence[str], names: Sequence[str]) -> pl.DataFrame:
        """The rows of some parts (at least one), one after the other; `columns` are all of theirs, `names` those wanted."""
        runs = _contiguous([part for part in parts if part.rows] or parts[:1])
        frames = [self._rows(run, columns, names) for run in runs]
        return pl.concat(frames, rechunk=False) if len(frames) > 1 else frames[0]

    def _rows(self, parts: Sequence[Part], columns: Sequence[str], names: Sequence[str]) -> pl.DataFrame:
        """The rows of parts that lie behind each other, found to be what was stored."""
        bounds = tuple(accumulate((part.rows for part in parts), initial=0))
        numbers = {name: number for number, name in enumerate(columns)}
        found: dict[str, pl.Series] = {}
        for piece in parts[0].pieces:
            stored = dict(zip(piece.columns, piece.stored or piece.columns, strict=True))
            wanted = {name: stored[name] for name in names if name in stored}
            try:
                series = self._series(piece, list(wanted.values()))
            except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
                raise self._unreadable(error, piece, parts[0]) from error
            for name, inside in wanted.items():
                column = series[inside].slice(piece.offset, bounds[-1])
                expected = [part.columns[numbers[name]] for part in parts]
                if bounds[-1] and not self.memory.confirms((piece.file, inside, piece.offset), column, bounds, expected):
                    raise self._damaged(piece, parts[0])
                found[name] = column.alias(name)
        return pl.DataFrame([found[name] for name in names])

    def _series(self, piece: Piece, names: Sequence[str]) -> Mapping[str, pl.Series]:
        if piece.inline is not None:
            return {column.name: column for column in pl.read_ipc_stream(io.BytesIO(piece.inline)).iter_columns()}
        found = {name: column for name in names if (column := self.memory.get((piece.file, name))) is not None}
        absent = [name for name in dict.fromkeys(names) if name not in found]
        if absent:
            for column in pl.read_parquet(self.files.path(piece.file), columns=absent).iter_columns():
                found[column.name] = self.memory.keep((piece.file, column.name), column.rechunk())
        return found

    def _unreadable(self, error: BaseException, piece: Piece, part: Part) -> StoreError:
        """The error about a file that cannot be read: damaged, unless the operating system has another reason."""
        path, number = self.files.path(piece.file), number_of(error)
        if number in {None, errno.ENOENT}:
            return self._damaged(piece, part)
        return refusal(path, number or errno.EIO, "read")

    def _damaged(self, piece: Piece, part: Part) -> DamagedError:
        """The error about values that are not those that were stored; their file is dropped."""
        if piece.inline is not None:
            return DamagedError("a stored table was changed since it was written", content=part.digest)
        self.memory.forget(piece.file)
        return self.files.damaged(piece.file)

    def _known(self, digests: set[bytes]) -> dict[bytes, Place]:
        """Those of the digests that are stored, in files that are there."""
        found: dict[bytes, Place] = {}
        wanted = list(digests)
        for start in range(0, len(wanted), 500):
            some = wanted[start : start + 500]
            marks = ",".join("?" * len(some))
            joined = "SELECT digest, files.name, columns.name, start FROM columns JOIN files ON files.id = columns.file"
            query = f"{joined} WHERE digest IN ({marks})"
            found |= {digest: (file, name, first) for digest, file, name, first in self.files.index.rows(query, some)}
        present = {file: self.files.path(file).exists() for file in {file for file, _, _ in found.values()}}
        return {digest: place for digest, place in found.items() if present[place[0]]}

    def _store(
        self,
        frame: pl.DataFrame,
        bounds: Sequence[int],
        numbers: Sequence[int],
        digests: Mapping[str, Sequence[bytes]],
        places: dict[bytes, Place],
        *,
        compressed: bool,
    ) -> int:
        """Write the slices `numbers` of all columns of a frame into one file."""
        whole = len(numbers) == len(bounds) - 1
        if not whole:
            frame = pl.concat([frame.slice(bounds[number], bounds[number + 1] - bounds[number]) for number in numbers])
        file = digest_bytes(*(piece for name in frame.columns for piece in (name.encode(), *(digests[name][number] for number in numbers))))
        file = f"{file}.parquet"
        starts = list(accumulate((bounds[number + 1] - bounds[number] for number in numbers), initial=0))
        slices = [(number, start, bounds[number + 1] - bounds[number]) for number, start in zip(numbers, starts, strict=False)]
        laid = [(digests[name][number], name, start, rows) for name in frame.columns for number, start, rows in slices]
        for digest, name, start, _ in laid:
            places.setdefault(digest, (file, name, start))
        frame = frame.rechunk()
        size = self.files.write(file, lambda path: _write_parquet(frame, path, compressed=compressed), also=(INSERT, laid))
        for column in map(_own, frame.iter_columns()):
            kept = tuple(digests[column.name][number] for number in numbers)
            self.memory.keep((file, column.name), column)
            self.memory.know(column, tuple(starts), kept)
            self.memory.confirms((file, column.name, 0), column, tuple(starts), kept)
        return size


class Memory:
    """The columns used last, up to so many bytes, and the digests of their slices where they are known."""

    def __init__(self, limit: int) -> None:
        """`limit` is in bytes; one column is kept whatever its size."""
        self.limit = limit
        self._columns: OrderedDict[tuple[str, str], tuple[pl.Series, int]] = OrderedDict()
        self._digests: dict[Address, tuple[pl.Series, Bounds, tuple[bytes, ...]]] = {}
        self._confirmed: set[tuple[str, str, int, int]] = set()
        self._held = 0
        self._lock = threading.Lock()

    def get(self, place: tuple[str, str]) -> pl.Series | None:
        """The column of that file and name."""
        with self._lock:
            if place not in self._columns:
                return None
            self._columns.move_to_end(place)
            return self._columns[place][0]

    def keep(self, place: tuple[str, str], column: pl.Series) -> pl.Series:
        """Keep a column; returns the one that is kept."""
        size = int(column.estimated_size())
        with self._lock:
            if place in self._columns:
                return self._columns[place][0]
            self._columns[place] = column, size
            self._held += size
            while len(self._columns) > 1 and self._held > self.limit:
                self._held -= self._columns.popitem(last=False)[1][1]
                self._digests.clear()
        return column

    def know(self, column: pl.Series, bounds: Bounds, digests: tuple[bytes, ...]) -> None:
        """Remember the digests of a column's slices. The column is held, so no other can come to lie where it does."""
        place = _address(column)
        if place is not None:
            with self._lock:
                self._digests[place] = column, bounds, digests

    def confirms(self, place: Place, column: pl.Series, bounds: Bounds, digests: Sequence[bytes]) -> bool:
        """Whether the slices have these digests; said once of what lies at a place, it stands."""
        told = (*place, bounds[-1])
        if told in self._confirmed:
            return True
        if self.digests(column, bounds) != list(digests):
            return False
        self.know(column, bounds, tuple(digests))
        if place[0]:
            self._confirmed.add(told)
        return True

    def forget(self, file: str) -> None:
        """Forget what was read from a file."""
        with self._lock:
            for place in [place for place in self._columns if place[0] == file]:
                self._held -= self._columns.pop(place)[1]
            self._confirmed = {place for place in self._confirmed if place[0] != file}

    def digests(self, column: pl.Series, bounds: Bounds) -> list[bytes]:
        """The digest of each slice: known, if these are the very values of a column in memory (which nobody can have changed meanwhile)."""
        place = _address(column)
        with self._lock:
            _, known, digests = self._digests.get(place, (None, (), ())) if place is not None else (None, (), ())
        return list(digests) if known == bounds else digest_slices(column, bounds)


def _address(column: pl.Series) -> Address | None:
    """Address, type and length of the values of a column of plain numbers or moments without nulls; None for any other."""
    if column.n_chunks() != 1 or column.null_count() or not (column.dtype.is_numeric() or column.dtype.is_temporal()) or not column.len():
        return None
    if isinstance(column.dtype, pl.Decimal | pl.Int128 | pl.UInt128):
        return None
    values = column.to_physical().to_numpy(allow_copy=False)
    return values.__array_interface__["data"][0], repr(column.dtype), column.len()


def _own(column: pl.Series) -> pl.Series:
    """The column in memory that nobody else writes to: polars takes over arrays of numbers, and what a step has filled once it may fill again."""
    if not (column.dtype.is_numeric() or column.dtype.is_temporal()):
        return column
    if column.len() < 2:
        return pl.Series(column.name, column.to_list(), dtype=column.dtype)
    return pl.concat([column.head(1), column.slice(1)], rechunk=True)


def _write_parquet(frame: pl.DataFrame, path: Path | io.BytesIO, *, compressed: bool) -> None:
    compression, level = ("zstd", 1) if compressed else ("uncompressed", None)
    frame.write_parquet(path, compression=compression, compression_level=level, row_group_size=ROW_GROUP, statistics=False)  # type: ignore[arg-type]


def _by_compression(frame: pl.DataFrame, names: Sequence[str]) -> list[tuple[bool, list[str]]]:
    """The columns that shrink when compressed, and those that do not, as numbers drawn at random: a sample tells."""
    if frame.height < 4 * ROW_GROUP:
        return [(True, list(names))]
    shrinks = [name for name in names if _shrinks(frame.get_column(name).slice(frame.height // 2, ROW_GROUP // 4))]
    others = [name for name in names if name not in shrinks]
    return [(compressed, some) for compressed, some in ((True, shrinks), (False, others)) if some]


def _shrinks(sample: pl.Series) -> bool:
    target = io.BytesIO()
    _write_parquet(sample.to_frame(), target, compressed=True)
    return target.tell() < 0.9 * sample.estimated_size()


def _packed(frame: pl.DataFrame) -> bytes:
    target = io.BytesIO()
    frame.write_ipc_stream(target, compression="uncompressed")
    return target.getvalue()


def _pieces(places: Sequence[tuple[str, Place]]) -> tuple[Piece, ...]:
    """Columns that lie in one file at one row, together."""
    together: dict[tuple[str, int], list[tuple[str, str]]] = defaultdict(list)
    for name, (file, inside, start) in places:
        together[file, start].append((name, inside))
    return tuple(
        Piece(
            file, start, tuple(name for name, _ in names), () if all(name == inside for name, inside in names) else tuple(each for _, each in names)
        )
        for (file, start), names in together.items()
    )


def _contiguous(parts: Sequence[Part]) -> list[list[Part]]:
    """Neighbouring parts all of whose pieces lie behind each other, together."""
    runs: list[list[Part]] = []
    rows = 0
    for part in parts:
        if runs and _follows(runs[-1][0], rows, part):
            runs[-1].append(part)
            rows += part.rows
        else:
            runs.append([part])
            rows = part.rows
    return runs


def _follows(first: Part, rows: int, part: Part) -> bool:
    return len(first.pieces) == len(part.pieces) and all(
        a.inline is None and b.inline is None and (a.file, a.columns, a.stored) == (b.file, b.columns, b.stored) and b.offset == a.offset + rows
        for a, b in zip(first.pieces, part.pieces, strict=True)
    )
