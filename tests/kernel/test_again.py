"""Steps that are computed although their results are stored."""

from __future__ import annotations

from pathlib import Path

import pytest
from rivers import LATER, write_river

from millstream.errors import ConfigurationError, NotFoundError
from millstream.kernel.availability import text_of
from millstream.maintenance.selection import BACKFILL, FROM, days_between
from millstream.project import Project

RIVER = """
import random

payments = ms.source("payments.csv", key="payment", time="paid")


@ms.step(payments)
def clean(payments: pl.LazyFrame) -> pl.LazyFrame:
    return payments.filter(pl.col("amount") > 0)


@ms.step(clean, partition="1d")
def daily(clean: pl.LazyFrame) -> pl.LazyFrame:
    return clean.with_columns(twice=pl.col("amount") * 2)


@ms.step(payments)
def drawn(payments: pl.DataFrame) -> pl.DataFrame:
    return payments.with_columns(luck=pl.Series([random.random() for _ in range(payments.height)]))


@ms.step(daily)
def total(daily: pl.LazyFrame) -> pl.LazyFrame:
    return daily.select(pl.col("twice").sum())
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that has run once."""
    (tmp_path / "payments.csv").write_text("payment,paid,amount\n1,2024-01-01,5\n2,2024-01-02,1\n3,2024-01-03,9\n", encoding="utf-8")
    project = Project(write_river(tmp_path, RIVER))
    project.run(as_of=LATER)
    return project


def ran(project: Project, *steps: str, from_steps: tuple[str, ...] = (), backfill: tuple[str, str] | None = None) -> dict[str, tuple[str, int]]:
    """Why each step ran that did, and how many pieces it computed."""
    result = project.run(*steps, as_of=LATER, from_steps=from_steps, backfill=backfill)
    return {step.name: (step.why, step.parts) for step in result.report.steps if step.status == "ran"}


def test_from_a_step_on(project: Project) -> None:
    """The step and all that follows from it run, nothing before it or beside it does."""
    assert ran(project, from_steps=("daily",)) == {"daily": (FROM, 3), "total": (FROM, 1)}
    assert ran(project) == {}


def test_from_a_source_on(project: Project) -> None:
    """Its file is read again."""
    assert set(ran(project, from_steps=("payments",))) == {"payments", "clean", "daily", "drawn", "total"}


def test_step_that_is_not_deterministic(project: Project) -> None:
    """The new result takes the place of the stored one, and the column that differs is named."""
    before = project.load("drawn", as_of=LATER)

    result = project.run(as_of=LATER, from_steps=["drawn"])

    said = "column 'luck' differs from what the same code and inputs gave before in 3 days (2024-01-01 – 2024-01-03)"
    assert result.notes == (f"drawn: not deterministic: {said}",)
    after = project.load("drawn", as_of=LATER)
    assert after.drop("luck").equals(before.drop("luck"))
    assert not after.equals(before)


def test_step_that_is_deterministic(project: Project) -> None:
    """Nothing is noted."""
    assert project.run(as_of=LATER, from_steps=["clean"]).notes == ()


def test_backfill(project: Project) -> None:
    """Only the days asked for, both included, of steps that run day by day; what they give is the same, so nothing follows."""
    assert ran(project, backfill=("2024-01-02", "2024-01-03")) == {"daily": (BACKFILL, 2)}
    assert ran(project, backfill=("2023-01-01", "2024-01-01")) == {"daily": (BACKFILL, 1)}
    assert ran(project, backfill=("2023-01-01", "2023-02-01")) == {}


def test_backfill_of_steps_named(project: Project) -> None:
    """Others that run day by day are left alone, and a step that does not is refused."""
    assert ran(project, "daily", backfill=("2024-01-02", "2024-01-02")) == {"daily": (BACKFILL, 1)}
    with pytest.raises(ConfigurationError, match="no step that would run runs day by day"):
        project.run("clean", as_of=LATER, backfill=("2024-01-02", "2024-01-02"))


def test_days_of_a_backfill() -> None:
    """From the midnight before the first moment to the one after the last."""
    days = days_between("2024-01-02T15:00", "2024-01-03")

    assert (text_of(days.start), text_of(days.stop)) == ("2024-01-02", "2024-01-04")
    with pytest.raises(ConfigurationError, match="there is no day from 2024-01-03 to 2024-01-01"):
        days_between("2024-01-03", "2024-01-01")


def test_one_step_alone(project: Project) -> None:
    """It and what it needs, nothing else."""
    result = project.run("daily", as_of=LATER)

    assert {step.name for step in result.report.steps} == {"payments", "clean", "daily"}


def test_step_by_its_declaration(project: Project) -> None:
    """A value of the file stands for its name."""
    result = project.run(project.value("clean"), as_of=LATER)

    assert {step.name for step in result.report.steps} == {"payments", "clean"}


@pytest.mark.parametrize(
    ("steps", "start", "error", "told"),
    [
        (("dayly",), (), NotFoundError, "there is no step 'dayly'\n  did you mean 'daily'?"),
        ((), ("dayly",), NotFoundError, "there is no step 'dayly'\n  did you mean 'daily'?"),
        (("clean",), ("daily",), ConfigurationError, "--from daily: clean does not need it"),
    ],
)
def test_steps_that_are_not_there(project: Project, steps: tuple[str, ...], start: tuple[str, ...], error: type[Exception], told: str) -> None:
    """The nearest name is proposed, and nothing is run."""
    with pytest.raises(error) as caught:
        project.run(*steps, as_of=LATER, from_steps=start)

    assert str(caught.value).startswith(told)
    assert len(project.ledger.runs()) == 1
