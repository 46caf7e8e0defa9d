"""No future: whatever becomes of the data that is known only after a moment, nothing changes that is asked or visible at it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from flight_data import Flights, first_days, other_future, run_flights, write_flights
from polars.testing import assert_frame_equal

from millstream.kernel.availability import microseconds_of

MOMENTS = [
    datetime(2013, 1, 3, 14, 30, tzinfo=UTC),
    datetime(2013, 1, 14, tzinfo=UTC),
    datetime(2013, 1, 19, 21, 47, 11, 1, tzinfo=UTC),
]
"""A landing of these days became known at the first one exactly."""
TABLES = ["schedule", "landings", "weather", "planes", "wind", "aircraft", "late", "examples"]
FEATURES = {
    "view": ["wind_speed", "visibility"],
    "static view": ["seats", "built"],
    "aggregate": ["delay_1d", "landed_1d", "delay_7d", "landed_7d"],
    "on-demand view": ["hour", "weekday", "age"],
    "truth": ["__target__", "__known__"],
}


@dataclass(frozen=True)
class Pair:
    """The same moment in two worlds that differ only in what became known after it."""

    moment: datetime
    world: Flights
    other: Flights

    def tables(self, name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        """What is visible of a table at the moment, made of all the data there is."""
        return self._seen(self.world).table(name), self._seen(self.other).table(name)

    def rows(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The rows asked by the moment, with features and truth, made of all the data there is."""
        return self._seen(self.world).rows(), self._seen(self.other).rows()

    def _seen(self, flights: Flights) -> Flights:
        return replace(flights, as_of=microseconds_of(self.moment))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Flights:
    """The first days of the flights as they were."""
    file = write_flights(tmp_path_factory.mktemp("world") / "folder", changes=first_days())
    return run_flights(file, as_of="2013-03-01", only=[*TABLES, "training rows"])


@pytest.fixture(scope="module", params=MOMENTS, ids=str)
def pair(request: pytest.FixtureRequest, world: Flights, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Them, and the same days with another future after a moment."""
    moment: datetime = request.param
    changes = other_future(moment, seed=MOMENTS.index(moment))
    file = write_flights(tmp_path_factory.mktemp("other") / "folder", changes=changes)
    return Pair(moment, world, run_flights(file, as_of="2013-03-01", only=[*TABLES, "training rows"]))


def test_the_two_futures_differ(pair: Pair) -> None:
    """What is visible in the end is not the same, in every table that has a time."""
    for name in TABLES:
        if name not in ("planes", "aircraft"):
            assert not pair.world.table(name).equals(pair.other.table(name)), name


@pytest.mark.parametrize("name", TABLES)
def test_nothing_visible_at_a_moment_depends_on_later_knowledge(pair: Pair, name: str) -> None:
    """Sources, views, label and training set made of everything, and cut at the moment."""
    seen, other = pair.tables(name)
    assert seen.height > 0
    assert_frame_equal(seen, other, check_exact=True)


@pytest.mark.parametrize("kind", FEATURES)
def test_nothing_asked_at_a_moment_depends_on_later_knowledge(pair: Pair, kind: str) -> None:
    """All rows asked by then have the same features and the same truth."""
    rows, others = (each.select("flight", *FEATURES[kind]) for each in pair.rows())
    assert rows.drop_nulls().height > 0
    assert_frame_equal(rows, others, check_exact=True)


def test_a_run_as_of_a_moment_is_the_cut_of_a_later_run(pair: Pair) -> None:
    """What is made of the data known at the moment is what was made of everything, in either world."""
    at = pair.moment.isoformat()
    then = run_flights(pair.other.project.file, as_of=at, only=[*TABLES, "training rows"])
    assert_frame_equal(then.rows(), pair.rows()[0], check_exact=True)
    for name in ("wind", "late"):
        assert_frame_equal(then.table(name), pair.tables(name)[0], check_exact=True)


LEAKS: dict[str, tuple[str, str, str]] = {
    "view": ('"wind_speed", "visibility")', 'pl.col("wind_speed").mean().over("origin"), "visibility")', "wind_speed"),
    "label": ('(pl.col("landed") > decided).fill_null(value=True)', 'pl.col("landed") > pl.col("landed").mean()', "__target__"),
    "on-demand view": ("hour=local.hour()", "hour=local.hour().rank()", "hour"),
}
"""What is written instead of what, and the column that then tells of later things."""


@pytest.mark.parametrize("kind", LEAKS)
def test_a_leak_is_seen(tmp_path: Path, kind: str) -> None:
    """Each kind of function that looks at all of its rows is found out by the comparison."""
    old, new, column = LEAKS[kind]
    moment = MOMENTS[1]
    worlds = {"as it was": first_days(), "another": other_future(moment, seed=1)}
    found: list[pl.DataFrame] = []
    for name, changes in worlds.items():
        file = write_flights(tmp_path / name, program={old: new}, changes=changes)
        flights = run_flights(file, as_of="2013-03-01")
        found.append(replace(flights, as_of=microseconds_of(moment)).rows().select(column))
    assert not found[0].equals(found[1])
