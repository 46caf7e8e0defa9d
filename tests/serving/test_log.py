"""The prediction log loses nothing that was acknowledged, and says what is damaged."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.errors import StoreError
from millstream.serving.log import MAGIC, PredictionLog, read_log, read_segment
from millstream.serving.records import LoggedPrediction

Make = Callable[..., LoggedPrediction]
Mode = Literal["fast", "durable", "sync"]


def write(directory: Path, predictions: list[LoggedPrediction], **options: Any) -> None:
    """A log that is opened, filled and closed."""
    log = PredictionLog(directory, **options)
    for prediction in predictions:
        log.append(prediction)
    log.close()


def only_segment(directory: Path) -> Path:
    """The one segment there is."""
    (path,) = directory.glob("*.segment")
    return path


def logged(number: int, text: str = "") -> LoggedPrediction:
    """A small prediction."""
    return LoggedPrediction(str(number), "delays", "delays@1", (number, text), number, {"x": text}, 0.5, 0.25, {}, (), number)


@pytest.mark.parametrize("mode", ["fast", "durable", "sync"])
def test_what_is_appended_is_read(directory: Path, prediction: Make, mode: Mode) -> None:
    """In order and unchanged, in every mode."""
    written = [prediction(number, prediction=value) for number, value in enumerate([True, 7, 0.1, "late"])]
    write(directory, written, mode=mode)
    assert list(read_log(directory)) == written


def test_a_log_is_readable_while_it_is_written(directory: Path, prediction: Make) -> None:
    """What was appended is in the file before `append` returns."""
    log = PredictionLog(directory, mode="fast")
    log.append(prediction(1))
    assert list(read_log(directory)) == [prediction(1)]
    log.close()


def test_segments_are_renewed_when_full(directory: Path, prediction: Make) -> None:
    """Many small segments read as one log."""
    written = [prediction(number) for number in range(20)]
    write(directory, written, mode="fast", segment_bytes=1000)
    assert len(list(directory.glob("*.segment"))) > 3
    assert list(read_log(directory)) == written


def test_no_log_yet_is_an_empty_log(directory: Path) -> None:
    """Reading before anything was served finds nothing."""
    assert list(read_log(directory)) == []


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(max_size=20), min_size=1, max_size=5), data=st.data())
def test_a_cut_loses_only_the_torn_record(tmp_path_factory: pytest.TempPathFactory, texts: list[str], data: st.DataObject) -> None:
    """Cut a segment at any byte: every record that ended before the cut is read, and nothing else."""
    directory = tmp_path_factory.mktemp("cut")
    written, ends = [logged(number, text) for number, text in enumerate(texts)], list[int]()
    log = PredictionLog(directory, mode="fast")
    path = only_segment(directory)
    for prediction in written:
        log.append(prediction)
        ends.append(path.stat().st_size)
    log.close()
    cut = data.draw(st.integers(0, path.stat().st_size))
    os.truncate(path, cut)
    assert list(read_log(directory)) == written[: sum(end <= cut for end in ends)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_in_a_closed_segment_is_never_silent(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Change any byte of the records of a closed segment: StoreError with file and offset."""
    directory = tmp_path_factory.mktemp("damage")
    write(directory, [logged(1), logged(2)], mode="fast")
    path = only_segment(directory)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(len(MAGIC), len(content) - 9))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(StoreError, match=rf"{path.name}: damaged record at offset \d+"):
        list(read_log(directory))


def test_records_of_a_writer_that_died_end_at_the_bad_one(directory: Path, prediction: Make) -> None:
    """Without an end mark a bad record is a torn tail, and later segments are read on."""
    died = PredictionLog(directory, mode="fast")
    died.append(prediction(1))
    torn = only_segment(directory)
    with torn.open("ab") as file:
        file.write(b"\x10\x00\x00\x00torn")
    write(directory, [prediction(2)], mode="fast")
    assert list(read_log(directory)) == [prediction(1), prediction(2)]


def test_a_foreign_file_is_refused() -> None:
    """A file that is no segment is named."""
    with pytest.raises(StoreError, match="no segment"):
        list(read_segment(b"hello, this is another file", Path("x.segment")))


def append_many(directory: Path, process: int, count: int) -> None:
    """What one of two processes does."""
    write(directory, [logged(process * count + number) for number in range(count)], mode="durable", segment_bytes=20_000)


def test_two_processes_append_at_once(directory: Path) -> None:
    """Neither loses or mixes a record, for every process has segments of its own."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=append_many, args=(directory, number, 1000)) for number in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(int(prediction.id) for prediction in read_log(directory)) == list(range(2000))


def test_a_forked_process_is_refused(directory: Path) -> None:
    """A log inherited from a parent would share its segment."""
    log = PredictionLog(directory, mode="fast")
    child = os.fork()
    if child == 0:
        log.close()
        try:
            log.append(logged(1))
        except StoreError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    log.close()


@pytest.mark.parametrize("mode", ["fast", "durable", "sync"])
def test_a_full_disk_is_told_and_leaves_no_half_record(directory: Path, mode: Mode) -> None:
    """The refused prediction is not kept, the log goes on when there is room again, and all acknowledged ones are there."""
    log, kept = PredictionLog(directory, mode=mode), list[LoggedPrediction]()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(StoreError, match="cannot be written"):  # noqa: PT012  it fails on one of many
            for number in range(100):
                log.append(logged(number))
                kept.append(logged(number))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    log.append(logged(100))
    log.close()
    assert len(kept) > 5
    assert list(read_log(directory)) == [*kept, logged(100)]


def test_a_list_is_kept_whole_or_not_at_all(directory: Path) -> None:
    """Several predictions that do not fit leave nothing behind."""
    log = PredictionLog(directory, mode="fast")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(StoreError):
            log.append_all([logged(number) for number in range(100)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    log.append(logged(1))
    log.close()
    assert list(read_log(directory)) == [logged(1)]


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in the way of the directory is a StoreError, not a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=os.strerror(errno.EEXIST)):
        PredictionLog(tmp_path / "file")


def test_durable_syncs_behind(directory: Path, eventually: Callable[[Callable[[], bool]], None]) -> None:
    """The background thread takes what was appended; closing ends it."""
    log = PredictionLog(directory, mode="durable")
    log.append(logged(1))
    eventually(lambda: not log._dirty.is_set())  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    log.close()
    assert not log._syncer.is_alive()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
