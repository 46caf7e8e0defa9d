"""What a function is handed: as its annotations ask, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypedDict

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from rivers import run_river
from step_calls import handed, made, step_of, stored

from millstream.errors import StepError
from millstream.kernel.annotations import Unknown, meant_by
from millstream.kernel.handing import TABLES
from millstream.kernel.kinds import Asked, gives_table
from millstream.kernel.records import Cause, Collection
from millstream.kernel.store import Store

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyRelation
    from pyarrow import (
        Table as Arrow,
    )

ROWS = pl.DataFrame({"n": [1, 2, 3], "word": ["a", None, "c"]})


class Halves(NamedTuple):
    first: pl.DataFrame
    second: pl.LazyFrame


@dataclass
class Split:
    train: pl.DataFrame
    test: pl.DataFrame
    share: float


class Named(TypedDict):
    first: pl.DataFrame
    second: pl.DataFrame


class Frames(Protocol):
    def collect(self) -> object: ...


@dataclass
class Point:
    x: float
    y: float = 0.0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


# annotations


def test_annotation_is_found_as_a_value_or_as_text() -> None:
    """Also of a local name, and of what is imported for type checkers alone."""

    class Local:
        pass

    def read(a: pl.DataFrame, b: list[int] | None, c: Local, d: pd.DataFrame, e: DuckDBPyRelation, f: Arrow) -> str:
        return f"{Local}"

    def odd(g, h: nowhere.Thing):  # type: ignore[no-untyped-def, name-defined]  # noqa: ANN001, ANN202, F821  what is not there at all
        return None

    assert meant_by(read, "a") is pl.DataFrame
    assert meant_by(read, "b") == list[int] | None
    assert meant_by(read, "c") is Local
    assert meant_by(read, "return") is str
    assert isinstance(meant_by(odd, "h"), Unknown)
    assert [Asked("x", meant_by(read, name)).kind for name in "abcdef"] == ["eager", None, None, "pandas", "relation", "arrow"]
    assert [Asked("x", meant_by(odd, name)).kind for name in "gh"] == [None, None]


def test_first_kind_of_a_union_is_taken() -> None:
    """A function that takes both gets what it names first."""
    assert Asked("x", pl.DataFrame | pl.LazyFrame).kind == "eager"
    assert Asked("x", pl.LazyFrame | pl.DataFrame).kind == "lazy"
    assert Asked("x", int | None).kind is None


def test_class_of_a_frame_is_a_frame() -> None:
    """A frame that somebody else's library types is handed over as what it is made of."""

    class Checked(pl.DataFrame):
        pass

    assert Asked("x", Checked).kind == "eager"


def test_step_without_a_word_gives_a_table() -> None:
    """And one that says a kind of table; SQL is text until it is run."""

    def silent():  # type: ignore[no-untyped-def]  # noqa: ANN202
        return 1

    def eager() -> pl.DataFrame:
        return ROWS

    def text() -> str:
        return "select 1"

    def number() -> int:
        return 1

    assert [gives_table(each) for each in (silent, eager, text, number)] == [True, True, False, False]


# tables


@pytest.mark.parametrize("annotation", [None, Any, object, pl.LazyFrame, Frames], ids=str)
def test_table_is_lazy_unless_said_otherwise(store: Store, annotation: object) -> None:
    """Without an annotation, and where it leaves it open."""
    frame = handed(store, stored(store, ROWS), Asked("x").annotation if annotation is None else annotation)

    assert isinstance(frame, pl.LazyFrame)
    assert_frame_equal(frame.collect(), ROWS)


def test_each_parameter_gets_its_own_kind(store: Store) -> None:
    """One table in two ways."""

    def kinds(a: pl.DataFrame, b: pl.LazyFrame) -> list[str]:
        return [type(a).__name__, type(b).__name__]

    assert handed(store, made(store, kinds, ROWS, ROWS), list[str]) == ["DataFrame", "LazyFrame"]


def test_any_number_of_tables_is_handed_over_alike(store: Store) -> None:
    """A parameter with a star."""

    def stacked(first: pl.LazyFrame, *others: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([first.collect(), *others])

    operation = step_of(stacked, "a", "b", "c")

    assert [(each.name, each.kind) for each in operation.asked] == [("first", "lazy"), ("others_1", "eager"), ("others_2", "eager")]


@pytest.mark.parametrize(("annotation", "text"), [(list[int], "list[int]"), (dict, "dict"), (Path, "pathlib.Path"), (pl.Series, "polars.Series")])
def test_table_that_something_else_is_asked_for_is_one_sentence(store: Store, annotation: object, text: str) -> None:
    """It says who asks for what, and what could be asked for."""
    with pytest.raises(StepError, match=r"'value' asks for .*, but made gives a table") as caught:
        handed(store, stored(store, ROWS), annotation)

    assert text in caught.value.message.replace("pathlib._local.Path", "pathlib.Path")
    assert caught.value.hint == f"a table is handed over as {TABLES}"


def test_kind_is_part_of_the_key_where_it_is_not_the_default(store: Store) -> None:
    """A function may compute something else on another kind of table; that it says LazyFrame, which it gets anyway, is nothing new."""

    def causes(function: Callable[..., object]) -> list[Cause]:
        plan = step_of(function).plan(store, [stored(store, ROWS)], 0)
        return [cause for cause in plan.causes if cause.name.startswith("kind")]

    def silent(rows):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return rows

    def lazy(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows

    def eager(rows: pl.DataFrame) -> pl.DataFrame:
        return rows

    assert (causes(silent), causes(lazy)) == ([], [])
    assert causes(eager) == [Cause("kind of rows", "polars.DataFrame")]


# values


@pytest.mark.parametrize(
    ("value", "annotation", "read"),
    [
        ([1, 2], list[int], [1, 2]),
        ([1, 2], None, [1, 2]),
        ([1, 2], tuple[int, ...], (1, 2)),
        ({"x": 1}, dict[str, float], {"x": 1.0}),
        ({3: "c"}, dict[int, str], {3: "c"}),
        ({"x": 1, "y": 2}, Point, Point(1.0, 2.0)),
        (Point(1.0), Point, Point(1.0)),
        (Point(1.0), None, {"x": 1.0, "y": 0.0}),
        ("text", str, "text"),
        (None, int | None, None),
        (7, Any, 7),
        (True, bool, True),
    ],
    ids=str,
)
def test_json_value_is_read_as_the_annotation_says(store: Store, value: object, annotation: object, read: object) -> None:
    """What JSON cannot tell apart, the annotation does; without one it is as JSON has it."""
    found = handed(store, stored(store, value), Asked("x").annotation if annotation is None else annotation)

    assert found == read
    assert type(found) is type(read)


def test_json_value_of_another_type_says_where(store: Store) -> None:
    """With the place inside."""
    with pytest.raises(StepError, match=r"'value' asks for list\[int\], but made gives something else: .*\$\[1\]"):
        handed(store, stored(store, [1, "two"]), list[int])


def test_array_as_array(store: Store) -> None:
    """And as nothing else."""
    array = stored(store, np.arange(3))

    assert handed(store, array, np.ndarray).tolist() == [0, 1, 2]
    with pytest.raises(StepError, match="'value' asks for list, but made gives a value stored as array, which is read back as ndarray"):
        handed(store, array, list)


def test_json_step_used_as_a_table_is_one_sentence(tmp_path: Path) -> None:
    """A step that reads it as a frame, and a training set whose question it would be."""
    text = """
    rows = ms.source("rows.csv")


    @ms.step(rows)
    def levels(rows: pl.DataFrame) -> list[int]:
        return rows["n"].to_list()


    @ms.step(levels)
    def doubled(levels: pl.DataFrame) -> pl.DataFrame:
        return levels.with_columns(pl.col("n") * 2)


    examples = ms.training_set(levels, label="n")
    """
    pl.DataFrame({"n": [1, 2]}).write_csv(tmp_path / "rows.csv")

    errors = {str(error).splitlines()[0] for error in run_river(tmp_path, text).result.errors}

    assert errors == {
        "doubled: 'levels' asks for polars.DataFrame, but levels gives a JSON value, not a table",
        "examples: levels gives a JSON value, not a table",
    }


def test_record_of_an_annotation_counts(store: Store) -> None:
    """Its defaults fill what JSON leaves out, so the reader runs again when they change."""

    def read(point: Point) -> float:
        return point.x

    plan = step_of(read).plan(store, [stored(store, {"x": 1})], 0)

    assert {"kind of point", "Point"} <= {cause.name.rpartition(".")[2] for cause in plan.causes}


# several results


def halves(rows: pl.DataFrame) -> Halves:
    return Halves(rows.head(1), rows.tail(2).lazy())


def test_several_tables_are_handed_over_by_name(store: Store) -> None:
    """Lazy without an annotation, else as it says: a dictionary of one kind, or a record with a kind for each."""
    artifact = made(store, halves, ROWS)

    as_record, as_frames, plain = (handed(store, artifact, kind) for kind in (Halves, dict[str, pl.DataFrame], dict))

    assert isinstance(as_record, Halves)
    assert_frame_equal(as_record.first, ROWS.head(1))
    assert_frame_equal(as_record.second.collect(), ROWS.tail(2))
    assert list(as_frames) == ["first", "second"]
    assert_frame_equal(as_frames["second"], ROWS.tail(2))
    assert [type(each) for each in plain.values()] == [pl.LazyFrame, pl.LazyFrame]
    assert set(handed(store, artifact, Named)) == {"first", "second"}


def test_tables_and_values_together(store: Store) -> None:
    """A data class of both; each is stored as its kind is."""

    def split(rows: pl.DataFrame) -> Split:
        return Split(rows.head(2), rows.tail(1), 2 / 3)

    found = handed(store, made(store, split, ROWS), Split)

    assert (found.train.height, found.test.height, found.share) == (2, 1, 2 / 3)


def test_list_of_tables(store: Store) -> None:
    """Told apart by their place."""

    def pieces(rows: pl.DataFrame) -> list[pl.DataFrame]:
        return [rows.head(1), rows.tail(1)]

    artifact = made(store, pieces, ROWS)

    assert isinstance(artifact, Collection)
    assert [each.height for each in handed(store, artifact, list[pl.DataFrame])] == [1, 1]
    assert isinstance(handed(store, artifact, tuple[pl.DataFrame, ...]), tuple)


@pytest.mark.parametrize(
    ("annotation", "sentence"),
    [
        (pl.DataFrame, r"but made gives several results by name \(first, second\)"),
        (list[pl.DataFrame], r"but made gives several results by name \(first, second\)"),
        (Split, "but made gives first, second, not train, test, share"),
    ],
)
def test_several_tables_that_something_else_is_asked_for(store: Store, annotation: object, sentence: str) -> None:
    """One sentence."""
    with pytest.raises(StepError, match=sentence):
        handed(store, made(store, halves, ROWS), annotation)


def test_a_column_of_one_table_changes_that_table_alone(store: Store) -> None:
    """Each table is stored by column, and has a digest of its own."""
    one, other = (made(store, halves, rows) for rows in (ROWS, ROWS.with_columns(n=pl.Series([1, 2, 9]))))

    assert isinstance(one, Collection)
    assert isinstance(other, Collection)
    assert one.digest != other.digest
    assert one.members[0].digest == other.members[0].digest


# libraries that are not there
