"""`millstream run STEP`, `--from` and `--backfill`: a part of a file, and what is stored made anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import PARCELS_AS_OF, edit, millstream

AS_OF = ("--as-of", PARCELS_AS_OF)


def test_steps_by_name(new_parcels: Path) -> None:
    """They and what they need; the last line says where to look."""
    answer = millstream(new_parcels, "run", "wind", "late", *AS_OF).well()

    assert {line.split()[1] for line in answer.stderr.splitlines() if line.startswith("ran ")} == {"parcels", "arrivals", "weather", "wind", "late"}
    assert answer.stdout.splitlines()[-1].endswith("or `millstream why STEP`")
    assert not (new_parcels / ".millstream" / "bundles").exists()


def test_file_before_the_steps(new_parcels: Path, tmp_path: Path) -> None:
    """The first word is a file if it ends in .py."""
    record = millstream(tmp_path, "run", str(new_parcels / "parcels.py"), "wind", *AS_OF, "--json").well().record

    assert {step["name"] for step in record["steps"]} == {"weather", "wind"}
    assert (record["model"], record["leaderboard"]) == (None, [])


def test_one_model_by_name(parcels: Path) -> None:
    """It is trained and registered, or found to be so."""
    record = millstream(parcels, "run", "delays", *AS_OF, "--json").well().record

    assert (record["model"]["name"], record["model"]["new"]) == ("delays", False)


def test_from_a_step_on(parcels: Path) -> None:
    """All that follows runs again, gives the same, and so makes no new version."""
    record = millstream(parcels, "run", "--from", "wind", *AS_OF, "--json").well().record

    again = {step["name"] for step in record["steps"] if step["why"] == "asked for by --from"}
    assert {"wind", "examples", "delays/rows", "delays/refit", "delays/bundle"} <= again
    assert not again & {"weather", "parcels", "late"}
    assert (record["model"]["version"], record["model"]["new"], record["notes"]) == (
        1,
        False,
        [each for each in record["notes"] if "not deterministic" not in each],
    )


def test_backfill(parcels: Path) -> None:
    """The days named of the training set, which the library makes day by day."""
    answer = millstream(parcels, "run", "examples", "--backfill", "2024-01-10", "2024-01-12", *AS_OF).well()

    assert " asked for by --backfill" in answer.stderr
    assert answer.stdout.startswith("1 step ran, ")


def test_backfill_of_no_day(parcels: Path) -> None:
    """A note says that there was none."""
    answer = millstream(parcels, "run", "examples", "--backfill", "2020-01-10", "2020-01-12", *AS_OF).well()

    assert "note: no step has a day from 2020-01-10 to 2020-01-12\n" in answer.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("winds",), 4, "there is no step 'winds'\n  did you mean 'wind'?"),
        (("--from", "winds"), 4, "there is no step 'winds'\n  did you mean 'wind'?"),
        (("service",), 2, "'service' is deployment"),
        (("late", "--from", "wind"), 2, "--from wind: late does not need it"),
        (("--backfill", "2024-01-12", "2024-01-10"), 2, "there is no day from 2024-01-12 to 2024-01-10"),
        (("wind", "--backfill", "2024-01-12", "2024-01-13"), 2, "no step that would run runs day by day"),
        (("wrong.py",), 2, "there is no file 'wrong.py'"),
    ],
)
def test_mistakes(parcels: Path, words: tuple[str, ...], code: int, told: str) -> None:
    """What cannot be meant is told before anything runs."""
    answer = millstream(parcels, "run", *words, *AS_OF)

    assert (answer.code, answer.stdout) == (code, "")
    assert answer.stderr.startswith(f"error: {told}")
    assert len(answer.stderr.splitlines()) <= 8


def test_step_that_is_not_deterministic(parcels: Path) -> None:
    """Run again, it gives another column, and that is noted."""
    edit(
        parcels / "parcels.py",
        'weather.select("town", "observed", "wind_speed")',
        'weather.select("town", "observed", wind_speed=pl.lit(__import__("time").time_ns()))',
    )
    millstream(parcels, "run", "wind", *AS_OF).well()

    answer = millstream(parcels, "run", "wind", "--from", "wind", *AS_OF).well()

    assert "note: wind: not deterministic: column 'wind_speed' differs from what the same code and inputs gave before in 35 days" in answer.stderr
