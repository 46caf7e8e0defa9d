"""A step called as a plain function, whatever kind of table it asks for."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

import millstream as ms
from millstream.errors import ColumnError
from millstream.testing import assert_rows, call, rows

parcels = ms.source("parcels.csv", key="parcel", time="sent")
arrivals = ms.source("arrivals.csv", key="parcel", time="arrived")
SENT = """
parcel | sent
1      | 2024-01-01
2      | 2024-01-02
"""


@ms.label(parcels, arrivals, known_at="decided")
def late(parcels: pl.LazyFrame, arrivals: pl.LazyFrame, *, days: int = 2) -> pl.LazyFrame:
    decided = pl.col("sent") + pl.duration(days=days)
    both = parcels.join(arrivals.select("parcel", "arrived"), on="parcel", how="left")
    return both.select("parcel", decided=decided, late=(pl.col("arrived") > decided).fill_null(value=True))


@ms.step(parcels)
def eager(parcels: pl.DataFrame) -> pl.DataFrame:
    return parcels.with_columns(place=pl.int_range(parcels.height))


@ms.step(parcels, arrivals)
def any_number(*tables: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({"rows": [table.height for table in tables]})


@ms.step(parcels)
def bare(parcels):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201  as many users write
    return parcels.select("parcel")


def test_lazy_function() -> None:
    """Texts become tables; the result is one too."""
    assert_rows(
        call(late, SENT, "parcel | arrived\n1 | 2024-01-02"),
        """
        parcel | decided    | late
        1      | 2024-01-03 | false
        2      | 2024-01-04 | true
        """,
    )


def test_settings() -> None:
    """Given in the call, or held by the value."""
    given = call(late, SENT, "parcel | arrived\n1 | 2024-01-02", days=0)

    assert given.get_column("late").to_list() == [True, True]
    assert call(late.with_settings(days=0), SENT, "parcel | arrived\n1 | 2024-01-02").equals(given)


def test_eager_function_and_one_without_annotations() -> None:
    """Each gets what it asks for; without an annotation that is a lazy frame."""
    assert call(eager, SENT).get_column("place").to_list() == [0, 1]
    assert call(bare, SENT).columns == ["parcel"]
    assert call(any_number, SENT, rows("parcel | arrived")).get_column("rows").to_list() == [2, 0]


def test_times_are_as_in_a_run() -> None:
    """A date becomes a moment in UTC, as what a source gives is."""
    assert call(eager, SENT).schema["sent"] == pl.Datetime("us", "UTC")
    assert call(eager, pl.LazyFrame({"parcel": [1], "sent": [date(2024, 1, 1)]})).schema["sent"] == pl.Datetime("us", "UTC")


def test_plain_function() -> None:
    """What is not declared is called as it is."""

    def double(frame: pl.DataFrame, *, by: int = 2) -> pl.DataFrame:
        return frame * by

    assert call(double, "a\n1", by=3).rows() == [(3,)]


def test_errors_are_the_functions_own() -> None:
    """And a time that is none is refused as in a run."""
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        call(bare, "packet | sent\n1 | 2024-01-01")
    with pytest.raises(ColumnError, match="column 'sent' is String, but a time must be a date or a datetime"):
        call(bare, "parcel | sent\n1 | soon")


def test_result_that_is_no_table() -> None:
    """It is said to be none."""
    with pytest.raises(AssertionError, match="the function returned a int, not a table"):
        call(lambda frame: 1, "a\n1")
