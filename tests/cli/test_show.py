"""`millstream show`: what was run, what is registered, what was decided."""

from __future__ import annotations

from pathlib import Path

from command import PARCELS_AS_OF, check_snapshot, edit, masked, millstream


def test_before_any_run(new_parcels: Path) -> None:
    """Nothing is on record, and what would change that is said."""
    shown = millstream(new_parcels, "show").well()

    check_snapshot("show_before_any_run", masked(shown.stdout, new_parcels))
    assert shown.stderr == ""


def test_overview(parcels: Path) -> None:
    """The runs, the newest first, the versions of every model with their history, and what the store takes."""
    edit(parcels / "parcels.py", '"observed", "wind_speed")', '"observed", "wind_speed", "visibility")')
    millstream(parcels, "run", "--as-of", PARCELS_AS_OF).well()
    millstream(parcels, "promote", "delays@2", "--as-of", "2024-02-06", "--reason", "it sees further").well()
    millstream(parcels, "rollback", "--as-of", "2024-02-07", "--reason", "it saw too far").well()

    check_snapshot("show", masked(millstream(parcels, "show").well().stdout, parcels))


def test_one_model(parcels: Path) -> None:
    """Its versions, and what happened to them."""
    check_snapshot("show_model", masked(millstream(parcels, "show", "delays").well().stdout, parcels))


def test_one_run(parcels: Path) -> None:
    """Step by step, by its whole name or its beginning."""
    run = millstream(parcels, "show", "--json").well().record["runs"][0]["run"]
    shown = millstream(parcels, "show", run).well().stdout.splitlines()

    assert shown[0] == f"run {run} (run) as of {PARCELS_AS_OF}: done"
    assert {line.split()[0] for line in shown[2:-1]} == {"ran"}
    assert len(shown) == 19
    assert shown[-1].startswith("16 ran: ")
    assert shown[-1].endswith("; 0 reused: 0.0 s saved")
    assert millstream(parcels, "show", run[:-3]).well().stdout.splitlines() == shown


def test_run_that_reused_its_steps(parcels: Path) -> None:
    """The seconds that this saved stand in brackets, the shape of a table is told all the same; settings are in the first line."""
    run = millstream(parcels, "run", "wind", "late", "--as-of", PARCELS_AS_OF, "--set", "late.hours=24", "--json").well().record["run"]

    shown = millstream(parcels, "show", run).well().stdout

    check_snapshot("show_run", masked(shown, parcels))
    record = millstream(parcels, "show", run, "--json").well().record
    assert (record["command"], record["status"], record["settings"]) == ("run", "done", {"late": {"hours": 24}})
    wind = next(step for step in record["steps"] if step["name"] == "wind")
    assert (wind["status"], wind["result"]["columns"]) == ("cached", 3)
    assert record["saved"] == sum(step["seconds"] for step in record["steps"] if step["status"] == "cached")


def test_one_step_of_a_run(parcels: Path) -> None:
    """What it took, what it gave, and all that it depends on, without a digest."""
    run = millstream(parcels, "show", "--json").well().record["runs"][0]["run"]

    check_snapshot("show_step", masked(millstream(parcels, "show", run, "wind").well().stdout, parcels))
    record = millstream(parcels, "show", run, "wind", "--json").well().record
    assert (record["name"], record["run"], record["parts"]) == ("wind", run, 1)
    assert record["log"] == ""
    assert millstream(parcels, "show", run, "winds").stderr.endswith("\n  did you mean 'wind'?\n")


def test_record(parcels: Path) -> None:
    """Everything as one object: runs and models, with moments as text."""
    record = millstream(parcels, "show", "--json").well().record
    (run,) = record["runs"]
    (version,) = record["models"]["delays"]["versions"]

    assert sorted(record) == ["bytes", "models", "runs"]
    assert record["bytes"] > 0
    assert (run["command"], run["status"], run["as_of"]) == ("run", "done", PARCELS_AS_OF)
    assert run["started"].endswith("Z")
    assert (version["version"], version["alias"], version["method"], version["as_of"]) == ("delays@1", "champion", "linear", PARCELS_AS_OF)
    assert [event["action"] for event in record["models"]["delays"]["history"]] == ["registered", "promoted"]


def test_record_of_one(parcels: Path) -> None:
    """A model and a run give the same objects by themselves."""
    whole = millstream(parcels, "show", "--json").well().record
    run = whole["runs"][0]["run"]

    assert millstream(parcels, "show", "delays", "--json").well().record == whole["models"]["delays"]
    assert millstream(parcels, "show", run, "--json").well().record["run"] == run


def test_what_a_step_said(parcels: Path) -> None:
    """It is kept with the run, also where it failed."""
    edit(parcels / "parcels.py", "    return weather.select(", '    print("how windy it is")\n    return weather.select(')
    run = millstream(parcels, "run", "wind", "--as-of", PARCELS_AS_OF, "--json").well().record["run"]

    assert millstream(parcels, "show", run, "wind").well().stdout.endswith("  it said\n    how windy it is\n")
