"""Stored files: written to a temporary name, renamed, and vouched for by digests."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from millstream.errors import StoreError
from millstream.kernel.database import Database

BY_COLUMN = ""
"""In place of the digest of a file whose columns have each their own."""


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

        `also` is what is to be on record with it: the digests of its columns. Without it, the file is vouched for by the digest of its bytes.
        """
        path = self.path(name)
        if path.exists() and self._sha256(name) is not None:
            return 0
        with explained(self.root):
            path.parent.mkdir(exist_ok=True)
            with _temporary(path) as temporary:
                write(temporary)
                digest, size = _digest(temporary) if also is None else BY_COLUMN, temporary.stat().st_size
                with self.index.transaction() as index:  # who writes the same at once waits here: name and digest belong together
                    index.execute("INSERT OR REPLACE INTO files (name, sha256, size) VALUES (?, ?, ?)", (name, digest, size))
                    if also is not None:
                        index.executemany(*also)
                    temporary.replace(path)
        self._checked.add(name)
        return size

    def borrow(self, other: Files, name: str) -> None:
        """Hold a file of another folder here too: the same bytes, by a link where the disk allows it."""
        row = other.index.row("SELECT sha256, size FROM files WHERE name = ?", (name,))
        if row is None or self._sha256(name) is not None:
            return
        path = self.path(name)
        with explained(self.root):
            path.parent.mkdir(exist_ok=True)
            try:
                path.hardlink_to(other.path(name))
            except OSError:
                shutil.copyfile(other.path(name), path)
        self.index.execute("INSERT OR REPLACE INTO files (name, sha256, size) VALUES (?, ?, ?)", (name, *row))

    def verified(self, name: str) -> Path:
        """The path of a file whose bytes are those that were written; a damaged one is dropped."""
        path = self.path(name)
        if name in self._checked:
            return path
        if not path.exists() or _digest(path) != self._sha256(name):
            raise self.damaged(name)
        self._checked.add(name)
        return path

    def damaged(self, name: str) -> StoreError:
        """The error about a file that is not what was written, which is dropped."""
        self.forget(name)
        return StoreError(f"the stored file {name[:16]}… was damaged and has been dropped", hint="run again: what it held is made anew")

    def forget(self, name: str) -> None:
        """Drop a file, so that what it held is made anew."""
        self._checked.discard(name)
        with self.index.transaction() as index:
            index.execute("DELETE FROM columns WHERE file = ?", (name,))
            index.execute("DELETE FROM files WHERE name = ?", (name,))
        self.path(name).unlink(missing_ok=True)

    def _sha256(self, name: str) -> str | None:
        """The digest of a file's bytes; None if it is not on record, as after a kill between renaming and recording."""
        row = self.index.row("SELECT sha256 FROM files WHERE name = ?", (name,))
        return row[0] if row else None


@contextmanager
def explained(root: Path) -> Generator[None]:
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


def _digest(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def _temporary(path: Path) -> Generator[Path]:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
