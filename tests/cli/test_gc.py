"""`millstream gc`: what would go, what has gone, and that nothing that answers is among it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from command import PARCELS_AS_OF, check_snapshot, edit, masked, millstream


def forget_uses(folder: Path) -> None:
    """Nothing was used for ten weeks."""
    with closing(sqlite3.connect(folder / ".millstream" / "index.sqlite", isolation_level=None)) as index:
        for name in ("results", "files", "notes"):
            index.execute(f"UPDATE {name} SET used = used - 70 * 86400")


def test_nothing_to_remove(parcels: Path) -> None:
    """What the last ten runs used stays."""
    check_snapshot("gc_nothing", masked(millstream(parcels, "gc").well().stdout, parcels))


def test_dry_run_and_run(parcels: Path) -> None:
    """Both say the same, and only one of them does it; then the champion answers as before."""
    forget_uses(parcels)
    dry = millstream(parcels, "gc", "--older-than", "30d", "--dry-run").well()
    told = millstream(parcels, "gc", "--older-than", "30d", "--dry-run", "--json").well().record
    done = millstream(parcels, "gc", "--older-than", "30d", "--json").well().record

    check_snapshot("gc_dry_run", masked(dry.stdout, parcels))
    assert done == told | {"dry_run": False, "before": done["before"]}
    assert sorted(done) == ["before", "bytes", "dry_run", "files", "folder", "notes", "out_of", "results", "runs"]
    assert done["results"] > 10
    assert 0 < done["bytes"] < done["out_of"]
    assert millstream(parcels, "predict", "--as-of", PARCELS_AS_OF, "--json").well().record["version"] == 1
    assert millstream(parcels, "doctor", "--json").well().record["findings"] == []


def test_version_can_be_reproduced_afterwards(parcels: Path) -> None:
    """Its code, its sources and what it was made with are kept, whatever else went."""
    forget_uses(parcels)
    gone = millstream(parcels, "gc", "--keep-last", "0", "--runs", "--json").well().record

    assert gone["results"] > 10
    assert millstream(parcels, "reproduce", "delays@1", "--json").well().record["same"]


def test_what_is_declared_does_not_matter(parcels: Path) -> None:
    """A file that cannot be imported does not hold up the cleaning."""
    edit(parcels / "parcels.py", "features=[wind])", "features=[wind)")

    assert millstream(parcels, "gc", "--keep-last", "1", "--runs").code == 0


def test_before_any_run(new_parcels: Path) -> None:
    """There is nothing to clean, and nothing is made."""
    answer = millstream(new_parcels, "gc")

    assert answer.code == 4
    check_snapshot("gc_before_any_run", masked(answer.stderr, new_parcels))
    assert not (new_parcels / ".millstream").exists()
