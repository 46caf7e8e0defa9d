"""`millstream profile`: what a step takes alone, and two versions of it side by side."""

from __future__ import annotations

from pathlib import Path

from command import PARCELS_AS_OF, check_snapshot, edit, masked, millstream

AS_OF = ("--as-of", PARCELS_AS_OF)


def test_one_step(parcels: Path) -> None:
    """Rows in and out, time, memory, and the query; nothing is computed for good."""
    check_snapshot("profile", masked(millstream(parcels, "profile", "wind", *AS_OF).well().stdout, parcels))

    record = millstream(parcels, "profile", "wind", *AS_OF, "--json").well().record
    assert (record["step"], record["columns"], record["spent"]) == ("wind", 3, [])
    assert record["rows"] == record["rows_in"] > 0


def test_step_of_a_model(parcels: Path) -> None:
    """The functions in which the time goes."""
    lines = millstream(parcels, "profile", "delays/linear/fold_1", *AS_OF).well().stdout.splitlines()

    assert lines[0].endswith(" rows in, no table out")
    assert lines[3].split()[0] == "seconds"
    assert any(line.endswith(" fit_linear") for line in lines)


def test_two_versions(parcels: Path) -> None:
    """What each takes, and in which rows and columns they differ."""
    edit(parcels / "parcels.py", "\nexamples =", "\nsooner = late.with_settings(hours=24)\nexamples =")

    said = millstream(parcels, "profile", "late", "--against", "sooner", *AS_OF).well().stdout

    check_snapshot("profile_against", masked(said, parcels))
    record = millstream(parcels, "profile", "late", "--against", "sooner", *AS_OF, "--json").well().record
    assert (record["same"], record["tables"]["key"]) == (False, ["parcel"])
    assert [each["name"] for each in record["tables"]["differing"]] == ["decided", "late"]


def test_versions_that_are_the_same(parcels: Path) -> None:
    """That is all that is said."""
    last = millstream(parcels, "profile", "late", "--against", "late", *AS_OF).well().stdout.splitlines()[-1]

    assert last == "late and late give the same"


def test_step_that_is_not_there(parcels: Path) -> None:
    """Exit code 4, and the nearest one."""
    answer = millstream(parcels, "profile", "winds")

    assert (answer.code, answer.stderr) == (4, "error: there is no step 'winds'\n  did you mean 'wind'?\n")
