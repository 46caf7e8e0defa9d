"""Libraries that a kind of table needs: missed before anything runs, and never loaded for nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from rivers import run_river
from step_calls import step_of

from millstream.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas as pd  # noqa: F401  annotations below are texts that name it
    from duckdb import DuckDBPyRelation  # noqa: F401
    from pyarrow import (
        Table as Arrow,
    )


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Hides a library from imports."""

    def hide(library: str) -> None:
        monkeypatch.setitem(sys.modules, library, None)

    return hide


@pytest.mark.parametrize(
    ("library", "annotation", "extra"),
    [("pandas", "pd.DataFrame", "pandas"), ("pyarrow", "Arrow", "pandas"), ("duckdb", "DuckDBPyRelation", "sql")],
)
def test_missing_library_is_told_before_anything_runs(without: Callable[[str], None], library: str, annotation: str, extra: str) -> None:
    """One sentence with the command, when the graph is built."""
    without(library)

    def read(rows: object) -> object:
        return rows

    read.__annotations__["rows"] = annotation

    with pytest.raises(ConfigurationError, match=f"read: 'rows' asks for .*, which needs {library}: it is not installed") as caught:
        step_of(read)
    assert caught.value.hint == f"pip install 'millstream[{extra}]'"
    assert caught.value.where is not None


def test_missing_library_of_the_result_is_told_too(without: Callable[[str], None]) -> None:
    """Not after an hour of work."""
    without("pyarrow")

    def read(rows: pl.DataFrame) -> Arrow:
        return rows.to_arrow()

    with pytest.raises(ConfigurationError, match="read: its result asks for Arrow, which needs pyarrow"):
        step_of(read)


def test_missing_database_is_told_before_the_source_is_read(tmp_path: Path, without: Callable[[str], None]) -> None:
    """A query over a source: its rows are not even there."""
    without("duckdb")
    text = """
    rows = ms.source("nowhere.csv")


    @ms.step(rows)
    def some(rows: str) -> str:
        return f"select * from {rows}"
    """

    with pytest.raises(ConfigurationError, match=r"some: 'rows' asks for its table by name in SQL \(str\), which needs duckdb") as caught:
        run_river(tmp_path, text)
    assert caught.value.hint == "pip install 'millstream[sql]'"


def test_import_of_a_library_that_is_not_there_says_what_to_install(tmp_path: Path, without: Callable[[str], None]) -> None:
    """The user's own file asks for it first."""
    without("duckdb")

    with pytest.raises(ConfigurationError, match="ModuleNotFoundError") as caught:
        run_river(tmp_path, "import duckdb\n")

    assert caught.value.hint == "pip install 'millstream[sql]'"


def test_no_library_is_loaded_that_nobody_asks_for(tmp_path: Path) -> None:
    """Neither by polars steps nor by values."""
    from rivers import run_python  # noqa: PLC0415  beside its use

    program = """
        import sys
        from pathlib import Path
        from rivers import run_river
        import polars as pl
        pl.DataFrame({"n": [1, 2]}).write_csv(Path(sys.argv[1]) / "rows.csv")
        run_river(Path(sys.argv[1]), '''
        rows = ms.source("rows.csv")

        @ms.step(rows)
        def levels(rows: pl.DataFrame) -> list[int]:
            return rows["n"].to_list()

        @ms.step(ms.each(levels), rows)
        def some(level: int, rows: pl.LazyFrame) -> pl.LazyFrame:
            return rows.filter(pl.col("n") == level)
        ''').answer()
        print({"duckdb", "pandas", "pyarrow", "matplotlib", "sklearn"} & set(sys.modules))
    """

    process = run_python(program, str(tmp_path))

    assert process.stdout.strip() == "set()", process.stderr
