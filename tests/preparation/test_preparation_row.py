"""The function that prepares one request."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Literal

import polars as pl
import pytest

from millstream.preparation.fit import fit_preparation
from millstream.preparation.row_body import compile_row

KINDS: tuple[Literal["trees", "linear"], ...] = ("trees", "linear")


def test_a_row_becomes_a_list_of_floats() -> None:
    """In the order of the preparation's outputs."""
    frame = pl.DataFrame({"x": [1, 2], "city": ["a", "b"], "open": [True, False]})
    prepare = compile_row(fit_preparation(frame, ["open", "city", "x"], kind="trees"))

    row = prepare({"x": 2, "city": "b", "open": True, "of no interest": "x"})

    assert row == [1.0, 1.0, 2.0]
    assert all(type(value) is float for value in row)


def test_no_columns_make_an_empty_row() -> None:
    """A preparation of nothing is allowed."""
    assert compile_row(fit_preparation(pl.DataFrame(), [], kind="trees"))({"x": 1}) == []


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_levels_are_never_read_as_source(kind: Literal["trees", "linear"]) -> None:
    """Whatever users write as a name or level stays a string."""
    hostile = '\'); raise SystemExit #\n{outputs}"""\\'
    frame = pl.DataFrame({hostile: [hostile, "b"], "get": [1, 2], "missing": [1.5, None]})
    prepare = compile_row(fit_preparation(frame, frame.columns, kind=kind))

    row = prepare({hostile: hostile, "get": 1, "missing": 1.5})

    assert row[0] == (0.0 if kind == "trees" else 1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_never_taken_for_a_number(kind: Literal["trees", "linear"]) -> None:
    """Not even when it looks like one: a request must be typed before it comes here."""
    prepare = compile_row(fit_preparation(pl.DataFrame({"x": [1.0, 2.0]}), ["x"], kind=kind))

    with pytest.raises(TypeError):
        prepare({"x": "1.5"})


def test_a_thousand_columns_compile() -> None:
    """Wide tables need no other way."""
    frame = pl.DataFrame({f"x{number}": [0.0, 1.0] for number in range(1_000)})

    assert compile_row(fit_preparation(frame, frame.columns, kind="linear"))({"x999": 1.0})[-1] > 0.0


def test_a_server_needs_no_table_library() -> None:
    """Importing the row body imports no polars, numpy or scipy."""
    code = "import sys, millstream.preparation.row_body; print(sorted({'polars', 'numpy', 'scipy'} & set(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)

    assert run.stdout.strip() == "[]"
