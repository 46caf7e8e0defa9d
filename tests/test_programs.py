"""Whole programs build their graphs, and their training sets are what brute force says."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import bike_data
import brute_force
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from program_data import write_program

from millstream.errors import ColumnError, DeclarationError
from millstream.kernel.durations import microseconds
from millstream.project import Project
from millstream.training.lowering import lower_model

AS_OF = "2011-03-01"
ALL_COUNTS = brute_force.Facts((), "hour", "counted")
LAGS = brute_force.Facts(("hour",), "counted")
OUTLOOK = brute_force.Facts(("hour",), "issued")


@pytest.fixture(scope="module")
def bikes(tmp_path_factory: pytest.TempPathFactory) -> Generator[Project]:
    """The program of many horizons, as long as its weather service answers."""
    with bike_data.bikes(tmp_path_factory.mktemp("bikes")) as (file, _):
        yield Project(file)


@pytest.fixture(scope="module")
def counts(bikes: Project) -> list[brute_force.Row]:
    """The hours counted, as rows."""
    return bikes.load("counts", as_of=AS_OF).rows(named=True)


def test_houses(tmp_path: Path) -> None:
    """Without key and time: every row is a question, in the order of the file, and the label is a column of it."""
    file = write_program(tmp_path / "ames", "ames")

    examples = Project(file).load("examples")

    assert_frame_equal(examples, pl.read_parquet(file.parent / "data" / "ames.parquet"))


def test_digits(tmp_path: Path) -> None:
    """Sixty-four counts and the digit, of every scan."""
    file = write_program(tmp_path / "digits", "digits")

    examples = Project(file).load("examples")

    assert (examples.shape, examples.get_column("digit").n_unique()) == ((5620, 65), 10)
    assert_frame_equal(examples, pl.read_parquet(file.parent / "data" / "optdigits.parquet"))


def test_classes_that_are_not_trained_yet_are_refused_before_a_fit(tmp_path: Path) -> None:
    """In one sentence, with the line of the model."""
    project = Project(write_program(tmp_path / "digits", "digits"))
    nodes = lower_model("digits", project.models["digits"], project.lowering)
    examples = project.load("examples").with_columns(pl.lit(0).alias("__asked__"))
    store = project.store
    seen = store.visible(store.write_table(examples.drop("__asked__"), nodes.question.facts)[0], None)

    with pytest.raises(ColumnError, match="label 'digit' has 10 values \\(0, 1, 2, 3, 4…\\): more than two classes are not trained yet") as caught:
        nodes.training.collect(store, (seen,))

    assert (caught.value.where or "").startswith(str(project.file))


def test_methods_that_are_not_trained_yet_are_refused_when_the_graph_is_built(tmp_path: Path) -> None:
    """Before anything runs; the training set of the same file is made all the same."""
    project = Project(write_program(tmp_path / "ames", "ames"))

    with pytest.raises(DeclarationError, match="can be declared, but is not trained yet") as caught:
        lower_model("prices", project.models["prices"], project.lowering)

    assert (caught.value.where or "").startswith(str(project.file))


def test_names_of_values_in_dictionaries(bikes: Project) -> None:
    """After the dictionary and their key; what is bound to nothing after its first reader that is bound."""
    names = set(bikes.names.values())
    horizons = {
        f"horizons.{hours}h{rest}" for hours in (1, 24) for rest in ("", "/hours", "/calendar", "/training_set", ":deployment", ":retraining")
    }

    assert {"lags.1d", "lags.2d", "lags.7d", "level", "outlook", "holiday", *horizons} <= names
    assert set(bikes.models) == {"horizons.1h", "horizons.24h"}


@pytest.mark.parametrize("ahead", [1, 24])
def test_bikes(bikes: Project, counts: list[brute_force.Row], ahead: int) -> None:
    """Lags, windows, forecasts and holidays of a sample of questions, one by one."""
    forecasts = bikes.load("forecasts", as_of=AS_OF).rows(named=True)
    holidays = bikes.load("holidays").get_column("date").to_list()
    examples = bikes.load(f"horizons.{ahead}h/training_set", as_of=AS_OF)
    sample = examples.sample(60, seed=ahead).rows(named=True)

    assert [row for row in sample if {**row, **expected(row, counts, forecasts)} != row] == []
    assert [row["holiday"] for row in sample] == [True if row["hour"].date() in holidays else None for row in sample]
    assert [(row["hour"] - row["asked"], row["of_day"]) for row in sample] == [(timedelta(hours=ahead), row["hour"].hour) for row in sample]
    assert any(row["lag_1d"] is not None for row in sample) is (ahead == 1)
    assert any(row["temperature"] is not None for row in sample)


def expected(row: Mapping[str, object], counts: list[brute_force.Row], forecasts: list[brute_force.Row]) -> dict[str, object]:
    """What was known of one question when it was asked."""
    hour, asked = row["hour"], row["asked"]
    assert isinstance(hour, datetime)
    assert isinstance(asked, datetime)
    known: dict[str, object] = {}
    for days in (1, 2, 7):
        served = [{**each, "hour": brute_force.moment(each, "hour") + timedelta(days=days)} for each in counts]
        newest = brute_force.newest_row(served, LAGS, (hour,), asked)
        known[f"lag_{days}d"] = newest and newest["cnt"]
    for over in ("3h", "24h", "7d"):
        width = microseconds(over)
        known[f"level_{over}"] = brute_force.window(counts, ALL_COUNTS, (), asked, width_us=width, column="cnt", reduction="mean")
        known[f"peak_{over}"] = brute_force.window(counts, ALL_COUNTS, (), asked, width_us=width, column="cnt", reduction="max")
    outlook = brute_force.newest_row(forecasts, OUTLOOK, (hour,), asked, max_age_us=microseconds("12h"))
    return {**known, **{name: outlook and outlook[name] for name in ("temperature", "rain", "wind")}}


def test_demand_is_known_when_it_has_been_counted(bikes: Project, counts: list[brute_force.Row]) -> None:
    """The label of each hour: what was counted, and when."""
    demand = bikes.load("demand", as_of=AS_OF)

    assert sorted(demand.rows()) == sorted((row["hour"], row["counted"], row["cnt"]) for row in counts)
