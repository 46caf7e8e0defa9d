"""Why a step ran: the first thing that changed, in words, and the code that did."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from rivers import Ran, run_river

from millstream.kernel.reasons import cause_in_words, code_changes, differences, explain
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


def differing(before: Ran, now: Ran, step: str) -> list[str]:
    """All that differs for a step between two runs."""
    return differences(before.step(step).causes, now.step(step).causes, now.project.past)


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
        (("LIMIT = 3", "LIMIT = 4"), "river.LIMIT: 3 -> 4"),
        (("@ms.step(payments)", '@ms.step(payments, key="amount")'), "its facts: key payment -> amount"),
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
        "clean": "payments: 1 new day (2024-01-04), 1 row more",
        "plain": "payments: 1 new day (2024-01-04), 1 row more",
        "count": "clean: 1 new day (2024-01-04), 1 row more",
    }


def test_several_new_days(tmp_path: Path) -> None:
    """They are counted, and the first and the last are named."""
    run(tmp_path)

    changed = run(tmp_path, data="4,2024-01-04,7\n5,2024-01-05,7\n6,2024-01-07,7\n7,2024-01-07,7\n")

    assert changed.step("clean").why == "payments: 3 new days (2024-01-04 – 2024-01-07), 4 rows more"


def test_days_that_became_visible(tmp_path: Path) -> None:
    """The table is the same, only the moment is a later one."""
    run_river(tmp_path, RIVER, as_of=_written(tmp_path, "2024-01-02T05:00")).answer()

    later = run_river(tmp_path, as_of="2024-01-04")

    assert later.step("clean").why == "payments: 1 day became visible (2024-01-03), 1 row more"


def test_more_of_a_day_became_visible(tmp_path: Path) -> None:
    """A day that the moment cuts in two."""
    (tmp_path / "payments.csv").write_text("payment,paid,amount\n1,2024-01-01T01:00,5\n2,2024-01-01T05:00,9\n", encoding="utf-8")
    early = run_river(tmp_path, RIVER, as_of="2024-01-01T03:00").answer()

    later = run_river(tmp_path, as_of="2024-01-02").answer()

    assert later.step("clean").why == "payments: more of 2024-01-01 became visible"
    assert differences(later.step("clean").causes, early.step("clean").causes) == ["payments: less of 2024-01-01 is visible"]


def test_column_that_changed_is_named(tmp_path: Path) -> None:
    """With the days in which it did; other columns and days are as they were."""
    run(tmp_path)

    changed = _restated(tmp_path, {"1,2024-01-01,5": "1,2024-01-01,6", "3,2024-01-03,9": "3,2024-01-03,8"})

    assert changed.step("clean").why == "payments: column 'amount' changed in 2 days (2024-01-01 – 2024-01-03)"


def test_column_that_changed_beside_new_days(tmp_path: Path) -> None:
    """Both are told, and how many rows more there are."""
    run(tmp_path)

    changed = _restated(tmp_path, {"1,2024-01-01,5": "1,2024-01-01,6"}, "4,2024-01-04,7\n")

    said = "payments: column 'amount' changed in 1 day (2024-01-01), 1 new day (2024-01-04), 1 row more"
    assert changed.step("clean").why == said


def test_new_column_of_an_input(tmp_path: Path) -> None:
    """Days whose other columns are as they were are not said to have changed."""
    run(tmp_path)

    assert run(tmp_path, river=('pl.col("amount") * factor', 'double=pl.col("amount") * 2')).step("count").why == (
        "clean: column 'double' is new, column 'amount' changed in 2 days (2024-01-01 – 2024-01-03)"
    )


def test_column_of_another_type(tmp_path: Path) -> None:
    """Both types are told."""
    run(tmp_path)

    changed = run(tmp_path, river=('pl.col("amount") * factor', 'amount=(pl.col("amount") * factor).cast(pl.Float64)'))

    assert changed.step("count").why == "clean: column 'amount' is Float64, before Int64"


def test_table_without_days(tmp_path: Path) -> None:
    """What has no time changed as a whole: which columns, and how many rows."""
    river = 'towns = ms.source("towns.csv", key="town")\n\n\n@ms.step(towns)\ndef all_towns(towns: pl.LazyFrame) -> pl.LazyFrame:\n    return towns\n'
    file = tmp_path / "towns.csv"
    told: list[str] = []
    for text in ("town,size\na,1\nb,2\n", "town,size\na,1\nb,3\n", "town,size\na,1\nb,3\nc,4\n"):
        file.write_text(text, encoding="utf-8")
        told.append(run_river(tmp_path, river, as_of=_now()).answer().step("all_towns").why)

    assert told == ["new", "towns: column 'size' changed", "towns: 1 row more"]


def test_value_of_an_input(tmp_path: Path) -> None:
    """A result that is no table is shown before and now."""
    river = RIVER.replace("return clean.select(n=pl.len())", 'return {"n": clean.collect().height, "seen": [1]}') + (
        "\n\n@ms.step(count)\ndef told(count: dict) -> pl.LazyFrame:\n    return pl.LazyFrame(count)\n"
    )
    (tmp_path / "payments.csv").write_text(PAYMENTS, encoding="utf-8")
    run_river(tmp_path, river, as_of=_now()).answer()

    changed = run_river(tmp_path, river.replace("[1]", "[1, 2]").replace(".height", ".height * 0"), as_of=_now())

    assert changed.step("told").why == 'count: {"n":2,"seen":[1]} -> {"n":0,"seen":[1,2]}'


def test_result_that_is_there_from_an_earlier_run(tmp_path: Path) -> None:
    """Put back as it was: nothing runs, and what is another than last time is told."""
    run(tmp_path)
    run(tmp_path, river=("factor=1", "factor=3"))

    back = run(tmp_path)

    assert (back.step("plain").status, back.step("plain").why) == ("cached", "setting factor: 3 -> 1, made before")
    assert run(tmp_path).step("plain").why == "unchanged"


def test_stored_result_that_was_gone(tmp_path: Path) -> None:
    """Nothing changed, but what was made is no longer there."""
    before = run(tmp_path)
    before.project.store.index.execute("DELETE FROM results")

    again = run(tmp_path)

    assert whys(again) == dict.fromkeys(("payments", "clean", "plain", "count"), "its stored result was gone")


def test_rows_of_a_day_that_was_there(tmp_path: Path) -> None:
    """A day that is not what it was."""
    run(tmp_path)

    assert run(tmp_path, data="4,2024-01-02,7\n").step("clean").why == "payments: 1 day changed (2024-01-02), 1 row more"


def test_facts_of_an_input(tmp_path: Path) -> None:
    """The same rows that are known later are another input, and that is why."""
    before = run(tmp_path)

    changed = run(tmp_path, river=('delay="1h"', 'delay="2h"'))

    assert changed.step("clean").why == "its facts: delay 1h -> 2h"
    assert differing(before, changed, "clean")[1] == "payments: delay 1h -> 2h"


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


CODE, OTHER_CODE = "0123456789abcdef", "fedcba9876543210"
DAYS = f"{CODE} 30 19723:aaaaaaaa 19724:bbbbbbbb"
RESTATED = DAYS.replace(CODE, OTHER_CODE)


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (None, {}, "new"),
        ({"a": "1"}, {"a": "1"}, "its stored result was gone"),
        ({}, {"shop.clean": CODE}, "it now refers to shop.clean"),
        ({"shop.clean": CODE}, {}, "it no longer refers to shop.clean"),
        ({"shop.clean": CODE}, {"shop.clean": OTHER_CODE, "shop.also": CODE}, "shop.clean changed"),
        ({"polars": "2.1.0"}, {"polars": "2.2.0"}, "polars: 2.1.0 -> 2.2.0"),
        ({"shop": f"0.3.0 {CODE}"}, {"shop": f"0.3.0 {OTHER_CODE}"}, "shop changed"),
        ({"python": "3.11", "setting a": "1"}, {"python": "3.12", "setting a": "2"}, "setting a: 1 -> 2"),
        ({"setting a": "1", "shop.clean": CODE}, {"setting a": "2", "shop.clean": OTHER_CODE}, "setting a: 1 -> 2"),
        ({}, {"setting a": "2"}, "setting a is new"),
        ({"shop.SIZES": "list[int:1,int:2]"}, {"shop.SIZES": "list[int:1,int:3]"}, "shop.SIZES: [1,2] -> [1,3]"),
        ({"shop.NAMES": "dict{str:'a:b'=int:1}"}, {"shop.NAMES": "dict{str:'c'=int:1}"}, "shop.NAMES: {'a:b': 1} -> {'c': 1}"),
        ({"shop.TABLE": f"frame:{CODE * 4}"}, {"shop.TABLE": f"frame:{OTHER_CODE * 4}"}, "shop.TABLE changed"),
        ({"model": "label='late' split=None metric=None seed=0"}, {"model": "label='late' split=None metric=None seed=1"}, "model: seed=0 -> seed=1"),
        ({"millstream": f"0.1.0 {CODE}"}, {"millstream": f"0.1.1 {OTHER_CODE}"}, "millstream itself changed (0.1.0 -> 0.1.1)"),
        ({"millstream": f"0.1.0 {CODE}"}, {"millstream": f"0.1.0 {OTHER_CODE}"}, "millstream itself changed (0.1.0, its code was edited)"),
        ({"millstream": CODE}, {"millstream": OTHER_CODE}, "millstream itself changed"),
        ({"method a": "A()", "method b": "B()"}, {"method a": "A()", "fit record": "a, 3 rounds"}, "it follows a fit record: a, 3 rounds"),
        ({"method a": "A()", "fit record": "a"}, {"method a": "A()", "method b": "B()"}, "it no longer follows a fit record"),
        ({"input rows": DAYS}, {"input rows": RESTATED + " 19725:cccccccc"}, "rows: 1 new day (2024-01-03)"),
        ({"input rows": DAYS}, {"input rows": DAYS + " 19725:cccccccc"}, "rows: 1 day became visible (2024-01-03)"),
        (
            {"input rows": DAYS},
            {"input rows": RESTATED.replace("aaaa", "dddd") + " 19725:c"},
            "rows: 1 day changed (2024-01-01), 1 new day (2024-01-03)",
        ),
        ({"input rows": DAYS + " 9:c 10:d"}, {"input rows": RESTATED}, "rows: 2 days gone (1970-01-10 – 1970-01-11)"),
        ({"input rows": "01 3 :aaaaaaaa"}, {"input rows": "02 3 :bbbbbbbb"}, "rows: its rows changed"),
        ({"input rows": "01 3 :aaaaaaaa"}, {"input rows": "02 5 :bbbbbbbb"}, "rows: 2 rows more"),
        ({"input a": CODE, "input b": DAYS}, {"input a": OTHER_CODE, "input b": RESTATED + " 9:c"}, "b: 1 new day (1970-01-10)"),
        ({"input a": CODE}, {"input a": OTHER_CODE}, "a changed"),
        ({"input rows": DAYS}, {"input other": DAYS}, "input other is new"),
        (
            {"facts": "key=a time=t known_at=None delay=0"},
            {"facts": "key=a,b time=t known_at=None delay=5400000000"},
            "its facts: key a -> a,b, delay 0 -> 1h30m",
        ),
    ],
)
def test_sentences(before: dict[str, str] | None, now: dict[str, str], said: str) -> None:
    """Code first, then settings, versions and inputs; one sentence, and never a digest."""
    old = None if before is None else [Cause(name, value) for name, value in before.items()]

    told = explain(old, [Cause(name, value) for name, value in now.items()])

    assert told == said
    assert not re.search("[0-9a-f]{8}", told)


def test_one_library_that_several_functions_use() -> None:
    """Two causes of one name both count: the one that differs is not hidden by the other."""
    before = [Cause("millstream", "0.1.0"), Cause("millstream", f"0.1.0 {CODE}")]

    assert differences(before, [before[0], Cause("millstream", f"0.1.0 {OTHER_CODE}")]) == ["millstream itself changed (0.1.0, its code was edited)"]


def test_long_values_are_told_where_they_differ() -> None:
    """Of a long list only the item that is another; brackets are closed."""
    old, new = (f"list[{','.join(f'int:{number}' for number in numbers)}]" for numbers in ([*range(80)], [*range(50), 0, *range(51, 80)]))
    nested = [f"Options(first={'x' * 40}, split=Split(test='{days}d', folds=4), last={'y' * 40})" for days in (20, 30)]

    assert differences([Cause("shop.LIST", old)], [Cause("shop.LIST", new)]) == ["shop.LIST: 50 -> 0"]
    assert differences([Cause("method a", nested[0])], [Cause("method a", nested[1])]) == ["method a: test='20d' -> test='30d'"]


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (Cause("shop.clean", CODE), "shop.clean"),
        (Cause("shop.LIMIT", "int:3"), "shop.LIMIT = 3"),
        (Cause("shop.TABLE", f"frame:{CODE * 4}"), "shop.TABLE"),
        (Cause("setting factor", "2"), "setting factor = 2"),
        (Cause("polars", "2.1.0"), "polars = 2.1.0"),
        (Cause("millstream", f"0.1.0 {CODE}"), "millstream = 0.1.0"),
        (Cause("facts of payments", "key=payment time=paid known_at=None delay=3600000000"), "payments: key payment, time paid, delay 1h"),
        (Cause("facts", "key= time=None known_at=None delay=0"), "its own facts: no key, no time"),
        (Cause("input payments", DAYS), "payments: 30 rows in 2 days (2024-01-01 – 2024-01-02)"),
        (Cause("input delays/refit", CODE), "delays/refit"),
    ],
)
def test_what_a_step_depends_on(cause: Cause, told: str) -> None:
    """Each cause in words, without a digest."""
    assert cause_in_words(cause) == told


def test_data_that_cannot_be_dated(tmp_path: Path) -> None:
    """A row whose time is null has no day, and does not stand in the way of the reason."""
    run(tmp_path, data="4,,7\n")

    changed = run(tmp_path, data="4,,7\n5,2024-01-05,2\n")

    assert changed.step("clean").why == "payments: 1 new day (2024-01-05), 1 row more"
    assert changed.frame("clean").get_column("amount").to_list() == pl.Series([10, 18]).to_list()


def _written(folder: Path, moment: str) -> str:
    """The payments beside the river; gives the moment."""
    (folder / "payments.csv").write_text(PAYMENTS, encoding="utf-8")
    return moment


def _restated(folder: Path, changes: Mapping[str, str], data: str = "") -> Ran:
    """The river over payments of which some lines are others, and some are added."""
    text = PAYMENTS
    for old, new in changes.items():
        text = text.replace(old, new)
    (folder / "payments.csv").write_text(text + data, encoding="utf-8")
    return run_river(folder, RIVER).answer()


def _now() -> int:
    """This moment: sources that changed are read again."""
    return time.time_ns() // 1_000
