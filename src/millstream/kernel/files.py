"""Stored files: written to a temporary name, recorded, renamed, and vouched for by digests."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path

from millstream.errors import DamagedError, StoreError
from millstream.kernel.database import Database
from millstream.kernel.disk import explained
from millstream.kernel.locks import is_held

BY_COLUMN = ""
"""In place of the digest of a file whose columns have each their own."""
OURS = re.compile(r"[0-9a-f]{64}\.(?:bin|parquet)")
"""What a stored file is called; nothing else is ever removed."""
WRITING = ".writing"
HALF_WRITTEN = re.compile(r"[0-9a-f]{32}")
ON_RECORD = """INSERT INTO files (name, sha256, size, used) VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, size = excluded.size, used = max(used, excluded.used)"""


class Files:
    """Immutable files under one folder, by name; the index knows the digest and the size of each."""

    def __init__(self, root: Path, index: Database) -> None:
        """Files lie in `root/objects`."""
        self.root, self.folder, self.index = root, root / "objects", index
        self._checked: set[str] = set()

    def path(self, name: str) -> Path:
        """Where a file lies."""
        return self.folder / name[:2] / name

    def write(self, name: str, write: Callable[[Path], object], *, also: tuple[str, Sequence[Sequence[object]]] | None = None) -> int:
        """Write a file that is not there yet; returns the bytes written.

        `also` is what is to be on record with it, behind the number of the file: the digests of its columns. Without it, the file is vouched
        for by the digest of its bytes. It is on record before it has its name: a file without a record is nobody's.
        """
        path = self.path(name)
        if path.exists() and self.sha256(name) is not None:
            return 0
        with explained(self.root):
            path.parent.mkdir(exist_ok=True)
            with _temporary(self.folder / WRITING) as temporary:
                write(temporary)
                digest, size = sha256_of(temporary) if also is None else BY_COLUMN, temporary.stat().st_size
                with self.index.transaction() as index:
                    index.execute(ON_RECORD, (name, digest, size, time.time()))
                    if also is not None:
                        ((number,),) = index.execute("SELECT id FROM files WHERE name = ?", (name,))
                        index.executemany(also[0], [(number, *row) for row in also[1]])
                temporary.replace(path)
        self._checked.add(name)
        return size

    def borrow(self, other: Files, name: str) -> None:
        """Hold a file of another folder here too: the same bytes, by a link where the disk allows it."""
        row = other.index.row("SELECT sha256, size FROM files WHERE name = ?", (name,))
        if row is None or self.sha256(name) is not None:
            return
        path = self.path(name)
        with explained(self.root):
            path.parent.mkdir(exist_ok=True)
            try:
                path.hardlink_to(other.path(name))
            except OSError:
                shutil.copyfile(other.path(name), path)
        self.index.execute(ON_RECORD, (name, *row, time.time()))

    def verified(self, name: str) -> Path:
        """The path of a file whose bytes are those that were written; a damaged one is dropped."""
        path = self.path(name)
        with explained(path, "read"):
            if not path.exists() or (name not in self._checked and sha256_of(path) != self.sha256(name)):
                raise self.damaged(name)
        self._checked.add(name)
        return path

    def damaged(self, name: str) -> DamagedError:
        """The error about a file that is not what was written, which is dropped."""
        what = "was damaged and has been dropped" if self.path(name).exists() else "is gone"
        self.forget(name)
        return DamagedError(f"the stored file {name[:16]}… {what}", content=name)

    def forget(self, *names: str) -> None:
        """Drop files, so that what they held is made anew. A kill amid this leaves records without files, which count for nothing."""
        self._checked.difference_update(names)
        self.remove(names)
        with self.index.transaction() as index:
            index.executemany("DELETE FROM columns WHERE file = (SELECT id FROM files WHERE name = ?)", [(name,) for name in names])
            index.executemany("DELETE FROM files WHERE name = ?", [(name,) for name in names])

    def remove(self, names: Iterable[str]) -> None:
        """Remove files from the folder of the store and from nowhere else: no link is followed, and what is not called as ours are is left."""
        with _folder(self.folder) as objects:
            for folder, inside in groupby(sorted(name for name in names if OURS.fullmatch(name)), lambda name: name[:2]):
                with suppress(FileNotFoundError), _folder(folder, within=objects) as handle:
                    for name in inside:
                        with suppress(FileNotFoundError, IsADirectoryError):
                            os.unlink(name, dir_fd=handle)

    def abandoned(self) -> list[Path]:
        """What killed writers have left half-written."""
        folder = self.folder / WRITING
        if folder.is_symlink() or not folder.is_dir():
            return []
        return [path for path in folder.iterdir() if HALF_WRITTEN.fullmatch(path.name) and not is_held(path)]

    def remove_abandoned(self) -> int:
        """Remove what killed writers have left; the bytes that it took."""
        size = 0
        for path in self.abandoned():
            with suppress(FileNotFoundError), _folder(self.folder) as objects, _folder(WRITING, within=objects) as handle:
                size += os.stat(path.name, dir_fd=handle, follow_symlinks=False).st_size
                os.unlink(path.name, dir_fd=handle)
        return size

    def sha256(self, name: str) -> str | None:
        """The digest of a file's bytes; None if it is not on record."""
        row = self.index.row("SELECT sha256 FROM files WHERE name = ?", (name,))
        return row[0] if row else None


def sha256_of(path: Path) -> str:
    """The digest of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def _temporary(folder: Path) -> Generator[Path]:
    """A file to be written, which is held as long as its writer lives."""
    folder.mkdir(exist_ok=True)
    path = folder / secrets.token_hex(16)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def _folder(path: Path | str, *, within: int | None = None) -> Generator[int]:
    """A folder that is none by way of a link."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
    except OSError as error:
        if error.errno not in {errno.ENOTDIR, errno.ELOOP}:
            raise
        raise StoreError(f"{path} in the store is no folder", hint="put the folder itself in its place: links are not followed") from error
    try:
        yield handle
    finally:
        os.close(handle)
