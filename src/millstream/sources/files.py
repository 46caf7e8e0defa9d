"""Files as sources: Parquet and CSV, one file, a folder, or a pattern."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import msgspec
import polars as pl

from millstream.errors import SourceError, did_you_mean, first_line
from millstream.kernel.store import Store

Reader = Callable[[Path | BytesIO], pl.DataFrame]
READERS: dict[str, Reader] = {
    ".parquet": pl.read_parquet,
    ".csv": partial(pl.read_csv, try_parse_dates=True, infer_schema_length=None),
    ".tsv": partial(pl.read_csv, separator="\t", try_parse_dates=True, infer_schema_length=None),
    ".ndjson": pl.read_ndjson,
}


def find_files(address: str, root: Path, *, where: str) -> list[Path]:
    """The files that an address means, in the order of their names; relative ones count from `root`."""
    path = root / address
    if any(mark in address for mark in "*?["):
        base = Path(path.anchor) if Path(address).is_absolute() else root
        found = sorted(file for file in base.glob(str(path.relative_to(base))) if file.is_file())
    elif path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix in READERS)
    else:
        found = [path] if path.is_file() else []
    if not found:
        raise SourceError(f"there is no file '{address}'", where=where, hint=_hint(path, root))
    return found


def read_file(path: Path, *, where: str) -> pl.DataFrame:
    """The whole table in a file."""
    try:
        return read_table(path, path.suffix, path.name)
    except SourceError as error:
        raise SourceError(error.message, where=where, hint=error.hint) from error.__cause__


def read_table(file: Path | BytesIO, suffix: str, name: str) -> pl.DataFrame:
    """The whole table in a file, or in its bytes, of the kind that the suffix says; `name` is for people."""
    reader = READERS.get(suffix)
    if reader is None:
        raise SourceError(f"{name}: files of the kind '{suffix}' cannot be read", hint=f"known are {', '.join(READERS)}")
    try:
        return reader(file)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(f"{name} cannot be read: {first_line(error)}", hint="is it the right file, and whole?") from error


def file_digest(store: Store, path: Path) -> str:
    """SHA-256 of a file's bytes, remembered by its path, times, size and inode (its time of change cannot be set back)."""
    status = path.stat()
    stamp = f"{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_size}:{status.st_ino}"
    noted = store.note(f"file {path}")
    if noted is not None:
        known: tuple[str, str] = msgspec.msgpack.decode(noted, type=tuple[str, str])
        if known[0] == stamp:
            return known[1]
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    store.set_note(f"file {path}", msgspec.msgpack.encode((stamp, digest)))
    return digest


def _hint(path: Path, root: Path) -> str:
    near = [str(file.relative_to(root)) for file in path.parent.glob("*")] if path.parent.is_dir() and path.parent.is_relative_to(root) else []
    return did_you_mean(str(path.relative_to(root)) if path.is_relative_to(root) else str(path), near) or f"relative paths count from {root}"
