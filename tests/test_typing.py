"""The language under strict type checkers: whole programs pass, every mistake is an error in its own line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"
SOURCES = Path(__file__).parents[1] / "src"
GOOD = sorted(PROGRAMS.glob("*.py"))
MISTAKES = sorted((PROGRAMS / "mistakes").glob("*.py"))
CHECKERS = ["mypy", "pyright"]

Errors = dict[str, list[tuple[int, str]]]
"""For each file name, the line and message of each error."""

CULPRIT_LINES = {
    "m01_misspelt_option.py": {3},
    "m02_arity.py": {8, 9},
    "m03_undefined_reference.py": {8},
    "m04_label_as_feature.py": {13},
    "m05_model_for_training_set.py": {5},
    "m06_feature_from_label.py": {13},
    "m07_unknown_setting.py": {13},
    "m08_wrong_reduction.py": {4},
    "m09_wrong_metric.py": {4},
    "m10_monitor_a_model.py": {5},
    "m11_misspelt_condition.py": {6},
    "m12_setting_without_default.py": {8, 9},
    "m13_estimator_class_not_object.py": {11},
    "m14_call_as_plain_function.py": {14},
    "m31_retries_without_errors.py": {8},
    "m32_memory_as_number.py": {8},
    "m33_error_that_is_none.py": {8},
}


@pytest.fixture(scope="session")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Errors]:
    """What each checker that is installed says of all programs: one call each."""
    folder = tmp_path_factory.mktemp("typing")
    found: dict[str, Errors] = {}
    if _installed("mypy"):
        found["mypy"] = _mypy(folder, [*GOOD, *MISTAKES])
    if _installed("pyright"):
        found["pyright"] = _pyright(folder, [*GOOD, *MISTAKES])
    return found


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("program", GOOD, ids=lambda path: path.stem)
def test_a_program_passes_strict_checks(errors: dict[str, Errors], checker: str, program: Path) -> None:
    """Programs as users write them have no error."""
    assert _of(errors, checker).get(program.name, []) == []


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("program", MISTAKES, ids=lambda path: path.stem)
def test_a_mistake_is_an_error_where_it_is_made(errors: dict[str, Errors], checker: str, program: Path) -> None:
    """Each mistake is found, on the line of the culprit and nowhere else."""
    lines = {line for line, _ in _of(errors, checker).get(program.name, [])}

    assert lines & CULPRIT_LINES[program.name]


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_mistake_gives_no_other_errors_before_it(errors: dict[str, Errors], checker: str) -> None:
    """What is right in a file with a mistake is not blamed: the first error is the culprit's."""
    first = {name: min(line for line, _ in found) for name, found in _of(errors, checker).items() if name in CULPRIT_LINES}

    assert {name: line for name, line in first.items() if line not in CULPRIT_LINES[name]} == {}


def _of(errors: dict[str, Errors], checker: str) -> Errors:
    if checker not in errors:
        pytest.skip(f"{checker} is not installed (pip install mypy 'pyright[nodejs]')")
    return errors[checker]


def _installed(module: str) -> bool:
    return subprocess.run([sys.executable, "-c", f"import {module}"], check=False, capture_output=True).returncode == 0


def _mypy(folder: Path, programs: list[Path]) -> Errors:
    configuration = folder / "mypy.ini"
    configuration.write_text("[mypy]\nstrict = true\n[mypy-sklearn.*]\nignore_missing_imports = true\n")
    arguments = ["--config-file", configuration, "--cache-dir", folder, "--show-absolute-path", "--no-error-summary", *programs]
    output = _run("mypy", arguments, folder)
    found = re.findall(r"^(.+?):(\d+): error: (.*)$", output, re.MULTILINE)
    return _by_program((Path(file), int(line), message) for file, line, message in found)


def _pyright(folder: Path, programs: list[Path]) -> Errors:
    settings = {
        "typeCheckingMode": "strict",
        "reportMissingTypeStubs": False,
        "pythonVersion": "3.11",
        "extraPaths": [str(SOURCES)],
        "include": [str(path) for path in programs],
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    output = _run("pyright", ["--outputjson", "--pythonpath", sys.executable, *programs], folder)
    found = [item for item in json.loads(output)["generalDiagnostics"] if item["severity"] == "error"]
    return _by_program((Path(item["file"]), item["range"]["start"]["line"] + 1, item["message"]) for item in found)


def _run(module: str, arguments: Sequence[object], folder: Path) -> str:
    environment = {**os.environ, "MYPYPATH": str(SOURCES)}
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=environment).stdout


def _by_program(found: Iterable[tuple[Path, int, str]]) -> Errors:
    programs = set(GOOD) | set(MISTAKES)
    errors: Errors = {}
    for file, line, message in found:
        if file in programs:
            errors.setdefault(file.name, []).append((line, message))
    return errors
