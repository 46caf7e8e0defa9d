"""Two runs side by side: settings, code, inputs, steps, and the scores of their models."""

from __future__ import annotations

from pathlib import Path

import pytest
from rivers import LATER, day, train_models, write_parcels, write_river

from millstream.errors import NotFoundError
from millstream.kernel.availability import text_of
from millstream.project import Project

RIVER = """
payments = ms.source("payments.csv", key="payment", time="paid")


@ms.step(payments)
def clean(payments: pl.LazyFrame, *, least: int = 0) -> pl.LazyFrame:
    return payments.filter(pl.col("amount") > least)


@ms.step(clean)
def total(clean: pl.LazyFrame) -> pl.LazyFrame:
    return clean.select(pl.col("amount").sum())


@ms.step(payments)
def apart(payments: pl.LazyFrame) -> pl.LazyFrame:
    return payments.select("payment")
"""
PAYMENTS = "payment,paid,amount\n1,2024-01-01,5\n2,2024-01-02,1\n"


def ran(
    folder: Path, *, old: str = "", new: str = "", data: str = "", settings: dict[str, str] | None = None, as_of: str = LATER
) -> tuple[Project, str]:
    """The project after a run of it, and the run."""
    (folder / "payments.csv").write_text(PAYMENTS + data, encoding="utf-8")
    project = Project(write_river(folder, RIVER.replace(old, new) if old else RIVER), settings=settings)
    return project, project.run(as_of=as_of).report.run


def test_runs_that_are_the_same(tmp_path: Path) -> None:
    """Nothing differs: the second found everything."""
    _, first = ran(tmp_path)
    project, second = ran(tmp_path)

    told = project.diff(first, second)

    assert (told.settings, told.code, told.inputs, told.steps, told.metrics) == ((), (), (), (), ())
    assert told.equal == 4
    assert (told.before.run, told.now.run, told.now.command, told.now.status) == (first, second, "run", "done")


def test_code(tmp_path: Path) -> None:
    """The function with its lines, the step with its reason, and how its result differs; what does not follow is not there."""
    _, first = ran(tmp_path)
    project, second = ran(tmp_path, old="> least", new="> least + 2")

    told = project.diff(first, second)

    assert [each.name for each in told.code] == ["river.clean"]
    assert '+    return payments.filter(pl.col("amount") > least + 2)' in told.code[0].diff
    assert [(each.name, each.before, each.now) for each in told.steps] == [("clean", "ran", "ran"), ("total", "ran", "ran")]
    assert [each.why for each in told.steps] == ["river.clean changed", "clean: 1 day gone (2024-01-02), 1 row fewer"]
    assert [each.result for each in told.steps] == ["1 day gone (2024-01-02), 1 row fewer", "column 'amount' changed"]


def test_settings(tmp_path: Path) -> None:
    """Those of the command line that are others; None is the default."""
    _, first = ran(tmp_path)
    project, second = ran(tmp_path, settings={"clean.least": "3"})

    told = project.diff(first, second)

    assert [(each.name, each.before, each.now) for each in told.settings] == [("clean.least", None, 3)]
    assert told.steps[0].why == "setting least: 0 -> 3"


def test_inputs(tmp_path: Path) -> None:
    """What came in is told apart from the steps: days, columns, rows."""
    _, first = ran(tmp_path)
    project, second = ran(tmp_path, data="3,2024-01-03,4\n")

    told = project.diff(first, second)

    assert [(each.name, each.result) for each in told.inputs] == [("payments", "1 new day (2024-01-03), 1 row more")]
    assert {each.name for each in told.steps} == {"clean", "apart", "total"}


def test_steps_of_one_run_only(tmp_path: Path) -> None:
    """They are named, and on which side they are."""
    project, first = ran(tmp_path)
    second = project.run("apart", as_of=LATER).report.run

    told = {each.name: each for each in project.diff(first, second).steps}

    assert {name: (each.before, each.now, each.why) for name, each in told.items()} == dict.fromkeys(
        ("clean", "total"), ("ran", None, "only in the first run")
    )


def test_moment(tmp_path: Path) -> None:
    """A later moment saw more of the same table."""
    _, first = ran(tmp_path, as_of="2024-01-01T12:00")
    project, second = ran(tmp_path, as_of="2024-01-02T12:00")

    told = project.diff(first, second)

    assert (text_of(told.before.as_of), text_of(told.now.as_of)) == ("2024-01-01T12:00:00Z", "2024-01-02T12:00:00Z")
    assert told.inputs == ()
    assert {each.name: each.why for each in told.steps}["clean"] == "payments: 1 day became visible (2024-01-02), 1 row more"


def test_library(tmp_path: Path) -> None:
    """What the environment was is compared as it is on record."""
    _, first = ran(tmp_path)
    project, second = ran(tmp_path)
    project.ledger.database.execute("UPDATE runs SET environment = ? WHERE run = ?", ('{"polars": "2.0.9"}', first))

    assert ("polars", "2.0.9") in [(each.name, each.before) for each in project.diff(first, second).environment]


def test_scores(tmp_path: Path) -> None:
    """Of each method on the folds, and of winner and baseline on the test block, with their intervals."""
    file = write_parcels(tmp_path, days=60)
    first = train_models(file, as_of=day(50)).ledger.circumstances().run
    file.write_text(file.read_text(encoding="utf-8").replace('over="7d"', 'over="3d"'), encoding="utf-8")
    project = train_models(file, as_of=day(50))

    told = project.diff(first, project.ledger.circumstances().run)

    assert [(each.model, each.of) for each in told.metrics] == [
        ("delays", "linear on the folds"),
        ("delays", "baseline on the folds"),
        ("delays", "winner on the test block"),
        ("delays", "baseline on the test block"),
    ]
    linear, baseline = told.metrics[:2]
    assert linear.before is not None
    assert linear.now is not None
    assert linear.before.low < linear.before.value < linear.before.high
    assert linear.before.value != linear.now.value
    assert baseline.before == baseline.now


def test_run_that_is_not_there(tmp_path: Path) -> None:
    """It is named."""
    project, first = ran(tmp_path)

    with pytest.raises(NotFoundError, match="there is no run '19'"):
        project.diff(first, "19")
