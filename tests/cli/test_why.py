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
    assert sorted(record) == ["before", "changed", "diff", "key", "made", "needs", "notes", "result", "run", "saved", "status", "step", "why"]
    assert (record["step"], record["status"], record["why"], record["changed"]) == ("wind", "ran", "parcels.wind changed", ["parcels.wind changed"])
    assert [line[0] for line in record["diff"]] == ["-", "+", "@", " ", "-", "+"]
    assert len(record["key"]) == 64


def test_changed_setting(parcels: Path) -> None:
    """The setting, and its values before and now."""
    millstream(parcels, *RUN, "--set", "late.hours=24").well()

    assert reason(parcels, "late") == "setting hours: 48 -> 24"


def test_changed_input(parcels: Path) -> None:
    """Which day of which input has come."""
    millstream(parcels, "run", "--as-of", "2024-02-06").well()

    assert reason(parcels, "wind") == "weather: 1 day became visible (2024-02-05), 12 rows more"


def test_changed_file(parcels: Path) -> None:
    """A source says that its file is another one, and its reader which day of it changed."""
    file = parcels / "parcels.py"
    file.write_text(file.read_text(encoding="utf-8").partition("examples =")[0], encoding="utf-8")
    millstream(parcels, "run").well()
    edit(parcels / "weather.csv", "town_1,2024-01-20T06:00:00Z,", "town_1,2024-01-20T06:00:00Z,1")
    millstream(parcels, "run").well()

    assert reason(parcels, "weather") == "file weather.csv changed"
    assert reason(parcels, "wind") == "weather: column 'wind_speed' changed in 1 day (2024-01-20)"


def test_refit_that_follows_a_record(parcels: Path) -> None:
    """A retrained model is refitted by the fit record of its challenger; methods that it does not need are no reason."""
    edit(parcels / "parcels.py", 'ms.sink("answers"))', 'ms.sink("answers"), accept=ms.gate.not_worse(by=0.5))')
    edit(parcels / "parcels.py", '"observed", "wind_speed")', '"observed", "wind_speed", "visibility")')
    millstream(parcels, *RUN).well()
    assert "promoted" in millstream(parcels, "maintain", "--as-of", "2024-03-15").well().stdout

    said = millstream(parcels, "why", "delays/refit").well().stdout

    assert said.splitlines()[0].partition(": ")[2].startswith("it follows a fit record: linear, seed 0, of ")
    assert "refers to" not in said
    assert "method" not in said


def test_another_run(parcels: Path) -> None:
    """`--run` explains an earlier one."""
    first = millstream(parcels, "show", "--json").well().record["runs"][0]["run"]
    millstream(parcels, *RUN).well()

    assert millstream(parcels, "why", "wind", "--run", first).well().stdout.startswith(f"wind ran in run {first}: new\n")


def test_step_that_never_ran(new_parcels: Path) -> None:
    """What would become of it, and what would run before it."""
    check_snapshot("why_never", why(new_parcels, "wind"))


def reason(folder: Path, step: str) -> str:
    """Why a step ran, as its first line says."""
    return millstream(folder, "why", step).well().stdout.splitlines()[0].partition(": ")[2]
