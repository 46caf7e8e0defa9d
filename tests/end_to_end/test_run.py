"""`millstream run`: what is unchanged is not run again, and what is printed can be read by people and by programs."""

from __future__ import annotations

from commands import AS_OF, Folder

FITS = {f"delays/{method}/fold_{number}" for method in ("baseline", "boosting", "forest", "linear") for number in (1, 2, 3, 4)}
AFTER_EXAMPLES = {*FITS, "delays/rows", "delays/comparison", "delays/scored", "delays/refit", "delays/bundle"}
STEP = {"name", "status", "seconds", "rows", "why"}
ENTRY = {"method", "metric", "score", "low", "high", "fit_seconds", "row_micros"}


def test_second_run_executes_nothing(flights: Folder) -> None:
    """Nothing became available, nothing was edited."""
    assert flights.run().executed == set()


def test_comments_and_formatting_execute_nothing(flights: Folder) -> None:
    """A step is its meaning, not its text."""
    flights.edit('    """Wind and visibility at the airport, as last observed."""\n', '    """Other words."""\n\n    # and a comment\n')
    assert flights.run().executed == set()


def test_edited_view_runs_again_with_what_follows(flights: Folder) -> None:
    """The view, the training set and all that is learnt from it; no source, no label, no other view."""
    flights.edit('"wind_speed", "visibility"', '"wind_speed", "visibility", "humid"')
    assert flights.run().executed == {"wind", "examples", *AFTER_EXAMPLES}


def test_edit_without_effect_stops_there(flights: Folder) -> None:
    """The view gives the same table, so nobody downstream notices."""
    flights.edit('weather.select("origin", "observed"', 'weather.filter(pl.lit(value=True)).select("origin", "observed"')
    assert flights.run().executed == {"wind"}


def test_setting_changes_what_reads_it(flights: Folder) -> None:
    """`--set` is in the key of the label, so the label and what is learnt from it run again."""
    assert flights.run("--set", "late.minutes=30").executed == {"late", *AFTER_EXAMPLES}


def test_record(flights: Folder) -> None:
    """`run --json` prints one object that says what was done and what came of it."""
    record = flights.run().record
    assert record["as_of"].startswith(AS_OF)
    assert all(step.keys() >= STEP for step in record["steps"])
    assert all(entry.keys() >= ENTRY for entry in record["leaderboard"])
    assert (record["model"]["name"], record["model"]["version"], record["model"]["alias"]) == ("delays", 1, "champion")
    assert {entry["method"] for entry in record["leaderboard"]} == {"baseline", "boosting", "forest", "linear"}


def test_leaderboard_is_short_and_says_what_is_next(flights: Folder) -> None:
    """Scores with intervals, the test block, the champion, and the next command, on one screen."""
    done = flights.call("run", "--as-of", AS_OF)
    assert len(done.output.splitlines()) < 25
    assert all(word in done.output for word in ("95 % interval", "µs/row", "delays@1 is champion", "next: `millstream predict`"))


def test_named_file(flights: Folder) -> None:
    """Another file than the only one of the folder."""
    (flights.path / "flights.py").rename(flights.path / "other.py")
    (flights.path / "second.py").write_text("import millstream as ms\n", encoding="utf-8")
    assert flights.call("run", "other.py", "--as-of", AS_OF, "--json").executed == set()


def test_two_files_and_none_named(flights: Folder) -> None:
    """The command asks which."""
    (flights.path / "second.py").write_text("import millstream as ms\n", encoding="utf-8")
    done = flights.run()
    assert (done.code, done.record["exit_code"]) == (2, 2)
    assert "flights.py, second.py" in done.record["error"]["message"]
