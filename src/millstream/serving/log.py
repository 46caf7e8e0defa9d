"""The prediction log: append-only segments that lose no acknowledged prediction when the process is killed.

A segment is `MAGIC`, then records of length (4 bytes), CRC-32 (4 bytes) and MessagePack, then an end mark if it was closed
in good order. Its writer holds a lock (flock) on it as long as it lives. Group commit after DeWitt et al. 1984,
"Implementation techniques for main memory database systems".
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal
from zlib import crc32

import msgspec

from millstream.errors import StoreError
from millstream.serving.records import LoggedPrediction

MAGIC = b"millstream log 1\n"
SEGMENT_BYTES = 64 * 1024 * 1024
SYNC_PAUSE_SECONDS = 0.02
_FRAME = struct.Struct("<II")
_END = _FRAME.pack(0, crc32(b"end"))
_DECODER = msgspec.msgpack.Decoder(LoggedPrediction)

LogMode = Literal["fast", "durable", "sync"]


class PredictionLog:
    """Appends predictions to segments of its own in a directory that other processes may share.

    mode: `fast` writes before it returns (survives the end of the process), `durable` also syncs at most about 50 ms behind
    (a power cut may cost that much), `sync` syncs before it returns. Threads may share a log; a forked process may not.
    """

    def __init__(
        self,
        directory: Path | str,
        *,
        mode: LogMode = "durable",
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        """Open a new segment in `directory`, made if missing; raises StoreError when that fails."""
        self._directory, self._mode, self._segment_bytes = Path(directory), mode, segment_bytes
        self._encode = msgspec.msgpack.Encoder().encode
        self._lock, self._process = threading.Lock(), os.getpid()
        self._dirty, self._closed, self._failure = threading.Event(), False, ""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            (self._directory / ".lock").touch(0o600)
            self._segment = _Segment(self._directory)
        except OSError as error:
            raise _store_error(self._directory, error) from error
        self._syncer = threading.Thread(target=self._sync_behind, name="prediction-log-sync", daemon=True)
        if mode == "durable":
            self._syncer.start()

    def append(self, prediction: LoggedPrediction) -> None:
        """Write one prediction; raises StoreError, and keeps nothing of it, when the disk is full or failing."""
        self._write(_frame(self._encode(prediction)))

    def append_all(self, predictions: Sequence[LoggedPrediction]) -> None:
        """Write several predictions, all or none."""
        self._write(b"".join([_frame(self._encode(prediction)) for prediction in predictions]))

    def close(self) -> None:
        """End the segment in good order, synced unless `fast`; closing twice is allowed, in a forked process it does nothing."""
        if os.getpid() != self._process:
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._segment.close(sync=self._mode != "fast")
        self._dirty.set()
        if self._mode == "durable":
            self._syncer.join()

    def _write(self, frames: bytes) -> None:
        """Append whole records under the lock; the syncer follows."""
        if os.getpid() != self._process:
            raise StoreError(f"prediction log {self._directory} belongs to process {self._process}: open another in this one")
        with self._lock:
            if self._closed:
                raise StoreError(f"prediction log {self._directory} is closed")
            try:
                self._renew_segment(len(frames))
                self._segment.append(frames, sync=self._mode == "sync")
            except OSError as error:
                raise _store_error(self._directory, error) from error
            if self._mode == "durable" and not self._dirty.is_set():
                self._dirty.set()

    def _renew_segment(self, coming: int) -> None:
        """Start another segment when this one is full or unsound."""
        if self._failure:
            failure, self._failure = self._failure, ""
            self._segment.damaged = True
            raise OSError(failure)
        full = self._segment.size > len(MAGIC) and self._segment.size + coming > self._segment_bytes
        if full or self._segment.damaged:
            ended, self._segment = self._segment, _Segment(self._directory)
            ended.close(sync=self._mode != "fast")

    def _sync_behind(self) -> None:
        """Sync whatever was appended, then rest: every append waits at most one rest and one sync."""
        while not self._closed:
            self._dirty.wait()
            self._dirty.clear()
            segment = self._segment
            try:
                os.fdatasync(segment.descriptor)
            except OSError as error:
                if segment is self._segment and not self._closed:
                    self._failure = str(error)
            time.sleep(SYNC_PAUSE_SECONDS)


class _Segment:
    """One file with one writer; its name sorts by the time it was opened, then by process."""

    def __init__(self, directory: Path) -> None:
        self.path, self.descriptor = _create_locked(directory)
        self.size, self.damaged = 0, False
        try:
            self.append(MAGIC, sync=False)
            _sync_directory(directory)
        except OSError:
            self.path.unlink(missing_ok=True)
            os.close(self.descriptor)
            raise

    def append(self, data: bytes, *, sync: bool) -> None:
        """Write `data` at the end, or nothing of it; raises OSError."""
        try:
            written = os.write(self.descriptor, data)
            while written < len(data):
                written += os.write(self.descriptor, data[written:])
            if sync:
                os.fdatasync(self.descriptor)
        except OSError:
            self.damaged = sync
            try:
                os.ftruncate(self.descriptor, self.size)
            except OSError:
                self.damaged = True
            raise
        self.size += len(data)

    def close(self, *, sync: bool) -> None:
        """Mark the end (a sound segment only) and let go; a segment without a record is removed."""
        with contextlib.suppress(OSError):
            if self.size == len(MAGIC):
                self.path.unlink(missing_ok=True)
            elif not self.damaged:
                self.append(_END, sync=sync)
        os.close(self.descriptor)


def read_log(directory: Path | str) -> Iterator[LoggedPrediction]:
    """Every prediction in the segments of a directory, segment by segment in the order of their names.

    A segment whose writer died or still writes ends at its first record that is not whole; in one that was closed in good
    order such a record is damage: StoreError with file and offset. Predictions rolled to Parquet are not among these.
    """
    with shared_lock(Path(directory)):
        opened = [path.open("rb") for path in segment_paths(Path(directory))]
    return _read_opened(opened)


def segment_paths(directory: Path) -> list[Path]:
    """The segments in a directory, by name."""
    return sorted(directory.glob("*.segment"))


def read_segment(data: bytes, path: Path) -> Iterator[LoggedPrediction]:
    """The predictions in the bytes of one segment; `path` is for messages."""
    if not data.startswith(MAGIC):
        if MAGIC.startswith(data):
            return
        raise StoreError(f"{path} is no segment of a prediction log of this version")
    closed, offset = data.endswith(_END), len(MAGIC)
    end = len(data) - len(_END) if closed else len(data)
    while offset < end:
        payload = _payload(data, offset, end)
        if payload is None:
            if closed:
                raise StoreError(f"{path}: damaged record at offset {offset}")
            return
        try:
            yield _DECODER.decode(payload)
        except msgspec.DecodeError as error:
            raise StoreError(f"{path}: record at offset {offset} is no prediction of this version: {error}") from None
        offset += _FRAME.size + len(payload)


@contextlib.contextmanager
def shared_lock(directory: Path, *, exclusive: bool = False) -> Generator[None]:
    """Hold the lock of a log directory: readers share it while they open files, rolling holds it alone."""
    try:
        descriptor = os.open(directory / ".lock", os.O_RDONLY | os.O_CLOEXEC | (os.O_CREAT if exclusive else 0), 0o600)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _read_opened(opened: Iterable[BinaryIO]) -> Iterator[LoggedPrediction]:
    """The predictions of segments that are open already, and so stay readable when they are rolled meanwhile."""
    with contextlib.ExitStack() as stack:
        for file in opened:
            stack.enter_context(file)
        for file in opened:
            yield from read_segment(file.read(), Path(file.name))


def _frame(payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), crc32(payload)) + payload


def _payload(data: bytes, offset: int, end: int) -> bytes | None:
    """The payload of the record at `offset`, or None when it is not whole."""
    start = offset + _FRAME.size
    if start > end:
        return None
    length, checksum = _FRAME.unpack_from(data, offset)
    payload = data[start : start + length]
    return payload if 0 < length <= end - start and crc32(payload) == checksum else None


def _create_locked(directory: Path) -> tuple[Path, int]:
    """A new file that no other process has, locked for as long as it is open here."""
    while True:
        path = directory / f"{time.time_ns() // 1000:016d}-{os.getpid():07d}.segment"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                return path, descriptor
        os.close(descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _store_error(directory: Path, error: OSError) -> StoreError:
    """What the operating system refused, as an error of the store."""
    reason = error.strerror or str(error)
    return StoreError(f"prediction log {directory} cannot be written: {reason}", hint="free disk space, or move the log")
