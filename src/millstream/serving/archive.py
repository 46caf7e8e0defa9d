"""The prediction log as a table: segments rolled to Parquet, and both read as one frame.

Apart from the log itself, so that a server loads no dataframe library.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
import polars as pl

from millstream.errors import StoreError
from millstream.serving.log import read_segment, segment_paths, shared_lock
from millstream.serving.records import LoggedPrediction

_SEGMENTS = "millstream.segments"
_MOMENT = pl.Datetime("us", "UTC")
SCHEMA = pl.Schema(
    {
        "id": pl.String(),
        "model": pl.String(),
        "version": pl.String(),
        "key": pl.String(),
        "time": _MOMENT,
        "request": pl.String(),
        "prediction": pl.String(),
        "prediction_number": pl.Float64(),
        "probability": pl.Float64(),
        "watermarks": pl.String(),
        "flags": pl.String(),
        "predicted_at": _MOMENT,
    }
)


def roll_to_parquet(directory: Path | str) -> Path | None:
    """Move the segments that nobody writes any more into one Parquet file; None when there are none.

    Atomic: the file appears by one rename, names its segments in its metadata, and readers skip those; segments a crash
    left behind are removed by the next call. Raises StoreError for a damaged segment, and then changes nothing.
    """
    folder = Path(directory)
    with shared_lock(folder, exclusive=True), _ended_segments(folder) as ended:
        for unfinished in folder.glob(".predictions-*.tmp"):
            unfinished.unlink()
        rolled = _rolled(folder)
        fresh = {path: file for path, file in ended.items() if path.name not in rolled}
        frame = _frame_of(prediction for path, file in fresh.items() for prediction in read_segment(file.read(), path))
        target = _write(frame, folder, list(fresh)) if frame.height else None
        for path in ended:
            path.unlink()
        return target


def read_predictions(directory: Path | str) -> pl.DataFrame:
    """Every prediction on record, rolled or not, by `predicted_at`.

    `key`, `request`, `prediction`, `watermarks` and `flags` are JSON text, as one log holds several models; `prediction_number` is the
    prediction as Float64 (a boolean as 0 or 1, null for text).
    """
    folder = Path(directory)
    with shared_lock(folder), contextlib.ExitStack() as stack:
        rolled, parquet = _rolled(folder), _parquet_paths(folder)
        fresh = [path for path in segment_paths(folder) if path.name not in rolled]
        opened = [(path, stack.enter_context(path.open("rb"))) for path in fresh]
        logged = _frame_of(prediction for path, file in opened for prediction in read_segment(file.read(), path))
    return pl.concat([*(pl.read_parquet(path) for path in parquet), logged]).sort("predicted_at", maintain_order=True)


@contextlib.contextmanager
def _ended_segments(folder: Path) -> Generator[dict[Path, BinaryIO]]:
    """The segments whose writer has closed them or died: nobody else holds their lock, so we do."""
    with contextlib.ExitStack() as stack:
        ended: dict[Path, BinaryIO] = {}
        for path in segment_paths(folder):
            file = stack.enter_context(path.open("rb"))
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                ended[path] = file
        yield ended


def _parquet_paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("predictions-*.parquet"))


def _rolled(folder: Path) -> set[str]:
    """The names of the segments that are in a Parquet file already."""
    names: set[str] = set()
    for path in _parquet_paths(folder):
        metadata = pl.read_parquet_metadata(path)
        if _SEGMENTS not in metadata:
            raise StoreError(f"{path} was not written by this log")
        names.update(msgspec.json.decode(metadata[_SEGMENTS], type=list[str]))
    return names


def _write(frame: pl.DataFrame, folder: Path, segments: Sequence[Path]) -> Path:
    """Write one Parquet file by temporary file, sync and rename."""
    target = folder / f"predictions-{segments[0].stem}.parquet"
    temporary = folder / f".{target.name}.tmp"
    names = msgspec.json.encode([path.name for path in segments]).decode()
    with temporary.open("wb") as file:
        frame.write_parquet(file, metadata={_SEGMENTS: names})
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(target)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return target


def _frame_of(predictions: Iterable[LoggedPrediction]) -> pl.DataFrame:
    """One row per prediction, in the columns of SCHEMA."""
    return pl.DataFrame([_row(prediction) for prediction in predictions], schema=SCHEMA, orient="row")


def _row(logged: LoggedPrediction) -> tuple[object, ...]:
    number = None if isinstance(logged.prediction, str) else float(logged.prediction)
    return (
        logged.id,
        logged.model,
        logged.version,
        _json(logged.key),
        logged.time,
        _json(logged.request),
        _json(logged.prediction),
        number,
        logged.probability,
        _json(logged.watermarks),
        _json(logged.flags),
        logged.predicted_at,
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
