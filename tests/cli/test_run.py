"""`millstream run`: only what must run again runs, and what is printed is for people or for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import FLIGHTS_AS_OF, PARCELS_AS_OF, check_snapshot, edit, masked, millstream

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "run.schema.json").read_text(encoding="utf-8"))
FOLDS = {f"delays/{method}/fold_{number}" for method in ("baseline", "boosting", "forest", "linear") for number in range(1, 5)}
LEARNT = {"delays/rows", *FOLDS, "delays/comparison", "delays/scored", "delays/refit", "delays/bundle"}
EVERY_PARCEL_STEP = {
    *("parcels", "arrivals", "weather", "late", "wind", "examples"),
    *(f"delays/{step}" for step in ("feedback", "rows", "comparison", "scored", "refit", "bundle")),
    *(f"delays/{method}/fold_{number}" for method in ("baseline", "linear") for number in (1, 2)),
}


def test_second_run_executes_nothing(flights: Path) -> None:
    """Nothing was edited, and nothing became known."""
    record = millstream(flights, "run", "--as-of", FLIGHTS_AS_OF, "--json").well().record

    assert {step["status"] for step in record["steps"]} == {"cached"}
    assert (record["model"]["version"], record["model"]["new"]) == (1, False)


def test_comments_docstrings_and_formatting_execute_nothing(parcels: Path) -> None:
    """A step is what its code means, not how it is written."""
    file = parcels / "parcels.py"
    edit(file, '    """Wind in the town, as last observed."""\n', '    """Another sentence."""\n    # and a comment\n')
    edit(
        file,
        'weather.select("town", "observed", "wind_speed")',
        "weather.select(\n        'town', 'observed',\n        'wind_speed',\n    )",
    )
    edit(file, "import polars as pl\n", "import polars as pl\n\n# lines move down\n")

    assert millstream(parcels, "run", "--as-of", PARCELS_AS_OF, "--json").well().executed == set()


def test_edited_view_runs_again_with_all_that_follows(flights: Path) -> None:
    """The view, the training set and what is learnt from it run; no source, no label and no other view does."""
    edit(flights / "flights.py", '"wind_speed", "visibility")', '"wind_speed", "visibility", "temp")')

    assert millstream(flights, "run", "--as-of", FLIGHTS_AS_OF, "--json").well().executed == {"wind", "examples", *LEARNT}


def test_edited_view_with_the_same_rows_stops_there(flights: Path) -> None:
    """What reads a view asks for its content, not for its code."""
    edit(flights / "flights.py", 'weather.select("origin", "observed"', 'weather.filter(pl.lit(value=True)).select("origin", "observed"')

    assert millstream(flights, "run", "--as-of", FLIGHTS_AS_OF, "--json").well().executed == {"wind"}


def test_setting_runs_what_it_changes(flights: Path) -> None:
    """Another `late.minutes` is another label, hence another model; features and questions stay."""
    record = millstream(flights, "run", "--as-of", FLIGHTS_AS_OF, "--set", "late.minutes=30", "--json").well().record

    assert {step["name"] for step in record["steps"] if step["status"] == "ran"} == {"late", *LEARNT}
    assert [step["why"] for step in record["steps"] if step["name"] == "late"] == ["setting minutes: 15 -> 30"]
    assert (record["model"]["version"], record["model"]["alias"]) == (2, "challenger")


def test_setting_of_a_model(parcels: Path) -> None:
    """A setting of the model itself touches only what is learnt."""
    executed = millstream(parcels, "run", "--as-of", PARCELS_AS_OF, "--set", "delays.seed=1", "--json").well().executed

    assert executed
    assert all(name.startswith("delays/") for name in executed)


def test_record(new_parcels: Path) -> None:
    """`--json` prints one object, as the schema has it, and nothing else at all."""
    answer = millstream(new_parcels, "run", "--as-of", PARCELS_AS_OF, "--json").well()
    record = answer.record

    assert (answer.stderr, answer.stdout.count("\n")) == ("", 1)
    assert sorted(record) == sorted(SCHEMA["required"])
    assert record["as_of"] == PARCELS_AS_OF
    assert record["seconds"] > 0
    assert answer.executed == EVERY_PARCEL_STEP
    assert all(sorted(step) == ["name", "rows", "seconds", "status", "why"] for step in record["steps"])
    assert {type(step[name]) for step in record["steps"] for name in ("name", "status", "why")} == {str}
    assert all(step["seconds"] >= 0 and step["rows"] >= 0 for step in record["steps"])
    assert {step["why"] for step in record["steps"]} == {"new"}


def test_record_of_the_leaderboard(parcels: Path) -> None:
    """The best method comes first, each with score, interval, seconds of fitting and microseconds per row."""
    record = millstream(parcels, "run", "--as-of", PARCELS_AS_OF, "--json").well().record
    best, baseline = record["leaderboard"]

    assert all(sorted(entry) == sorted(SCHEMA["$defs"]["entry"]["required"]) for entry in (best, baseline))
    assert (best["method"], best["metric"], baseline["method"]) == ("linear", "roc_auc", "baseline")
    assert 0.5 < best["low"] < best["score"] < best["high"] <= 1
    assert best["fit_seconds"] > 0
    assert best["row_micros"] > 0
    assert (baseline["score"], baseline["low"], baseline["high"]) == (0.5, 0.5, 0.5)


def test_record_of_the_model(parcels: Path) -> None:
    """The version that the run made, or found made, and its office."""
    record = millstream(parcels, "run", "--as-of", PARCELS_AS_OF, "--json").well().record

    assert sorted(record["model"]) == sorted(SCHEMA["$defs"]["model"]["required"])
    assert (record["model"]["name"], record["model"]["version"], record["model"]["alias"]) == ("delays", 1, "champion")
    assert record["models"] == [record["model"]]


def test_what_people_read(new_parcels: Path) -> None:
    """Without a terminal: plain lines as steps finish on stderr, then the leaderboard and what to do next on stdout."""
    answer = millstream(new_parcels, "run", "--as-of", PARCELS_AS_OF).well()
    steps = [line.split() for line in answer.stderr.splitlines() if not line.startswith("note: ")]

    assert "\x1b" not in answer.stdout + answer.stderr
    assert {(words[0], words[-1]) for words in steps} == {("ran", "new")}
    assert {words[1] for words in steps} == EVERY_PARCEL_STEP
    check_snapshot("run", masked(answer.stdout, new_parcels))


def test_leaderboard_fits_a_screen(flights: Path) -> None:
    """Four methods, slices and the next step in fewer than 25 lines."""
    lines = millstream(flights, "run", "--as-of", FLIGHTS_AS_OF).well().stdout.splitlines()

    assert len(lines) < 25
    assert max(map(len, lines)) <= 110
    assert {"boosting", "linear", "forest", "baseline"} <= {line.removeprefix("*").split()[0] for line in lines if line.strip()}
    assert lines[-1] == "next: `millstream predict`, `millstream serve`, or `millstream show`"


def test_challenger_waits(parcels: Path) -> None:
    """A second version does not take office, and the last line says what would bring it there."""
    edit(parcels / "parcels.py", '"observed", "wind_speed")', '"observed", "wind_speed", "visibility")')
    lines = millstream(parcels, "run", "--as-of", PARCELS_AS_OF).well().stdout.splitlines()

    assert lines[-1] == "next: `millstream maintain` judges delays@2 on rows it has not seen, or `millstream promote delays@2`"
    assert "  delays@2 is challenger" in lines


def test_two_files_of_one_folder(parcels: Path) -> None:
    """Which one is meant must be said, and then it can be either."""
    (parcels / "parcels.py").rename(parcels / "a.py")
    (parcels / "b.py").write_text("from millstream import source\n", encoding="utf-8")
    (parcels / "c.py").write_text("'does not `import millstream`'\n", encoding="utf-8")
    answer = millstream(parcels, "run")

    assert (answer.code, answer.stdout) == (2, "")
    check_snapshot("two_files", answer.stderr)
    assert "delays@1" in millstream(parcels, "run", "a.py", "--as-of", PARCELS_AS_OF).well().stdout


def test_file_of_another_folder(parcels: Path, tmp_path: Path) -> None:
    """Data and store lie beside the file, wherever the command is called."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    assert millstream(elsewhere, "run", str(parcels / "parcels.py"), "--as-of", PARCELS_AS_OF, "--json").well().record["model"]["new"] is False
    assert list(elsewhere.iterdir()) == []


def test_file_without_a_model(parcels: Path) -> None:
    """All tables are made, and there is nothing to predict with."""
    file = parcels / "parcels.py"
    file.write_text(file.read_text(encoding="utf-8").partition("examples =")[0], encoding="utf-8")
    record = millstream(parcels, "run", "--as-of", PARCELS_AS_OF, "--json").well().record

    assert {step["name"] for step in record["steps"]} == {"parcels", "arrivals", "weather", "late", "wind"}
    assert (record["model"], record["models"], record["leaderboard"]) == (None, [], [])


@pytest.mark.parametrize("moment", ["2024-02-05T13:00:00+01:00", "2024-02-05T12:00"])
def test_moment(parcels: Path, moment: str) -> None:
    """`--as-of` takes ISO times, and without a zone they are UTC."""
    file = parcels / "parcels.py"
    file.write_text(file.read_text(encoding="utf-8").partition("@ms.label")[0], encoding="utf-8")

    assert millstream(parcels, "run", "--as-of", moment, "--json").well().record["as_of"] == "2024-02-05T12:00:00Z"
