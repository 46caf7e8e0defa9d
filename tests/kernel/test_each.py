"""`ms.each`: a function runs once per item of a list that is known only at run time."""

from __future__ import annotations

from pathlib import Path

import msgspec
import polars as pl
import pytest
from rivers import Ran, run_river
from step_calls import handed

import millstream as ms
from millstream.errors import DeclarationError, StepError
from millstream.kernel.records import Collection, Value

ROWS = pl.DataFrame({"town": ["a", "b", "a", "c"], "kwh": [1, 2, 3, 4]})
RIVER = """
rows = ms.source("rows.parquet")


@ms.step(rows)
def towns(rows: pl.DataFrame) -> list[str]:
    return LIST


@ms.step(ms.each(towns), rows)
def total(town: str, rows: pl.DataFrame) -> dict[str, object]:
    return {"town": town, "kwh": rows.filter(pl.col("town") == town)["kwh"].sum()}


@ms.step(total)
def report(total: list[dict[str, object]]) -> list[str]:
    return [f"{each['town']}={each['kwh']}" for each in total]
"""
SORTED = 'rows["town"].unique().sort().to_list()'
IN_ORDER = 'rows["town"].to_list()'


def run(folder: Path, rows: pl.DataFrame, text: str = RIVER, towns: str = SORTED) -> Ran:
    """The river over these rows."""
    rows.write_parquet(folder / "rows.parquet")
    return run_river(folder, text.replace("LIST", towns))


def value(ran: Ran, name: str) -> object:
    """The JSON value that a step gave."""
    artifact = ran.artifact(name)
    assert isinstance(artifact, Value)
    return msgspec.json.decode(ran.project.store.read_value(artifact))


def test_function_runs_once_per_item_and_its_reader_gets_the_list(tmp_path: Path) -> None:
    """In the order of the items."""
    ran = run(tmp_path, ROWS).answer()

    assert ran.step("total").parts == 3
    assert value(ran, "report") == ["a=4", "b=2", "c=4"]


def test_new_item_runs_alone(tmp_path: Path) -> None:
    """What each item sees besides is the same as before; the list keeps its order."""
    text = RIVER.replace("total(town: str, rows: pl.DataFrame)", "total(town: str, sizes: pl.DataFrame)").replace("rows.filter(pl", "sizes.filter(pl")
    text = text.replace("ms.each(towns), rows)", "ms.each(towns), sizes)").replace("rows = ms", 'sizes = ms.source("sizes.parquet")\nrows = ms', 1)
    ROWS.vstack(pl.DataFrame({"town": ["B"], "kwh": [5]})).write_parquet(tmp_path / "sizes.parquet")
    run(tmp_path, ROWS, text).answer()

    ran = run(tmp_path, ROWS.vstack(pl.DataFrame({"town": ["B"], "kwh": [9]})), text).answer()

    assert ran.step("total").parts == 1
    assert value(ran, "report") == ["B=5", "a=4", "b=2", "c=4"]


def test_run_again_runs_nothing(tmp_path: Path) -> None:
    """Every item has its result."""
    run(tmp_path, ROWS).answer()

    assert run(tmp_path, ROWS).answer().executed == []


def test_one_item_twice_is_computed_once(tmp_path: Path) -> None:
    """And stands twice in the list."""
    ran = run(tmp_path, ROWS, towns=IN_ORDER).answer()

    assert ran.step("total").parts == 3
    assert value(ran, "report") == ["a=4", "b=2", "a=4", "c=4"]


def test_empty_list_gives_an_empty_list(tmp_path: Path) -> None:
    """Nothing is called; who reads it is."""
    ran = run(tmp_path, ROWS.head(0)).answer()

    assert value(ran, "report") == []


@pytest.mark.parametrize("item", ["1", "[1, 2]", '{"x": None}', '"ü"', "None", "True"])
def test_item_is_any_json_value(tmp_path: Path, item: str) -> None:
    """Numbers, texts, lists, dictionaries and nothing."""
    text = """
    rows = ms.source("rows.parquet")


    @ms.step(rows)
    def items(rows: pl.DataFrame) -> list[object]:
        return [ITEM]


    @ms.step(ms.each(items))
    def same(item: object) -> object:
        return item


    @ms.step(same)
    def shown(same: list[object]) -> str:
        return repr(same)
    """

    assert value(run(tmp_path, ROWS, text.replace("ITEM", item)).answer(), "shown") == repr([eval(item)])  # noqa: S307  a literal of this test


def test_results_may_be_tables(tmp_path: Path) -> None:
    """Then the reader gets a list of frames, of the kind that it asks for; each is stored by column."""
    text = """
    rows = ms.source("rows.parquet")


    @ms.step(rows)
    def towns(rows: pl.DataFrame) -> list[str]:
        return rows["town"].unique().sort().to_list()


    @ms.step(ms.each(towns), rows)
    def part(town: str, rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.filter(pl.col("town") == town)


    @ms.step(part)
    def together(part: list[pl.DataFrame]) -> pl.DataFrame:
        return pl.concat(part)
    """

    ran = run(tmp_path, ROWS, text).answer()

    assert isinstance(ran.artifact("part"), Collection)
    assert ran.frame("together").rows() == [("a", 1), ("a", 3), ("b", 2), ("c", 4)]


def test_each_of_a_list_of_results(tmp_path: Path) -> None:
    """Results of items are items again: here tables."""
    text = """
    rows = ms.source("rows.parquet")


    @ms.step(rows)
    def towns(rows: pl.DataFrame) -> list[str]:
        return rows["town"].unique().sort().to_list()


    @ms.step(ms.each(towns), rows)
    def part(town: str, rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.filter(pl.col("town") == town)


    @ms.step(ms.each(part))
    def height(part: pl.DataFrame) -> int:
        return part.height
    """

    ran = run(tmp_path, ROWS, text).answer()

    assert handed(ran.project.store, ran.artifact("height"), list[int]) == [2, 1, 1]


def test_failing_item_is_named(tmp_path: Path) -> None:
    """Without it everything is made."""
    broken = RIVER.replace('return {"town"', 'assert town != "b"\n    return {"town"')
    (error,) = run(tmp_path, ROWS, broken).result.errors
    assert isinstance(error, StepError)
    assert error.message.startswith('total, item "b": AssertionError')

    ran = run(tmp_path, ROWS.filter(pl.col("town") != "b"), broken)

    assert value(ran.answer(), "report") == ["a=4", "c=4"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [('{"a": 1}', "towns gives a JSON value, not a list"), ("3", "towns gives a JSON value, not a list"), ("rows", "towns gives tables, not a list")],
)
def test_what_is_no_list_is_refused(tmp_path: Path, given: str, sentence: str) -> None:
    """With what to return instead."""
    (error,) = run(tmp_path, ROWS, towns=given).result.errors

    assert isinstance(error, StepError)
    assert error.message == f"total: each: {sentence}"
    assert "to_list()" in (error.hint or "")


def test_reader_that_asks_for_one_thing_gets_a_sentence(tmp_path: Path) -> None:
    """The list of all items is not one of them."""
    (error,) = run(tmp_path, ROWS, RIVER.replace("total: list[dict[str, object]]", "total: pl.DataFrame")).result.errors

    assert isinstance(error, StepError)
    assert error.message == "report: 'total' asks for polars.DataFrame, but total gives a list"


# declarations

rows = ms.source("rows.parquet", key="town", time="at")


@ms.step(rows)
def listed(rows: pl.LazyFrame) -> list[int]:
    return []


def test_each_takes_a_step() -> None:
    """A source has no list, nor has a view."""
    with pytest.raises(DeclarationError, match="each: its argument must be a step that returns a list, not source"):
        ms.each(rows)  # type: ignore[arg-type]


def test_each_is_read_by_steps_alone() -> None:
    """A view is a table as of any moment."""
    with pytest.raises(DeclarationError, match="feature_view: each of step listed") as caught:
        ms.feature_view(ms.each(listed))  # type: ignore[call-overload]

    assert "@ms.step(ms.each" in (caught.value.hint or "")


def test_only_one_list_at_a_time() -> None:
    """Of two it would not be known whether they belong together."""
    with pytest.raises(DeclarationError, match="it reads each of 2 lists"):

        @ms.step(ms.each(listed), ms.each(listed))
        def both(a: int, b: int) -> int:
            return a + b


def test_no_partition_by_day_of_a_list() -> None:
    """Items have no days."""
    with pytest.raises(DeclarationError, match="it runs once per item, so it has no partition"):

        @ms.step(ms.each(listed), key="town", time="at", partition="1d")
        def one(item: int) -> int:
            return item


def test_facts_are_those_of_the_first_table_only_if_it_comes_first() -> None:
    """A list has none: who returns tables per item says their key and time."""

    @ms.step(ms.each(listed), rows)
    def one(item: int, rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows

    assert (one.facts.key, one.facts.time) == ((), None)
    assert repr(ms.each(listed)) == "<each of step listed: declared, not run>"
