"""From nothing to a project: `init`, and the help of every command."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Folder

from millstream.cli.main import COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(tmp_path: Path, command: str) -> None:
    """`millstream COMMAND --help` works anywhere."""
    done = Folder(tmp_path).call(command, "--help")
    assert (done.code, done.errors) == (0, "")
    assert "--json" in done.output


def test_init_does_not_overwrite(tmp_path: Path) -> None:
    """What a user has written stays."""
    (tmp_path / "flights").mkdir()
    (tmp_path / "flights" / "flights.py").write_text("mine", encoding="utf-8")
    done = Folder(tmp_path).call("init", "flights")
    assert done.code == 2
    assert (tmp_path / "flights" / "flights.py").read_text(encoding="utf-8") == "mine"


def test_churn_lives(tmp_path: Path) -> None:
    """The smallest project: no time, one file, somebody else's estimator beside ours; every customer is answered once."""
    assert Folder(tmp_path).call("init", "churn").code == 0
    churn = Folder(tmp_path / "churn")
    churn.edit("n_estimators=300", "n_estimators=20", "churn.py")
    trained = churn.call("run", "--json")
    assert trained.code == 0, trained.errors
    assert {entry["method"] for entry in trained.record["leaderboard"]} == {"baseline", "boosting", "linear", "ExtraTreesClassifier"}
    assert churn.call("run", "--json").executed == set()
