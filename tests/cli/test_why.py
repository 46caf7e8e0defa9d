"""`millstream why`: why a step ran in the newest run that had it, or did not."""

from __future__ import annotations

from pathlib import Path

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
    """The function, and its lines before and now, also as one object; for what reads it, that its rows are others."""
    edit(parcels / "parcels.py", '"observed", "wind_speed")', '"observed", "wind_speed", "visibility")')
    millstream(parcels, *RUN).well()

    check_snapshot("why_code", why(parcels, "wind"))
    check_snapshot("why_code_above", why(parcels, "examples"))
    record = millstream(parcels, "why", "wind", "--json").well().record
    assert sorted(record) == ["changed", "diff", "key", "run", "status", "step", "why"]
    assert (record["step"], record["status"], record["why"], record["changed"]) == ("wind", "ran", "parcels.wind changed", ["parcels.wind changed"])
    assert [line[0] for line in record["diff"]] == ["-", "+", "@", " ", "-", "+"]
    assert len(record["key"]) == 64


def test_changed_setting(parcels: Path) -> None:
    """The setting, and its values before and now."""
    millstream(parcels, *RUN, "--set", "late.hours=24").well()

    assert millstream(parcels, "why", "late").well().stdout.partition(": ")[2] == "setting hours: 48 -> 24\n"


def test_changed_input(parcels: Path) -> None:
    """Which day of which input has come."""
    millstream(parcels, "run", "--as-of", "2024-02-06").well()

    assert millstream(parcels, "why", "wind").well().stdout.partition(": ")[2] == "weather: 2024-02-05 new\n"


def test_changed_file(parcels: Path) -> None:
    """A source says that its file is another one, and its reader which day of it changed."""
    file = parcels / "parcels.py"
    file.write_text(file.read_text(encoding="utf-8").partition("examples =")[0], encoding="utf-8")
    millstream(parcels, "run").well()
    edit(parcels / "weather.csv", "town_1,2024-01-20T06:00:00Z,", "town_1,2024-01-20T06:00:00Z,1")
    millstream(parcels, "run").well()

    assert millstream(parcels, "why", "weather").well().stdout.partition(": ")[2] == "file weather.csv changed\n"
    assert millstream(parcels, "why", "wind").well().stdout.partition(": ")[2] == "weather: 2024-01-20 changed\n"


def test_step_that_never_ran(new_parcels: Path) -> None:
    """It is not on record."""
    answer = millstream(new_parcels, "why", "wind")

    assert answer.code == 4
    check_snapshot("why_never", answer.stderr)
