"""Nothing needs a network."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from command import PARCELS_AS_OF, millstream

ALONE = ("unshare", "-rn")
"""In a namespace without any network interface that is up."""


def require_unshare() -> None:
    """Skip where nobody may leave the network; a build machine without `unshare` is no reason."""
    if shutil.which("unshare") is None:
        assert "CI" not in os.environ, "install util-linux: what must work offline is tested with unshare"
        pytest.skip("there is no unshare")
    tried = subprocess.run([*ALONE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"the kernel forbids it: {tried.stderr.strip()}")


def test_run_and_predict(new_parcels: Path, parcels: Path) -> None:
    """Without a network a run comes to the same model, and it answers the same."""
    require_unshare()
    here = millstream(parcels, "run", "--as-of", PARCELS_AS_OF, "--json").well().record
    there = millstream(new_parcels, "run", "--as-of", PARCELS_AS_OF, "--json", within=ALONE).well().record
    answers = [
        millstream(folder, "predict", "--as-of", PARCELS_AS_OF, "--json", "--show", "1000", within=within).well().record["predictions"]
        for folder, within in ((parcels, ()), (new_parcels, ALONE))
    ]

    assert there["model"] == {**here["model"], "new": True}
    assert answers[0]
    assert [each["probability"] for each in answers[1]] == [each["probability"] for each in answers[0]]


def test_init(tmp_path: Path) -> None:
    """The example projects and their data come with the package."""
    require_unshare()

    assert millstream(tmp_path, "init", "flights", within=ALONE).well().stdout.splitlines()[-1] == "next: cd flights && millstream run"
