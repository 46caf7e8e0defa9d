"""What counts as the same when a run is made once more."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import polars as pl
import pytest

from millstream.kernel.facts import Facts
from millstream.kernel.store import Store
from millstream.maintenance.reproduce import differences_of
from millstream.registry.environment import git_state

TABLE = pl.DataFrame({"n": [1, 2, None], "x": [0.1, None, 3.0], "word": ["a", "b", None]})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (TABLE, ""),
        (TABLE.with_columns(pl.col("x") * (1 + 1e-12)), ""),
        (TABLE.with_columns(pl.col("x") * (1 + 1e-6)), "column x in 2 rows"),
        (TABLE.with_columns(x=pl.Series([0.1, 2.0, 3.0])), "column x in 1 rows"),
        (TABLE.with_columns(word=pl.lit("a"), n=pl.col("n").fill_null(3)), "column n in 1 rows, word in 2 rows"),
        (TABLE.head(2), "2 rows, 3 then"),
        (TABLE.with_columns(pl.col("n").cast(pl.Int32)), "other columns: n Int32"),
    ],
    ids=["equal", "sums in another order", "floats", "null", "others", "rows", "types"],
)
def test_tables(store: Store, now: pl.DataFrame, told: str) -> None:
    """Floats up to a billionth; all else to the last bit."""
    before, after = (store.write_table(each, Facts())[0] for each in (TABLE, now))

    assert differences_of(store, before, after) == told


@pytest.mark.parametrize(
    ("now", "same"),
    [
        ({"a": [0.1 + 1e-14, 2], "b": "x"}, True),
        ({"a": [0.2, 2], "b": "x"}, False),
        ({"a": [0.1, 2], "b": "y"}, False),
        ({"a": [0.1], "b": "x"}, False),
    ],
)
def test_values(store: Store, now: object, *, same: bool) -> None:
    """JSON by its numbers."""
    before, after = (store.write_value(msgspec.json.encode(each))[0] for each in ({"a": [0.1, 2], "b": "x"}, now))

    assert (differences_of(store, before, after) == "") == same


def test_git(tmp_path: Path) -> None:
    """The commit, and whether the files differ from it; nothing without a repository."""
    assert git_state(tmp_path) == {}
    file = tmp_path / "river.py"
    file.write_text("a\n", encoding="utf-8")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)  # noqa: S607  whichever git there is

    clean = git_state(tmp_path)
    file.write_text("b\n", encoding="utf-8")
    dirty = git_state(tmp_path)

    assert (len(clean["git commit"]), clean["git"]) == (40, "clean")
    assert dirty == {"git commit": clean["git commit"], "git": "with changes that are not committed"}
