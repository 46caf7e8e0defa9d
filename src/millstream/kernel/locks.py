"""One holder per cache key, across threads and processes; free as soon as its holder is gone, also after kill -9."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from millstream.errors import StoreError
from millstream.kernel.disk import explained

BY_FILE = hasattr(fcntl, "F_OFD_SETLKW")
"""Whether a lock belongs to an opened file, so that one file has room for all keys; elsewhere each key has a file of its own."""
PATIENCE, PAUSE = 600.0, 0.05
"""Seconds that are waited for who has a store alone, and between two looks."""
FORSAKEN = 3_600.0
"""Seconds after which a file that nobody holds is removed: by then its maker has locked it or was killed."""
LOCKS = Path("/proc/locks")


@contextmanager
def key_lock(root: Path, key: str) -> Generator[None]:
    """Hold the lock of a cache key; a child process cannot inherit it."""
    if BY_FILE:
        with _opened(root / "keys.lock") as handle:
            fcntl.fcntl(handle, fcntl.F_OFD_SETLKW, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, int(key[:15], 16), 1, 0))
            yield
    else:
        with _opened(root / f"keys.{key[:3]}.lock") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


@contextmanager
def in_use(root: Path) -> Generator[None]:
    """Say that artifacts of a store are being used: as long as anybody says so, nothing of it is removed."""
    path = root / "store.lock"
    with _opened(path) as handle:
        begun = time.monotonic()
        while not _locked(handle, fcntl.LOCK_SH, path):
            if time.monotonic() - begun > PATIENCE:
                hint = "end that process, or wait until it is done"
                raise StoreError(f"{root} has been cleaned for {PATIENCE:.0f} s{told(holders(path))}", hint=hint)
            time.sleep(PAUSE)
        yield


@contextmanager
def alone(root: Path) -> Generator[None]:
    """Be the only one who uses a store; refused while somebody else does."""
    path = root / "store.lock"
    with _opened(path) as handle:
        if not _locked(handle, fcntl.LOCK_EX, path):
            raise StoreError(f"{root} is in use by a run or a server{told(holders(path))}", hint="wait until it is over, or stop it")
        yield


def hold(path: Path) -> int:
    """Make a file that says, as long as it is locked, that what it stands for goes on; the handle is for `let_go`.

    Files beside it whose holders were killed are removed.
    """
    with explained(path.parent):
        path.parent.mkdir(exist_ok=True)
        _sweep(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    _locked(handle, fcntl.LOCK_EX, path)
    return handle


def _sweep(folder: Path) -> None:
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if path.lstat().st_mtime < time.time() - FORSAKEN and not is_held(path):
                path.unlink()


def let_go(path: Path, handle: int) -> None:
    """What the file stands for is over."""
    path.unlink(missing_ok=True)
    os.close(handle)


def is_held(path: Path) -> bool:
    """Whether somebody holds a file who is alive."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return not _locked(handle, fcntl.LOCK_SH, path)
    finally:
        os.close(handle)


def holders(path: Path, *, writing: bool = False) -> list[int]:
    """The processes that hold a lock on a file (`writing`: one that excludes others), as far as the system tells."""
    try:
        lines, status = LOCKS.read_text(encoding="ascii").splitlines(), path.stat()
    except OSError:
        return []
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    found = [line.split() for line in lines if "->" not in line]
    return sorted({int(each[4]) for each in found if each[5] == place and int(each[4]) > 0 and (not writing or each[3] == "WRITE")})


def told(processes: list[int]) -> str:
    """The processes in words; nothing if none is known."""
    if not processes:
        return ""
    return f" ({'process' if len(processes) == 1 else 'processes'} {', '.join(map(str, processes))})"


def _locked(handle: int, kind: int, path: Path) -> bool:
    """Whether a lock could be had at once."""
    with explained(path.parent):
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@contextmanager
def _opened(path: Path) -> Generator[int]:
    with explained(path.parent):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        yield handle
    finally:
        os.close(handle)
