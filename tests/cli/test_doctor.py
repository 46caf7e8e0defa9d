"""`millstream doctor`: one sentence and the cure for whatever is wrong, and an exit code that scripts can ask."""

from __future__ import annotations

from pathlib import Path

from command import PARCELS_AS_OF, check_snapshot, masked, millstream, start


def bundle(folder: Path) -> Path:
    """The file of the champion's bundle: the largest value."""
    return max((folder / ".millstream" / "objects").rglob("*.bin"), key=lambda path: path.stat().st_size)


def test_all_is_well(parcels: Path) -> None:
    """That is said, too."""
    assert millstream(parcels, "doctor").well().stdout == f"{parcels}/.millstream: all is well\n"


def test_damage_is_found_mended_and_made_anew(parcels: Path) -> None:
    """The champion's bundle is damaged: it is named, dropped, and made anew by a run; then all is well."""
    name = bundle(parcels).name[:16]
    bundle(parcels).write_bytes(b"x" * 100)
    looked, mended = millstream(parcels, "doctor"), millstream(parcels, "doctor", "--fix")
    ran = millstream(parcels, "run", "--as-of", PARCELS_AS_OF, "--json").well()

    assert (looked.code, mended.code) == (3, 3)
    check_snapshot("doctor", masked(looked.stdout.replace(name, "DIGEST"), parcels))
    check_snapshot("doctor_fix", masked(mended.stdout.replace(name, "DIGEST"), parcels))
    assert ran.executed == {"delays/bundle"}
    assert millstream(parcels, "doctor").code == 0


def test_record(parcels: Path) -> None:
    """The findings as one object."""
    (parcels / ".millstream" / "objects" / "hello").touch()
    record = millstream(parcels, "doctor", "--json").well().record

    assert sorted(record) == ["findings", "folder", "ok"]
    assert record["ok"]
    assert [sorted(each) for each in record["findings"]] == [["hint", "mended", "message", "serious", "subject"]]


def test_killed_run_is_shown_as_killed(parcels: Path) -> None:
    """It does not seem to run for ever."""
    with start(parcels, "run", "--as-of", PARCELS_AS_OF, "--set", "late.hours=24") as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.kill()

    (killed, done) = millstream(parcels, "show", "--json").well().record["runs"]
    assert (killed["status"], done["status"]) == ("killed", "done")
    assert "1 run was killed" in millstream(parcels, "doctor").well().stdout
