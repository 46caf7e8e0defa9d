"""A step alone on its real inputs, and two versions of it on the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from rivers import LATER, write_river

from millstream.errors import ConfigurationError
from millstream.project import Project

RIVER = """
payments = ms.source("payments.csv", key="payment", time="paid")


@ms.step(payments)
def clean(payments: pl.LazyFrame, *, least: int = 0) -> pl.LazyFrame:
    return payments.filter(pl.col("amount") > least).with_columns(twice=pl.col("amount") * 2)


strict = clean.with_settings(least=4)


@ms.step(payments)
def quick(payments: pl.DataFrame) -> pl.DataFrame:
    return payments.filter(pl.col("amount") > 0).with_columns(twice=pl.col("amount") + pl.col("amount"))


@ms.step(payments)
def wrong(payments: pl.DataFrame) -> pl.DataFrame:
    return payments.filter(pl.col("amount") > 0).select("payment", "paid", twice=pl.col("amount") ** 2)


@ms.step(payments, partition="1d", lookback="1d")
def daily(payments: pl.LazyFrame) -> pl.LazyFrame:
    return payments


def by_hand(amount: float) -> float:
    return amount * 2 + 0 * sum(number * number for number in range(20_000))


@ms.step(payments)
def slow(payments: pl.DataFrame) -> pl.DataFrame:
    return payments.with_columns(twice=pl.Series([by_hand(each) for each in payments.get_column("amount")]))


@ms.step(payments)
def count(payments: pl.DataFrame) -> dict:
    return {"rows": payments.height}


@ms.step(payments, clean)
def both(payments: pl.LazyFrame, clean: pl.LazyFrame) -> pl.LazyFrame:
    return payments


@ms.feature_view(payments)
def large(payments: pl.LazyFrame) -> pl.LazyFrame:
    return payments.select("payment", "paid", large=pl.col("amount") > 4)


examples = ms.training_set(payments, label="amount", features=[large])
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that never ran."""
    rows = "".join(f"{number},2024-01-{1 + number % 3:02},{number}\n" for number in range(1, 10))
    (tmp_path / "payments.csv").write_text(f"payment,paid,amount\n{rows}", encoding="utf-8")
    return Project(write_river(tmp_path, RIVER))


def test_lazy_function(project: Project) -> None:
    """What went in and came out, what it took, and the query as polars runs it."""
    trial = project.profile("strict", as_of=LATER)

    assert (trial.step, trial.rows_in, trial.rows, trial.columns, trial.calls) == ("strict", 9, 5, 4, 1)
    assert trial.seconds > 0
    assert trial.plan is not None
    assert 'FILTER col("amount") > 4' in trial.plan
    assert trial.spent == ()


def test_function_in_python(project: Project) -> None:
    """The functions in which the time goes, with their lines."""
    trial = project.profile("slow", as_of=LATER)

    assert trial.plan is None
    (hand,) = [each for each in trial.spent if each.function.endswith(" by_hand")]
    assert hand.calls == 9
    assert hand.function.startswith("river.py:")


def test_nothing_of_it_is_stored(project: Project) -> None:
    """The inputs are made and on record; the step itself runs as if for the first time afterwards."""
    project.profile("clean", as_of=LATER)

    assert project.ledger.steps() == ["payments"]
    assert [(step.name, step.status) for step in project.run("clean", as_of=LATER).report.steps] == [("payments", "cached"), ("clean", "ran")]


def test_step_that_runs_day_by_day(project: Project) -> None:
    """All its days, and of each only the rows of that day count."""
    trial = project.profile("daily", as_of=LATER)

    assert (trial.calls, trial.rows) == (4, 9)


def test_source_and_training_set(project: Project) -> None:
    """Steps of the library are tried too."""
    assert project.profile("payments", as_of=LATER).rows == 9
    assert project.profile("examples", as_of=LATER).rows == 9


def test_value(project: Project) -> None:
    """A result that is no table has no rows."""
    trial = project.profile("count", as_of=LATER)

    assert (trial.rows_in, trial.rows, trial.columns) == (9, None, None)


def test_versions_that_give_the_same(project: Project) -> None:
    """Whatever they do to get there."""
    versions = project.compare("clean", "quick", as_of=LATER)

    assert versions.same
    assert versions.tables is not None
    assert versions.tables.key == ("payment",)
    assert (versions.first.step, versions.second.step) == ("clean", "quick")


def test_versions_with_other_rows(project: Project) -> None:
    """How many only one has."""
    tables = project.compare("clean", "strict", as_of=LATER).tables

    assert tables is not None
    assert (tables.only_first, tables.only_second, tables.differing) == (4, 0, ())


def test_versions_with_other_columns(project: Project) -> None:
    """Which column only one has, and which differs, by how much."""
    versions = project.compare("clean", "wrong", as_of=LATER)

    assert not versions.same
    assert versions.tables is not None
    assert versions.tables.columns_first == ("amount",)
    ((name, rows, largest),) = [(each.name, each.rows, each.largest) for each in versions.tables.differing]
    assert (name, rows, largest) == ("twice", 8, 63.0)


def test_versions_that_give_values(project: Project) -> None:
    """They are the same or not."""
    assert project.compare("count", "count", as_of=LATER).same
    assert not project.compare("clean", "count", as_of=LATER).same


def test_steps_that_read_another_number_of_tables(project: Project) -> None:
    """They cannot be tried on the same."""
    with pytest.raises(ConfigurationError, match="clean reads 1 tables, both 2: they cannot be tried on the same"):
        project.compare("clean", "both", as_of=LATER)
