"""The prediction log as a table: rolled or not, every prediction is there once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from millstream.errors import StoreError
from millstream.serving.archive import SCHEMA, read_predictions, roll_to_parquet
from millstream.serving.log import PredictionLog, read_log
from millstream.serving.records import LoggedPrediction

Make = Callable[..., LoggedPrediction]


@pytest.fixture
def closed(directory: Path, prediction: Make) -> Path:
    """A log of thirty predictions in several closed segments."""
    log = PredictionLog(directory, mode="fast", segment_bytes=2000)
    for number in range(30):
        log.append(prediction(number))
    log.close()
    return directory


def test_predictions_are_a_table(directory: Path, prediction: Make) -> None:
    """Moments are moments, what differs between models is JSON."""
    log = PredictionLog(directory, mode="fast")
    log.append_all([prediction(3), prediction(4, prediction=True, key=(7, "a")), prediction(5, prediction="late")])
    frame = read_predictions(directory)
    assert frame.schema == SCHEMA
    assert frame["time"][0] == datetime(2013, 6, 1, 9, 0, 0, 3, tzinfo=UTC)
    assert frame["key"].to_list() == ['["UA3"]', '[7,"a"]', '["UA5"]']
    assert frame["prediction_number"].to_list() == [3 / 7, 1.0, None]
    assert frame["prediction"].to_list()[1:] == ["true", '"late"']
    log.close()


def test_rolling_changes_no_prediction(closed: Path) -> None:
    """The same table before and after; the segments are gone."""
    before = read_predictions(closed)
    target = roll_to_parquet(closed)
    assert target is not None
    assert target.exists()
    assert list(closed.glob("*.segment")) == []
    assert_frame_equal(read_predictions(closed), before)


def test_nothing_to_roll_is_none(closed: Path, tmp_path: Path) -> None:
    """Neither an empty directory, a missing one, nor one rolled already gives a file."""
    roll_to_parquet(closed)
    assert roll_to_parquet(closed) is None
    assert roll_to_parquet(tmp_path / "missing") is None


def test_a_segment_in_use_is_left_alone(closed: Path, prediction: Make) -> None:
    """A live writer keeps its segment, and its predictions are read beside the rolled ones."""
    log = PredictionLog(closed, mode="fast")
    log.append(prediction(30))
    roll_to_parquet(closed)
    log.append(prediction(31))
    assert [logged.id for logged in read_log(closed)] == ["id-30", "id-31"]
    assert read_predictions(closed)["id"].to_list() == [f"id-{number}" for number in range(32)]
    log.close()


def test_a_crash_before_removal_duplicates_nothing(closed: Path, tmp_path: Path) -> None:
    """Segments that are in the Parquet file already are skipped, and removed by the next roll."""
    shutil.copytree(closed, tmp_path / "before")
    before = read_predictions(closed)
    roll_to_parquet(closed)
    for segment in sorted((tmp_path / "before").glob("*.segment"))[1:]:
        shutil.copy(segment, closed)
    assert_frame_equal(read_predictions(closed), before)
    assert roll_to_parquet(closed) is None
    assert list(closed.glob("*.segment")) == []
    assert_frame_equal(read_predictions(closed), before)


def test_a_crash_before_the_rename_loses_nothing(closed: Path) -> None:
    """An unfinished file is ignored, and removed by the next roll."""
    before = read_predictions(closed)
    (closed / ".predictions-x.parquet.tmp").write_bytes(b"PAR1 half a file")
    assert_frame_equal(read_predictions(closed), before)
    roll_to_parquet(closed)
    assert list(closed.glob(".*.tmp")) == []
    assert_frame_equal(read_predictions(closed), before)


def test_a_damaged_segment_stops_the_roll(closed: Path) -> None:
    """Nothing is removed when something cannot be read."""
    segments = sorted(closed.glob("*.segment"))
    content = bytearray(segments[1].read_bytes())
    content[100] ^= 1
    segments[1].write_bytes(content)
    with pytest.raises(StoreError, match=segments[1].name):
        roll_to_parquet(closed)
    assert sorted(closed.glob("*.segment")) == segments
    assert list(closed.glob("*.parquet")) == []
