"""What is found before anything is trained: leaks, self-matches, features that are always null; and nothing where nothing is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from flight_data import FLIGHTS, WEATHER, Change, write_flights
from rivers import day, write_parcels

from millstream.cli.main import main
from millstream.kernel.availability import text_of
from millstream.kernel.ledger import Ledger
from millstream.maintenance.check import check
from millstream.maintenance.records import Finding
from millstream.project import Project

WHOLE = 30
LEAK = """
@ms.feature_view(parcels, arrivals, key="parcel", time="sent")
def took(parcels: pl.LazyFrame, arrivals: pl.LazyFrame) -> pl.LazyFrame:
    return parcels.select("parcel", "sent").join(arrivals.select("parcel", took="hours"), on="parcel", how="left")


examples ="""
SELF = """
@ms.feature_view(parcels, key="route")
def before(parcels: pl.LazyFrame) -> pl.LazyFrame:
    return parcels.select("route", "sent", other="weight")


examples ="""
NOWHERE = """
moved = ms.source("moved.csv", key="route")


@ms.feature_view(moved)
def elsewhere(moved: pl.LazyFrame) -> pl.LazyFrame:
    return moved.select("route", "kilometres")


examples ="""


def findings(folder: Path, changes: Mapping[str, str] | None = None, *, number: int = WHOLE - 1) -> list[Finding]:
    """What is found in the parcels with some texts changed."""
    project = Project(write_parcels(folder, changes, days=WHOLE))
    return check(project.workspace, project.names, project.models, as_of=day(number))


def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path) -> None:
    """A late label made of two tables and a window over events are consistent."""
    assert findings(tmp_path) == []


def test_a_later_fact_through_a_second_input_is_found(tmp_path: Path) -> None:
    """How long the parcel took is joined to the moment it was sent: the view is named, with the column that knows too early."""
    found = findings(tmp_path, {"examples =": LEAK, "features=[traffic]": "features=[traffic, took]"})
    serious = [each for each in found if each.serious]
    assert [each.subject for each in serious] == ["took"]
    assert serious[0].message.endswith("are others when recomputed from what was known then: took")
    assert "known_at=" in serious[0].hint


def test_the_same_fact_at_its_own_moment_is_no_leak(tmp_path: Path) -> None:
    """Dated by the arrival, the same join is consistent."""
    honest = LEAK.replace('(parcels, arrivals, key="parcel", time="sent")', '(arrivals, parcels, key="parcel")')
    honest = honest.replace("parcels: pl.LazyFrame, arrivals: pl.LazyFrame", "arrivals: pl.LazyFrame, parcels: pl.LazyFrame")
    honest = honest.replace(
        'parcels.select("parcel", "sent").join(arrivals.select("parcel", took="hours"), on="parcel", how="left")',
        'arrivals.select("parcel", "arrived", took="hours").join(parcels.select("parcel", "pieces"), on="parcel", how="left")',
    )
    found = findings(tmp_path, {"examples =": honest, "features=[traffic]": "features=[traffic, took.select('took')]"})
    assert [each.message for each in found if "recomputed" in each.message] == []


@pytest.mark.parametrize("key", ["parcel", "route"])
def test_a_view_that_meets_the_question_itself_is_told(tmp_path: Path, key: str) -> None:
    """The newest parcel of a route is the one that is asked about: whatever the key, the row counts at its own moment."""
    view = SELF.replace('"route"', f'"{key}"')
    found = findings(tmp_path, {"examples =": view, "features=[traffic]": "features=[traffic, before]"})
    assert [(each.subject, each.serious) for each in found] == [("delays", False)]
    assert "before is made of the question's own table, so a question meets itself" in found[0].message


@pytest.mark.parametrize(
    "changes",
    [
        {'key="route")\ndef before': 'key="route", time="later")\ndef before', '"sent", other': 'later=pl.col("sent") + pl.duration(days=1), other'},
        {'"parcels.parquet", key="parcel", time="sent")': '"parcels.parquet", key="parcel", time="sent", delay="1h")'},
    ],
    ids=["a time of its own", "a delay of the source"],
)
def test_a_view_that_is_later_than_the_question_does_not_meet_it(tmp_path: Path, changes: Mapping[str, str]) -> None:
    """The row about the question is not there yet when it is asked."""
    view = SELF
    for old, new in changes.items():
        view = view.replace(old, new)
    source = {old: new for old, new in changes.items() if old not in SELF}
    assert findings(tmp_path, {"examples =": view, "features=[traffic]": "features=[traffic, before]", **source}) == []


def test_a_feature_that_is_always_null_is_found(tmp_path: Path) -> None:
    """A table with other spellings of the key brings nothing: the feature is named, and what to look at."""
    tmp_path.joinpath("moved.csv").write_text("route,kilometres\nR0,100\nR1,200\n")
    found = findings(tmp_path, {"examples =": NOWHERE, "features=[traffic]": "features=[traffic, elsewhere]"})
    assert [(each.subject, each.serious) for each in found] == [("examples", True)]
    assert found[0].message.startswith("feature 'kilometres' is null in all ")


CHANCE = """
import random


@ms.feature_view(arrivals, key="route", time="arrived")
def shaken(arrivals: pl.LazyFrame) -> pl.LazyFrame:
    return arrivals.select("route", "arrived", chance=pl.col("hours") + random.random())


examples ="""
ORDER = "def late(parcels: pl.LazyFrame, arrivals: pl.LazyFrame"
ONE_SIDED = {
    '@ms.label(parcels, arrivals, known_at="decided")': '@ms.label(parcels, arrivals, known_at="arrived")',
    'decided=decided, late=(pl.col("arrived") > decided).fill_null(value=True)': '"arrived", late=pl.col("arrived") > decided',
}


def test_a_step_that_is_not_a_function_of_its_inputs_is_found(tmp_path: Path) -> None:
    """It is run again on the same, and the column that differs is named."""
    found = findings(tmp_path, {"examples =": CHANCE, "features=[traffic]": "features=[traffic, shaken]"})
    again = [each.message for each in found if "run again" in each.message]
    assert len(again) == 1
    assert again[0].startswith("gives something else when it is run again on the same: column chance in ")


def test_inputs_in_the_wrong_order_are_found(tmp_path: Path) -> None:
    """Parameters are called after other tables than they are given."""
    swap = {ORDER: ORDER.replace("parcels:", "x:").replace("arrivals:", "parcels:").replace("x:", "arrivals:")}
    found = findings(tmp_path, swap)
    assert "its parameter 'arrivals' is given the table 'parcels': are its inputs in the wrong order?" in [each.message for each in found]


def test_a_label_whose_one_answer_comes_first_is_told(tmp_path: Path) -> None:
    """Known when the parcel arrives, those that come late are known late: a moment is proposed."""
    found = [each for each in findings(tmp_path, ONE_SIDED) if each.subject == "late"]
    assert [each.serious for each in found] == [False]
    assert "share of the greater value is 0 among rows known within" in found[0].message
    assert "99 % are" in found[0].hint


def test_everything_that_fails_is_found(tmp_path: Path) -> None:
    """Also the second mistake, with its line."""
    changes = {'arrivals.select("parcel", "arrived")': 'arrivals.select("parcel", "arived")', 'hours=("hours", "mean")': 'hours=("ours", "mean")'}
    found = findings(tmp_path, changes)
    assert {each.subject for each in found} == {"late", "examples"}
    assert all(each.where.split(":")[0].endswith("river.py") for each in found)


def test_questions_that_are_known_after_they_are_asked_are_found(tmp_path: Path) -> None:
    """What is filled in later would not be there in time."""
    late = {'"parcels.parquet", key="parcel", time="sent")': '"parcels.parquet", key="parcel", time="sent", known_at="written")'}
    write_parcels(tmp_path, days=WHOLE)
    rows = pl.read_parquet(tmp_path / "parcels.parquet").with_columns(written=pl.col("sent") + pl.duration(hours=pl.col("pieces") - 2))
    project = Project(write_parcels(tmp_path, late, days=WHOLE))
    rows.write_parquet(tmp_path / "parcels.parquet")
    found = check(project.workspace, project.names, project.models, as_of=day(WHOLE - 1))
    assert any(each.message.endswith("are known (at 'written') only after they are asked (at 'sent')") for each in found)


def test_facts_that_are_dated_by_their_day_are_told(tmp_path: Path) -> None:
    """They are known when the day is over."""
    write_parcels(tmp_path, days=WHOLE)
    rows = pl.read_parquet(tmp_path / "arrivals.parquet").with_columns(pl.col("arrived").dt.truncate("1d"))
    project = Project(tmp_path / "river.py")
    rows.write_parquet(tmp_path / "arrivals.parquet")
    found = check(project.workspace, project.names, project.models, as_of=day(WHOLE - 1))
    assert [(each.subject, each.hint) for each in found if "midnights" in each.message] == [
        ("arrivals", 'say delay="1d": known when the day is over')
    ]


def test_only_a_sample_is_looked_at(tmp_path: Path) -> None:
    """The newest days of the large sources, the same ones for all; the mistakes are found all the same."""
    project = Project(write_parcels(tmp_path, {"examples =": LEAK, "features=[traffic]": "features=[traffic, took]"}, days=WHOLE))
    found = check(project.workspace, project.names, project.models, as_of=day(WHOLE - 1), rows=400)
    rows = {step.name: step.shape for step in Ledger(project.folder / "check" / "ledger.sqlite").run().steps}
    assert [each.subject for each in found if each.serious] == ["took"]
    assert rows["examples"] is not None
    assert 200 < rows["examples"][0] <= 400


def test_the_sample_is_of_what_is_there_at_the_moment(tmp_path: Path) -> None:
    """Not of days to come."""
    project = Project(write_parcels(tmp_path, days=WHOLE))
    check(project.workspace, project.names, project.models, as_of=day(WHOLE // 2), rows=400)
    steps = {step.name: step for step in Ledger(project.folder / "check" / "ledger.sqlite").run().steps}
    assert steps["examples"].shape is not None
    assert 200 < steps["examples"].shape[0] <= 400


def test_a_run_is_not_compared_with_a_sample(tmp_path: Path) -> None:
    """After a check everything is as it was in the run before it."""
    project = Project(write_parcels(tmp_path, days=WHOLE))
    at = text_of(day(WHOLE - 1))
    project.run("examples", as_of=at)
    check(project.workspace, project.names, project.models, as_of=day(WHOLE - 1), rows=400)
    again = project.run("examples", as_of=at)
    assert {step.name: step.why for step in again.report.steps} == dict.fromkeys(("parcels", "arrivals", "examples"), "unchanged")


@pytest.mark.parametrize(("changes", "code"), [({"examples =": LEAK, "features=[traffic]": "features=[traffic, took]"}, 3), ({}, 0)])
def test_the_command_exits_3_if_something_serious_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: Mapping[str, str], code: int
) -> None:
    """`millstream check` for a pipeline: 0 or 3, and with `--json` the findings as an object."""
    file = write_parcels(tmp_path, changes, days=WHOLE)
    with pytest.raises(SystemExit) as ended:
        main(["check", str(file), "--as-of", text_of(day(WHOLE - 1)), "--json"])
    record = json.loads(capsys.readouterr().out)
    assert (ended.value.code, record["ok"]) == (code, code == 0)
    assert any(each["subject"] == "took" for each in record["findings"]) == (code == 3)


def test_the_flights_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example that comes with millstream has nothing to find, in January's data."""
    file = write_flights(tmp_path / "flights", changes={FLIGHTS: january("scheduled"), WEATHER: january("observed")})
    with pytest.raises(SystemExit) as ended:
        main(["check", str(file), "--as-of", "2013-01-20"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 errors, 0 notes"


def january(column: str) -> Change:
    """Only the rows of January."""
    return lambda frame: frame.filter(pl.col(column) < datetime(2013, 2, 1, tzinfo=UTC))
