"""One definition, two bodies: a table and its rows one by one give the same bits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Literal, get_args

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typed_tables import SCHEMA, TABLES, TYPES, bits, by_rows

from millstream.preparation.fit import fit_preparation
from millstream.preparation.records import Preparation
from millstream.preparation.row_body import compile_row
from millstream.preparation.vector_body import prepare_matrix

Kind = Literal["trees", "linear"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(training=TABLES, asked=TABLES)
def test_a_row_alone_gives_the_bits_that_it_gives_in_a_table(kind: Kind, training: pl.DataFrame, asked: pl.DataFrame) -> None:
    """Whatever was trained on and whatever is asked: nulls, infinities, unseen levels, extreme dates, no row at all."""
    preparation = fit_preparation(training, training.columns, kind=kind)

    for frame in (training, asked):
        np.testing.assert_array_equal(bits(by_rows(preparation, frame)), bits(prepare_matrix(preparation, frame)))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(training=TABLES, asked=TABLES)
def test_a_stored_preparation_is_the_same_preparation(kind: Kind, training: pl.DataFrame, asked: pl.DataFrame) -> None:
    """JSON and back: equal, with equal results."""
    preparation = fit_preparation(training, training.columns, kind=kind)

    stored = msgspec.json.decode(msgspec.json.encode(preparation), type=Preparation)

    assert stored == preparation
    np.testing.assert_array_equal(bits(prepare_matrix(stored, asked)), bits(prepare_matrix(preparation, asked)))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(training=TABLES, data=st.data())
def test_the_order_of_training_rows_changes_nothing(kind: Kind, training: pl.DataFrame, data: st.DataObject) -> None:
    """Permuting the training rows leaves every fitted number as it was."""
    order = data.draw(st.permutations(range(training.height)))

    permuted = fit_preparation(training[order], training.columns, kind=kind)

    assert msgspec.json.encode(permuted) == msgspec.json.encode(fit_preparation(training, training.columns, kind=kind))


@pytest.mark.parametrize("kind", KINDS)
def test_many_quantiles_keep_the_bits(kind: Kind) -> None:
    """Beyond 256 distinct values, where knots are chosen, rows and tables still agree."""
    numbers = np.random.default_rng(7).lognormal(size=5_000)
    frame = pl.DataFrame({"x": numbers, "y": np.round(numbers, 1)})
    preparation = fit_preparation(frame[:3_000], ["x", "y"], kind=kind)

    np.testing.assert_array_equal(bits(by_rows(preparation, frame)), bits(prepare_matrix(preparation, frame)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("absent", [dict[str, object], lambda: dict.fromkeys(TYPES)])
def test_a_key_that_is_not_there_is_a_null(kind: Kind, absent: Callable[[], dict[str, object]]) -> None:
    """An empty request gives the row of nulls."""
    training = pl.DataFrame([dict.fromkeys(TYPES)], schema=SCHEMA)
    typed = pl.concat([training, pl.DataFrame([{"city": "a", "count": 3}], schema=SCHEMA)])
    preparation = fit_preparation(typed, typed.columns, kind=kind)

    np.testing.assert_array_equal(compile_row(preparation)(absent()), prepare_matrix(preparation, training)[0])


def test_the_zone_of_a_moment_does_not_matter() -> None:
    """An aware time counts by its instant, a naive one as UTC, a date as its midnight."""
    frame = pl.DataFrame({"at": [datetime(2013, 6, 1, tzinfo=UTC)]})
    prepare = compile_row(fit_preparation(frame, ["at"], kind="trees"))
    naive, summer = datetime(2013, 6, 1), datetime(2013, 6, 1, 2, tzinfo=timezone(timedelta(hours=2)))

    rows = [prepare({"at": moment}) for moment in (naive, summer, date(2013, 6, 1))]

    assert rows == [prepare_matrix(fit_preparation(frame, ["at"], kind="trees"), frame)[0].tolist()] * 3


@pytest.mark.parametrize("value", [10**400, -(10**400)], ids=["positive", "negative"])
def test_an_integer_beyond_all_floats_is_infinite(value: int) -> None:
    """For trees it is kept as infinity, for linear models it is missing like one."""
    frame = pl.DataFrame({"x": [1.0, 2.0, None]})
    trees, linear = (compile_row(fit_preparation(frame, ["x"], kind=kind)) for kind in KINDS)

    assert trees({"x": value}) == [float("inf") if value > 0 else float("-inf")]
    assert linear({"x": value}) == [0.0, 1.0]


@pytest.mark.parametrize("digits", ["0.1", "12345678901234567.890123456", "-0.000000001", "99999999999999999999.5"])
def test_decimals_are_rounded_once(digits: str) -> None:
    """A Decimal, the float a client writes for it, and a decimal column are one number."""
    frame = pl.DataFrame({"x": [Decimal(digits)]}, schema={"x": pl.Decimal(38, 9)})
    preparation = fit_preparation(frame, ["x"], kind="trees")
    prepare = compile_row(preparation)

    expected = [float(np.float64(digits).astype(np.float32))]
    assert prepare_matrix(preparation, frame).tolist() == [expected]
    assert prepare({"x": Decimal(digits)}) == prepare({"x": float(digits)}) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_that_was_all_null_stays_missing(kind: Kind) -> None:
    """Nothing was learnt about its values, so none of them changes the answer, whatever its type."""
    training = pl.DataFrame({"city": [None, None]}, schema={"city": pl.String})
    preparation = fit_preparation(training, ["city"], kind=kind)
    prepare = compile_row(preparation)

    rows = [prepare({"city": value}) for value in ("a", 1, None)]

    expected = prepare_matrix(preparation, pl.DataFrame({"city": ["a", "b", None]}))
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(expected, np.full((3, 1), np.nan) if kind == "trees" else [[0.0, 1.0]] * 3)
