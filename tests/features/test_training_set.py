"""The training set: that of the flights program against the reference, and answers worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import brute_force
import polars as pl
import pytest
from brute_force import Row
from flight_data import FLIGHTS, PLANES, TEMPLATE, WEATHER, Flights
from polars.testing import assert_frame_equal
from rivers import run_river

from millstream.features.training_set import KNOWN, TARGET

AS_OF = datetime(2013, 3, 1, tzinfo=UTC)
MINUTE = 60_000_000
HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE
SAMPLE = 150

OBSERVED = brute_force.Facts(("origin",), "observed", delay_us=20 * MINUTE)
LANDED = brute_force.Facts(("carrier",), "landed", delay_us=15 * MINUTE)
BUILT = brute_force.Facts(("tailnum",))


# the flights program, row by row


@pytest.fixture(scope="module")
def sample(flights: Flights) -> Sequence[Row]:
    """Some rows asked, with all that the training set says about them."""
    rows = flights.rows()
    newest = rows.filter(pl.col("scheduled") > AS_OF - timedelta(hours=8)).sample(30, seed=1)
    return pl.concat([rows.sample(SAMPLE - 30, seed=0), newest]).to_dicts()


def near(frame: pl.DataFrame, key: str, row: Row, time: str, *, days: int) -> Sequence[Row]:
    """The rows of one key around a question: all that could matter to a window or view that looks back for less."""
    at = brute_force.moment(row, "scheduled")
    around = pl.col(time).is_between(at - timedelta(days=days), at + timedelta(days=1))
    return frame.filter(pl.col(key).eq_missing(pl.lit(row[key], pl.String)), around).to_dicts()


def differences(sample: Sequence[Row], expected: Sequence[Row]) -> list[tuple[object, Row]]:
    """Rows that are not as expected: their flight, and what was expected."""
    return [
        (row["flight"], {name: (row[name], value) for name, value in wanted.items() if row[name] != value})
        for row, wanted in zip(sample, expected, strict=True)
        if any(row[name] != value for name, value in wanted.items())
    ]


def test_rows_asked_are_all_flights_scheduled_by_then(flights: Flights) -> None:
    """In order of time, with the columns of the question as they are in the file."""
    columns = ["flight", "carrier", "origin", "dest", "tailnum", "distance", "scheduled", "due"]
    scheduled = pl.read_parquet(TEMPLATE / FLIGHTS, columns=columns).filter(pl.col("scheduled") <= AS_OF)
    assert_frame_equal(flights.rows().select(columns), scheduled.sort("scheduled", maintain_order=True))


def test_every_column_has_a_test(flights: Flights) -> None:
    """What the sample is compared in, is all that the training set has."""
    views = ["wind_speed", "visibility", "seats", "built", "delay_1d", "landed_1d", "delay_7d", "landed_7d", "hour", "weekday", "age"]
    assert set(flights.rows().columns) == {*flights.table("schedule").columns, *views, "__asked__", TARGET, KNOWN}


def test_wind_is_that_of_the_reference(sample: Sequence[Row]) -> None:
    """The last observation of the airport that was known, if it is not older than three hours."""
    weather = pl.read_parquet(TEMPLATE / WEATHER)
    expected = list[Row]()
    for row in sample:
        rows = near(weather, "origin", row, "observed", days=2)
        found = brute_force.newest_row(rows, OBSERVED, (row["origin"],), brute_force.moment(row, "scheduled"), max_age_us=3 * HOUR)
        expected.append({name: found and found[name] for name in ("wind_speed", "visibility")})
    assert differences(sample, expected) == []
    assert any(row["wind_speed"] is None for row in expected) or len({row["wind_speed"] for row in expected}) > 10


def test_windows_are_those_of_the_reference(sample: Sequence[Row]) -> None:
    """Mean delay and number of the landings of the carrier that were known, to the bit."""
    landings = pl.read_parquet(TEMPLATE / FLIGHTS, columns=["flight", "carrier", "landed", "arrival_delay"]).drop_nulls("landed")
    expected = list[Row]()
    for row in sample:
        rows, at = near(landings, "carrier", row, "landed", days=9), brute_force.moment(row, "scheduled")
        found: dict[str, object] = {}
        for width in (1, 7):
            found[f"delay_{width}d"] = brute_force.window(
                rows, LANDED, (row["carrier"],), at, width_us=width * DAY, column="arrival_delay", reduction="mean"
            )
            found[f"landed_{width}d"] = brute_force.window(
                rows, LANDED, (row["carrier"],), at, width_us=width * DAY, column="flight", reduction="count"
            )
        expected.append(found)
    assert differences(sample, expected) == []


def test_aircraft_is_that_of_the_reference(sample: Sequence[Row]) -> None:
    """By the tail number; flights without one, or with one that is not listed, have none."""
    planes = pl.read_csv(TEMPLATE / PLANES).select("tailnum", "seats", built="year").to_dicts()
    found = [brute_force.newest_row(planes, BUILT, (row["tailnum"],), AS_OF) for row in sample]
    assert differences(sample, [{"seats": plane and plane["seats"], "built": plane and plane["built"]} for plane in found]) == []
    assert None in found


def test_calendar_is_that_of_the_wall_clock(sample: Sequence[Row]) -> None:
    """Hour and weekday in New York, and the age of the plane, from the columns of an earlier view."""
    expected = list[Row]()
    for row in sample:
        local = brute_force.moment(row, "scheduled").astimezone(ZoneInfo("America/New_York"))
        age = local.year - row["built"] if isinstance(row["built"], int) else None
        expected.append({"hour": local.hour, "weekday": local.isoweekday(), "age": age})
    assert differences(sample, expected) == []


def test_truth_is_known_fifteen_minutes_after_it_is_decided(sample: Sequence[Row]) -> None:
    """Later than 15 minutes or never landed; null for rows too young to know."""
    landed = dict(pl.read_parquet(TEMPLATE / FLIGHTS, columns=["flight", "landed"]).rows())
    expected = list[Row]()
    for row in sample:
        decided, there = brute_force.moment(row, "due") + timedelta(minutes=15), landed[row["flight"]]
        known = decided + timedelta(minutes=15)
        told = known <= AS_OF
        expected.append({TARGET: (there is None or there > decided) if told else None, KNOWN: int(known.timestamp() * 1e6) if told else None})
    assert differences(sample, expected) == []
    assert {row[TARGET] for row in expected} == {True, False, None}


def test_training_rows_are_those_whose_label_is_known(flights: Flights) -> None:
    """None is lost, and none is too young."""
    due = pl.read_parquet(TEMPLATE / FLIGHTS, columns=["scheduled", "due"]).filter(pl.col("scheduled") <= AS_OF)
    old_enough = due.filter(pl.col("due") + pl.duration(minutes=30) <= AS_OF)
    assert (flights.table("delays/rows").height, flights.rows().height) == (old_enough.height, due.height)


# answers worked out by hand

DESK = """
    letters = ms.source("letters.csv", key="letter", time="asked")
    news = ms.source("news.csv", key="place", time="happened", known_at="told", delay="1h")

    @ms.feature_view(news, max_age="2d")
    def latest(news: pl.LazyFrame) -> pl.LazyFrame:
        return news.select("place", "happened", "told", "value")

    day = ms.aggregate(news, over="1d", count=("value", "count"), sum=("value", "sum"), mean=("value", "mean"))
    examples = ms.training_set(letters, label="answer", features=[latest.on("letter"), day.on("letter")])
"""
Case = tuple[list[tuple[str, str, int | None]], tuple[int | None, int, int, float | None]]
CASES: dict[str, Case] = {
    "known": ([("10T09:00", "10T09:00", 1)], (1, 1, 1, 1.0)),
    "not yet known": ([("10T08:00", "10T09:00", 1), ("10T09:00", "10T11:01", 2)], (1, 1, 1, 1.0)),
    "known at that very moment": ([("10T09:00", "10T11:00", 1)], (1, 1, 1, 1.0)),
    "not yet happened": ([("10T13:00", "10T09:00", 1)], (None, 0, 0, None)),
    "happens at that very moment": ([("10T12:00", "10T09:00", 1)], (1, 0, 0, None)),
    "late news of an older day": ([("10T08:00", "10T08:00", 1), ("09T13:00", "10T10:00", 2)], (1, 2, 3, 1.5)),
    "correction": ([("10T08:00", "10T10:00", 2), ("10T08:00", "10T08:00", 1)], (2, 2, 3, 1.5)),
    "correction that is not known yet": ([("10T08:00", "10T08:00", 1), ("10T08:00", "10T11:30", 2)], (1, 1, 1, 1.0)),
    "equal times": ([("10T08:00", "10T08:00", 1), ("10T08:00", "10T08:00", 2)], (2, 2, 3, 1.5)),
    "as old as max_age": ([("08T12:00", "08T12:00", 1)], (1, 0, 0, None)),
    "older than max_age": ([("08T11:59", "08T12:00", 1)], (None, 0, 0, None)),
    "where the window begins": ([("09T12:00", "09T12:00", 1)], (1, 1, 1, 1.0)),
    "before the window begins": ([("09T11:59", "10T09:00", 1)], (1, 0, 0, None)),
    "null": ([("10T08:00", "10T08:00", 1), ("10T09:00", "10T09:00", None)], (None, 1, 1, 1.0)),
    "never told": ([("10T08:00", "", 1)], (None, 0, 0, None)),
    "absent": ([], (None, 0, 0, None)),
}
"""What was news about a place (happened, told, value; told an hour before it is known), and what a letter asked at noon of the tenth has."""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[object, ...]]:
    """What the training set of one run says to the letters of all cases."""
    folder = tmp_path_factory.mktemp("desk")
    letters = [f"{case},2024-01-10T12:00:00,1" for case in CASES]
    news = [
        f"{case},{_at(happened)},{_at(told)},{'' if value is None else value}" for case, (rows, _) in CASES.items() for happened, told, value in rows
    ]
    (folder / "letters.csv").write_text("\n".join(["letter,asked,answer", *letters]))
    (folder / "news.csv").write_text("\n".join(["place,happened,told,value", *news]))
    examples = run_river(folder, DESK, only=["examples"]).answer().frame("examples")
    return {letter: tuple(row) for letter, *row in examples.select("letter", "value", "count_1d", "sum_1d", "mean_1d").iter_rows()}


def _at(moment: str) -> str:
    return f"2024-01-{moment}:00" if moment else ""


@pytest.mark.parametrize("case", CASES)
def test_answers_worked_out_by_hand(answers: dict[str, tuple[object, ...]], case: str) -> None:
    """Newest value, count, sum and mean of a day: what happened and was known by the moment asked, and nothing else."""
    assert answers[case] == CASES[case][1]
