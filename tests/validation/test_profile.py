"""What a profile says of a table, and what it does with new rows."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from random import Random

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.errors import ColumnError
from millstream.validation.profile import LONGEST_LEVEL, MOST_BINS, MOST_LEVELS, count_into, profile
from millstream.validation.records import ColumnProfile, Profile


def profile_of(column: pl.Series) -> ColumnProfile:
    """The profile of one column called x."""
    return profile(pl.DataFrame({"x": column})).columns[0]


def test_numbers_have_range_and_moments() -> None:
    """Minimum, maximum, mean and the deviation of the population, nulls and NaN left out."""
    column = profile_of(pl.Series([1.0, None, 3.0, float("nan")]))
    assert (column.kind, column.dtype, column.rows, column.nulls) == ("number", "Float64", 4, 2)
    assert (column.minimum, column.maximum, column.mean, column.deviation) == (1.0, 3.0, 2.0, 1.0)


def test_bins_hold_about_as_many_rows_each() -> None:
    """Between the edges of many distinct numbers lie even shares; the outermost bins are empty."""
    column = profile_of(pl.Series(np.random.default_rng(0).normal(size=62_000)))
    assert len(column.edges) == MOST_BINS - 1
    assert column.counts == (0, *[1_000] * (MOST_BINS - 2), 0)


def test_few_rows_get_few_bins() -> None:
    """1,000 rows get 2 n^(2/5) = 32 bins and the two outside the range."""
    column = profile_of(pl.Series(np.random.default_rng(0).normal(size=1_000)))
    assert len(column.counts) == 34


def test_few_distinct_numbers_have_a_bin_each() -> None:
    """0, 1 and 2 are bins of their own, and so is what lies below, between and above."""
    column = profile_of(pl.Series([0, 0, 1, 2, 2, 2]))
    counted = count_into(column, pl.Series([-1.0, 0.0, 0.5, 1.0, 2.0, 7.0]))
    assert column.counts == (0, 2, 0, 1, 0, 3, 0)
    assert counted.counts == (1, 1, 1, 1, 0, 1, 1)


def test_hours_of_the_day_stay_apart() -> None:
    """Each of 24 distinct numbers can be told from its neighbours."""
    hours = pl.Series([hour for hour in range(24) for _ in range(hour + 1)])
    column = profile_of(hours)
    assert [count for count in column.counts if count] == list(range(1, 25))


def test_infinities_count_in_the_outer_bins_only() -> None:
    """An infinity is below or above all edges, and in no moment."""
    column = profile_of(pl.Series([float("-inf"), 1.0, 3.0, float("inf"), float("inf")]))
    assert (column.counts[0], column.counts[-1], column.nulls) == (1, 2, 0)
    assert (column.minimum, column.maximum, column.mean) == (1.0, 3.0, 2.0)


def test_moments_are_seconds() -> None:
    """Dates, datetimes of any unit and zone, and durations are counted in seconds."""
    frame = pl.DataFrame(
        {
            "day": [date(1970, 1, 2)],
            "moment": pl.Series([datetime(1970, 1, 1, 1, tzinfo=UTC)], dtype=pl.Datetime("ms", "UTC")),
            "length": pl.Series([timedelta(minutes=2)], dtype=pl.Duration("ns")),
        }
    )
    assert [(column.kind, column.mean) for column in profile(frame).columns] == [
        ("moment", 86_400.0),
        ("moment", 3_600.0),
        ("moment", 120.0),
    ]


def test_levels_are_ordered_by_count_then_name() -> None:
    """The most frequent level comes first, and the first by name among equals."""
    column = profile_of(pl.Series(["b", "a", "c", "c", None]))
    assert (column.kind, column.levels, column.other, column.nulls) == ("level", (("c", 2), ("a", 1), ("b", 1)), 0, 1)


def test_only_the_most_frequent_levels_are_listed() -> None:
    """Beyond the first hundred levels, rows count as other."""
    column = profile_of(pl.Series([f"{level:03}" for level in range(150)]))
    assert (len(column.levels), column.levels[0], column.other) == (MOST_LEVELS, ("000", 1), 50)


def test_a_long_text_is_no_level() -> None:
    """What is longer than a name counts as other, however frequent."""
    column = profile_of(pl.Series(["x" * (LONGEST_LEVEL + 1)] * 3 + ["short"]))
    assert (column.levels, column.other) == ((("short", 1),), 3)


@pytest.mark.parametrize("dtype", [pl.Categorical(), pl.Enum(["a", "b"])])
def test_categories_are_levels(dtype: pl.DataType) -> None:
    """Categorical and Enum columns are counted by name like text."""
    column = profile_of(pl.Series(["a", "b", "a"], dtype=dtype))
    assert column.levels == (("a", 2), ("b", 1))


def test_booleans_are_two_levels() -> None:
    """False and true are counted by name."""
    column = profile_of(pl.Series([True, False, True, None]))
    assert (column.kind, column.levels, column.nulls) == ("boolean", (("true", 2), ("false", 1)), 1)


def test_of_nested_columns_only_nulls_are_known() -> None:
    """A list column has no levels; its values are other."""
    column = profile_of(pl.Series([[1], None, [2, 3]]))
    assert (column.kind, column.levels, column.other, column.nulls) == ("level", (), 2, 1)


@pytest.mark.parametrize("dtype", [pl.Float64, pl.String, pl.Boolean, pl.Null, pl.Datetime("us"), pl.List(pl.Int64)])
@pytest.mark.parametrize("rows", [0, 3])
def test_a_column_without_values_has_a_profile(dtype: pl.DataType, rows: int) -> None:
    """Empty and wholly null columns are counted like any other, and new values in them are seen."""
    column = profile_of(pl.Series([None] * rows, dtype=dtype))
    counted = count_into(column, pl.Series([1.0, 2.0, None, float("nan")]))
    assert (column.rows, column.nulls, column.mean) == (rows, rows, None)
    assert (counted.nulls, sum(counted.counts), counted.other) == (2, 2, 2)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(), st.sampled_from([0.0, -0.0])),
            st.one_of(st.none(), st.sampled_from(["a", "b", "é", ""])),
            st.one_of(st.none(), st.booleans()),
        ),
        max_size=80,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_does_not_matter(rows: list[tuple[float | None, str | None, bool | None]], random: Random) -> None:
    """A shuffled table has the same profile, byte for byte."""
    schema = {"number": pl.Float64, "level": pl.String, "flag": pl.Boolean}
    shuffled = list(rows)
    random.shuffle(shuffled)
    one, other = (profile(pl.DataFrame(some, schema=schema, orient="row")) for some in (rows, shuffled))
    assert msgspec.json.encode(one) == msgspec.json.encode(other)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats()), max_size=200))
def test_counting_the_reference_itself_gives_its_own_counts(values: list[float | None]) -> None:
    """The rows a profile was made of fall into its own bins, and it survives JSON."""
    series = pl.Series("x", values, dtype=pl.Float64)
    column = profile_of(series)
    assert count_into(column, series).counts == column.counts
    assert sum(column.counts) + column.nulls == column.rows
    assert list(column.edges) == sorted(set(column.edges))
    assert msgspec.json.decode(msgspec.json.encode(column), type=ColumnProfile) == column


def test_unseen_levels_are_other_and_the_most_frequent_is_named() -> None:
    """New levels count as other; the largest of them is the newcomer."""
    counted = count_into(profile_of(pl.Series(["a", "b"])), pl.Series(["a", "d", "c", "d", None]))
    assert (counted.levels, counted.other, counted.nulls, counted.newcomer) == ((1, 0), 3, 1, ("d", 2))


def test_a_null_column_counts_as_nulls() -> None:
    """A column that holds nothing fits any reference."""
    counted = count_into(profile_of(pl.Series(["a"])), pl.Series([None, None]))
    assert (counted.nulls, counted.levels, counted.other) == (2, (0,), 0)


@pytest.mark.parametrize(("was", "now"), [([1.0], ["a"]), (["a"], [1]), (["a"], [["a"]]), ([True], [1])])
def test_another_kind_of_column_is_refused(was: list[object], now: list[object]) -> None:
    """Text cannot be counted into bins of numbers; the error says what it was and is."""
    with pytest.raises(ColumnError, match=r"column 'x' was .* and is"):
        count_into(profile_of(pl.Series(was)), pl.Series(now))


def test_integers_may_become_floats() -> None:
    """A number stays a number, whatever its width."""
    assert count_into(profile_of(pl.Series([1, 2])), pl.Series([1.0, 2.0])).counts == (0, 1, 0, 1, 0)


def test_a_missing_column_is_named() -> None:
    """The error proposes the closest column."""
    with pytest.raises(ColumnError, match="did you mean 'distance'"):
        profile(pl.DataFrame({"distance": [1.0]}), ["distanse"])


def test_a_wide_table_stays_below_a_megabyte() -> None:
    """Columns share the room: 2,000 columns get fewer bins and levels each."""
    numbers = np.random.default_rng(0).normal(size=(300, 1_000)) * 1e-100
    names = {f"level_{index}": [f"{row:0100}" for row in range(300)] for index in range(1_000)}
    wide = pl.DataFrame(numbers).hstack(pl.DataFrame(names))
    encoded = msgspec.json.encode(profile(wide))
    assert len(encoded) <= 1_000_000
    assert msgspec.json.decode(encoded, type=Profile).rows == 300


def test_a_profile_costs_little() -> None:
    """200,000 rows of ten columns take less than a second of CPU (0.2 s when written)."""
    generator = np.random.default_rng(0)
    frame = pl.DataFrame(generator.normal(size=(200_000, 8))).with_columns(
        level=pl.Series(generator.integers(0, 500, 200_000)).cast(pl.String), hour=pl.Series(generator.integers(0, 24, 200_000))
    )
    started = time.process_time()
    profile(frame)
    assert time.process_time() - started < 1.0
