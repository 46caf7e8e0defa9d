"""The tables of the bikes program, equal to what plain Python makes of the same data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from bike_data import BEGIN, HOUR, Weather, bikes, counts, forecasts, holidays

from millstream.project import Project

AS_OF = datetime(2011, 2, 10, 13, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The program, with everything that the service has to say."""
    with bikes(tmp_path_factory.mktemp("bikes")) as (file, _):
        yield Project(file)


def load(project: Project, name: str, *columns: str) -> list[tuple[Any, ...]]:
    """The rows of a table as of AS_OF."""
    return sorted(project.load(name, as_of=AS_OF.isoformat()).select(columns or pl.all()).rows())


def test_counts(project: Project) -> None:
    """Hours that are over and counted."""
    assert load(project, "counts", "hour", "counted", "cnt") == sorted(
        (each.hour, each.counted, each.cnt) for each in counts() if each.counted <= AS_OF
    )


def test_forecasts(project: Project) -> None:
    """What was said by then, also of hours to come; the texts of the service are moments."""
    said = [(each.hour, each.issued, each.temperature, each.rain, each.wind) for each in forecasts() if each.issued <= AS_OF]

    assert load(project, "forecasts", "hour", "issued", "temperature", "rain", "wind") == sorted(said)
    assert max(row[0] for row in said) > AS_OF


def test_holidays(project: Project) -> None:
    """Dates, without a time."""
    assert load(project, "holidays") == [(day,) for day in holidays()]


def test_clock(project: Project) -> None:
    """Every hour from the start to the moment."""
    assert load(project, "clock") == [(BEGIN + number * HOUR,) for number in range((AS_OF - BEGIN) // HOUR + 1)]


def test_hours(project: Project) -> None:
    """One question an hour, an hour ahead, by the date of the hour asked about."""
    asked = [BEGIN + number * HOUR for number in range((AS_OF - BEGIN) // HOUR + 1)]

    assert load(project, "hours", "asked", "hour", "date") == [(each, each + HOUR, (each + HOUR).date()) for each in asked]


def test_demand(project: Project) -> None:
    """The truth of an hour, as soon as it has been counted."""
    assert load(project, "demand", "hour", "counted", "demand") == sorted(
        (each.hour, each.counted, each.cnt) for each in counts() if each.counted <= AS_OF
    )


@pytest.mark.parametrize("days", [1, 2, 7])
def test_same_hour(project: Project, days: int) -> None:
    """Of what has been counted, for the hour that it will serve."""
    counted = sorted((each.hour + timedelta(days=days), each.counted, each.cnt) for each in counts() if each.counted <= AS_OF)

    assert load(project, f"lags.{days}d", "hour", "counted", f"lag_{days}d") == counted


def test_forecasts_are_asked_for_once(tmp_path: Path) -> None:
    """The service grows: what was taken is not sent again, but for what is on the border; nothing is there twice."""
    with bikes(tmp_path, now=datetime(2011, 1, 20, 6, tzinfo=UTC)) as (file, weather):
        first = _taken(file, weather)
        weather.now += timedelta(days=1)
        second = _taken(file, weather)

        assert weather.service.queries() == [{}, {"issued_after": "2011-01-20T06:00:00Z"}]
        assert (first, second) == (len([each for each in forecasts() if each.issued <= weather.now - timedelta(days=1)]), len(weather.said()))


def _taken(file: Path, weather: Weather) -> int:
    frame = Project(file).load("forecasts")
    assert sorted(frame.select("issued", "hour").rows()) == sorted((each.issued, each.hour) for each in weather.said())
    return frame.height
