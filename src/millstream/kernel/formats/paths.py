"""Files and folders that a step wrote: their content is taken into the store, and handed on as a read-only copy."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tarfile
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from millstream.errors import StepError
from millstream.kernel.columns import INLINE
from millstream.kernel.disk import explained
from millstream.kernel.records import Value
from millstream.kernel.store import Store

NAME = "path"
HANDED = "handed"
"""The folder of read-only copies in a store: everything in it can be made again."""
END = 2 * tarfile.BLOCKSIZE
"""The zeros that end an archive; `tarfile` pads with many more."""

_made: set[Path] = set()
_making = threading.Lock()


def keep_path(store: Store, path: Path) -> tuple[Value, int]:
    """Take a file or folder into the store as it is now; it may stay where it is. Returns it with the bytes written."""
    if not path.exists():
        raise StepError(
            f"returned the path {path}, where there is nothing", hint=f"relative paths count from the folder of the process: {Path.cwd()}"
        )
    with _packed(store, path.absolute()) as packed:
        digest, size = _digest(packed)
        if size <= INLINE:
            return store.write_value(packed.read_bytes(), NAME)
        name = f"{digest}.bin"
        return Value(digest, NAME, size, file=name), store.files.write(name, packed.replace)


def hand_path(store: Store, value: Value) -> Path:
    """A read-only copy of what was taken into the store, under the name that it had. One copy is made, for all who read it."""
    folder = store.root / HANDED / value.digest[:2] / value.digest
    with _making:
        if folder not in _made and not _is_whole(store, value, folder):
            _unpack(store, value, folder)
        _made.add(folder)
    return next(folder.iterdir())


@contextmanager
def _packed(store: Store, path: Path) -> Generator[Path]:
    """An archive of a file or folder: names, contents, and which files may be executed."""
    with explained(store.root):
        handle, name = tempfile.mkstemp(dir=store.root, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as target:
            with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
                for each in (path, *sorted(path.rglob("*"))):
                    _add(archive, each, each.relative_to(path.parent).as_posix())
                size = archive.offset + END
            target.truncate(size)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    status = path.stat()
    entry = tarfile.TarInfo(name)
    if stat.S_ISDIR(status.st_mode) and not (path.is_symlink() and "/" in name):
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(entry)
    elif stat.S_ISREG(status.st_mode):
        entry.size, entry.mode = status.st_size, 0o755 if status.st_mode & stat.S_IXUSR else 0o644
        with path.open("rb") as content:
            archive.addfile(entry, content)
    else:
        raise StepError(f"returned a path with {path} in it, which is no file and no folder", hint="copy what it leads to, or leave it out")


def _digest(file: Path) -> tuple[str, int]:
    """Digest and size of a file, as `digest_bytes` has them."""
    size = file.stat().st_size
    state = hashlib.sha256(size.to_bytes(8, "little"))
    with file.open("rb") as content:
        while piece := content.read(1 << 20):
            state.update(piece)
    return state.hexdigest(), size


def _is_whole(store: Store, value: Value, folder: Path) -> bool:
    """Whether a copy that an earlier process made is there, and nobody has changed it."""
    entries = list(folder.iterdir()) if folder.is_dir() else []
    if len(entries) != 1:
        return False
    with _packed(store, entries[0]) as packed:
        return _digest(packed)[0] == value.digest


def _unpack(store: Store, value: Value, folder: Path) -> None:
    content = io.BytesIO(store.read_value(value)) if value.file is None else store.files.verified(value.file).open("rb")
    with explained(store.root):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".writing-"))
        try:
            with content, tarfile.open(fileobj=content) as archive:
                archive.extractall(temporary, filter="data")
            for each in temporary.rglob("*"):
                if each.is_file():
                    each.chmod(each.stat().st_mode & 0o555)
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
