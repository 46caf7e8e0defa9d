"""Files that a step reads by itself are part of what it depends on."""

from __future__ import annotations

import os
from pathlib import Path

from rivers import Ran, run_river

from millstream.errors import StepError

RATES = """
    from pathlib import Path

    pl.DataFrame({"amount": [1.0, 2.0]}).write_parquet(Path(__file__).parent / "payments.parquet")
    payments = ms.source("payments.parquet")

    @ms.step(payments, reads="rates/rates.txt")
    def converted(payments: pl.DataFrame) -> pl.DataFrame:
        rate = float((Path(__file__).parent / "rates" / "rates.txt").read_text())
        return payments.select(pl.col("amount") * rate)
"""


def write(folder: Path, rate: str) -> Path:
    """The file of rates."""
    (folder / "rates").mkdir(exist_ok=True)
    path = folder / "rates" / "rates.txt"
    path.write_text(rate)
    return path


def values(ran: Ran) -> list[float]:
    """What the step gave."""
    return ran.answer().frame("converted").get_column("amount").to_list()


def test_content_of_a_file_is_part_of_the_key(tmp_path: Path) -> None:
    """Another content runs the step and is the reason; the content before is found again."""
    write(tmp_path, "2")
    first = run_river(tmp_path, RATES)
    write(tmp_path, "3")
    second = run_river(tmp_path)
    write(tmp_path, "2")
    third = run_river(tmp_path)

    assert [values(ran) for ran in (first, second, third)] == [[2.0, 4.0], [3.0, 6.0], [2.0, 4.0]]
    assert (second.executed, third.executed) == (["converted"], [])
    assert "file rates/rates.txt" in second.step("converted").why


def test_clock_and_place_of_a_file_are_no_matter(tmp_path: Path) -> None:
    """It is the content that counts: neither a touch nor a copy elsewhere runs the step."""
    path = write(tmp_path, "2")
    run_river(tmp_path, RATES).answer()
    os.utime(path, (1, 1))

    assert run_river(tmp_path).answer().executed == []


def test_same_size_and_clock_do_not_deceive(tmp_path: Path) -> None:
    """A file that was put in place with its old time is read again."""
    path = write(tmp_path, "2")
    os.utime(path, (1, 1))
    run_river(tmp_path, RATES).answer()
    write(tmp_path, "3")
    os.utime(path, (1, 1))

    assert values(run_river(tmp_path)) == [3.0, 6.0]


def test_missing_file_is_said(tmp_path: Path) -> None:
    """Which, by whom, and where it was looked for."""
    (error,) = run_river(tmp_path, RATES).progress.errors.values()

    assert isinstance(error, StepError)
    assert error.message == "converted: reads 'rates/rates.txt', which cannot be read (No such file or directory)"
    assert error.hint == f"it counts from the folder of the file that declares the step: {tmp_path / 'rates' / 'rates.txt'}"
    assert "river.py:" in (error.where or "")


def test_file_that_changes_while_the_step_runs(tmp_path: Path) -> None:
    """Nothing is kept of it."""
    write(tmp_path, "2")
    changing = "(Path(__file__).parent / 'rates' / 'rates.txt').write_text('5')"
    ran = run_river(tmp_path, RATES.replace("        rate = ", f"        {changing}\n        rate = "))
    (error,) = ran.progress.errors.values()

    assert isinstance(error, StepError)
    assert error.message == "converted: 'file rates/rates.txt' changed while it ran"


def test_isolated_step_reads_the_same_file(tmp_path: Path) -> None:
    """The worker sees the content that was planned with."""
    write(tmp_path, "2")

    assert values(run_river(tmp_path, RATES.replace('reads="', 'isolate=True, reads="'))) == [2.0, 4.0]
