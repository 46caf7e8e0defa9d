"""The bikes program in a folder of its own: counts as it reads them, holidays, and a stand-in for the weather service."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import polars as pl
from services import Asked, Reply, Service, serving

PROGRAM = Path(__file__).parent / "programs" / "bikes.py"
HOURLY = Path(__file__).parent / "programs" / "data" / "bike_hourly.parquet"
WEATHER = "https://weather.example"
BEGIN, END = datetime(2011, 1, 1, tzinfo=UTC), datetime(2011, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Count:
    """How many bikes were rented in an hour, and when that was known."""

    hour: datetime
    counted: datetime
    cnt: int


@dataclass(frozen=True)
class Forecast:
    """What was said of an hour, and when."""

    hour: datetime
    issued: datetime
    temperature: float
    rain: bool
    wind: float


@cache
def counts() -> list[Count]:
    """In the order of the hours. An hour is counted five minutes after it is over, every fiftieth a day and a half later."""
    rows = pl.read_parquet(HOURLY).filter(pl.col("dteday") < END.replace(tzinfo=None)).iter_rows(named=True)
    found = [(row["dteday"].replace(tzinfo=UTC) + row["hr"] * HOUR, row["cnt"]) for row in rows]
    late = timedelta(hours=36)
    return [
        Count(hour, hour + HOUR + timedelta(minutes=5) + (late if number % 50 == 49 else 0 * late), cnt) for number, (hour, cnt) in enumerate(found)
    ]


@cache
def holidays() -> list[date]:
    """Days of both years on which nobody has to go to work."""
    return pl.read_parquet(HOURLY).filter(pl.col("holiday") == 1).get_column("dteday").dt.date().unique().sort().to_list()


@cache
def forecasts() -> list[Forecast]:
    """Every six hours for the two days to come: the weather that was, further off the earlier it was said. In two hours in a hundred nothing was."""
    rows = pl.read_parquet(HOURLY).filter(pl.col("dteday") < END.replace(tzinfo=None)).iter_rows(named=True)
    found = [
        Forecast(hour, hour - ahead * HOUR, row["temp"] + ahead / 1_000, row["weathersit"] > 2, row["windspeed"])
        for row in rows
        if ((hour := row["dteday"].replace(tzinfo=UTC) + row["hr"] * HOUR).day * 24 + hour.hour) % 50
        for ahead in range(hour.hour % 6, 48, 6)
    ]
    return sorted(found, key=lambda each: (each.issued, each.hour))


@dataclass
class Weather:
    """The stand-in: what it says grows with its clock."""

    service: Service
    now: datetime

    def said(self) -> list[Forecast]:
        """All forecasts issued so far."""
        return [each for each in forecasts() if each.issued <= self.now]


@contextmanager
def bikes(folder: Path, *, now: datetime = END) -> Generator[tuple[Path, Weather]]:
    """The program with its data, and the weather service that it asks; only the address in it is another."""
    (folder / "data").mkdir()
    pl.DataFrame([vars(each) for each in counts()]).write_parquet(folder / "data" / "bike_hourly.parquet")
    pl.DataFrame({"date": holidays()}).write_csv(folder / "data" / "holidays.csv")
    with serving(lambda _: Reply({"data": []})) as service:
        weather = Weather(service, now)
        service.answer = lambda asked: _forecasts(asked, weather)
        text = PROGRAM.read_text(encoding="utf-8")
        assert text.count(WEATHER) == 1
        file = folder / "bikes.py"
        file.write_text(text.replace(WEATHER, service.url), encoding="utf-8")
        yield file, weather


def _forecasts(asked: Asked, weather: Weather) -> Reply:
    """As the program expects them: from a moment on, which is counted in as many services do."""
    assert asked.path == "/v1/forecasts"
    after = datetime.fromisoformat(asked.query["issued_after"]) if "issued_after" in asked.query else datetime.min.replace(tzinfo=UTC)
    rows = [each for each in weather.said() if each.issued >= after]
    return Reply({"data": [{**vars(each), "hour": each.hour.isoformat(), "issued": each.issued.isoformat()} for each in rows]})
