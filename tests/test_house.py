"""The house is in order: what is loaded at start-up, where things stand, and how large they may be."""

from __future__ import annotations

import ast
import doctest
import pkgutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from millstream.cli.main import millstream

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "millstream"
TEMPLATES = PACKAGE / "templates"
HEAVY = {"duckdb", "joblib", "lightgbm", "numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn", "starlette", "uvicorn"}
NAMES_WITHOUT_MEANING = {"base", "common", "core", "helpers", "misc", "utils"}
FILE_LINES = 400
FUNCTION_LINES = 60

Function = ast.FunctionDef | ast.AsyncFunctionDef
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if TEMPLATES not in path.parents or path.parent == TEMPLATES)
PACKAGES = sorted({path.parent for path in MODULES})
EXAMPLES = [path for path in MODULES if ">>>" in path.read_text(encoding="utf-8")]
TEST_FILES = sorted((ROOT / "tests").rglob("test_*.py"))


def place(path: Path, line: int | None = None) -> str:
    """A place as editors and people find it."""
    return f"{path.relative_to(ROOT)}{'' if line is None else f':{line}'}"


def functions(path: Path) -> Iterator[Function]:
    """All functions of a file, inner ones too."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return (node for node in nodes if isinstance(node, Function))


def loaded(*modules: str) -> set[str]:
    """Which top-level modules a fresh interpreter has after it imported some."""
    code = f"import sys, {', '.join(modules)}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


@pytest.fixture(scope="module")
def floors() -> set[str]:
    """The rooms that have a floor in the layers contract, and those that need none."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = [contract for contract in contracts if contract["type"] == "layers"]
    return {*layers["layers"], *layers["exhaustive_ignores"]}


def test_import_is_light() -> None:
    """`import millstream` loads no library for tables, numbers, models or the web."""
    assert loaded("millstream") & HEAVY == set()


def test_scoring_path_is_light() -> None:
    """What scores one row loads nothing but the standard library and msgspec."""
    scoring = loaded("millstream.features.online", "millstream.preparation.row_body", "millstream.training.row_body")

    assert scoring - sys.stdlib_module_names - {"millstream", "msgspec"} <= loaded("msgspec")


def test_every_room_has_a_floor(floors: set[str]) -> None:
    """No folder or module stands outside the layers contract, and the contract names nothing that is not there."""
    rooms = {path.stem for path in PACKAGE.iterdir() if path in PACKAGES or path in MODULES}

    assert rooms - {"__init__"} == floors


def test_every_folder_is_a_package() -> None:
    """Without `__init__.py` a folder would escape import-linter."""
    assert [place(folder) for folder in PACKAGES if not (folder / "__init__.py").is_file()] == []


def test_packages_only_say_what_they_are() -> None:
    """An `__init__.py` is one docstring, so that importing a module of a room loads that module alone; `testing` is imported by users."""
    inits = [path for path in MODULES if path.name == "__init__.py" and path.parent not in (PACKAGE, PACKAGE / "testing")]
    bodies = {place(path): ast.parse(path.read_text(encoding="utf-8")) for path in inits}

    assert [name for name, body in bodies.items() if len(body.body) != 1 or not ast.get_docstring(body)] == []


def test_every_name_means_something() -> None:
    """A module is called after what is in it."""
    assert [place(path) for path in [*MODULES, *PACKAGES] if path.stem in NAMES_WITHOUT_MEANING] == []


def test_every_command_is_one_file() -> None:
    """`millstream NAME` is the command in `cli/NAME.py`."""
    context = click.Context(millstream)
    names = millstream.list_commands(context)

    assert names
    assert [name for name in names if not (PACKAGE / "cli" / f"{name}.py").is_file()] == []
    assert [name for name in names if not isinstance(millstream.get_command(context, name), click.Command)] == []


def test_files_are_short() -> None:
    """A file of more than 400 lines is two things."""
    lengths = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in [*MODULES, *TEST_FILES]}

    assert {name: length for name, length in lengths.items() if length > FILE_LINES} == {}


def test_functions_are_short() -> None:
    """A function of more than 60 lines is two things."""
    every = [(path, function) for path in MODULES for function in functions(path)]
    lengths = {place(path, each.lineno): (each.end_lineno or each.lineno) - each.lineno + 1 for path, each in every}

    assert {name: length for name, length in lengths.items() if length > FUNCTION_LINES} == {}


def test_every_test_says_what_it_shows() -> None:
    """Each test has a sentence."""
    tests = [(path, each) for path in TEST_FILES for each in functions(path) if each.name.startswith("test_")]

    assert [place(path, each.lineno) for path, each in tests if not ast.get_docstring(each)] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=place)
def test_example_in_a_docstring_runs(path: Path) -> None:
    """An example shows what really comes back."""
    module = pkgutil.resolve_name(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))

    assert doctest.testmod(module).failed == 0
