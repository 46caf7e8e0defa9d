"""Damage that is met while a run goes on: it is named, what made it makes it anew, and the run goes on."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from rivers import Ran, run_river

from millstream.kernel.store import files_of

CHAIN = """
data = ms.source("data.parquet")

@ms.step(data)
def twice(data: pl.LazyFrame) -> pl.LazyFrame:
    return data.select(k=pl.col("k") * 2)

@ms.step(twice)
def more(twice: pl.LazyFrame) -> pl.LazyFrame:
    return twice.with_columns(m=pl.col("k") + 1)

@ms.step(more)
def last(more: pl.LazyFrame, *, add: int = 0) -> pl.LazyFrame:
    return more.select(pl.col("k") + pl.col("m") + add)

@ms.step(twice)
def other(twice: pl.LazyFrame, *, add: int = 0) -> pl.LazyFrame:
    return twice.select(pl.col("k") - add)
"""


@pytest.fixture
def ran(tmp_path: Path) -> Ran:
    """A chain that ran."""
    pl.DataFrame({"k": range(3_000)}).write_parquet(tmp_path / "data.parquet")
    return run_river(tmp_path, CHAIN).answer()


def damage(ran: Ran, step: str) -> set[str]:
    """Change a byte of every file of a step."""
    names = files_of(ran.artifact(step))
    for name in names:
        path = ran.project.store.path(name)
        content = path.read_bytes()
        path.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    return names


@pytest.mark.parametrize("isolated", [False, True])
def test_run_goes_on(tmp_path: Path, ran: Ran, isolated: bool) -> None:
    """Who holds what is damaged is made anew, inputs first, and told; the steps that met it are tried again."""
    damage(ran, "more")
    text = CHAIN.replace("add: int = 0", "add: int = 1")
    again = run_river(tmp_path, text.replace("@ms.step(more)", "@ms.step(more, isolate=True)") if isolated else text).answer()

    assert again.executed == ["last", "more", "other", "twice"]
    assert [again.step(name).why for name in ("more", "twice")] == ["its stored result was gone"] * 2
    assert any("was damaged and has been dropped: made anew" in note for name in ("more", "twice") for note in again.step(name).notes)
    assert again.frame("last").to_series().to_list() == [4 * k + 2 for k in range(3_000)]
    assert again.frame("other").to_series().to_list() == [2 * k - 1 for k in range(3_000)]


def test_only_what_is_damaged_is_made_anew(tmp_path: Path, ran: Ran) -> None:
    """A column of its own: the step before it is not touched."""
    for name in files_of(ran.artifact("more")) - files_of(ran.artifact("twice")):
        ran.project.store.path(name).write_bytes(b"")

    again = run_river(tmp_path, CHAIN.replace("add: int = 0", "add: int = 1")).answer()

    assert again.executed == ["last", "more", "other"]


def test_source_is_read_again(tmp_path: Path, ran: Ran) -> None:
    """As long as it is as it was."""
    damage(ran, "data")

    again = run_river(tmp_path, CHAIN.replace("* 2", "* 3")).answer()

    assert {"data", "twice"} <= set(again.executed)
    assert again.frame("twice").to_series().to_list() == [3 * k for k in range(3_000)]
