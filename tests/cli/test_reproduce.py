"""`millstream reproduce`: a version or a run made once more from what is on record."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from command import PARCELS_AS_OF, Answer, edit, millstream

UNSTEADY = '''"""A step that is not a function of its inputs, and one that reads it."""

import random

import polars as pl

import millstream as ms

numbers = ms.source("numbers.csv", key="n")


@ms.step(numbers)
def doubled(numbers: pl.LazyFrame) -> pl.LazyFrame:
    """A function of its inputs."""
    return numbers.with_columns(m=pl.col("n") * 2)


@ms.step(doubled)
def shaken(doubled: pl.LazyFrame) -> pl.LazyFrame:
    """Not quite."""
    return doubled.with_columns(chance=pl.col("m") + random.random())


@ms.step(shaken)
def above(shaken: pl.LazyFrame) -> pl.LazyFrame:
    """A function of what it was given then."""
    return shaken.filter(pl.col("chance") > 3)
'''


OUTSIDE = '''"""Rows that are given once, asked about by the clock."""

import polars as pl

import millstream as ms


def fetch(since):
    """One row, and from then on none."""
    return [{"k": 1, "at": "2024-01-01"}] if since is None else []


rows = ms.source(fetch, key="k", time="at")
clock = ms.time_spine("6h", start="2024-01-01", column="asked")


@ms.step(clock, rows)
def both(clock: pl.LazyFrame, rows: pl.LazyFrame) -> pl.LazyFrame:
    """All of both."""
    return clock.join(rows, how="cross")
'''


@pytest.fixture
def unsteady(tmp_path: Path) -> Path:
    """A folder with the file UNSTEADY and its numbers, after a run."""
    (tmp_path / "unsteady.py").write_text(UNSTEADY, encoding="utf-8")
    (tmp_path / "numbers.csv").write_text("n\n1\n2\n3\n", encoding="utf-8")
    millstream(tmp_path, "run").well()
    return tmp_path


def reproduce(folder: Path, what: str, code: int = 0) -> Answer:
    """What the command says, with that exit code."""
    answer = millstream(folder, "reproduce", what, "--json")
    assert answer.code == code, answer.stdout + answer.stderr
    return answer


def verdicts(answer: Answer) -> dict[str, str]:
    """By step."""
    return {step["name"]: step["verdict"] for step in answer.record["steps"]}


def test_version_is_made_once_more(parcels: Path) -> None:
    """Every artifact the same, from snapshots and code of the record: the data are gone, and the file says something else by now."""
    (parcels / "parcels.csv").unlink()
    (parcels / "weather.csv").unlink()
    edit(parcels / "parcels.py", '"observed", "wind_speed")', '"observed")')

    answer = reproduce(parcels, "delays@1")

    found = verdicts(answer)
    assert (found.pop("parcels"), found.pop("weather"), found.pop("arrivals"), found.pop("delays/feedback")) == ("recorded",) * 4
    assert set(found.values()) == {"identical"}
    assert {"examples", "delays/comparison", "delays/refit", "delays/bundle"} <= found.keys()
    assert answer.record["same"] is True


def test_nothing_of_it_comes_into_the_store(parcels: Path) -> None:
    """The run that is made once more is in no history, and trains no version."""
    before = millstream(parcels, "show", "--json").record

    reproduce(parcels, "delays@1")

    assert millstream(parcels, "show", "--json").record == before


def test_step_that_differs_is_named_where_it_differs(unsteady: Path) -> None:
    """With its column; what reads it is given what it was given then, and is the same."""
    (run,) = [each["run"] for each in millstream(unsteady, "show", "--json").record["runs"]]

    answer = reproduce(unsteady, run, code=3)

    assert verdicts(answer) == {"numbers": "recorded", "doubled": "identical", "shaken": "different", "above": "identical"}
    assert [step["detail"] for step in answer.record["steps"] if step["name"] == "shaken"] == ["column chance in 3 rows"]
    assert millstream(unsteady, "reproduce", run).stdout.splitlines()[-1] == f"run {run}: 2 identical, 1 different"


def test_settings_of_the_run_are_followed(parcels: Path) -> None:
    """A run is made once more with what `--set` said then."""
    run = millstream(parcels, "run", "--as-of", PARCELS_AS_OF, "--set", "late.hours=24", "--json").well().record["run"]

    assert set(verdicts(reproduce(parcels, run)).values()) == {"recorded", "identical"}


def test_run_whose_code_is_not_on_record(parcels: Path) -> None:
    """It came before code was kept."""
    with sqlite3.connect(parcels / ".millstream" / "ledger.sqlite") as ledger:
        ledger.execute("DELETE FROM run_files")

    answer = millstream(parcels, "reproduce", "delays@1")

    assert answer.code == 4
    assert "is not on record" in answer.stderr


def test_snapshot_that_is_gone(unsteady: Path) -> None:
    """What cannot be made any more is named, and so is what needs it."""
    (run,) = [each["run"] for each in millstream(unsteady, "show", "--json").record["runs"]]
    with sqlite3.connect(unsteady / ".millstream" / "index.sqlite") as index:
        index.execute("DELETE FROM results")

    answer = reproduce(unsteady, run, code=3)

    assert set(verdicts(answer).values()) == {"failed"}
    assert "its recorded snapshot is no longer stored" in answer.stdout


@pytest.mark.parametrize(("what", "said"), [("delays@9", "there is no version delays@9"), ("2001", "there is no run '2001'")])
def test_what_is_not_there(parcels: Path, what: str, said: str) -> None:
    """The error says so, with exit code 4."""
    answer = millstream(parcels, "reproduce", what)

    assert (answer.code, said in answer.stderr) == (4, True)


def test_what_was_given_once_is_recorded(tmp_path: Path) -> None:
    """Also after a run to which nothing new was given, and a collection of garbage. The clock is made again."""
    (tmp_path / "outside.py").write_text(OUTSIDE, encoding="utf-8")
    first, second = (millstream(tmp_path, "run", "--json").well().record["run"] for _ in range(2))
    millstream(tmp_path, "gc", "--keep-last", "0").well()

    for run in (first, second):
        assert verdicts(reproduce(tmp_path, run)) == {"rows": "recorded", "clock": "identical", "both": "identical"}
