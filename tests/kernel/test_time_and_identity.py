"""The six promises about time and identity, on a year of flights in one file a day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from flight_data import FLIGHTS, TEMPLATE, WEATHER
from hypothesis import given, settings
from hypothesis import strategies as st
from rivers import Ran, run_python, run_river

from millstream.features.materialise import materialise
from millstream.features.training_set import TrainingSetOperation
from millstream.features.views import JoinedView, Naming, WindowView
from millstream.kernel.availability import DAY, microseconds_of
from millstream.kernel.facts import Facts
from millstream.kernel.records import StepReport

CARRIERS = ("VX", "AS", "FL", "F9")
YEAR = 365
ASKED = 1_000
PROCESSES = 20
LATE_DAY = date(2013, 6, 15)

RIVER = """
schedule = ms.source("flights", columns=["flight", "carrier", "origin", "scheduled", "due"], key="flight", time="scheduled")
landings = ms.source("flights", columns=["flight", "carrier", "landed", "arrival_delay"], key="flight", time="landed", delay="15m")
weather = ms.source("weather", columns=["origin", "observed", "wind_speed", "visibility"], key="origin", time="observed", delay="20m")


@ms.label(schedule, landings, known_at="decided", partition="1d", lookback="1d")
def late(schedule: pl.LazyFrame, landings: pl.LazyFrame, *, minutes: int = 15) -> pl.LazyFrame:
    decided = pl.col("due") + pl.duration(minutes=minutes)
    flights = schedule.join(landings, on="flight", how="left")
    return flights.select("flight", decided=decided, late=(pl.col("landed") > decided).fill_null(value=True))


@ms.feature_view(weather, max_age="3h", partition="1d")
def wind(weather: pl.LazyFrame) -> pl.LazyFrame:
    return weather.select("origin", "observed", "wind_speed", "visibility")


punctuality = ms.aggregate(landings, key="carrier", over=["1d", "7d"], delay=("arrival_delay", "mean"), landed=("flight", "count"))
examples = ms.training_set(schedule, label=late, features=[wind, punctuality], ignore=["due"])
"""
SNAPSHOTS = {"schedule", "landings", "weather"}


@dataclass(frozen=True)
class Year:
    """A folder that filled day by day, and three runs: all days but the last, then the last one too, then a row that came late."""

    folder: Path
    before: Ran
    arrived: Ran
    restated: Ran


def flights(carriers: Sequence[str] = CARRIERS) -> pl.DataFrame:
    """The flights of some carriers, in the order of the template."""
    return pl.read_parquet(TEMPLATE / FLIGHTS).filter(pl.col("carrier").is_in(carriers))


def by_day(frame: pl.DataFrame, time: str, days: int) -> dict[str, pl.DataFrame]:
    """The rows of each of the first days, by the name of their file."""
    dated = frame.with_columns(day=pl.col(time).dt.date())
    groups = dated.partition_by("day", as_dict=True, maintain_order=True, include_key=False)
    return {f"{day}.parquet": rows for (day,), rows in list(groups.items())[:days]}


def write_files(folder: Path, files: Mapping[str, pl.DataFrame]) -> None:
    """The files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        rows.write_parquet(folder / name)


def write_days(folder: Path, days: int, *, carriers: Sequence[str] = CARRIERS) -> None:
    """Flights and weather of the first days, in one file a day."""
    write_files(folder / "flights", by_day(flights(carriers), "scheduled", days))
    write_files(folder / "weather", by_day(pl.read_parquet(TEMPLATE / WEATHER), "observed", days))


def set_aside(folder: Path) -> Callable[[], None]:
    """Takes the newest file of flights and of weather away; calling what is returned brings them back."""
    newest = [max(path.iterdir()) for path in (folder / "flights", folder / "weather")]
    contents = [path.read_bytes() for path in newest]
    for path in newest:
        path.unlink()

    def bring_back() -> None:
        for path, content in zip(newest, contents, strict=True):
            path.write_bytes(content)

    return bring_back


def add_late_row(folder: Path) -> None:
    """A flight that is told of months later: a row more in the file of its day."""
    rows = pl.read_parquet(path := folder / "flights" / f"{LATE_DAY}.parquet")
    first = rows.filter(pl.col("landed").dt.date() == LATE_DAY).head(1)
    pl.concat([rows, first.with_columns(flight=pl.lit("VX0-JFK"), arrival_delay=pl.lit(180, pl.Int16))]).write_parquet(path)


def reports(ran: Ran) -> list[StepReport]:
    """The reports of all steps but the snapshots."""
    return [report for report in ran.progress.reports.values() if report.name not in SNAPSHOTS]


def changed_days(before: Ran, after: Ran, name: str) -> set[date]:
    """The days of a table whose content differs."""
    old, new = before.days(name), after.days(name)
    return {datetime.fromtimestamp(day / 1e6, UTC).date() for day in new if day is not None and old.get(day) != new[day]}


def span(days: int) -> set[date]:
    """The late row's day and so many after it."""
    return {LATE_DAY + timedelta(days=number) for number in range(days + 1)}


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    folder = tmp_path_factory.mktemp("year")
    write_days(folder, YEAR)
    bring_back = set_aside(folder)
    before = run_river(folder, RIVER).answer()
    bring_back()
    arrived = run_river(folder).answer()
    add_late_row(folder)
    return Year(folder, before, arrived, run_river(folder).answer())


# (a) offline and online


@pytest.mark.parametrize("name", ["wind", "punctuality"])
def test_a_one_row_answers_are_the_batch_bit_for_bit(year: Year, name: str) -> None:
    """A thousand rows asked one at a time of a view and of the windowed aggregate."""
    operation = next(node.operation for node in year.arrived.progress.artifacts if node.name == "examples")
    assert isinstance(operation, TrainingSetOperation)
    view = next(each for each in operation.views if each.name == name)
    assert isinstance(view, JoinedView | WindowView)
    batch = year.arrived.frame("examples").sample(ASKED, seed=1)
    read = operation.inputs[view.place]

    online = materialise(view, year.arrived.frame(read), year.arrived.table(read).facts)

    moments = batch.get_column("scheduled").cast(pl.Int64)
    answers = [tuple(online.read(row, at)) for row, at in zip(batch.iter_rows(named=True), moments, strict=True)]
    assert bits(answers) == bits(batch.select(online.outputs).rows())
    assert len(set(answers)) > ASKED // 20


def bits(rows: Sequence[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Floats by their bits."""
    return [tuple(value.hex() if isinstance(value, float) else value for value in row) for row in rows]


# (b) what is known later


TOLD = Facts(("flight",), "landed", "told", 900_000_000)
BEGIN = microseconds_of(datetime(2013, 1, 1, tzinfo=UTC))


def told_late(seed: int) -> pl.DataFrame:
    """Landings of three weeks, told up to three days late."""
    landed = flights(("VX", "FL")).filter(pl.col("landed") < datetime(2013, 1, 22, tzinfo=UTC)).select("flight", "carrier", "landed", "arrival_delay")
    lateness = np.random.default_rng(seed).choice([0, 0, 3_600, 3 * 86_400], landed.height)
    return landed.with_columns(told=pl.col("landed") + pl.Series(lateness * 1_000_000).cast(pl.Duration("us")), weight=pl.col("arrival_delay") / 7)


def told_otherwise(table: pl.DataFrame, moment: int, random: np.random.Generator) -> pl.DataFrame:
    """The table with all that becomes available after a moment dropped, altered or moved about."""
    after = pl.max_horizontal("landed", pl.col("told") + pl.duration(minutes=15)).cast(pl.Int64) > moment
    later = table.filter(after).sample(fraction=0.7, shuffle=True, seed=int(random.integers(1_000)))
    altered = later.with_columns(arrival_delay=pl.col("arrival_delay") + 1_000, weight=pl.col("weight") * -3, carrier=pl.col("carrier").reverse())
    return pl.concat([table.filter(~after), altered]).sample(fraction=1.0, shuffle=True, seed=int(random.integers(1_000)))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 21 * 24 * 60), st.integers(0, 1_000))
def test_b_what_is_known_after_a_moment_changes_no_aggregate_asked_at_it(minutes: int, seed: int) -> None:
    """Windows over landings that were told late, asked at the moment and before, in the batch and online."""
    moment, table = BEGIN + minutes * 60_000_000, told_late(seed)
    columns = {"n": ("flight", "count"), "delay": ("arrival_delay", "mean"), "total": ("arrival_delay", "sum"), "weight": ("weight", "sum")}
    view = WindowView("windows", 1, Naming(), ("carrier",), ("6h", "1d", "7d"), columns)
    asked = pl.DataFrame({"carrier": ["VX", "FL"] * 5, "at": [moment - hours * 3_600_000_000 for hours in (0, 0, 1, 1, 5, 5, 24, 24, 99, 99)]})
    other = told_otherwise(table, moment, np.random.default_rng(seed))

    answers, online = view.features(asked, asked["at"], table, TOLD), materialise(view, other, TOLD)

    assert bits(view.features(asked, asked["at"], other, TOLD).rows()) == bits(answers.rows())
    assert bits([tuple(online.read(row, row["at"])) for row in asked.iter_rows(named=True)]) == bits(answers.rows())


def test_b_what_is_known_after_a_moment_changes_no_training_set_of_that_moment(tmp_path: Path) -> None:
    """Files in which all that became available after the moment is gone, give the same rows."""
    moment = datetime(2013, 1, 8, 15, 30, tzinfo=UTC)
    landed = pl.when(pl.col("landed") <= moment - timedelta(minutes=15)).then(pl.col("landed", "arrival_delay"))
    told = flights().filter(pl.col("scheduled") <= moment).with_columns(landed)
    write_days(tmp_path / "all", 10)
    write_files(tmp_path / "cut" / "flights", by_day(told, "scheduled", 10))
    observed = pl.read_parquet(TEMPLATE / WEATHER).filter(pl.col("observed") <= moment - timedelta(minutes=20))
    write_files(tmp_path / "cut" / "weather", by_day(observed, "observed", 10))

    whole, cut = (run_river(tmp_path / name, RIVER, as_of=microseconds_of(moment)).answer() for name in ("all", "cut"))

    assert whole.frame("examples").height > 100
    assert whole.frame("examples").equals(cut.frame("examples"))
    assert whole.frame("late").equals(cut.frame("late"))


# (c) parts


def test_c_a_new_day_costs_a_day(year: Year) -> None:
    """When the last of 365 days arrives, at most 3 % of the rows are processed again."""
    assert len(list((year.folder / "flights").iterdir())) == YEAR

    whole = sum(report.rows for report in reports(year.before))
    again = sum(report.rows for report in reports(year.arrived))

    assert {report.status for report in reports(year.before)} == {"ran"}
    assert 0 < again <= 0.03 * whole
    assert all(year.arrived.step(name).parts == 1 for name in ("schedule", "landings", "weather"))


def test_c_a_late_row_redoes_only_what_looks_back_to_it(year: Year) -> None:
    """The label looks back a day, the windows seven, the wind not at all."""
    assert (year.restated.step("schedule").parts, year.restated.step("landings").parts) == (1, 1)
    assert (year.restated.step("late").parts, year.restated.step("examples").parts) == (2, 8)
    assert year.restated.statuses["wind"] == "cached"
    assert changed_days(year.arrived, year.restated, "late") <= span(1)
    assert LATE_DAY in changed_days(year.arrived, year.restated, "examples")
    assert changed_days(year.arrived, year.restated, "examples") <= span(7)


def test_c_days_that_come_one_after_another_give_what_they_give_at_once(tmp_path: Path) -> None:
    """Also when an older file is restated in between: every day has the same digest."""
    write_days(tmp_path, 12, carriers=("VX",))
    bring_back = set_aside(tmp_path)
    changed = tmp_path / "flights" / "2013-01-03.parquet"
    rows = pl.read_parquet(changed)
    rows.head(3).write_parquet(changed)
    run_river(tmp_path, RIVER).answer()
    rows.write_parquet(changed)
    bring_back()

    little_by_little = run_river(tmp_path).answer()

    (tmp_path / "anew").mkdir()
    write_days(tmp_path / "anew", 12, carriers=("VX",))
    at_once = run_river(tmp_path / "anew", RIVER).answer()
    assert all(little_by_little.days(name) == at_once.days(name) for name in ("late", "wind", "examples"))


# (d) bits


def test_d_deterministic_runs_give_one_digest(tmp_path: Path) -> None:
    """Twenty processes read Parquet, join, group, average and add up floats in one plan, each in a store of its own."""
    random = np.random.default_rng(5)
    facts = pl.DataFrame({"key": random.integers(0, 20_000, 200_000), "x": random.normal(size=200_000) * 10.0 ** random.integers(-8, 8, 200_000)})
    facts.write_parquet(tmp_path / "facts.parquet", row_group_size=20_000)
    pl.DataFrame({"key": random.permutation(20_000), "y": random.normal(size=20_000)}).write_parquet(tmp_path / "names.parquet")
    code = """
    import sys
    from pathlib import Path
    from millstream.kernel.threads import cap_threads
    cap_threads(deterministic=True)
    from rivers import run_river
    folder, data = Path(sys.argv[1]), sys.argv[2]
    folder.mkdir()
    print(run_river(folder, f'''
        facts = ms.source("{data}/facts.parquet")
        names = ms.source("{data}/names.parquet", key="key")

        @ms.step(facts, names)
        def total(facts: pl.LazyFrame, names: pl.LazyFrame) -> pl.LazyFrame:
            joined = facts.join(names, on="key", how="left", maintain_order="left")
            product = pl.col("x") * pl.col("y")
            means = joined.group_by("key", maintain_order=True).agg(pl.col("x").mean(), std=pl.col("x").std(), product=product.sum())
            return means.select(pl.col("x", "std", "product").sum())
    ''').answer().table("total").digest)
    """

    def run(number: int) -> tuple[str, str]:
        done = run_python(code, str(tmp_path / f"run{number}"), str(tmp_path))
        return done.stdout.strip(), done.stderr

    with ThreadPoolExecutor(2) as pool:
        digests = list(pool.map(run, range(PROCESSES)))

    assert digests[0][0], digests[0][1]
    assert set(digests) == {digests[0]}


# (e) a minute later


def available(folder: Path) -> pl.Series:
    """All moments at which something becomes available, in order."""
    planned = pl.read_parquet(folder / "flights")
    observed = pl.read_parquet(folder / "weather").get_column("observed").dt.offset_by("20m")
    moments = [planned.get_column("scheduled"), planned.get_column("landed").dt.offset_by("15m"), observed]
    return pl.concat([each.cast(pl.Int64) for each in moments]).drop_nulls().unique().sort()


def test_e_a_minute_later_nothing_runs_if_nothing_became_available(year: Year) -> None:
    """The key holds what is seen, never the moment."""
    moments = available(year.folder)
    quiet = next(moment for moment, after in pairwise(moments) if moment > BEGIN + 300 * DAY and after - moment > 60_000_000)
    first = run_river(year.folder, as_of=quiet).answer()

    second = run_river(year.folder, as_of=quiet + 60_000_000).answer()

    assert "examples" in first.executed
    assert second.executed == []
    assert len(second.statuses) == len(first.statuses)


def test_e_a_minute_later_what_became_available_is_taken_in(year: Year) -> None:
    """A landing that becomes known (all times are whole minutes) redoes the day that it straddles, in the steps that read landings."""
    planned = pl.read_parquet(year.folder / "flights")
    known = planned.get_column("landed").dt.offset_by("15m").cast(pl.Int64)
    others = set(planned.get_column("scheduled").cast(pl.Int64))
    moment = next(each for each in known.drop_nulls().sort() if each > BEGIN + 300 * DAY and each not in others and each % 3_600_000_000)
    run_river(year.folder, as_of=moment - 60_000_000).answer()

    later = run_river(year.folder, as_of=moment).answer()

    assert later.executed == ["examples", "late"]
    assert (later.step("examples").parts, later.step("late").parts) == (1, 2)


# (f) identity


def table() -> pl.DataFrame:
    """Rows of three days, with nulls."""
    at = pl.datetime_range(datetime(2024, 1, 1), datetime(2024, 1, 3), "1h", time_unit="us", eager=True)
    rows = at.len()
    return pl.DataFrame(
        {"n": range(rows), "x": [None if number % 7 == 0 else number / 3 for number in range(rows)], "at": at, "word": ["a", None, "b"] * 16 + ["c"]}
    )


DIFFERENT: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "renamed column": lambda frame: frame.rename({"x": "y"}),
    "order of columns": lambda frame: frame.select("x", "n", "at", "word"),
    "integer width": lambda frame: frame.with_columns(pl.col("n").cast(pl.Int32)),
    "sign": lambda frame: frame.with_columns(pl.col("n").cast(pl.UInt64)),
    "time unit": lambda frame: frame.with_columns(pl.col("at").cast(pl.Datetime("ms"))),
    "zone": lambda frame: frame.with_columns(pl.col("at").dt.replace_time_zone("UTC")),
    "order of rows": lambda frame: frame.reverse(),
    "NaN for null": lambda frame: frame.with_columns(pl.col("x").fill_null(float("nan"))),
    "text for null": lambda frame: frame.with_columns(pl.col("word").fill_null("")),
    "category for text": lambda frame: frame.with_columns(pl.col("word").cast(pl.Categorical)),
    "a row less": lambda frame: frame.head(-1),
}
LAYOUTS: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    "row groups": lambda frame, folder: frame.write_parquet(folder / "a.parquet", row_group_size=5),
    "compression": lambda frame, folder: frame.write_parquet(folder / "a.parquet", compression="snappy"),
    "several files": lambda frame, folder: [frame[start : start + 10].write_parquet(folder / f"{start:02}.parquet") for start in range(0, 49, 10)],
    "chunks": lambda frame, folder: pl.concat([frame[:7], frame[7:30], frame[30:]], rechunk=False).write_parquet(folder / "a.parquet"),
}


def snapshot_digests(folder: Path, write: Callable[[Path], object], *, time: str) -> dict[int | None, str]:
    """The digests of a table that was read from files, by day."""
    (folder / "data").mkdir(parents=True)
    write(folder / "data")
    step = "@ms.step(data)\ndef copy(data: pl.LazyFrame) -> pl.LazyFrame:\n    return data\n"
    return run_river(folder, f'data = ms.source("data"{time})\n\n{step}').answer().days("copy")


@pytest.mark.parametrize("change", DIFFERENT.values(), ids=DIFFERENT)
def test_f_other_content_has_another_digest(tmp_path: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Names, types, units, zones, order, and what is missing are content."""
    digests = snapshot_digests(tmp_path / "one", lambda folder: table().write_parquet(folder / "a.parquet"), time="")

    assert snapshot_digests(tmp_path / "other", lambda folder: change(table()).write_parquet(folder / "a.parquet"), time="") != digests


@pytest.mark.parametrize("time", ["", ', time="at"'], ids=["whole", "by day"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_f_other_layouts_have_the_same_digest(tmp_path: Path, layout: Callable[[pl.DataFrame, Path], object], time: str) -> None:
    """How files are cut, packed and compressed is no content."""
    digests = snapshot_digests(tmp_path / "one", lambda folder: table().write_parquet(folder / "a.parquet"), time=time)

    assert snapshot_digests(tmp_path / "other", lambda folder: layout(table(), folder), time=time) == digests
