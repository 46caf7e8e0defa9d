"""A step that fails of something declared is tried again, later each time, while others go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from rivers import run_river

from millstream.kernel.limits import pause

FLAKY = """
    from pathlib import Path

    class Unavailable(ConnectionError):
        pass

    pl.DataFrame({"tree": range(3)}).write_parquet(Path(__file__).parent / "trees.parquet")
    trees = ms.source("trees.parquet", key="tree")

    def attempt(name: str) -> int:
        path = Path(__file__).with_name(name)
        path.write_text(path.read_text() + "x" if path.exists() else "x")
        return len(path.read_text())
"""


@pytest.mark.parametrize("more", ["", ", isolate=True"])
def test_declared_error_is_tried_again(tmp_path: Path, more: str) -> None:
    """In this process as in another one; the report says how often, the log what failed."""
    ran = run_river(
        tmp_path,
        FLAKY
        + f"""
    @ms.step(trees, retries=(3, ConnectionError){more})
    def asked(trees: pl.LazyFrame) -> pl.LazyFrame:
        if attempt("asked") < 3:
            raise Unavailable("nobody there")
        return trees
    """,
    ).answer()

    report = ran.step("asked")
    assert (report.status, report.attempts) == ("ran", 3)
    assert "it took 3 attempts" in report.notes
    log = ran.project.ledger.log(ran.result.report.run, "asked")
    assert "river.Unavailable: nobody there\n" in log.replace("__mp_main__", "river")
    assert "asked: Unavailable: nobody there; attempt 3 of 4 in " in log


def test_last_attempt_that_fails_is_the_answer(tmp_path: Path) -> None:
    """Its error is told, with the number of attempts."""
    ran = run_river(
        tmp_path,
        FLAKY
        + """
    @ms.step(trees, retries=(1, ConnectionError))
    def asked(trees: pl.LazyFrame) -> pl.LazyFrame:
        raise Unavailable(f"nobody there at attempt {attempt('asked')}")
    """,
    )

    assert [str(error).splitlines()[0] for error in ran.progress.errors.values()] == ["asked: Unavailable: nobody there at attempt 2"]
    assert (ran.step("asked").attempts, ran.step("asked").why) == (2, "asked: Unavailable: nobody there at attempt 2 (2 attempts)")


def test_other_errors_are_not_tried_again(tmp_path: Path) -> None:
    """Only what is declared may be repeated."""
    ran = run_river(
        tmp_path,
        FLAKY
        + """
    @ms.step(trees, retries=(3, TimeoutError, PermissionError))
    def asked(trees: pl.LazyFrame) -> pl.LazyFrame:
        attempt("asked")
        raise Unavailable("nobody there")
    """,
    )

    assert ran.step("asked").attempts == 1
    assert (tmp_path / "asked").read_text() == "x"


def test_deadline_is_a_timeout_error(tmp_path: Path) -> None:
    """So it can be declared."""
    ran = run_river(
        tmp_path,
        FLAKY
        + """
    @ms.step(trees, timeout="500ms", retries=(1, TimeoutError))
    def asked(trees: pl.LazyFrame) -> pl.LazyFrame:
        while attempt("asked") < 2:
            import time
            time.sleep(60)
        return trees
    """,
    ).answer()

    assert ran.step("asked").attempts == 2


def test_others_go_on_while_one_waits(tmp_path: Path) -> None:
    """Many steps that wait hold no thread: a chain beside them comes to its end, which is what they wait for."""
    waiting = "".join(
        f"""
    @ms.step(trees, retries=(6, ConnectionError))
    def waits_{number}(trees: pl.LazyFrame) -> pl.LazyFrame:
        if not Path(__file__).with_name("chain").exists():
            raise Unavailable("nobody there")
        return trees
    """
        for number in range(6)
    )
    ran = run_river(
        tmp_path,
        FLAKY
        + waiting
        + """
    @ms.step(trees)
    def link(trees: pl.LazyFrame) -> pl.LazyFrame:
        return trees

    @ms.step(link)
    def chain(link: pl.LazyFrame) -> pl.LazyFrame:
        attempt("chain")
        return link
    """,
    )

    assert set(ran.statuses.values()) == {"ran"}
    assert ran.step("waits_0").attempts > 1


def test_parts_that_are_done_are_not_repeated(tmp_path: Path) -> None:
    """An attempt begins where the one before stopped."""
    ran = run_river(
        tmp_path,
        FLAKY
        + """
    from datetime import datetime

    pl.DataFrame({"meter": range(4), "read": [datetime(2024, 1, day) for day in range(1, 5)]}).write_parquet(Path(__file__).parent / "read.parquet")
    readings = ms.source("read.parquet", key="meter", time="read")

    @ms.step(readings, partition="1d", retries=(1, ConnectionError))
    def daily(readings: pl.DataFrame) -> pl.DataFrame:
        meter = readings.item(0, "meter")
        if attempt(f"day_{meter}") == 1 and meter == 3:
            raise Unavailable("nobody there")
        return readings
    """,
    ).answer()

    assert [(tmp_path / f"day_{number}").read_text() for number in range(4)] == ["x", "x", "x", "xx"]
    assert ran.step("daily").attempts == 2


def test_pauses_grow_and_are_spread() -> None:
    """Twice as long each time up to a minute, and not the same for two steps; always the same for one."""
    first, second = "0" * 64, "f" * 64
    pauses = [pause(first, attempt) for attempt in range(1, 12)]

    assert pauses[:3] == [0.375, 0.75, 1.5]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 45.0
    assert pause(second, 1) == 0.625
