"""Windows: open at the moment asked, late events and all, against the reference and in any order of the events."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import brute_force
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.errors import ColumnError
from millstream.features.windows import events_of, is_float, window_columns, window_features
from millstream.kernel.durations import microseconds
from millstream.kernel.facts import Facts

Row = dict[str, object]

MOMENT = pl.Datetime("us", "UTC")
HOUR = 3_600_000_000
NOON = datetime(2013, 6, 1, 12, tzinfo=UTC)
LANDINGS = Facts(("flight",), time="landed")
TOLD = Facts(("flight",), time="landed", known_at="told")
SCHEMA = {"carrier": pl.String(), "landed": MOMENT, "told": MOMENT, "delay": pl.Int64(), "taxi": pl.Float64()}
ALL = {
    "events": ("carrier", "count"),
    "delays": ("delay", "count"),
    "total": ("delay", "sum"),
    "delay": ("delay", "mean"),
    "taxis": ("taxi", "count"),
    "taxied": ("taxi", "sum"),
    "taxi": ("taxi", "mean"),
}


def landing(hour: float, delay: int | None = None, *, taxi: float | None = None, told: float | None = None, carrier: str | None = "UA") -> Row:
    """A landing of the first of June, told at the hour `told` (by default when it landed)."""
    midnight = datetime(2013, 6, 1, tzinfo=UTC)
    at = midnight + timedelta(hours=hour)
    return {"carrier": carrier, "landed": at, "told": at if told is None else midnight + timedelta(hours=told), "delay": delay, "taxi": taxi}


def windows(
    events: pl.DataFrame,
    questions: Sequence[tuple[str | None, datetime]],
    columns: Mapping[str, tuple[str, str]],
    *,
    over: Sequence[str] = ("1d",),
    key: Sequence[str] = ("carrier",),
    facts: Facts = TOLD,
) -> pl.DataFrame:
    """The windows of some carriers and moments."""
    rows = pl.DataFrame({"by": [carrier for carrier, _ in questions]}, schema={"by": pl.String})
    asked = pl.Series([at for _, at in questions], dtype=MOMENT)
    kept = events_of(events, key=key, facts=facts, columns=columns)
    floats = frozenset(column for column, _ in columns.values() if is_float(events.schema, column))
    return window_features(rows, kept, on=["by"] * len(key), key=key, asked=asked, wanted=window_columns(over, columns), floats=floats)


def at_noon(rows: list[Row], column: str, reduction: str, *, over: str = "1d", at: datetime = NOON, carrier: str | None = "UA") -> object:
    """One window of one carrier."""
    return windows(pl.DataFrame(rows, schema=SCHEMA), [(carrier, at)], {"it": (column, reduction)}, over=[over]).item(0, 0)


def expected(  # noqa: PLR0917  as the reference takes them
    rows: list[Row], facts: Facts, key: tuple[object, ...], names: tuple[str, ...], at: datetime, over: str, column: str, reduction: Any
) -> object:
    """The reference's answer; what is not a number does not count."""
    counted = [{name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()} for row in rows]
    reference = brute_force.Facts(names, facts.time, facts.known_at, facts.delay)
    value = brute_force.window(counted, reference, key, at, width_us=microseconds(over), column=column, reduction=reduction)
    return float(value) if column == "taxi" and reduction == "sum" and value is not None else value


def bits(value: object) -> object:
    """A float by its bits: -0.0 is not 0.0."""
    return value.hex() if isinstance(value, float) else value


def test_window_is_open_at_the_moment_asked() -> None:
    """Yesterday's noon is inside, today's is not: nothing is part of its own history."""
    rows = [landing(12 - 24, 1), landing(12 - 24.001, 10), landing(11, 2), landing(12, 100)]
    assert at_noon(rows, "delay", "sum") == 3


def test_event_that_is_not_known_yet() -> None:
    """A landing of 11:00 told at 12:30 is not in the window at noon, but at one."""
    rows = [landing(10, 5), landing(11, 7, told=12.5)]
    assert at_noon(rows, "delay", "sum") == 5
    assert at_noon(rows, "delay", "sum", at=NOON + timedelta(hours=1)) == 12


def test_event_is_known_when_its_delay_is_over() -> None:
    """With an hour of delay a landing of 11:00 is in the window at noon, and not a microsecond before."""
    events = pl.DataFrame([landing(11, 7)], schema=SCHEMA)
    late = Facts(("flight",), time="landed", delay=HOUR)
    questions = [("UA", NOON - timedelta(microseconds=1)), ("UA", NOON)]
    assert windows(events, questions, {"n": ("delay", "count")}, facts=late).get_column("n_1d").to_list() == [0, 1]


def test_event_told_after_it_left_the_window() -> None:
    """It never is in a window as short as that."""
    rows = [landing(9, 5, told=11.5)]
    assert [at_noon(rows, "delay", "count", over="2h", at=NOON + timedelta(hours=hours)) for hours in (-1, 0, 1)] == [0, 0, 0]


def test_event_told_before_it_happens() -> None:
    """A landing of 13:00 that is known at noon has not happened; after 13:00 it has."""
    rows = [landing(13, 5, told=9)]
    moments = [NOON, NOON + timedelta(hours=1), NOON + timedelta(hours=1, microseconds=1)]
    assert [at_noon(rows, "delay", "count", at=at) for at in moments] == [0, 0, 1]


@pytest.mark.parametrize(("reduction", "answer"), [("count", 0), ("sum", 0), ("mean", None)])
def test_empty_window(reduction: str, answer: int | None) -> None:
    """Zero rows, zero in sum, and no mean: of a key with other rows, a key without any, no key, and no events at all."""
    rows = [landing(13, 4), landing(9, 4, carrier="AA")]
    assert at_noon(rows, "delay", reduction) == answer
    assert at_noon(rows, "delay", reduction, carrier="XX") == answer
    assert at_noon(rows, "delay", reduction, carrier=None) == answer
    assert at_noon([], "delay", reduction) == answer


def test_nulls_and_what_is_no_number_do_not_count() -> None:
    """Counts, sums and means go over the values that are there."""
    rows = [landing(9, taxi=4.0), landing(10, taxi=None), landing(10, taxi=math.nan), landing(11, taxi=5.0)]
    assert [at_noon(rows, "taxi", reduction) for reduction in ("count", "sum", "mean")] == [2, 9.0, 4.5]


def test_null_moments_never_count() -> None:
    """Without a time or a `known_at` an event is never known."""
    rows = [landing(10, 1), landing(10, 2) | {"told": None}, landing(10, 4) | {"landed": None}]
    assert at_noon(rows, "delay", "sum") == 1


def test_events_without_a_key_belong_to_nobody() -> None:
    """A null key finds nothing, not even events with a null key; but they are among all events."""
    events = pl.DataFrame([landing(10, 1), landing(10, 2, carrier=None)], schema=SCHEMA)
    assert at_noon(events.to_dicts(), "delay", "sum", carrier=None) == 0
    assert windows(events, [(None, NOON)], {"it": ("delay", "sum")}, key=()).item(0, 0) == 3


def test_texts_are_counted() -> None:
    """And moments, and the key itself."""
    assert [at_noon([landing(10)], column, "count") for column in ("carrier", "landed")] == [1, 1]


def test_texts_are_not_summed() -> None:
    """The reduction, the column and its type are named."""
    with pytest.raises(ColumnError, match="the mean of 'carrier' \\(String\\) is not defined"):
        at_noon([landing(10)], "carrier", "mean")


def test_column_that_is_not_there() -> None:
    """It is named, and so is what there is."""
    with pytest.raises(ColumnError, match="'it': there is no column 'dealy'"):
        at_noon([landing(10)], "dealy", "mean")


def test_key_of_another_type_is_refused() -> None:
    """As for views: both columns and both types are named."""
    events = events_of(pl.DataFrame([landing(10, 1)], schema=SCHEMA), key=["carrier"], facts=TOLD, columns={"n": ("delay", "count")})
    wanted = window_columns(["1d"], {"n": ("delay", "count")})
    asked = pl.Series([NOON], dtype=MOMENT)
    with pytest.raises(ColumnError, match="column 'by' is Int64 in the question, but the key 'carrier' of the view is String"):
        window_features(pl.DataFrame({"by": [7]}), events, on=["by"], key=["carrier"], asked=asked, wanted=wanted, floats=frozenset())


def test_integers_are_summed_as_they_are() -> None:
    """Beyond 2**53 a sum is exact to the unit."""
    assert at_noon([landing(9, 2**53), landing(10, 1)], "delay", "sum") == 2**53 + 1


def test_what_left_leaves_no_trace() -> None:
    """A huge number that was in the window before changes nothing of what is in it now."""
    rows = [landing(-20, taxi=1e18), landing(11, taxi=0.125)]
    assert at_noon(rows, "taxi", "sum") == 0.125


def test_columns_are_called_by_name_and_window() -> None:
    """In the order in which they were written, window by window."""
    columns = {"n": ("delay", "count"), "d": ("delay", "mean")}
    found = windows(pl.DataFrame([landing(10, 1)], schema=SCHEMA), [("UA", NOON)], columns, over=["1d", "7d"])
    assert found.schema == {"n_1d": pl.Int64, "d_1d": pl.Float64, "n_7d": pl.Int64, "d_7d": pl.Float64}


# any case: few moments, so that ties, late events and events at the very moment asked are frequent

START = datetime(2013, 6, 1, tzinfo=UTC)
moments = st.integers(0, 8).map(lambda half: START + timedelta(minutes=30 * half))
maybe_moments = st.one_of(st.none(), moments, moments, moments)
keys = st.sampled_from(["UA", "AA", None])
integers = st.one_of(st.none(), st.integers(-50, 50), st.integers(-(2**60), 2**60))
floats = st.one_of(st.none(), st.just(math.nan), st.sampled_from([0.1, -0.1, 0.5**21, 1e9]), st.floats(-1e6, 1e6))
event = st.builds(
    lambda carrier, landed, told, delay, taxi: {"carrier": carrier, "landed": landed, "told": told, "delay": delay, "taxi": taxi},
    keys,
    maybe_moments,
    maybe_moments,
    integers,
    floats,
)
OVER = ["30m", "1h", "3h"]


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(event, max_size=12),
    questions=st.lists(st.tuples(keys, moments), max_size=5),
    delay=st.sampled_from([0, HOUR // 2]),
    keyed=st.booleans(),
)
def test_any_window_is_that_of_the_reference(rows: list[Row], questions: list[tuple[str | None, datetime]], delay: int, keyed: bool) -> None:
    """Every reduction over every window, for one key and over all rows, to the bit."""
    facts = Facts(("flight",), "landed", "told", delay)
    key = ("carrier",) if keyed else ()

    found = windows(pl.DataFrame(rows, schema=SCHEMA), questions, ALL, over=OVER, key=key, facts=facts)

    for name, (column, reduction) in ALL.items():
        for over in OVER:
            answers = [expected(rows, facts, (carrier,) if keyed else (), key, at, over, column, reduction) for carrier, at in questions]
            assert list(map(bits, found.get_column(f"{name}_{over}").to_list())) == list(map(bits, answers))


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(event, max_size=12), data=st.data(), questions=st.lists(st.tuples(keys, moments), min_size=1, max_size=4))
def test_order_of_events_does_not_matter(rows: list[Row], data: st.DataObject, questions: list[tuple[str | None, datetime]]) -> None:
    """Shuffled events give the same bits."""
    shuffled = data.draw(st.permutations(rows))
    frames = [windows(pl.DataFrame(each, schema=SCHEMA), questions, ALL, over=OVER) for each in (rows, shuffled)]
    assert [list(map(bits, row)) for row in frames[0].rows()] == [list(map(bits, row)) for row in frames[1].rows()]


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(event, max_size=12), questions=st.lists(st.tuples(keys, moments), min_size=1, max_size=4))
def test_what_comes_later_changes_nothing(rows: list[Row], questions: list[tuple[str | None, datetime]]) -> None:
    """Without the events that become available after the last question the answers are the same."""
    events = pl.DataFrame(rows, schema=SCHEMA)
    last = max(at for _, at in questions)
    known = events.filter(pl.max_horizontal("landed", "told") <= last)
    assert windows(events, questions, ALL, over=OVER).equals(windows(known, questions, ALL, over=OVER))
