"""What a table should hold, and how it is told that it does not."""

from __future__ import annotations

import polars as pl
import pytest

from millstream.testing import assert_rows, rows

TABLE = rows("""
parcel | town | weight
1      | a    | 2.5
2      | b    |
3      | a    | 0.1
""")


def told(result: pl.DataFrame, expected: pl.DataFrame | str, **options: object) -> list[str]:
    """The lines of the failure."""
    with pytest.raises(AssertionError) as caught:
        assert_rows(result, expected, **options)  # type: ignore[arg-type]
    return str(caught.value).splitlines()


def test_as_expected() -> None:
    """The order of rows and columns does not count, nor do types whose values are equal, nor the last bit of a float."""
    assert_rows(TABLE, TABLE)
    assert_rows(TABLE.lazy(), TABLE.reverse().select("weight", "parcel", "town"))
    assert_rows(TABLE.cast({"parcel": pl.UInt8}), TABLE)
    assert_rows(TABLE, TABLE.with_columns(pl.col("weight") + 1e-12))


def test_text_is_read_with_the_types_of_the_result() -> None:
    """So a float may be written as an integer, a moment as a day, a category as text."""
    result = TABLE.with_columns(pl.col("town").cast(pl.Categorical), at=pl.lit("2024-01-01").str.to_datetime(time_zone="UTC"), weight=pl.lit(2.0))

    assert_rows(result, "parcel | town | weight | at\n1 | a | 2 | 2024-01-01\n2 | b | 2 | 2024-01-01\n3 | a | 2 | 2024-01-01")


def test_missing_and_surplus_rows() -> None:
    """Without a key, whole rows; each as often as it is missing."""
    assert told(TABLE[:2], TABLE[1:]) == [
        "the table is not as expected",
        "  (parcel, town, weight)",
        "  missing       (3, 'a', 0.1)",
        "  not expected  (1, 'a', 2.5)",
    ]
    assert told(TABLE, pl.concat([TABLE, TABLE[:1], TABLE[:1]]))[1:] == [
        "  3 rows, expected 5",
        "  (parcel, town, weight)",
        *["  missing       (1, 'a', 2.5)"] * 2,
    ]


def test_differences_by_key() -> None:
    """Row by row, which column holds what instead of what."""
    expected = "parcel | town | weight\n1 | c | 2\n2 | b |\n4 | a | 0.1"

    assert told(TABLE, expected, key="parcel") == [
        "the table is not as expected",
        "  parcel 1: town is 'a', expected 'c', weight is 2.5, expected 2.0",
        "  parcel 4: missing",
        "  parcel 3: not expected",
    ]
    assert_rows(TABLE, TABLE.reverse(), key=["town", "parcel"])


def test_key_that_is_none() -> None:
    """Some rows have the same."""
    assert told(TABLE, TABLE.with_columns(weight=0.0), key="town")[1:] == ["  town is no key: some rows have the same"]


def test_order() -> None:
    """Only where it is asked for."""
    assert_rows(TABLE, TABLE, in_order=True)
    assert told(TABLE, TABLE.reverse(), in_order=True)[1] == "  the same rows in another order:"
    assert told(TABLE, TABLE.with_columns(town=pl.lit("a")), in_order=True)[1:] == ["  row 2: (2, 'b', None), expected (2, 'a', None)"]


def test_columns() -> None:
    """Those that are missing, and those that nobody expected."""
    assert told(TABLE, TABLE.rename({"town": "city"}))[1:] == ["  columns missing: city", "  columns not expected: town"]


def test_long_differences_are_cut() -> None:
    """The first few say enough."""
    many = pl.DataFrame({"a": range(20)})

    assert told(many, many + 100)[-1] == "  … and 14 more"
    assert len(told(many, many + 100, in_order=True)) == 8


def test_value_that_is_no_number() -> None:
    """It equals itself."""
    table = pl.DataFrame({"a": [float("nan"), 1.0]})

    assert_rows(table, table)
    assert_rows(table.with_columns(k=pl.Series([1, 2])), table.with_columns(k=pl.Series([1, 2])), key="k")
