"""Two tables side by side: which rows only one has, and in which columns the others differ."""

from __future__ import annotations

import polars as pl
import pytest

from millstream.kernel.compared import ColumnDifference, compare_tables

TABLE = pl.DataFrame({"key": [1, 2, 3], "a": [1.0, None, float("nan")], "b": ["x", "y", None]})


def test_equal_tables() -> None:
    """Nulls equal nulls, and what is no number equals what is none."""
    assert compare_tables(TABLE, TABLE.clone()).same
    assert compare_tables(TABLE, TABLE.reverse(), key=["key"]).same
    assert compare_tables(TABLE.clear(), TABLE.clear()).same


def test_rows_are_matched_by_their_key() -> None:
    """Whatever their order; those without a match are counted on each side."""
    other = pl.DataFrame({"key": [4, 3, 2], "a": [0.0, float("nan"), 5.0], "b": ["x", None, "y"]})

    compared = compare_tables(TABLE, other, key=["key"])

    assert (compared.key, compared.only_first, compared.only_second) == (("key",), 1, 1)
    assert compared.differing == (ColumnDifference("a", 1, None, (None, 5.0)),)


def test_largest_difference_of_numbers() -> None:
    """How far apart they are at most, and the first pair."""
    other = TABLE.with_columns(a=pl.Series([1.5, None, float("nan")]))

    assert compare_tables(TABLE, other).differing == (ColumnDifference("a", 1, 0.5, (1.0, 1.5)),)


def test_rows_are_matched_by_their_place_without_a_key() -> None:
    """A key that is not one, as some rows have the same, is none."""
    other = TABLE.with_columns(key=pl.Series([1, 1, 3]))

    compared = compare_tables(TABLE, other, key=["key"])

    assert compared.key == ()
    assert [each.name for each in compared.differing] == ["key"]


def test_same_rows_in_another_order() -> None:
    """That is all that is said of them."""
    compared = compare_tables(TABLE, TABLE.reverse())

    assert (compared.same, compared.reordered, compared.differing) == (False, True, ())


def test_more_rows_without_a_key() -> None:
    """Each row counts as often as it is there."""
    compared = compare_tables(pl.concat([TABLE, TABLE[:1]]), TABLE.with_columns(b=pl.lit("z")))

    assert (compared.only_first, compared.only_second) == (4, 3)
    assert (compare_tables(pl.concat([TABLE, TABLE[:1]]), TABLE).only_first, compare_tables(TABLE, TABLE[:1]).only_first) == (1, 2)


def test_columns_that_only_one_has() -> None:
    """And those of another type, whose values are compared as numbers, or as text."""
    other = TABLE.select(pl.col("key").cast(pl.Float64), "b", c=pl.lit(1))

    compared = compare_tables(TABLE, other)

    assert (compared.columns_first, compared.columns_second) == (("a",), ("c",))
    assert compared.types == (("key", "Int64", "Float64"),)
    assert compared.differing == ()


@pytest.mark.parametrize(("value", "same"), [(1.0 + 1e-10, True), (1.0 + 1e-8, False), (None, False)])
def test_tolerance(value: float | None, same: bool) -> None:
    """A difference of so much of the number's size is none."""
    other = TABLE.with_columns(a=pl.Series([value, None, float("nan")], dtype=pl.Float64))

    assert compare_tables(TABLE, other, tolerance=1e-9).same is same
