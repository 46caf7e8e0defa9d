"""Two projects that have run once, copied for every test that uses them: late parcels, tiny; and the flights of one airport."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command import FLIGHTS_AS_OF, PARCELS_AS_OF, millstream
from flight_data import FLIGHTS, QUICK, WEATHER, Change, write_flights

PARCELS = '''"""Will this parcel be on its way for more than two days?"""

import polars as pl

import millstream as ms

parcels = ms.source("parcels.csv", columns=["parcel", "sent", "town", "weight"], key="parcel", time="sent")
arrivals = ms.source("parcels.csv", columns=["parcel", "arrived"], key="parcel", time="arrived", delay="15m")
weather = ms.source("weather.csv", key="town", time="observed", delay="20m")


@ms.label(parcels, arrivals, known_at="decided")
def late(parcels: pl.LazyFrame, arrivals: pl.LazyFrame, *, hours: int = 48) -> pl.LazyFrame:
    """Not there after so many hours; both answers are known then."""
    decided = pl.col("sent") + pl.duration(hours=hours)
    both = parcels.join(arrivals, on="parcel", how="left")
    return both.select("parcel", decided=decided, late=(pl.col("arrived") > decided).fill_null(value=True))


@ms.feature_view(weather, max_age="3d")
def wind(weather: pl.LazyFrame) -> pl.LazyFrame:
    """Wind in the town, as last observed."""
    return weather.select("town", "observed", "wind_speed")


examples = ms.training_set(parcels, label=late, features=[wind])
delays = ms.train(examples, methods=[ms.methods.linear()], split=ms.split.time(test="10d", folds=2), metric="roc_auc")
service = ms.deploy(delays, batch=ms.sink("answers"))
'''
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def parcels_that_ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parcels")
    (folder / "parcels.py").write_text(PARCELS, encoding="utf-8")
    (folder / "parcels.csv").write_text(_parcels(800), encoding="utf-8")
    (folder / "weather.csv").write_text(_weather(320), encoding="utf-8")
    millstream(folder, "run", "--as-of", PARCELS_AS_OF).well()
    return folder


@pytest.fixture
def parcels(parcels_that_ran: Path, tmp_path: Path) -> Path:
    """The parcels, after a run as of PARCELS_AS_OF."""
    return _copy(parcels_that_ran, tmp_path / "parcels")


@pytest.fixture
def new_parcels(parcels_that_ran: Path, tmp_path: Path) -> Path:
    """The parcels, before any run."""
    return _copy(parcels_that_ran, tmp_path / "new_parcels", ".millstream")


@pytest.fixture(scope="session")
def flights_that_ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("airport") / "flights"
    write_flights(folder, program=QUICK, changes={FLIGHTS: _two_months("scheduled"), WEATHER: _two_months("observed")})
    millstream(folder, "run", "--as-of", FLIGHTS_AS_OF).well()
    return folder


@pytest.fixture
def flights(flights_that_ran: Path, tmp_path: Path) -> Path:
    """The flights of two months from one airport, after a run as of FLIGHTS_AS_OF."""
    return _copy(flights_that_ran, tmp_path / "flights")


@pytest.fixture
def new_flights(flights_that_ran: Path, tmp_path: Path) -> Path:
    """The same flights, before any run."""
    return _copy(flights_that_ran, tmp_path / "new_flights", ".millstream")


def _copy(folder: Path, target: Path, *without: str) -> Path:
    return shutil.copytree(folder, target, ignore=shutil.ignore_patterns(*without))


def _two_months(time: str) -> Change:
    inside = pl.col(time).is_between(datetime(2013, 4, 1, tzinfo=UTC), datetime(2013, 6, 3, tzinfo=UTC))
    return lambda frame: frame.filter(inside, pl.col("origin") == "LGA")


def _parcels(count: int) -> str:
    """One parcel every 137 minutes; the heavy ones take longer."""
    draw, lines = np.random.default_rng(1), ["parcel,sent,town,weight,arrived"]
    for number in range(count):
        sent, weight = BEGIN + timedelta(minutes=137 * number), draw.gamma(3)
        arrived = sent + timedelta(hours=max(1.0, 40 + 6 * (weight - 3) + draw.normal(0, 8)))
        lines.append(f"p{number},{_told(sent)},town_{number % 3},{weight:.2f},{_told(arrived)}")
    return "\n".join(lines) + "\n"


def _weather(count: int) -> str:
    """An observation every six hours in each of three towns."""
    draw, lines = np.random.default_rng(2), ["town,observed,wind_speed,visibility"]
    for number in range(count):
        observed = _told(BEGIN + timedelta(hours=6 * number))
        lines += [f"town_{town},{observed},{draw.gamma(2, 5):.1f},{draw.integers(1, 11)}" for town in range(3)]
    return "\n".join(lines) + "\n"


def _told(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
