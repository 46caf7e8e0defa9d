"""Tables with a column of every type that can be a feature, and matrices made of their rows one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from hypothesis import strategies as st
from numpy.typing import NDArray

from millstream.preparation.records import Preparation
from millstream.preparation.row_body import compile_row

TYPES: dict[str, tuple[pl.DataType, st.SearchStrategy[object]]] = {
    "count": (pl.Int64(), st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)),
    "huge": (pl.UInt64(), st.integers(0, 2**64 - 1)),
    "amount": (pl.Float64(), st.floats(allow_subnormal=True) | st.sampled_from([0.0, -0.0, 0.1, 3.5e38, -1e308, 5e-324])),
    "small": (pl.Float32(), st.floats(width=32)),
    "price": (pl.Decimal(30, 9), st.decimals(-(10**18), 10**18, places=9)),
    "is open": (pl.Boolean(), st.booleans()),
    "city": (pl.String(), st.sampled_from(["", " ", "Zürich", "東京", "a'b\"c\\", "{x}\n"]) | st.text(max_size=3)),
    "grade": (pl.Enum(["low", "high"]), st.sampled_from(["low", "high"])),
    "day": (pl.Date(), st.dates()),
    "at": (pl.Datetime("us"), st.datetimes()),
    "zoned": (pl.Datetime("us", "UTC"), st.datetimes(timezones=st.just(UTC))),
    "exact": (pl.Datetime("ns"), st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))),
    "coarse": (pl.Datetime("ms"), st.datetimes()),
    "lasted": (pl.Duration("us"), st.timedeltas(timedelta(days=-(10**8)), timedelta(days=10**8))),
    "opens": (pl.Time(), st.times()),
}
SCHEMA = {name: dtype for name, (dtype, _) in TYPES.items()}
ROWS = st.fixed_dictionaries({name: st.none() | values for name, (_, values) in TYPES.items()})
TABLES = st.lists(ROWS, max_size=6).map(lambda rows: pl.DataFrame(rows, schema=SCHEMA))


def by_rows(preparation: Preparation, frame: pl.DataFrame) -> NDArray[np.float64]:
    """The matrix made by the row body, one row after the other."""
    prepare = compile_row(preparation)
    matrix = [prepare(row) for row in frame.iter_rows(named=True)]
    return np.array(matrix, dtype=np.float64).reshape(frame.height, len(preparation.outputs))


def bits(matrix: NDArray[np.float64]) -> NDArray[np.uint64]:
    """The bits of every number, with one NaN for all."""
    return np.where(np.isnan(matrix), np.nan, matrix).view(np.uint64)
