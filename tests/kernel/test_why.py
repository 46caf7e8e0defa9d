"""Why a step ran or was reused, in any run; and what would become of one that never ran."""

from __future__ import annotations

from pathlib import Path

import pytest
from rivers import LATER, write_river

from millstream.errors import NotFoundError
from millstream.kernel.why import Explanation
from millstream.project import Project

RIVER = """
payments = ms.source("payments.csv", key="payment", time="paid")


@ms.step(payments)
def clean(payments: pl.LazyFrame, *, least: int = 0) -> pl.LazyFrame:
    return payments.filter(pl.col("amount") > least)


@ms.step(clean)
def total(clean: pl.LazyFrame) -> pl.LazyFrame:
    return clean.select(pl.col("amount").sum())
"""


def opened(folder: Path, *, old: str = "", new: str = "") -> Project:
    """The project, with a text of its file changed."""
    (folder / "payments.csv").write_text("payment,paid,amount\n1,2024-01-01,5\n2,2024-01-02,1\n", encoding="utf-8")
    return Project(write_river(folder, RIVER.replace(old, new) if old else RIVER))


def ran(folder: Path, *, old: str = "", new: str = "") -> tuple[Project, str]:
    """The project after a run of it, and the run."""
    project = opened(folder, old=old, new=new)
    return project, project.run(as_of=LATER).report.run


def test_step_that_ran(tmp_path: Path) -> None:
    """Compared with the run before: all that differs, the lines of the code, and what became of its result."""
    _, first = ran(tmp_path)
    project, second = ran(tmp_path, old="> least", new=">= least + 2")

    told = project.why("clean")

    assert (told.run, told.before, told.status, told.why) == (second, first, "ran", "river.clean changed")
    assert told.changed == ("river.clean changed",)
    assert [line for line in told.diff if line[0] in "+-"][2:] == [
        '-    return payments.filter(pl.col("amount") > least)',
        '+    return payments.filter(pl.col("amount") >= least + 2)',
    ]
    assert told.result == "1 day gone (2024-01-02), 1 row fewer"


def test_step_that_gave_the_same(tmp_path: Path) -> None:
    """Then nothing follows."""
    ran(tmp_path)
    project, _ = ran(tmp_path, old="> least", new=">= least + 1")

    assert project.why("clean").result == "the same as before"
    assert project.why("total").status == "cached"


def test_step_that_was_reused(tmp_path: Path) -> None:
    """The run that computed it, and the time that it saved."""
    _, first = ran(tmp_path)
    project, _ = ran(tmp_path)

    told = project.why("clean")

    assert (told.status, told.why, told.made, told.changed) == ("cached", "unchanged", first, ())
    assert told.saved > 0


def test_step_that_was_put_back(tmp_path: Path) -> None:
    """It is reused from the run before the last one."""
    _, first = ran(tmp_path)
    ran(tmp_path, old="least: int = 0", new="least: int = 3")
    project, _ = ran(tmp_path)

    told = project.why("clean")

    assert (told.status, told.made) == ("cached", first)
    assert {"river.clean changed", "setting least: 3 -> 0"} <= set(told.changed)


def test_any_run(tmp_path: Path) -> None:
    """An earlier run is explained by the one before it; it is named by the beginning of its name."""
    _, first = ran(tmp_path)
    _, second = ran(tmp_path, old="> least", new=">= least")
    project, _ = ran(tmp_path)

    assert project.why("clean", run=first).why == "new"
    assert project.why("clean", run=second[:-1]).why == "river.clean changed"


def test_step_that_failed_or_was_skipped(tmp_path: Path) -> None:
    """The error stands in place of a reason."""
    project = opened(tmp_path, old='"amount") >', new='"amuont") >')
    with pytest.raises(Exception, match="amuont"):
        project.run(as_of=LATER)

    assert (project.why("clean").status, project.why("clean").why) == ("failed", "clean: there is no column 'amuont'")
    assert (project.why("total").status, project.why("total").why) == ("skipped", "clean did not finish")


def test_step_that_was_asked_for(tmp_path: Path) -> None:
    """Nothing had changed."""
    project, _ = ran(tmp_path)
    project.run(as_of=LATER, from_steps=["clean"])

    told = project.why("clean")

    assert (told.why, told.changed, told.result) == ("asked for by --from", (), "the same as before")


def test_before_any_run(tmp_path: Path) -> None:
    """What would run first is told."""
    told = opened(tmp_path).why("total")

    assert told == Explanation("total", None, "would run", "new", needs=(("payments", "new"), ("clean", "new")))


def test_new_step_over_what_is_there(tmp_path: Path) -> None:
    """Nothing has to run before it."""
    ran(tmp_path)
    project = opened(tmp_path, old="def total", new="def sum_of_all")

    assert project.why("sum_of_all") == Explanation("sum_of_all", None, "would run", "new")
    assert project.ledger.steps() == ["clean", "payments", "total"]


def test_renamed_step(tmp_path: Path) -> None:
    """What it would give is stored already: nobody asks for the name."""
    ran(tmp_path)
    project = opened(tmp_path, old="@ms.step(clean)", new="kept = clean.with_settings(least=0)\n\n\n@ms.step(clean)")

    assert (project.why("kept").status, project.why("kept").why) == ("would be reused", "made before")


def test_step_that_would_fail(tmp_path: Path) -> None:
    """Its file is not there."""
    project = opened(tmp_path)
    (tmp_path / "payments.csv").unlink()

    told = project.why("total")

    assert told.status == "would fail"
    assert "payments.csv" in told.why


@pytest.mark.parametrize(
    ("step", "run", "told"), [("claen", None, "no run had a step 'claen'"), ("claen", "2", "had no step 'claen'"), ("clean", "19", "no run '19'")]
)
def test_what_is_not_there(tmp_path: Path, step: str, run: str | None, told: str) -> None:
    """A step or run that nobody knows is answered with the nearest."""
    project, _ = ran(tmp_path)

    with pytest.raises(NotFoundError, match=told) as caught:
        project.why(step, run=run)

    assert caught.value.hint == ("did you mean 'clean'?" if step == "claen" else "`millstream run` makes one; `millstream show` lists them")
