"""What is on record as text comes back as it was."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from millstream.features.feedback import value_of_text

LOGGED = {
    "level": (["UA1545", "true"], ["UA1545", "true"], pl.String()),
    "integer": (["3", "-4"], [3, -4], pl.Int32()),
    "boolean": (["true", "false"], [True, False], pl.Boolean()),
    "date": (["2013-06-01T00:00:00Z", "2013-06-02T00:00:00Z"], [date(2013, 6, 1), date(2013, 6, 2)], pl.Date()),
    "moment": (
        ["2013-06-01T09:15:00Z", "2013-06-01T09:15:00.000001Z"],
        [datetime(2013, 6, 1, 9, 15, tzinfo=UTC), datetime(2013, 6, 1, 9, 15, 0, 1, tzinfo=UTC)],
        pl.Datetime("us", "UTC"),
    ),
}


@pytest.mark.parametrize("kind", LOGGED)
def test_a_value_is_read_in_its_own_type(kind: str) -> None:
    """The log and the book of feedback hold keys and labels as text, whatever their type."""
    text, values, type_ = LOGGED[kind]
    read = pl.Series("key", text).to_frame().select(value_of_text(pl.col("key"), type_).alias("key"))
    assert read.to_series().to_list() == values
    assert read.schema["key"] == type_
