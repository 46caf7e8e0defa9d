"""One holder per cache key, across threads and processes; free as soon as its holder is gone, also after kill -9."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from millstream.errors import StoreError

BY_FILE = hasattr(fcntl, "F_OFD_SETLKW")
"""Whether a lock belongs to an opened file, so that one file has room for all keys; elsewhere each key has a file of its own."""


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
    with _opened(root / "store.lock") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield


@contextmanager
def alone(root: Path) -> Generator[None]:
    """Be the only one who uses a store; refused while somebody else does."""
    with _opened(root / "store.lock") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(f"{root} is in use by a run or a server", hint="wait until it is over, or stop it") from None
        yield


@contextmanager
def _opened(path: Path) -> Generator[int]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        yield handle
    finally:
        os.close(handle)
