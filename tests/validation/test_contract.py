"""What every snapshot must be, unasked."""

from __future__ import annotations

import polars as pl
import pytest

from millstream.errors import ColumnError, ContractError
from millstream.validation.contract import check_snapshot

FLIGHTS = pl.DataFrame({"flight": ["UA1", "UA2"], "distance": [1400, 200]})
TYPES = {"flight": "String", "distance": "Int64"}


def test_a_sound_snapshot_passes() -> None:
    """Columns, types and key as they were: nothing to say."""
    check_snapshot(FLIGHTS, source="schedule", required=["distance"], key=["flight"], previous=TYPES)


def test_a_first_snapshot_has_no_types_to_keep() -> None:
    """Without a snapshot before it, any types are fine."""
    check_snapshot(FLIGHTS, source="schedule", required=["distance"], key=["flight"], previous=None)


def test_a_missing_column_is_named_with_the_closest() -> None:
    """The error names source and column and proposes what there is."""
    with pytest.raises(ColumnError) as caught:
        check_snapshot(FLIGHTS, source="schedule", required=["distanse"], key=["flight"], previous=None)
    assert str(caught.value) == "source 'schedule' has no column 'distanse'\n  did you mean 'distance'?"


def test_several_missing_columns_are_one_error() -> None:
    """The first missing column leads, the others follow, and what there is is told."""
    with pytest.raises(ColumnError) as caught:
        check_snapshot(FLIGHTS, source="schedule", required=["tail", "seats"], key=[], previous=None)
    assert str(caught.value) == "source 'schedule' has no column 'tail' (nor 'seats')\n  it has 'flight', 'distance'"


def test_a_key_column_is_required() -> None:
    """A key needs not be among the required columns to be missed."""
    with pytest.raises(ColumnError, match="has no column 'carrier'"):
        check_snapshot(FLIGHTS, source="schedule", required=[], key=["carrier"], previous=None)


def test_a_changed_type_is_refused() -> None:
    """The error says what the column was, what it is, and what to do."""
    text = FLIGHTS.with_columns(pl.col("distance").cast(pl.String))
    with pytest.raises(ColumnError) as caught:
        check_snapshot(text, source="schedule", required=["distance"], key=["flight"], previous=TYPES)
    first, hint = str(caught.value).split("\n")
    assert first == "column 'distance' of source 'schedule' was Int64 and is String"
    assert "cast it to what it was" in hint


def test_many_changed_types_fit_into_eight_lines() -> None:
    """Five changes are listed, the rest counted."""
    wide = pl.DataFrame({f"x{index}": [1] for index in range(50)})
    with pytest.raises(ColumnError) as caught:
        check_snapshot(wide, source="wide", required=[], key=[], previous=dict.fromkeys(wide.columns, "String"))
    assert len(str(caught.value).split("\n")) == 7
    assert "and 45 more" in str(caught.value)


def test_a_column_without_values_has_no_type_yet() -> None:
    """A column that is null throughout fits its past, and its future."""
    empty = FLIGHTS.with_columns(distance=pl.lit(None))
    check_snapshot(empty, source="schedule", required=["distance"], key=["flight"], previous=TYPES)
    check_snapshot(FLIGHTS, source="schedule", required=["distance"], key=["flight"], previous={**TYPES, "distance": "Null"})


def test_columns_may_come_and_go_unless_required() -> None:
    """New columns are fine, and so are lost ones that nobody reads."""
    check_snapshot(FLIGHTS, source="schedule", required=[], key=["flight"], previous={"flight": "String", "gate": "String"})


def test_a_null_key_is_refused() -> None:
    """The error counts the rows, shows the first few, and says what to do."""
    keyless = pl.DataFrame({"flight": ["UA1", None, "UA2", *[None] * 6]})
    with pytest.raises(ContractError) as caught:
        check_snapshot(keyless, source="schedule", required=[], key=["flight"], previous=None)
    first, hint = str(caught.value).split("\n")
    assert first == "key 'flight' of source 'schedule' is null in 7 rows of 9, first in 1, 3, 4, 5, 6 (counted from 0)"
    assert "fill it in or leave such rows out" in hint


def test_nan_is_no_key() -> None:
    """A float key that is not a number is as good as null."""
    with pytest.raises(ContractError, match="is null in 1 row of 2, first in 1"):
        check_snapshot(pl.DataFrame({"id": [1.0, float("nan")]}), source="s", required=[], key=["id"], previous=None)


def test_an_empty_snapshot_passes() -> None:
    """No rows, no null key."""
    check_snapshot(FLIGHTS.clear(), source="schedule", required=["distance"], key=["flight"], previous=TYPES)
