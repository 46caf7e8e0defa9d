"""What a step was computed from must stand still while it runs, and what it was given must stay what it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from rivers import Ran, run_river

from millstream.errors import StepError

TREES = """
    import time
    from datetime import datetime
    from pathlib import Path
    import numpy as np

    pl.DataFrame({"tree": range(20_000), "height": np.arange(20_000.0)}).write_parquet(Path(__file__).parent / "trees.parquet")
    trees = ms.source("trees.parquet", key="tree")
"""


def failure(ran: Ran) -> StepError:
    """The error of the only step that failed."""
    (error,) = ran.progress.errors.values()
    assert isinstance(error, StepError)
    return error


@pytest.mark.parametrize("more", ["", ", isolate=True"])
def test_value_that_changes_while_a_step_runs_is_an_error(tmp_path: Path, more: str) -> None:
    """Nobody can say what it was computed from: it is named, and nothing is kept."""
    steps = f"""
    LIMITS = {{"least": 5}}

    @ms.step(trees{more})
    def high(trees: pl.LazyFrame) -> pl.LazyFrame:
        LIMITS["least"] += 1
        return trees.filter(pl.col("height") > LIMITS["least"])
    """
    ran = run_river(tmp_path, TREES + steps)

    assert failure(ran).message == "high: 'river.LIMITS' changed while it ran"
    assert (failure(ran).where or "").rpartition(":")[0].endswith("river.py")
    assert run_river(tmp_path).step("high").status == "failed"


def test_only_the_parts_that_ran_meanwhile_are_dropped(tmp_path: Path) -> None:
    """A part that was done before the change is kept."""
    ran = run_river(
        tmp_path,
        TREES
        + """
    pl.DataFrame({"tree": range(3), "read": [datetime(2024, 1, day) for day in range(1, 4)]}).write_parquet(Path(__file__).parent / "read.parquet")
    readings = ms.source("read.parquet", key="tree", time="read")
    SEEN = []

    @ms.step(readings, partition="1d")
    def daily(readings: pl.DataFrame) -> pl.DataFrame:
        if readings.item(0, "tree") == 2:
            time.sleep(0.5)
            SEEN.append(1)
        return readings
    """,
    )
    again = run_river(tmp_path)

    assert failure(ran).message == failure(again).message == "daily: 'river.SEEN' changed while it ran"
    assert len(ran.project.store.index.rows("SELECT key FROM results")) == 4  # those of the two sources, and two days


def test_result_over_memory_that_is_used_again_stays_what_it_was(tmp_path: Path) -> None:
    """polars takes over an array without copying it: what is stored and what others read is what it held when it was returned."""
    ran = run_river(
        tmp_path,
        """
    import functools
    from pathlib import Path
    import numpy as np

    pl.DataFrame({"height": np.arange(20_000.0)}).write_parquet(Path(__file__).parent / "trees.parquet")
    trees = ms.source("trees.parquet")

    @functools.cache
    def memory() -> np.ndarray:
        return np.zeros(20_000)

    @ms.step(trees)
    def ones(trees: pl.DataFrame) -> pl.DataFrame:
        memory()[:] = 1.0
        return pl.DataFrame({"value": memory()})

    @ms.step(ones)
    def twos(ones: pl.DataFrame) -> pl.DataFrame:
        memory()[:] = 2.0
        return pl.DataFrame({"value": memory()})

    @ms.step(ones, twos)
    def sums(ones: pl.DataFrame, twos: pl.DataFrame) -> pl.DataFrame:
        memory()[:] = 3.0
        return pl.DataFrame({"one": [ones.get_column("value").sum()], "two": [twos.get_column("value").sum()]})
    """,
    ).answer()

    assert ran.frame("sums").row(0) == (20_000.0, 40_000.0)
    assert ran.frame("ones").get_column("value").unique().to_list() == [1.0]
    assert run_river(tmp_path).frame("twos").get_column("value").unique().to_list() == [2.0]


def mutating(folder: Path, body: str) -> Ran:
    """Run a step that does something to its input, and one that reads the input after it."""
    return run_river(
        folder,
        TREES
        + f"""
    @ms.step(trees)
    def given(trees: pl.DataFrame) -> pl.DataFrame:
        return trees.with_columns(own=pl.col("height") + 1)

    @ms.step(given)
    def meddles(given: pl.DataFrame) -> pl.DataFrame:
        {body}
        return given

    @ms.step(given, meddles)
    def reads(given: pl.DataFrame, meddles: pl.DataFrame) -> pl.DataFrame:
        return given
    """,
    )


@pytest.mark.parametrize(
    "body",
    [
        'given[0, "own"] = 99.0',
        'given.get_column("own")[0] = 99.0',
        'given.get_column("own").scatter(0, 99.0)',
        'given.get_column("own").sort(descending=True, in_place=True)',
        'given.get_column("own").extend(given.get_column("own"))',
        "given.extend(given)",
        'given.replace_column(2, pl.Series("own", np.full(20_000, 99.0)))',
        'given.drop_in_place("own")',
        'given.get_column("own").to_numpy(writable=True)[0] = 99.0',
    ],
)
def test_step_that_changes_its_input_changes_its_own_result_only(tmp_path: Path, body: str) -> None:
    """What is stored of the input and what others read of it is what it was; the step's own result is what it returned."""
    ran = mutating(tmp_path, body).answer()
    expected = [number + 1.0 for number in range(20_000)]

    assert ran.frame("given").get_column("own").to_list() == expected
    assert ran.frame("reads").get_column("own").to_list() == expected
    own = ran.frame("meddles")
    fresh = run_river(tmp_path).answer()
    assert fresh.executed == []
    assert fresh.frame("given").get_column("own").to_list() == expected
    assert fresh.frame("meddles").equals(own)


@pytest.mark.parametrize("body", ['given.get_column("own").to_numpy()[0] = 99.0', "given.get_column('own').to_numpy().flags.writeable = True"])
def test_views_of_an_input_are_read_only(tmp_path: Path, body: str) -> None:
    """numpy refuses to write into memory that others read too."""
    ran = mutating(tmp_path, body)

    assert failure(ran).message.startswith("meddles: ValueError: ")
    assert ran.frame("given").get_column("own").to_list()[0] == 1.0
