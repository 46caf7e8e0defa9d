"""`millstream why`: why a step ran in the newest run that had it, or did not."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import PARCELS_AS_OF, check_snapshot, edit, masked, millstream

RUN = ("run", "--as-of", PARCELS_AS_OF)


def why(folder: Path, step: str) -> str:
    """What is said of a step, without what differs from run to run."""
    return masked(millstream(folder, "why", step).well().stdout, folder)


def test_step_that_ran_for_the_first_time(parcels: Path) -> None:
    """There was nothing before."""
    assert why(parcels, "wind") == "wind ran in run RUN: new\n"


def test_cached_step(parcels: Path) -> None:
    """Nothing that it depends on has changed."""
    millstream(parcels, *RUN).well()

    check_snapshot("why_cached", why(parcels, "wind"))


def test_changed_code(parcels: Path) -> None:
    """The function, and its lines before and now; for what reads it, that its rows are others."""
    edit(parcels / "parcels.py", '"observed", "wind_speed")', '"observed", "wind_speed", "visibility")')
    millstream(parcels, *RUN).well()

    check_snapshot("why_code", why(parcels, "wind"))
    check_snapshot("why_code_above", why(parcels, "examples"))


def test_changed_setting(parcels: Path) -> None:
    """The setting, and its values before and now."""
    millstream(parcels, *RUN, "--set", "late.hours=24").well()

    assert why(parcels, "late").startswith("late ran in run RUN: setting hours: # -> #\n")
    assert "setting hours: 48 -> 24" in millstream(parcels, "why", "late").stdout


@pytest.mark.parametrize(("as_of", "told"), [("2024-02-06", "weather: 2024-02-05 new"), ("2024-02-08", "weather: 3 days new")])
def test_changed_input(parcels: Path, as_of: str, told: str) -> None:
    """Which days of which input have come."""
    millstream(parcels, "run", "--as-of", as_of).well()

    assert f": {told}\n" in millstream(parcels, "why", "wind").well().stdout


def test_changed_file(parcels: Path) -> None:
    """A source says that its file is another one, and its reader which day of it."""
    edit(parcels / "weather.csv", "town_1,2024-01-20T06:00:00Z,", "town_1,2024-01-20T06:00:00Z,1")
    millstream(parcels, *RUN).well()

    assert why(parcels, "weather").startswith("weather ran in run RUN: file weather.csv changed\n")
    assert ": weather: 2024-01-20 changed\n" in millstream(parcels, "why", "wind").well().stdout


def test_step_that_never_ran(new_parcels: Path) -> None:
    """It is not on record."""
    answer = millstream(new_parcels, "why", "wind")

    assert answer.code == 4
    check_snapshot("why_never", answer.stderr)


def test_record(parcels: Path) -> None:
    """The same as one object, with the cache key."""
    edit(parcels / "parcels.py", '"observed", "wind_speed")', '"observed", "wind_speed", "visibility")')
    millstream(parcels, *RUN).well()
    record = millstream(parcels, "why", "wind", "--json").well().record

    assert sorted(record) == ["changed", "diff", "key", "run", "status", "step", "why"]
    assert (record["step"], record["status"], record["why"]) == ("wind", "ran", "parcels.wind changed")
    assert record["changed"] == ["parcels.wind changed"]
    assert [line[0] for line in record["diff"] if line[:3] not in ("---", "+++") and line[0] != "@"] == [" ", "-", "+"]
    assert len(record["key"]) == 64
