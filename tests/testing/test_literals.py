"""Tables written down as text."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from millstream.errors import ConfigurationError
from millstream.testing import rows


def test_types_are_guessed() -> None:
    """Each column gets the narrowest type that all of its cells have; moments are UTC."""
    table = rows("""
        number | share | yes   | day        | moment               | text | nothing
        1      | 0.5   | true  | 2024-01-01 | 2024-01-01T09:15     | a    | null
        -2     | 3     | false | 2024-01-02 | 2024-01-01T10:15:00Z | 1x   | -
    """)

    assert table.dtypes == [pl.Int64, pl.Float64, pl.Boolean, pl.Date, pl.Datetime("us", "UTC"), pl.String, pl.String]
    assert table.rows() == [
        (1, 0.5, True, date(2024, 1, 1), datetime(2024, 1, 1, 9, 15, tzinfo=UTC), "a", None),
        (-2, 3.0, False, date(2024, 1, 2), datetime(2024, 1, 1, 10, 15, tzinfo=UTC), "1x", None),
    ]


def test_empty_cells_are_null() -> None:
    """Of every type, also at the end of a line."""
    table = rows("a | b | c\n1 | | \n | 2024-01-01 | x")

    assert table.rows() == [(1, None, None), (None, date(2024, 1, 1), "x")]


def test_bars_around_and_a_line_below_the_names() -> None:
    """A table as in Markdown."""
    assert rows("| a | b |\n|---|---|\n| 1 |  |").rows() == [(1, None)]


def test_types_may_be_said() -> None:
    """Where the guess would be another."""
    table = rows("number | code | at\n1 | 007 | 2024-01-01T09:00", number=pl.Int8, code=pl.String, at=pl.Datetime("ms"))

    assert table.schema == {"number": pl.Int8, "code": pl.String, "at": pl.Datetime("ms")}
    assert table.rows() == [(1, "007", datetime(2024, 1, 1, 9))]


def test_no_rows() -> None:
    """Only columns, of the types said."""
    assert rows("a | b", a=pl.Int64).schema == {"a": pl.Int64, "b": pl.String}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the text has no line"),
        ("a | b\n1", "row 1 has 1 cells, there are 2 columns: 1"),
        ("a\nx", "column 'a' cannot be Int64"),
        ("b\nx", "a type is given for 'a', which is no column"),
    ],
)
def test_text_that_is_no_table(text: str, told: str) -> None:
    """The row or column is named."""
    with pytest.raises(ConfigurationError, match=told):
        rows(text, a=pl.Int64)
