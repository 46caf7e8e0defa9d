"""`millstream init`: an example project in a new folder, which then runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from stat import S_IWUSR

import pytest
from command import check_snapshot, edit, millstream

import millstream as ms

PACKAGE = Path(ms.__file__).parent
TEMPLATES = ("flights", "churn")
SMALL = "methods=[ExtraTreesClassifier(n_estimators=20, min_samples_leaf=5)]"


def files(folder: Path) -> dict[str, bytes]:
    """Everything in a folder that Python did not put there."""
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file() and each.suffix != ".pyc"}


@pytest.fixture
def churn(tmp_path: Path) -> Path:
    """The churn project with one quick method, somebody else's, and few customers."""
    millstream(tmp_path, "init", "churn").well()
    program = tmp_path / "churn" / "churn.py"
    begin, _, rest = program.read_text(encoding="utf-8").partition("methods=[")
    program.write_text(f"{begin}{SMALL}{rest.partition('],')[2] and ',' + rest.partition('],')[2]}", encoding="utf-8")
    table = tmp_path / "churn" / "data" / "churn.csv"
    table.write_text("".join(table.read_text(encoding="utf-8").splitlines(keepends=True)[:800]), encoding="utf-8")
    return tmp_path / "churn"


@pytest.mark.parametrize("template", TEMPLATES)
def test_template_is_copied(tmp_path: Path, template: str) -> None:
    """The folder is called as the template and has all that is in it; what to do next is said."""
    said = millstream(tmp_path, "init", template).well().stdout

    assert files(tmp_path / template) == files(PACKAGE / "templates" / template)
    assert said.splitlines()[-1] == f"next: cd {template} && millstream run"


def test_folder_of_another_name(tmp_path: Path) -> None:
    """A folder within folders that are not there, and the record of what lies in it."""
    record = millstream(tmp_path, "init", "churn", "my/customers", "--json").well().record

    assert record == {"template": "churn", "folder": "my/customers", "files": sorted(files(tmp_path / "my" / "customers"))}
    assert "churn.py" in record["files"]


def test_flights_is_the_default(tmp_path: Path) -> None:
    """`millstream init` alone."""
    millstream(tmp_path, "init").well()

    assert (tmp_path / "flights" / "flights.py").is_file()


def test_folder_with_something_in_it(tmp_path: Path) -> None:
    """What a user has is never overwritten."""
    (tmp_path / "churn").mkdir()
    (tmp_path / "churn" / "churn.py").write_text("mine", encoding="utf-8")
    answer = millstream(tmp_path, "init", "churn")

    assert (answer.code, answer.stdout) == (2, "")
    check_snapshot("init_not_empty", answer.stderr)
    assert files(tmp_path / "churn") == {"churn.py": b"mine"}


@pytest.mark.parametrize("folder", ["file", "file/within"])
def test_file_in_the_way(tmp_path: Path, folder: str) -> None:
    """A file is no folder, and stays as it is."""
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    answer = millstream(tmp_path, "init", "churn", folder)

    assert answer.code == 2
    assert answer.stderr.splitlines()[0].startswith(f"error: cannot write to {folder}: ")
    assert files(tmp_path) == {"file": b"mine"}


def test_read_only_template(tmp_path: Path) -> None:
    """Where the package may only be read, its copies can still be written."""
    package = tmp_path / "site" / "millstream"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for each in [package, *package.rglob("*")]:
        each.chmod(each.stat().st_mode & 0o555)
    millstream(tmp_path, "init", "churn", more={"PYTHONPATH": os.pathsep.join((str(package.parent), os.environ.get("PYTHONPATH", "")))}).well()
    made = [tmp_path / "churn", *(tmp_path / "churn").rglob("*")]

    assert [each for each in made if not each.stat().st_mode & S_IWUSR] == []


def test_churn_lives(churn: Path) -> None:
    """From a folder to answers: rows without a time, a label in a column, somebody else's estimator, each open customer answered once."""
    edit(churn / "data" / "churn.csv", "C0001,No,", "C0001,,")
    edit(churn / "data" / "churn.csv", "C0003,Yes,", "C0003,,")
    (churn / "pyproject.toml").write_text("[tool.millstream]\nunpickle = true\n", encoding="utf-8")
    record = millstream(churn, "run", "--json").well().record
    answered = millstream(churn, "predict", "--json").well().record
    again = millstream(churn, "predict", "--json").well().record

    assert (record["model"]["name"], record["model"]["alias"]) == ("churn", "champion")
    assert [entry["method"] for entry in record["leaderboard"]] == ["ExtraTreesClassifier", "baseline"]
    assert record["leaderboard"][0]["low"] > 0.6
    assert [(each["customer"], each["prediction"] in ("Yes", "No")) for each in answered["predictions"]] == [("C0001", True), ("C0003", True)]
    assert again["rows"] == 0


def test_pickle(churn: Path) -> None:
    """A model that is a pickle is loaded only where the user allows it, and only if this user signed it."""
    edit(churn / "data" / "churn.csv", "C0001,No,", "C0001,,")
    millstream(churn, "run").well()
    not_allowed = millstream(churn, "predict")
    (churn / "pyproject.toml").write_text("[tool.millstream]\nunpickle = true\n", encoding="utf-8")
    not_signed = millstream(churn, "predict", more={"XDG_CONFIG_HOME": str(churn / "somebody")})

    assert not_allowed.code != 0
    assert not_signed.code != 0
    check_snapshot("pickle_not_allowed", not_allowed.stderr)
    check_snapshot("pickle_not_signed", not_signed.stderr)
