"""A project in a notebook: what its commands are as methods, and rows looked at where they are declared."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from rivers import LATER, run_python, write_river

import millstream as ms
from millstream.errors import ColumnError, ConfigurationError, NotFoundError
from millstream.project import Project

RIVER = """
parcels = ms.source("parcels.csv", key="parcel", time="sent")
arrivals = ms.source("arrivals.csv", key="parcel", time="arrived")


@ms.label(parcels, arrivals, known_at="decided")
def late(parcels: pl.LazyFrame, arrivals: pl.LazyFrame, *, days: int = 2) -> pl.LazyFrame:
    decided = pl.col("sent") + pl.duration(days=days)
    both = parcels.join(arrivals.select("parcel", "arrived"), on="parcel", how="left")
    return both.select("parcel", decided=decided, late=(pl.col("arrived") > decided).fill_null(value=True))


@ms.step(parcels)
def heavy(parcels: pl.LazyFrame, *, least: float = 2.0) -> pl.LazyFrame:
    return parcels.filter(pl.col("weight") >= least)


heavier = heavy.with_settings(least=3.0)
others = [heavy.with_settings(least=number) for number in (4.0, 5.0)]


@ms.feature_view(parcels, key="town", time="sent")
def town(parcels: pl.LazyFrame) -> pl.LazyFrame:
    return parcels.select("town", "sent", last=pl.col("weight"))


traffic = ms.aggregate(parcels, key="town", over="7d", sent=("parcel", "count"))
unread = ms.aggregate(parcels, key="town", over="3d", sent=("parcel", "count"))


@ms.on_demand(parcels, features=[traffic])
def share(parcels: pl.LazyFrame) -> pl.LazyFrame:
    return parcels.select("parcel", share=pl.col("weight") / pl.col("sent_7d"))


examples = ms.training_set(parcels, label=late, features=[town, traffic, share])
delays = ms.train(examples)


@ms.step(parcels)
def count(parcels: pl.DataFrame) -> dict:
    return {"rows": parcels.height}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The user's file with its data: a parcel a day, one heavier than the other."""
    rows = "".join(f"{number},2024-01-{number:02},a,{number}\n" for number in range(1, 10))
    (tmp_path / "parcels.csv").write_text(f"parcel,sent,town,weight\n{rows}", encoding="utf-8")
    (tmp_path / "arrivals.csv").write_text("parcel,arrived\n1,2024-01-02\n2,2024-01-08\n", encoding="utf-8")
    return write_river(tmp_path, RIVER)


@pytest.fixture
def river(file: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Any]:
    """The file as a module that is imported by name, as in a notebook."""
    monkeypatch.syspath_prepend(str(file.parent))
    sys.modules.pop("river", None)
    module: ModuleType = importlib.import_module("river")  # noqa: TID251  the module is made by this test
    yield module
    sys.modules.pop("river", None)


def test_load_by_name_and_by_value(file: Path) -> None:
    """Both mean the same."""
    project = Project(file)

    assert project.load("heavier", as_of=LATER).height == 7
    assert project.load(project.value("heavier"), as_of=LATER).equals(project.load("heavier", as_of=LATER))


def test_load_a_value_that_was_imported_before(river: Any, file: Path) -> None:
    """The project imports the file once more: its line tells which value is meant."""
    project = Project(file)

    assert river.heavier not in project.names
    assert project.load(river.heavier, as_of=LATER).height == 7


def test_values_of_one_line(river: Any, file: Path) -> None:
    """A loop makes several on one line: they are told apart by their names."""
    with pytest.raises(NotFoundError, match="step heavy is not declared in this project") as caught:
        Project(file).load(river.others[0])

    assert caught.value.hint is not None
    assert caught.value.hint.startswith("several are declared there: name one of ")


def test_value_of_another_file(file: Path) -> None:
    """It has no place in this project."""
    with pytest.raises(NotFoundError, match="is not declared in this project"):
        Project(file).load(ms.source("parcels.csv"))


def test_value_that_is_no_table(file: Path) -> None:
    """A step that gives a value cannot be loaded as rows."""
    with pytest.raises(ConfigurationError, match="'count' gives a value, not a table"):
        Project(file).load("count")


def test_preview_of_a_step(river: Any) -> None:
    """The first rows, through the module that is loaded: nothing is imported again."""
    assert river.heavy.preview(2).get_column("parcel").to_list() == [2, 3]
    assert river.heavy.preview().height == 5
    assert river.others[1].preview().get_column("weight").to_list() == [5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("parcels", ["parcel", "sent", "town", "weight"]),
        ("late", ["parcel", "decided", "late"]),
        ("town", ["town", "sent", "last"]),
        ("traffic", ["parcel", "sent", "sent_7d"]),
        ("share", ["parcel", "sent", "share"]),
        ("examples", ["parcel", "sent", "town", "weight", "last", "sent_7d", "share"]),
    ],
)
def test_preview_of_every_kind(river: Any, name: str, columns: list[str]) -> None:
    """Aggregates and on-demand views show what they bring to the first rows of a training set."""
    rows = getattr(river, name).preview(3)

    assert (rows.columns, rows.height) == (columns, 3)


def test_preview_of_what_no_training_set_reads(river: Any) -> None:
    """An aggregate alone has no rows."""
    with pytest.raises(ConfigurationError, match="is computed for the rows of a training set, and none has it"):
        river.unread.preview()


def test_preview_sees_what_was_just_declared(river: Any) -> None:
    """A value made after the import, as in a cell of a notebook, is found too."""
    river.lightest = river.heavy.with_settings(least=9.0)

    assert river.lightest.preview().get_column("parcel").to_list() == [9]


def test_preview_at_the_prompt(file: Path) -> None:
    """What is declared in the main module, without a file, counts paths from the present folder."""
    code = """
    import os
    import sys
    os.chdir(sys.argv[1])
    import millstream as ms
    parcels = ms.source("parcels.csv", key="parcel", time="sent")
    print(parcels.preview(1).rows())
    """

    said = run_python(code, str(file.parent))

    assert "'a', 1)]" in said.stdout, said.stderr


def test_preview_of_a_view_under_another_look_up(river: Any) -> None:
    """It is the same table."""
    assert river.town.on("town", prefix="t_").preview().equals(river.town.preview())


def test_run_raises_what_went_wrong(file: Path) -> None:
    """After all that does not need the broken step is done."""
    file.write_text(file.read_text(encoding="utf-8").replace('pl.col("weight") >= least', 'pl.col("wieght") >= least'), encoding="utf-8")
    project = Project(file)

    with pytest.raises(ColumnError, match="there is no column 'wieght'"):
        project.run("heavy", "town", as_of=LATER)

    assert {step.name: step.status for step in project.ledger.run().steps}["town"] == "ran"


def test_run_of_a_part_of_a_model(file: Path) -> None:
    """A step of a model is made without training the rest."""
    result = Project(file).run("delays/rows", as_of=LATER)

    assert {step.name for step in result.report.steps} == {"parcels", "arrivals", "late", "town", "examples", "delays/feedback", "delays/rows"}
    assert not result.trained


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("traffic", "'traffic' has no step of its own: it is computed for the rows of a training set"),
        ("share", "'share' has no step of its own"),
        ("delays/folds", "there is no step 'delays/folds'"),
        ("nothing", "there is no step 'nothing'"),
    ],
)
def test_what_cannot_be_run_alone(file: Path, step: str, told: str) -> None:
    """Each with what would do."""
    with pytest.raises((ConfigurationError, NotFoundError), match=told) as caught:
        Project(file).run(step)

    assert caught.value.hint


def test_check(file: Path) -> None:
    """Findings, as on the command line."""
    assert all(isinstance(each.message, str) for each in Project(file).check(as_of="2024-01-08"))


def test_everything_by_one_door(file: Path) -> None:
    """Why, diff, profile and compare take names or values."""
    project = Project(file)
    first = project.run("heavy", as_of=LATER).report.run
    second = project.run("heavy", as_of=LATER).report.run

    assert project.why(project.value("heavy")).status == "cached"
    assert project.why("examples").status == "would run"
    assert project.diff(first, second).equal == 2
    assert project.profile("heavy", as_of=LATER).rows == 8
    assert not project.compare("heavy", project.value("heavier"), as_of=LATER).same
    assert isinstance(project.preview("heavy", rows=1), pl.DataFrame)
