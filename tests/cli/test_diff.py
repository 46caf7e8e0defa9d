"""`millstream diff`: what differs between two runs, as people and as programs read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import PARCELS_AS_OF, check_snapshot, edit, masked, millstream

RUN = ("run", "--as-of", PARCELS_AS_OF)


@pytest.fixture
def two_runs(parcels: Path) -> tuple[str, str]:
    """A run, and one after an edit of the view."""
    edit(parcels / "parcels.py", '"observed", "wind_speed")', '"observed", "wind_speed", "visibility")')
    millstream(parcels, *RUN, "--set", "delays.seed=1").well()
    now, before = (run["run"] for run in millstream(parcels, "show", "--json").well().record["runs"])
    return before, now


def test_what_people_read(parcels: Path, two_runs: tuple[str, str]) -> None:
    """Settings, code, steps and scores; steps of which the same is said stand together."""
    check_snapshot("diff", masked(millstream(parcels, "diff", *two_runs).well().stdout, parcels))


def test_record(parcels: Path, two_runs: tuple[str, str]) -> None:
    """The same as one object, step by step."""
    record = millstream(parcels, "diff", *two_runs, "--json").well().record

    assert sorted(record) == ["before", "code", "environment", "equal", "inputs", "metrics", "now", "settings", "steps"]
    assert (record["before"]["run"], record["now"]["run"]) == two_runs
    assert record["settings"] == [{"name": "delays.seed", "before": None, "now": 1}]
    assert [each["name"] for each in record["code"]] == ["parcels.wind"]
    assert {each["name"]: each["result"] for each in record["steps"]}["wind"] == "column 'visibility' is new"
    assert {each["of"] for each in record["metrics"]} >= {"linear on the folds", "winner on the test block"}


def test_run_and_itself(parcels: Path, two_runs: tuple[str, str]) -> None:
    """Nothing differs."""
    lines = millstream(parcels, "diff", two_runs[0], two_runs[0]).well().stdout.splitlines()

    assert lines[2:3] == ["scores"]
    assert lines[-1] == "16 steps are the same in both"


def test_run_that_is_not_there(parcels: Path) -> None:
    """Exit code 4, and where the runs are listed."""
    answer = millstream(parcels, "diff", "1999", "2000")

    assert (answer.code, answer.stderr) == (4, "error: there is no run '1999'\n  `millstream run` makes one; `millstream show` lists them\n")
