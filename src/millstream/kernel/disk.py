"""What a disk refuses, as errors with a cure; and what kind of disk it is."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from millstream.errors import StoreError

FREE = "free some space (`millstream gc` removes what nothing recent needs) and run again: what is finished is kept"
WRITABLE = "make the folder writable, or work in a copy of it"
ELSEWHERE = 'say another folder: `store = "…"` under [tool.millstream] in pyproject.toml'
LOCAL = f"put it on a disk of this machine, or {ELSEWHERE}"

REASONS = {
    errno.ENOSPC: ("the disk is full", FREE),
    errno.EDQUOT: ("the quota of the disk is used up", FREE),
    errno.EFBIG: ("a file may not become so large", FREE),
    errno.EROFS: ("it is read-only", WRITABLE),
    errno.EACCES: ("permission is denied", WRITABLE),
    errno.EPERM: ("permission is denied", WRITABLE),
    errno.ENOTDIR: ("there is a file where a folder should be", f"move the file away, or {ELSEWHERE}"),
    errno.EEXIST: ("there is a file where a folder should be", f"move the file away, or {ELSEWHERE}"),
    errno.EISDIR: ("there is a folder where a file should be", "move it away"),
    errno.ENOLCK: ("its files cannot be locked", LOCAL),
    errno.EOPNOTSUPP: ("its files cannot be locked", LOCAL),
    errno.EIO: ("the disk fails", "copy what can be read of it to another disk"),
}
NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
)
"""Kinds of file systems that lie on another machine."""
MOUNTS = Path("/proc/mounts")


@contextmanager
def explained(root: Path, doing: str = "write to") -> Generator[None]:
    """What the operating system refuses about a store, as an error with a cure."""
    try:
        yield
    except (OSError, pl.exceptions.ComputeError) as error:
        number = number_of(error)
        if number is None and "IO error" not in str(error):
            raise
        raise refusal(root, errno.EIO if number is None else number, doing) from error


def refusal(path: Path, number: int, doing: str) -> StoreError:
    """The error about what the operating system refuses, by its number."""
    reason, hint = REASONS.get(number, (os.strerror(number), FREE))
    return StoreError(f"cannot {doing} {path}: {reason}", hint=hint)


def number_of(error: BaseException) -> int | None:
    """The number of the operating system's error, which polars tells in words; None if it is another error."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    told = re.search(r"\(os error (\d+)\)|\bOs \{ code: (\d+),", str(error))
    return int(told[1] or told[2]) if told else None


def network_of(path: Path) -> str | None:
    """The kind of network file system on which a path lies; None if it is none, or nobody knows."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    real, kind, longest = path.resolve(), "", 0
    for line in lines:
        _, point, mounted, *_ = line.split(" ")
        place = Path(re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), point))
        if real.is_relative_to(place) and len(place.parts) >= longest:
            kind, longest = mounted, len(place.parts)
    return kind if kind in NETWORK else None
