"""The data of the example projects are what their programs and documents say."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files

import polars as pl
import pytest

TEMPLATES = files("millstream.templates")
FLIGHTS = {
    "flight": pl.String(),
    "carrier": pl.String(),
    "origin": pl.String(),
    "dest": pl.String(),
    "tailnum": pl.String(),
    "distance": pl.Int16(),
    "scheduled": pl.Datetime("us", "UTC"),
    "due": pl.Datetime("us", "UTC"),
    "landed": pl.Datetime("us", "UTC"),
    "arrival_delay": pl.Int16(),
}
MEASURED = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visibility"]
PLANES = ["tailnum", "year", "type", "manufacturer", "model", "engines", "seats", "speed", "engine"]
ATLANTIC = ["BQN", "PSE", "SJU", "STT"]


def content(*path: str) -> bytes:
    """The bytes of a file of the templates, as they are in the installed package."""
    return TEMPLATES.joinpath(*path).read_bytes()


@pytest.fixture(scope="module")
def flights() -> pl.DataFrame:
    """All flights."""
    return pl.read_parquet(content("flights", "data", "flights.parquet"))


@pytest.fixture(scope="module")
def weather() -> pl.DataFrame:
    """All weather observations."""
    return pl.read_parquet(content("flights", "data", "weather.parquet"))


@pytest.fixture(scope="module")
def planes() -> pl.DataFrame:
    """All planes."""
    return pl.read_csv(content("flights", "data", "planes.csv"), infer_schema_length=None)


def minutes(later: str, earlier: str) -> pl.Expr:
    """Minutes from one moment to another."""
    return (pl.col(later) - pl.col(earlier)).dt.total_minutes()


def share(flights: pl.DataFrame, condition: pl.Expr) -> float:
    """The part of the flights that meets the condition."""
    return flights.filter(condition).height / flights.height


def utc(text: str) -> datetime:
    """A moment written in ISO form, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_flights_are_all_departures_of_the_year(flights: pl.DataFrame) -> None:
    """336,776 rows, ten columns of these types in this order."""
    assert flights.height == 336_776
    assert dict(flights.schema) == FLIGHTS
    assert list(flights.columns) == list(FLIGHTS)


def test_flights_are_known_by_their_key(flights: pl.DataFrame) -> None:
    """No flight comes twice: carrier, number, origin and local day are a key."""
    assert flights["flight"].n_unique() == flights.height


def test_key_says_carrier_origin_and_local_day(flights: pl.DataFrame) -> None:
    """The key can be read: the day is the one in New York, not the one in UTC."""
    day = pl.col("scheduled").dt.convert_time_zone("America/New_York").dt.to_string("%Y-%m-%d")
    key = pl.format("^{}[0-9]+-{}-{}$", "carrier", "origin", day)
    assert share(flights, pl.col("flight").str.contains(key)) == 1


def test_only_plane_and_landing_may_be_missing(flights: pl.DataFrame) -> None:
    """Everything in the timetable is there; 2,512 flights have no known plane."""
    missing = {name: count for name, count in flights.null_count().row(0, named=True).items() if count}
    assert missing == {"tailnum": 2_512, "landed": 9_430, "arrival_delay": 9_430}


def test_flights_are_in_the_order_of_departure(flights: pl.DataFrame) -> None:
    """Sorted by scheduled departure, then by key."""
    assert flights.select("scheduled", "flight").equals(flights.select("scheduled", "flight").sort("scheduled", "flight"))


def test_flights_are_due_after_they_leave(flights: pl.DataFrame) -> None:
    """The shortest flight takes 50 minutes by the timetable, the longest (to Honolulu) 11 h 40 min."""
    duration = flights.select(minutes("due", "scheduled")).to_series()
    assert (duration.min(), duration.max()) == (50, 700)


def test_duration_fits_the_route(flights: pl.DataFrame) -> None:
    """No scheduled duration is two hours off the middle one of its route: no wrong day, no wrong zone; two are one hour off."""
    duration = minutes("due", "scheduled")
    off = (duration - duration.median().over("origin", "dest")).abs()
    assert flights.filter(off >= 120).height == 0
    assert flights.filter(off > 60).height == 2


def test_arrival_delay_is_landing_minus_due(flights: pl.DataFrame) -> None:
    """To the minute, and missing exactly where the landing is."""
    assert flights.select(minutes("landed", "due").eq_missing(pl.col("arrival_delay")).all()).item()


def test_some_flights_never_land(flights: pl.DataFrame) -> None:
    """2.8 % are cancelled or diverted."""
    assert share(flights, pl.col("landed").is_null()) == pytest.approx(0.028, abs=0.0005)


def test_a_quarter_is_late(flights: pl.DataFrame) -> None:
    """25.9 % are not on the ground 15 minutes after they are due, counting those that never land."""
    late = (pl.col("landed") > pl.col("due") + pl.duration(minutes=15)).fill_null(value=True)
    assert share(flights, late) == pytest.approx(0.2585, abs=0.0005)


@pytest.mark.parametrize(
    ("flight", "scheduled", "due", "landed"),
    [
        # Written by hand from the raw table: local times and the zones of both ends.
        ("UA1545-EWR-2013-01-01", "2013-01-01T10:15", "2013-01-01T14:19", "2013-01-01T14:30"),  # 5:15, Houston 8:19, 11 late
        ("HA51-JFK-2013-01-01", "2013-01-01T14:00", "2013-01-02T01:30", "2013-01-02T01:16"),  # 9:00, Honolulu 15:30, 14 early
        ("B6725-JFK-2013-01-01", "2013-01-01T10:45", "2013-01-01T14:22", "2013-01-01T14:04"),  # 5:45, Aguadilla 10:22, 18 early
        ("AA655-JFK-2013-07-01", "2013-07-01T12:00", "2013-07-01T16:00", "2013-07-01T15:54"),  # 8:00, St Thomas 12:00, 6 early
        ("B6739-JFK-2013-01-01", "2013-01-02T04:59", "2013-01-02T08:45", "2013-01-02T08:25"),  # 23:59, Ponce 4:45 next day
        ("AA185-JFK-2013-11-02", "2013-11-03T01:40", "2013-11-03T07:40", "2013-11-03T07:43"),  # 21:40, Los Angeles 0:40 next day
        ("B635-JFK-2013-03-09", "2013-03-10T02:45", "2013-03-10T05:34", "2013-03-10T07:03"),  # 0:34, landed 3:03 summer time
    ],
)
def test_known_flight(flights: pl.DataFrame, flight: str, scheduled: str, due: str, landed: str) -> None:
    """Departure in New York's time, arrival in the time of the destination, both told in UTC."""
    row = flights.row(by_predicate=pl.col("flight") == flight, named=True)
    assert (row["scheduled"], row["due"], row["landed"]) == (utc(scheduled), utc(due), utc(landed))


def test_duration_does_not_jump_when_clocks_change(flights: pl.DataFrame) -> None:
    """The night flight to Los Angeles takes six hours on both evenings around the end of summer time."""
    evenings = flights.filter(pl.col("flight").is_in(["AA185-JFK-2013-11-02", "AA185-JFK-2013-11-03"]))
    assert evenings.select(minutes("due", "scheduled")).to_series().to_list() == [360, 360]


@pytest.mark.parametrize("airport", ATLANTIC)
def test_puerto_rico_and_the_virgin_islands_keep_atlantic_time(flights: pl.DataFrame, airport: str) -> None:
    """In summer and winter the way takes as long, though only New York changes its clocks."""
    winter = pl.col("scheduled").dt.month().is_in([1, 2, 12])
    there = flights.filter(pl.col("dest") == airport).with_columns(duration=minutes("due", "scheduled"))
    middle = [there.filter(season)["duration"].median() for season in (winter, ~winter)]
    assert middle == pytest.approx([231, 231], abs=25)


def test_weather_is_known_by_airport_and_hour(weather: pl.DataFrame) -> None:
    """26,115 rows of full hours, none twice."""
    assert weather.columns == ["origin", "observed", *MEASURED]
    assert weather.schema["observed"] == pl.Datetime("us", "UTC")
    assert weather.height == 26_115
    assert not weather.select("origin", "observed").is_duplicated().any()
    assert weather.select((pl.col("observed") == pl.col("observed").dt.truncate("1h")).all()).item()


def test_weather_is_in_utc(weather: pl.DataFrame) -> None:
    """The first hour on record is 1:00 in New York; the hour that the clocks repeat is there twice, an hour apart."""
    assert weather["observed"].min() == utc("2013-01-01T06:00")
    one_o_clock_twice = pl.col("observed").is_between(utc("2013-11-03T05:00"), utc("2013-11-03T06:00"))
    repeated = weather.filter(one_o_clock_twice, pl.col("origin") == "EWR")
    assert repeated["temp"].to_list() == [51.98, 50.0]


def test_weather_ends_a_day_before_the_year(flights: pl.DataFrame, weather: pl.DataFrame) -> None:
    """842 flights find no observation of the last three hours; before the end of the observations only 16 do not."""
    last = pl.col("observed").alias("last")
    observed = weather.select("origin", "observed", last).sort("observed")
    found = flights.join_asof(observed, left_on="scheduled", right_on="observed", by="origin", tolerance="3h", check_sortedness=False)
    without = found.filter(pl.col("last").is_null())
    assert without.height == 842
    assert without.filter(pl.col("scheduled") < weather["observed"].max()).height == 16


def test_planes_are_known_by_their_tail_number(flights: pl.DataFrame, planes: pl.DataFrame) -> None:
    """3,322 planes; 84 % of the flights find theirs."""
    assert planes.columns == PLANES
    assert planes["tailnum"].n_unique() == planes.height == 3_322
    assert share(flights, pl.col("tailnum").is_in(planes["tailnum"].implode())) == pytest.approx(0.844, abs=0.001)


def test_example_is_small() -> None:
    """The three files are less than 5 MB in the wheel."""
    assert sum(len(content("flights", "data", name)) for name in ("flights.parquet", "weather.parquet", "planes.csv")) < 5_000_000


def test_customers_are_known_by_their_key() -> None:
    """7,043 customers, numbered in the order of the file; a quarter leaves."""
    customers = pl.read_csv(content("churn", "data", "churn.csv"))
    assert customers["customer"].to_list() == [f"C{number:04d}" for number in range(1, 7_044)]
    assert share(customers, pl.col("churn") == "Yes") == pytest.approx(0.265, abs=0.001)


@pytest.mark.parametrize("name", ["flights", "churn"])
def test_program_reads_only_files_beside_it(name: str) -> None:
    """Every file that a template's program names is in the template."""
    named = [word for word in content(name, f"{name}.py").decode().split('"') if word.startswith("data/") and "." in word]
    assert named
    assert all(TEMPLATES.joinpath(name, word).is_file() for word in named)
