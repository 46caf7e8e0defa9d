"""What goes wrong for a user is told in at most eight lines: culprit, place, what instead; nothing is registered, the exit code tells the kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from command import FLIGHTS_AS_OF, PARCELS_AS_OF, Answer, check_snapshot, edit, millstream

RUN = ("run", "--as-of", PARCELS_AS_OF)


@dataclass(frozen=True)
class Mistake:
    """A text of the user's file put into wrong words, and the exit code that it should have."""

    old: str
    new: str
    code: int


IN_THE_FILE = {
    "column_of_a_view": Mistake('"observed", "wind_speed")', '"observed", "wind_sped")', 2),
    "column_of_a_label": Mistake('pl.col("arrived") >', 'pl.col("arived") >', 2),
    "column_of_a_source": Mistake('"town", "weight"]', '"town", "wieght"]', 2),
    "column_of_a_key": Mistake('key="town"', 'key="twon"', 2),
    "column_that_a_view_must_return": Mistake('select("town", "observed", "wind_speed")', 'select("town", "wind_speed")', 2),
    "option_of_a_view": Mistake('max_age="3d"', 'max_agee="3d"', 2),
    "option_of_a_method": Mistake("ms.methods.linear()", "ms.methods.boosting(round=3)", 2),
    "name_of_a_method": Mistake("ms.methods.linear()", "ms.methods.linaer()", 2),
    "name_of_a_verb": Mistake("ms.deploy(", "ms.deplo(", 2),
    "name_of_a_metric": Mistake('"roc_auc"', '"roc_acu"', 2),
    "name_of_a_label": Mistake("label=late", "label=latte", 2),
    "duration": Mistake('max_age="3d"', 'max_age="3 days"', 2),
    "syntax": Mistake("features=[wind])", "features=[wind)", 2),
    "exception_in_a_step": Mistake("pl.duration(hours=hours)", 'pl.duration(hours=int("two"))', 1),
    "view_that_returns_nothing": Mistake("return weather.select", "weather.select", 1),
    "file_that_is_not_there": Mistake('"weather.csv"', '"wether.csv"', 4),
}
ON_THE_COMMAND_LINE = {
    "command": (("rum",), 2),
    "file": (("run", "parcel.py"), 2),
    "setting": (("run", "--set", "late.hour=24"), 2),
    "step_of_a_setting": (("run", "--set", "lat.hours=24"), 2),
    "value_of_a_setting": (("run", "--set", "late.hours=soon"), 2),
    "setting_without_a_value": (("run", "--set", "late.hours"), 2),
    "moment": (("run", "--as-of", "yesterday"), 2),
    "template": (("init", "fligths"), 2),
    "model": (("predict", "delay"), 4),
    "run_or_model": (("show", "delay"), 4),
    "step": (("why", "winds"), 4),
    "version": (("promote", "delays@9"), 4),
}


def told(answer: Answer, folder: Path) -> str:
    """The error, without the lines of the steps before it."""
    said, _, error = answer.stderr.partition("error: ")
    assert all(line.startswith(("ran ", "failed ", "skipped ", "note: ")) for line in said.splitlines()), said
    return f"error: {error}".replace(str(folder), "FOLDER")


def registered(folder: Path) -> list[str]:
    """The versions that `show` knows; without a store there are none."""
    if not (folder / ".millstream").exists():
        return []
    return [version["version"] for version in millstream(folder, "show", "delays", "--json").well().record["versions"]]


@pytest.mark.parametrize("name", IN_THE_FILE)
def test_mistake_in_the_file(new_parcels: Path, name: str) -> None:
    """What the file says cannot be, or its code fails: the line of the file is named, and no version is registered."""
    file, mistake = new_parcels / "parcels.py", IN_THE_FILE[name]
    right = file.read_text(encoding="utf-8")
    edit(file, mistake.old, mistake.new)
    answer = millstream(new_parcels, *RUN)

    assert answer.code == mistake.code
    assert len(told(answer, new_parcels).splitlines()) <= 8
    check_snapshot(f"file/{name}", told(answer, new_parcels))

    file.write_text(right, encoding="utf-8")
    assert registered(new_parcels) == []


@pytest.mark.parametrize("name", ON_THE_COMMAND_LINE)
def test_mistake_on_the_command_line(parcels: Path, name: str) -> None:
    """A misspelt word is answered with the nearest one; nothing is run."""
    words, code = ON_THE_COMMAND_LINE[name]
    answer = millstream(parcels, *words)

    assert (answer.code, answer.stdout) == (code, "")
    assert len(answer.stderr.splitlines()) <= 8
    check_snapshot(f"command/{name}", answer.stderr.replace(str(parcels), "FOLDER"))


@pytest.mark.parametrize("words", [("run", "--as-off", "2024-02-05"), ("predict", "--jsn"), ("show", "--fil", "x")])
def test_misspelt_option(parcels: Path, words: tuple[str, ...]) -> None:
    """An option that does not exist: the nearest one, and where the others are listed."""
    nearest = {"--as-off": "'--as-of'", "--jsn": "'--json'", "--fil": "'--file'"}[words[1]]
    answer = millstream(parcels, *words)

    assert (answer.code, answer.stdout) == (2, "")
    assert answer.stderr.startswith("error: no such option")
    assert nearest in answer.stderr
    assert answer.stderr.splitlines()[-1] == f"  try `millstream {words[0]} --help`"


def test_damaged_file_of_a_source(new_flights: Path) -> None:
    """A file that is no table: exit code 4, the file and the source that reads it."""
    (new_flights / "data" / "weather.parquet").write_bytes(b"this is no Parquet file")
    answer = millstream(new_flights, "run", "--as-of", FLIGHTS_AS_OF)
    lines = told(answer, new_flights).splitlines()

    assert answer.code == 4
    assert lines[0].startswith("error: weather.parquet cannot be read: ")
    assert lines[1].startswith("  at FOLDER/flights.py:")


def test_branches_go_on(new_parcels: Path) -> None:
    """What does not need the failed step is done, and what does is counted as skipped."""
    edit(new_parcels / "parcels.py", '"observed", "wind_speed")', '"observed", "wind_sped")')
    answer = millstream(new_parcels, *RUN)

    assert "\nran     late " in answer.stderr
    assert answer.stdout.splitlines()[0].endswith("; 1 failed, 10 skipped")


def test_error_as_json(new_parcels: Path) -> None:
    """With `--json` an error is one object on stdout, with the parts that its text is made of."""
    file = new_parcels / "parcels.py"
    edit(file, '"observed", "wind_speed")', '"observed", "wind_sped")')
    answer = millstream(new_parcels, *RUN, "--json")

    assert (answer.code, answer.stderr) == (2, "")
    assert answer.record == {
        "error": {
            "kind": "ColumnError",
            "message": "wind: there is no column 'wind_sped'",
            "where": f"{file}:23",
            "hint": "did you mean 'wind_speed'?",
        },
        "exit_code": 2,
    }


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        (("rum", "--json"), "ConfigurationError", 2),
        (("run", "--as-off", "2024-02-05", "--json"), "NoSuchOption", 2),
        (("predict", "delay", "--json"), "NotFoundError", 4),
        (("why", "winds", "--json"), "NotFoundError", 4),
        (("init", "fligths", "--json"), "ConfigurationError", 2),
    ],
)
def test_error_of_any_command_as_json(parcels: Path, words: tuple[str, ...], kind: str, code: int) -> None:
    """Every command tells its errors so, wrong options too."""
    answer = millstream(parcels, *words)

    assert (answer.code, answer.stderr) == (code, "")
    assert sorted(answer.record) == ["error", "exit_code"]
    assert sorted(answer.record["error"]) == ["hint", "kind", "message", "where"]
    assert (answer.record["error"]["kind"], answer.record["exit_code"]) == (kind, code)


def test_refused_promotion(parcels: Path) -> None:
    """What a gate has refused is not promoted by hand either: exit code 3, and the champion stays."""
    edit(parcels / "parcels.py", 'ms.sink("answers"))', 'ms.sink("answers"), accept=ms.gate.better(by=0.2))')
    edit(parcels / "parcels.py", '"observed", "wind_speed")', '"observed", "wind_speed", "visibility")')
    millstream(parcels, *RUN).well()
    millstream(parcels, "maintain", "--as-of", "2024-03-15").well()
    answer = millstream(parcels, "promote", "delays@2")

    assert answer.code == 3, answer.stderr
    assert answer.stderr.startswith("error: delays@2 was refused: better(by=0.2): ")
    assert answer.stderr.endswith(": not beyond the margin\n  train a better one, or change accept= of ms.deploy\n")
    assert "  delays@1     champion " in millstream(parcels, "show", "delays").stdout


def test_failed_check(parcels: Path) -> None:
    """A view that changes with what is known later is found by `check`: exit code 3."""
    edit(
        parcels / "parcels.py",
        'weather.select("town", "observed", "wind_speed")',
        'weather.select("town", "observed", wind_speed=pl.col("wind_speed").max())',
    )
    answer = millstream(parcels, "check", "--as-of", PARCELS_AS_OF)

    assert answer.code == 3, answer.stdout + answer.stderr
    assert answer.stdout.startswith("error wind: ")


def test_labels_that_are_not_known_yet(parcels: Path) -> None:
    """Nothing to learn from at that moment: exit code 3, and what to wait for."""
    answer = millstream(parcels, "run", "--as-of", "2024-01-01")

    assert answer.code == 3, answer.stderr
    assert told(answer, parcels).splitlines()[-1] == "  wait for labels, or run as of a later moment"


def test_pyproject_that_is_not_toml(parcels: Path) -> None:
    """A damaged configuration is named."""
    (parcels / "pyproject.toml").write_text("[tool.millstream", encoding="utf-8")
    answer = millstream(parcels, "show")

    assert answer.code == 2
    assert answer.stderr.startswith(f"error: {parcels / 'pyproject.toml'} is not TOML: ")
