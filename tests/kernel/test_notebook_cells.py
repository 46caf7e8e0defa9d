"""Functions of a notebook: their source is known to Python alone, and they are steps all the same."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from step_calls import handed, made, step_of, stored

from millstream.kernel.fingerprint import fingerprint
from millstream.kernel.store import Store

ROWS = pl.DataFrame({"n": [1, 2]})
STEP = "def doubled(rows: pl.DataFrame) -> pl.DataFrame:\n    return rows.with_columns(n=scaled(pl.col('n')))\n"
SCALED = "def scaled(column):\n    return column * 2\n"


class Notebook:
    """Cells run in `__main__`, each kept where tracebacks look for it, as IPython does."""

    def __init__(self) -> None:
        self.module = ModuleType("__main__")
        vars(self.module)["pl"] = pl
        self.cells: list[str] = []

    def run(self, text: str) -> None:
        name = f"/tmp/ipykernel_1/{len(self.cells)}.py"  # noqa: S108  the name of a cell: no such file is made
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        self.cells.append(name)
        exec(compile(text, name, "exec"), vars(self.module))  # noqa: S102  what a notebook does

    def key(self, name: str) -> str:
        """The fingerprint of a function."""
        found = fingerprint(vars(self.module)[name])
        assert found.blind == ()
        return found.digest


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    notebook = Notebook()
    monkeypatch.setitem(sys.modules, "__main__", notebook.module)
    yield notebook
    for cell in notebook.cells:
        linecache.cache.pop(cell, None)


def test_cell_run_again_is_the_same_step(notebook: Notebook) -> None:
    """Its number is another, its meaning is not."""
    notebook.run(SCALED)
    notebook.run(STEP)
    before = notebook.key("doubled")

    notebook.run(STEP.replace("    return", "    # as before\n    return"))

    assert notebook.key("doubled") == before


@pytest.mark.parametrize("edited", [STEP.replace("pl.col('n')", "pl.col('n') + 1"), SCALED.replace("2", "3")], ids=["step", "called"])
def test_edited_cell_is_another_step(notebook: Notebook, edited: str) -> None:
    """Also one whose function the step only calls."""
    notebook.run(SCALED)
    notebook.run(STEP)
    before = notebook.key("doubled")

    notebook.run(edited)

    assert notebook.key("doubled") != before


def test_annotation_of_a_cell_is_followed(notebook: Notebook, tmp_path: Path) -> None:
    """The step gets what it asks for, and its errors stand in the cell."""
    store = Store(tmp_path / "store")
    notebook.run(SCALED)
    notebook.run(STEP)
    function = vars(notebook.module)["doubled"]

    assert step_of(function).asked[0].kind == "eager"
    assert handed(store, made(store, function, stored(store, ROWS))).get_column("n").to_list() == [2, 4]
