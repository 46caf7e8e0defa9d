"""One holder per cache key, across threads and processes; free as soon as its holder is gone, also after kill -9."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def key_lock(root: Path, key: str) -> Generator[None]:
    """Hold the lock of a cache key; a child process cannot inherit it."""
    folder = root / "locks"
    folder.mkdir(exist_ok=True)
    handle = os.open(folder / key[:3], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
