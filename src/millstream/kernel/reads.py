"""Files that a step reads by itself: declared, so that their content is part of its cache key."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from millstream.errors import StepError
from millstream.kernel.records import Cause

Reads = tuple[tuple[str, Path], ...]
"""Files as the user's file writes them, and where they lie."""

SETTLED = 2_000_000_000
"""Nanoseconds after which a file that looks unchanged is unchanged: clocks of file systems are coarse."""

_digests: dict[tuple[Path, int, int, int, int], str] = {}


def read_causes(step: str, reads: Reads, where: str) -> tuple[Cause, ...]:
    """The content of each file; raises StepError if one is missing."""
    return tuple(Cause(f"file {written}", _digest(step, written, path, where)) for written, path in reads)


def _digest(step: str, written: str, path: Path, where: str) -> str:
    try:
        now, found = time.time_ns(), path.stat()
        seen = (path, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if seen in _digests:
            return _digests[seen]
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()[:16]
    except OSError as error:
        hint = f"it counts from the folder of the file that declares the step: {path}"
        raise StepError(f"{step}: reads '{written}', which cannot be read ({error.strerror})", where=where, hint=hint) from error
    if now - max(found.st_mtime_ns, found.st_ctime_ns) > SETTLED:
        _digests[seen] = digest
    return digest
