"""Why a step ran: the first thing that changed, in words, and the code that did."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from rivers import Ran, run_river

from millstream.kernel.reasons import code_changes, differences, explain
from millstream.kernel.records import Cause

RIVER = """
payments = ms.source("payments.csv", key="payment", time="paid", delay="1h")
LIMIT = 3


def large(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.filter(pl.col("amount") > LIMIT)


@ms.step(payments)
def clean(payments: pl.LazyFrame, *, factor: int = 2) -> pl.LazyFrame:
    return large(payments).with_columns(pl.col("amount") * factor)


plain = clean.with_settings(factor=1)


@ms.step(clean)
def count(clean: pl.LazyFrame) -> pl.LazyFrame:
    return clean.select(n=pl.len())
"""
PAYMENTS = "payment,paid,amount\n1,2024-01-01,5\n2,2024-01-02,1\n3,2024-01-03,9\n"


def run(folder: Path, *, river: tuple[str, str] = ("", ""), data: str = "") -> Ran:
    """The river with a text of it changed, and rows added to its data."""
    (folder / "payments.csv").write_text(PAYMENTS + data, encoding="utf-8")
    return run_river(folder, RIVER.replace(*river) if river[0] else RIVER).answer()


def whys(ran: Ran) -> Mapping[str, str]:
    """Why each step ran that did."""
    return {name: ran.step(name).why for name in ran.executed}


def test_never_ran(tmp_path: Path) -> None:
    """The first time everything is new."""
    assert whys(run(tmp_path)) == {"payments": "new", "clean": "new", "plain": "new", "count": "new"}


def test_nothing_changed(tmp_path: Path) -> None:
    """The second time nothing runs."""
    run(tmp_path)

    assert whys(run(tmp_path)) == {}


@pytest.mark.parametrize(
    ("river", "why"),
    [
        (("* factor)", "+ factor)"), "river.clean changed"),
        (("> LIMIT", ">= LIMIT"), "river.large changed"),
        (("LIMIT = 3", "LIMIT = 4"), "river.LIMIT changed"),
        (("@ms.step(payments)", '@ms.step(payments, key="amount")'), "facts changed"),
    ],
    ids=str,
)
def test_code_and_facts(tmp_path: Path, river: tuple[str, str], why: str) -> None:
    """What changed is named as people know it."""
    run(tmp_path)

    assert run(tmp_path, river=river).step("clean").why == why


def test_setting(tmp_path: Path) -> None:
    """Only the step whose setting it is runs again."""
    run(tmp_path)

    assert whys(run(tmp_path, river=("factor=1", "factor=3"))) == {"plain": "setting factor: 1 -> 3"}


def test_new_rows(tmp_path: Path) -> None:
    """The day that came is named; what reads the step says what changed for it."""
    run(tmp_path)

    changed = run(tmp_path, data="4,2024-01-04,7\n")

    assert whys(changed) == {
        "payments": "file payments.csv changed",
        "clean": "payments: 2024-01-04 new",
        "plain": "payments: 2024-01-04 new",
        "count": "clean: 2024-01-04 new",
    }


def test_rows_of_a_day_that_was_there(tmp_path: Path) -> None:
    """A day that is not what it was."""
    run(tmp_path)

    assert run(tmp_path, data="4,2024-01-02,7\n").step("clean").why == "payments: 2024-01-02 changed"


def test_facts_of_an_input(tmp_path: Path) -> None:
    """The same rows that are known later are another input, and that is why."""
    before = run(tmp_path).step("clean").causes

    changed = run(tmp_path, river=('delay="1h"', 'delay="2h"')).step("clean")

    assert changed.why == "facts changed"
    assert "facts of payments changed" in differences(before, changed.causes)


def test_equal_result_ends_the_chain(tmp_path: Path) -> None:
    """A step that gives what it gave before makes nobody run again."""
    run(tmp_path)

    assert run(tmp_path, river=("> LIMIT", "> LIMIT + 0")).executed == ["clean", "plain"]


def test_code_that_changed_is_shown(tmp_path: Path) -> None:
    """Line by line, from the ledger."""
    before, after = run(tmp_path), run(tmp_path, river=("> LIMIT", ">= LIMIT"))

    lines = list(code_changes(before.step("clean").causes, after.step("clean").causes, after.project.ledger.code))

    assert [line for line in lines if line[0] in "+-"] == [
        "--- river.large before",
        "+++ river.large now",
        '-    return frame.filter(pl.col("amount") > LIMIT)',
        '+    return frame.filter(pl.col("amount") >= LIMIT)',
    ]


DAYS = "0123456789abcdef 30 19723:aaaaaaaa 19724:bbbbbbbb"


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (None, {}, "new"),
        ({"a": "1"}, {"a": "1"}, "its stored result was gone"),
        ({}, {"shop.clean": "ab"}, "it now refers to shop.clean"),
        ({"polars": "2.1.0"}, {"polars": "2.2.0"}, "polars: 2.1.0 -> 2.2.0"),
        ({"setting a": "1", "shop.clean": "ab"}, {"setting a": "2", "shop.clean": "cd"}, "shop.clean changed"),
        ({"input rows": DAYS}, {"input rows": DAYS + " 19725:cccccccc"}, "rows: 2024-01-03 new"),
        ({"input rows": DAYS}, {"input rows": DAYS.replace("aaaa", "dddd") + " 19725:c"}, "rows: 2024-01-03 new, 2024-01-01 changed"),
        ({"input rows": DAYS + " 9:c 10:d"}, {"input rows": DAYS}, "rows: 2 days gone"),
        ({"input rows": "01 3 :aaaaaaaa"}, {"input rows": "02 3 :bbbbbbbb"}, "rows: its content changed"),
        ({"input rows": "01 3 :aaaaaaaa"}, {"input rows": DAYS}, "rows: its content changed"),
        ({"input rows": DAYS + " :aaaaaaaa"}, {"input rows": DAYS + " :bbbbbbbb"}, "rows: its content changed"),
        ({"input rows": DAYS}, {"input other": DAYS}, "input other is new"),
    ],
)
def test_sentences(before: dict[str, str] | None, now: dict[str, str], said: str) -> None:
    """Code first, then settings, versions and inputs; one sentence."""
    old = None if before is None else [Cause(name, value) for name, value in before.items()]

    assert explain(old, [Cause(name, value) for name, value in now.items()]) == said


def test_data_that_cannot_be_dated(tmp_path: Path) -> None:
    """A row whose time is null has no day, and does not stand in the way of the reason."""
    run(tmp_path, data="4,,7\n")

    changed = run(tmp_path, data="4,,7\n5,2024-01-05,2\n")

    assert changed.step("clean").why == "payments: 2024-01-05 new"
    assert changed.frame("clean").get_column("amount").to_list() == pl.Series([10, 18]).to_list()
