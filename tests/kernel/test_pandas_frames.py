"""Steps in pandas and Arrow: types survive as exactly as these libraries can hold them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes
from step_calls import handed, made, stored

from millstream.errors import ColumnError, StepError
from millstream.kernel.pandas_frames import from_arrow, from_pandas, to_arrow, to_pandas
from millstream.kernel.store import Store

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
else:
    why = "{} is not installed; it is in the extras pandas and dev"
    pd = pytest.importorskip("pandas", reason=why.format("pandas"))
    pa = pytest.importorskip("pyarrow", reason=why.format("pyarrow"))

KINDS = [
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Binary),
    *(pl.Date, pl.Time, pl.Duration("us"), pl.Datetime("us"), pl.Datetime("ns", "UTC"), pl.Datetime("ms", "Europe/Berlin")),
    *(pl.Decimal(20, 3), pl.Categorical, pl.Enum(["b", "a"]), pl.List(pl.Int64), pl.Struct({"x": pl.Int8, "y": pl.String}), pl.Array(pl.Int16, 2)),
]
FRAMES = dataframes(max_cols=4, max_size=8, allowed_dtypes=KINDS, allow_null=True)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def without_nan(frame: pl.DataFrame) -> pl.DataFrame:
    """Where pandas has one word for both: null."""
    return frame.with_columns(pl.col(pl.Float32, pl.Float64).fill_nan(None))


@settings(max_examples=200, deadline=None)
@given(frame=FRAMES)
def test_frame_comes_back_from_pandas(frame: pl.DataFrame) -> None:
    """All types, nulls and units; of floats, NaN comes back as null."""
    back = from_pandas(to_pandas(frame))

    assert_frame_equal(back, without_nan(frame), check_exact=True)


@settings(max_examples=200, deadline=None)
@given(frame=FRAMES)
def test_frame_comes_back_from_arrow(frame: pl.DataFrame) -> None:
    """All types, to the bit."""
    assert_frame_equal(from_arrow(to_arrow(frame)), frame, check_exact=True)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pl.Series([1, 2]), "int64"),
        (pl.Series([1, None]), "Int64"),
        (pl.Series([2**53 + 1, None]), "Int64"),
        (pl.Series([True, False]), "bool"),
        (pl.Series([True, None]), "boolean"),
        (pl.Series([1.5, None]), "float64"),
        (pl.Series(["a", None]), "str"),
        (pl.Series([date(2024, 1, 2), None]), "date32[day][pyarrow]"),
        (pl.Series([[1], None]), "large_list<item: int64>[pyarrow]"),
        (pl.Series([0, None]).cast(pl.Datetime("us", "Europe/Berlin")), "datetime64[us, Europe/Berlin]"),
        (pl.Series([0, None]).cast(pl.Duration("ms")), "timedelta64[ms]"),
        (pl.Series(["a", None], dtype=pl.Categorical), "category"),
        (pl.Series([None, None]), "null[pyarrow]"),
    ],
    ids=str,
)
def test_what_pandas_is_handed(column: pl.Series, kind: str) -> None:
    """Its own types where it has one; integers and booleans say which are missing without becoming floats."""
    assert str(to_pandas(column.alias("x").to_frame())["x"].dtype) == kind


def test_categories(store: Store) -> None:
    """An enumeration is ordered, with all its levels; a categorical has those that occur."""
    frame = pl.DataFrame({"size": ["s", "l", None], "town": ["x", None, "y"]}, schema={"size": pl.Enum(["s", "m", "l"]), "town": pl.Categorical})

    read = handed(store, stored(store, frame), pd.DataFrame)

    assert (read["size"].cat.categories.to_list(), read["size"].cat.ordered) == (["s", "m", "l"], True)
    assert (read["town"].cat.categories.to_list(), read["town"].cat.ordered) == (["x", "y"], False)
    assert read["size"].max() == "l"


def test_step_in_pandas(store: Store) -> None:
    """Its index, where it has names, becomes columns."""

    def per_town(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.groupby("town").agg(kwh=("kwh", "sum"))

    rows = pl.DataFrame({"town": ["a", "b", "a"], "kwh": [1, 2, 3]})

    assert_frame_equal(handed(store, made(store, per_town, rows)), pl.DataFrame({"town": ["a", "b"], "kwh": [4, 2]}))


def test_index_without_names_is_dropped() -> None:
    """As after a filter."""
    frame = pd.DataFrame({"x": [1, 2, 3]})

    assert from_pandas(frame[frame["x"] > 1]).to_dict(as_series=False) == {"x": [2, 3]}


def test_step_in_arrow(store: Store) -> None:
    """From table to table."""

    def heavy(rows: pa.Table) -> pa.Table:
        return rows.filter(pa.compute.greater(rows["kg"], 1))

    import pyarrow.compute  # noqa: F401, PLC0415  it makes pa.compute

    assert handed(store, made(store, heavy, pl.DataFrame({"kg": [1, 2]}))).to_dict(as_series=False) == {"kg": [2]}


@pytest.mark.parametrize("kind", ["pandas", "arrow", "polars"])
def test_rows_without_columns_and_columns_without_rows(kind: str) -> None:
    """Empty tables keep their types."""
    frame = pl.DataFrame(schema={"n": pl.Int8, "at": pl.Datetime("us", "UTC"), "level": pl.Categorical, "word": pl.String})
    back = {"pandas": lambda: from_pandas(to_pandas(frame)), "arrow": lambda: from_arrow(to_arrow(frame)), "polars": lambda: frame}[kind]()

    assert back.schema == frame.schema


def test_what_a_step_does_to_its_frame_is_not_seen_elsewhere(store: Store) -> None:
    """The columns that are kept in memory are not those that pandas writes into."""

    def spoilt(rows: pd.DataFrame) -> pd.DataFrame:
        for name in rows.columns:
            rows.loc[:, name] = 0
            rows.loc[0, name] = 7
        return rows

    rows = stored(store, pl.DataFrame({"n": np.arange(3_000), "f": np.arange(3_000.0)}))

    changed = handed(store, made(store, spoilt, rows))

    assert changed.row(0) == (7, 7.0)
    assert handed(store, rows).row(2) == (2, 2.0)


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (lambda: pd.DataFrame({"x": [1, "one"]}), r"column 'x' of the pandas frame \(object\) has no one type"),
        (lambda: pd.DataFrame({3: [1]}), "the pandas frame has a column 3, but a column's name is a text"),
        (lambda: pd.DataFrame([[1, 2]], columns=["x", "x"]), "the pandas frame has two columns 'x'"),
        (lambda: pd.DataFrame({"x": [1 + 2j]}), "column 'x' of the pandas frame"),
        (lambda: pd.DataFrame({"x": pd.period_range("2024", periods=1, freq="M")}), "which polars does not have"),
    ],
)
def test_frame_that_is_no_table_is_refused(frame: Any, sentence: str) -> None:
    """One sentence with the column."""
    with pytest.raises(ColumnError, match=sentence):
        from_pandas(frame())


def test_table_with_one_name_twice_is_refused() -> None:
    """Also in Arrow."""
    with pytest.raises(ColumnError, match="the Arrow table has two columns 'x'"):
        from_arrow(pa.table([[1], [2]], names=["x", "x"]))


@pytest.mark.parametrize("convert", [to_pandas, to_arrow])
def test_integer_of_128_bits_is_refused(convert: Any) -> None:
    """Neither library has it."""
    with pytest.raises(ColumnError, match="column 'x' is Int128, which Arrow and pandas do not have"):
        convert(pl.DataFrame({"x": pl.Series([1], dtype=pl.Int128)}))


def test_column_alone_is_no_table(store: Store) -> None:
    """A Series has a name or not, and rows of nothing else."""

    def column(rows: pd.DataFrame) -> object:
        return rows["n"]

    with pytest.raises(StepError, match="column: returned a Series, which is a column") as caught:
        made(store, column, pl.DataFrame({"n": [1]}))
    assert "to_frame" in (caught.value.hint or "")


def test_missing_column_in_pandas_is_an_error_of_the_step(store: Store) -> None:
    """With the line of the user's file."""

    def wrong(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[["nope"]]

    with pytest.raises(StepError, match=r"wrong: KeyError: .*nope") as caught:
        made(store, wrong, pl.DataFrame({"n": [1]}))
    assert (caught.value.where or "").startswith(__file__)


def test_library_is_part_of_the_key(store: Store) -> None:
    """Another version of pandas may compute something else."""
    from step_calls import step_of  # noqa: PLC0415  beside its use

    def same(rows: pd.DataFrame) -> pd.DataFrame:
        return rows

    plan = step_of(same).plan(store, [stored(store, pl.DataFrame({"n": [1]}))], 0)

    assert {"kind of rows", "pandas", "pyarrow"} <= {cause.name for cause in plan.causes}
