"""Whether all that is stored is what was written: bytes of values by SHA-256, tables by the digests of their columns."""

from __future__ import annotations

import errno
import io
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import polars as pl

from millstream.kernel.database import Row
from millstream.kernel.digest import digest_bytes, digest_slices, digest_table
from millstream.kernel.files import BY_COLUMN, OURS, WRITING, sha256_of
from millstream.kernel.records import Artifact, Collection, Part, Piece, Table, Value
from millstream.kernel.results import collection_of
from millstream.kernel.store import Store, decoded, files_of, table_of

Slice = tuple[str, int, int, bytes]
"""Rows of a column in a file: its name there, first row, number of rows, digest."""

PAGE = 10_000
GONE = "is gone"
CHANGED = "is not what was written"


@dataclass(frozen=True, slots=True)
class Damage:
    """What is not as it was written.

    `files` are damaged or gone, `results` have a damaged record, by name and key with what is wrong; `unreadable` files may be whole. `holding`
    are the results that hold one of these files, `dangling` those that hold a file that is not on record: one that was dropped. `strays` are
    files that are not on record.
    """

    files: dict[str, str] = field(default_factory=dict[str, str])
    unreadable: dict[str, str] = field(default_factory=dict[str, str])
    results: dict[str, str] = field(default_factory=dict[str, str])
    holding: dict[str, list[str]] = field(default_factory=lambda: defaultdict[str, list[str]](list))
    dangling: list[str] = field(default_factory=list[str])
    strays: list[Path] = field(default_factory=list[Path])


def find_damage(store: Store) -> Damage:
    """Read all that is stored; nothing is dropped. Others may use the store meanwhile."""
    search = _Search(store)
    search.files()
    search.results()
    search.holders()
    search.strays()
    return search.damage


class _Search:
    """One look at everything; `names` are the files on record, `confirmed` (as hashes) the slices that were found to be right."""

    def __init__(self, store: Store) -> None:
        self.store, self.damage = store, Damage()
        self.names, self.confirmed = set[str](), set[int]()

    def files(self) -> None:
        """Every file, as far as the index vouches for it."""
        for number, name, sha256, size in self._pages("id, name, sha256, size", "files", "id"):
            self.names.add(name)
            rows = self.store.index.rows("SELECT name, start, rows, digest FROM columns WHERE file = ?", (number,))
            slices = [cast("Slice", row) for row in rows]
            if self._is_right(name, slices, size=size, sha256=sha256):
                self.confirmed.update(hash((name, each)) for each in slices)

    def results(self) -> None:
        """Every record, and what records say of files and the index does not."""
        rest: dict[str, set[Slice]] = defaultdict(set)
        for _, key, blob in self._pages("rowid, key, artifact", "results", "rowid"):
            artifact = decoded(blob)
            if artifact is None or not _is_right_record(artifact):
                self.damage.results[key] = CHANGED
                continue
            if any(not self._is_on_record(name) for name in files_of(artifact)):
                self.damage.dangling.append(key)
            for name, each in _slices(artifact):
                if name in self.names and hash((name, each)) not in self.confirmed:
                    rest[name].add(each)
        for name, slices in rest.items():
            if name not in self.damage.files and name not in self.damage.unreadable:
                self._is_right(name, sorted(slices))

    def holders(self) -> None:
        """The results whose file is damaged; a file that is gone and that no result holds does not count."""
        wrong = self.damage.files.keys() | self.damage.unreadable.keys()
        for _, key, blob in self._pages("rowid, key, artifact", "results", "rowid") if wrong else ():
            artifact = decoded(blob)
            for name in wrong & files_of(artifact) if artifact is not None else ():
                self.damage.holding[name].append(key)
        for name in [name for name, what in self.damage.files.items() if what == GONE and name not in self.damage.holding]:
            del self.damage.files[name]

    def strays(self) -> None:
        """Files that are not on record. What is being written is on record before it has its name."""
        for folder in sorted(self.store.objects.iterdir()):
            inside = sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else [folder]
            if folder.name != WRITING:
                self.damage.strays.extend(path for path in inside if not self._is_on_record(path.name) or self.store.path(path.name) != path)

    def _is_right(self, name: str, slices: Sequence[Slice], *, size: int | None = None, sha256: str = BY_COLUMN) -> bool:
        try:
            wrong = _wrong(self.store, name, slices, size, sha256)
        except FileNotFoundError:
            wrong = GONE
        except OSError as error:
            self.damage.unreadable[name] = error.strerror or str(error)
            return False
        if wrong is not None:
            self.damage.files[name] = wrong
        return wrong is None

    def _is_on_record(self, name: str) -> bool:
        return name in self.names or self.store.index.row("SELECT 1 FROM files WHERE name = ?", (name,)) is not None

    def _pages(self, columns: str, table: str, number: str) -> Iterator[Row]:
        """The rows of a table, a page at a time; its number comes first."""
        query = f"SELECT {columns} FROM {table} WHERE {number} > ? ORDER BY {number} LIMIT {PAGE}"  # noqa: S608  only names are put in
        last = 0
        while rows := self.store.index.rows(query, (last,)):
            yield from rows
            last = rows[-1][0]


def _wrong(store: Store, name: str, slices: Sequence[Slice], size: int | None, sha256: str) -> str | None:
    """What is wrong with a file, None if nothing is; no link is followed."""
    path = store.path(name)
    if not OURS.fullmatch(name):
        return "has a name that no stored file has"
    if store.objects.is_symlink() or path.parent.is_symlink():
        raise OSError(errno.ELOOP, "it lies behind a link")
    status = path.lstat()
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(status.st_mode):
        return "is no file"
    if size is not None and status.st_size != size:
        return f"has {status.st_size:,} bytes instead of {size:,}"
    if sha256 != BY_COLUMN:
        return None if sha256_of(path) == sha256 else CHANGED
    with path.open("rb") as handle:
        return None if not slices or _are_right(lambda names: pl.read_parquet(handle, columns=names), slices) else CHANGED


def _are_right(read: Callable[[list[str]], pl.DataFrame], slices: Sequence[Slice]) -> bool:
    """Whether slices of columns can be read and have their digests."""
    try:
        frame = read(sorted({name for name, *_ in slices}))
        return all(_has_digest(frame.get_column(name), start, rows, digest) for name, start, rows, digest in slices)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return False


def _has_digest(column: pl.Series, start: int, rows: int, digest: bytes) -> bool:
    return start + rows <= column.len() and digest_slices(column, (start, start + rows)) == [digest]


def _is_right_record(artifact: Artifact) -> bool:
    """Whether a record is whole, and what it holds itself."""
    if isinstance(artifact, Value):
        if artifact.file is not None:
            return artifact.file == f"{artifact.digest}.bin"
        return artifact.inline is not None and digest_bytes(artifact.inline) == artifact.digest
    if isinstance(artifact, Collection):
        return collection_of(artifact.members, artifact.names).digest == artifact.digest and all(map(_is_right_record, artifact.members))
    if table_of(artifact.names, artifact.types, artifact.facts, artifact.parts).digest != artifact.digest:
        return False
    return all(_is_right_part(artifact, part) for part in artifact.parts if part.rows)


def _is_right_part(table: Table, part: Part) -> bool:
    if digest_table(table.names, (digest.hex() for digest in part.columns)) != part.digest:
        return False
    inside = [(piece.inline, list(_of_piece(table, part, piece))) for piece in part.pieces if piece.inline is not None]
    return all(_are_right(partial(_inline, content), slices) for content, slices in inside)


def _inline(content: bytes, names: list[str]) -> pl.DataFrame:
    return pl.read_ipc_stream(io.BytesIO(content)).select(names)


def _slices(artifact: Artifact) -> Iterator[tuple[str, Slice]]:
    """What tables say of their files."""
    for member in artifact.members if isinstance(artifact, Collection) else ():
        yield from _slices(member)
    for part in artifact.parts if isinstance(artifact, Table) else ():
        for piece in part.pieces if part.rows else ():
            if piece.inline is None:
                yield from ((piece.file, each) for each in _of_piece(artifact, part, piece))


def _of_piece(table: Artifact, part: Part, piece: Piece) -> Iterator[Slice]:
    assert isinstance(table, Table)
    digests = dict(zip(table.names, part.columns, strict=True))
    for name, stored in zip(piece.columns, piece.stored or piece.columns, strict=True):
        yield stored, piece.offset, part.rows, digests[name]
