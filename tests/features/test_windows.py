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
from millstream.features.windows import events_of, window_columns, window_features
from millstream.kernel.durations import microseconds
from millstream.kernel.facts import Facts

Row = dict[str, object]

MOMENT = pl.Datetime("us", "UTC")
HOUR = 3_600_000_000
NOON = datetime(2013, 6, 1, 12, tzinfo=UTC)
LANDINGS = Facts(("flight",), time="landed")
TOLD = Facts(("flight",), time="landed", known_at="told")
SCHEMA = {"carrier": pl.String(), "landed": MOMENT, "told": MOMENT, "delay": pl.Int64(), "taxi": pl.Float64(), "gate": pl.String()}
NUMBERS = ("count", "sum", "mean", "std", "min", "max", "first", "last", "n_unique")
OTHERS = ("count", "min", "max", "first", "last", "n_unique")
ALL = {
    **{f"delay_{reduction}": ("delay", reduction) for reduction in NUMBERS},
    **{f"taxi_{reduction}": ("taxi", reduction) for reduction in NUMBERS},
    **{f"gate_{reduction}": ("gate", reduction) for reduction in OTHERS},
}


def landing(hour: float, delay: int | None = None, *, told: float | None = None, **others: object) -> Row:
    """A landing of the first of June, told at the hour `told` (by default when it landed)."""
    midnight = datetime(2013, 6, 1, tzinfo=UTC)
    at = midnight + timedelta(hours=hour)
    known = at if told is None else midnight + timedelta(hours=told)
    return {"carrier": "UA", "landed": at, "told": known, "delay": delay, "taxi": None, "gate": None} | others


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
    return window_features(rows, kept, on=["by"] * len(key), key=key, asked=asked, wanted=window_columns(over, columns))


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


def same(reduction: str, found: object, answer: object) -> bool:
    """Equal to the bit; roots of rounded variances to a few units in the last place."""
    if reduction == "std" and isinstance(found, float) and isinstance(answer, float):
        return math.isclose(found, answer, rel_tol=1e-14)
    return bits(found) == bits(answer)


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


@pytest.mark.parametrize("reduction", NUMBERS)
def test_empty_window(reduction: str) -> None:
    """Zero rows, values and sum, else null: of a key with other rows, a key without any, no key, and no events at all."""
    answer = 0 if reduction in {"count", "sum", "n_unique"} else None
    rows = [landing(13, 4), landing(9, 4, carrier="AA")]
    assert at_noon(rows, "delay", reduction) == answer
    assert at_noon(rows, "delay", reduction, carrier="XX") == answer
    assert at_noon(rows, "delay", reduction, carrier=None) == answer
    assert at_noon([], "delay", reduction) == answer


def test_nulls_and_what_is_no_number_do_not_count() -> None:
    """All reductions go over the values that are there."""
    values = [None, 4.0, math.nan, 8.0, math.inf, None]
    rows = [landing(9 + place / 10, taxi=value) for place, value in enumerate(values)]
    assert [at_noon(rows, "taxi", reduction) for reduction in NUMBERS] == [2, 12.0, 6.0, math.sqrt(8.0), 4.0, 8.0, 4.0, 8.0, 2]


def test_nothing_but_nulls() -> None:
    """Rows without a value are as no rows."""
    rows = [landing(9), landing(10)]
    assert [at_noon(rows, "delay", reduction) for reduction in NUMBERS] == [0, 0, None, None, None, None, None, None, 0]


def test_one_value_has_no_deviation() -> None:
    """A sample of one tells nothing about how values differ; two equal ones do."""
    assert at_noon([landing(9, 5)], "delay", "std") is None
    assert at_noon([landing(9, 5), landing(10, 5)], "delay", "std") == 0.0


def test_deviation_loses_nothing_to_large_means() -> None:
    """Values around a billion that differ by one, where sums of squared floats give zero or worse."""
    rows = [landing(9 + place / 10, taxi=1e9 + place) for place in range(3)]
    assert at_noon(rows, "taxi", "std") == 1.0


@pytest.mark.parametrize("size", [2**40, 2**62])
def test_deviation_of_huge_integers(size: int) -> None:
    """Also where the squares leave 128 bits."""
    rows = [landing(9 + place / 10, size - (place % 2)) for place in range(9)]
    assert at_noon(rows, "delay", "std") == pytest.approx(math.sqrt(20 / 9 / 8), rel=1e-15)


def test_first_and_last_are_by_time_whenever_they_were_told() -> None:
    """A landing of 9:00 told at 11:30 is the first as soon as it is known, and never the last."""
    rows = [landing(10, 1), landing(9, 2, told=11.5), landing(11, 3)]
    assert [at_noon(rows, "delay", "first", at=NOON + timedelta(hours=hours)) for hours in (-1, 0)] == [1, 2]
    assert at_noon(rows, "delay", "last") == 3


def test_first_and_last_at_equal_times() -> None:
    """The one told last is the last (a correction), then the later row of the table."""
    rows = [landing(10, 1, told=11), landing(10, 2), landing(10, 3, told=11), landing(10, 4)]
    assert [at_noon(rows, "delay", reduction) for reduction in ("first", "last")] == [2, 3]


def test_the_greatest_leaves_the_window() -> None:
    """Then the greatest of what is left counts."""
    rows = [landing(9, 50), landing(10.5, 7), landing(10.75, 9)]
    assert [at_noon(rows, "delay", "max", over="2h", at=NOON + timedelta(hours=hours)) for hours in (-1, 0, 0.6, 0.75, 1)] == [50, 9, 9, 9, None]


def test_a_value_that_comes_again_is_counted_once() -> None:
    """Also when one of its landings leaves and another is still there."""
    rows = [landing(9, gate="A1"), landing(10.5, gate="A1"), landing(10.75, gate="B2"), landing(11, gate=None)]
    assert [at_noon(rows, "gate", "n_unique", over="2h", at=NOON + timedelta(hours=hours)) for hours in (-1, 0, 0.6, 1)] == [2, 2, 1, 0]


def test_zero_has_no_sign() -> None:
    """-0.0 and 0.0 are one value, and the extreme of both is 0.0 whichever comes first."""
    rows = [landing(9, taxi=-0.0), landing(10, taxi=0.0)]
    for each in (rows, rows[::-1]):
        assert [bits(at_noon(each, "taxi", reduction)) for reduction in ("min", "max")] == [bits(0.0), bits(0.0)]
    assert at_noon(rows, "taxi", "n_unique") == 1


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


@pytest.mark.parametrize("reduction", ["sum", "mean", "std"])
def test_texts_are_not_summed(reduction: str) -> None:
    """The reduction, the column and its type are named."""
    with pytest.raises(ColumnError, match=f"the {reduction} of 'carrier' \\(String\\) is not defined"):
        at_noon([landing(10)], "carrier", reduction)


@pytest.mark.parametrize("reduction", [*NUMBERS[1:]])
def test_lists_are_only_counted(reduction: str) -> None:
    """A window of lists has no other reduction."""
    rows = pl.DataFrame([landing(10, 1)], schema=SCHEMA).with_columns(delay=pl.concat_list("delay"))
    with pytest.raises(ColumnError, match=f"the {reduction} of 'delay' \\(List\\(Int64\\)\\) is not defined"):
        windows(rows, [("UA", NOON)], {"it": ("delay", reduction)})


@pytest.mark.parametrize(("column", "kind"), [("landed", MOMENT), ("delay", pl.Boolean()), ("delay", pl.Decimal(10, 2)), ("delay", pl.UInt8())])
def test_values_keep_their_type(column: str, kind: pl.DataType) -> None:
    """What is picked out of a window is of the column's type."""
    rows = pl.DataFrame([landing(10, 0), landing(11, 1)], schema=SCHEMA).with_columns(pl.col(column).cast(kind))
    picked = {reduction: (column, reduction) for reduction in ("min", "max", "first", "last")}
    assert set(windows(rows, [("UA", NOON)], picked).dtypes) == {kind}
    assert windows(rows, [("UA", NOON)], picked).rows() == [tuple(rows.get_column(column).to_list()[place] for place in (0, 1, 0, 1))]


def test_decimals_are_summed_as_floats() -> None:
    """What databases call numeric."""
    rows = pl.DataFrame([landing(10, 1), landing(11, 2)], schema=SCHEMA).with_columns(delay=pl.col("delay").cast(pl.Decimal(10, 2)) / 4)
    found = windows(rows, [("UA", NOON)], {reduction: ("delay", reduction) for reduction in ("sum", "mean")})
    assert found.rows() == [(0.75, 0.375)]


def test_number_beyond_the_grid_is_refused() -> None:
    """Where it would be summed; its extremes are known."""
    with pytest.raises(ColumnError, match="'taxi' holds 1e\\+40, which is too large to be summed exactly"):
        at_noon([landing(10, taxi=1e40)], "taxi", "mean")
    assert at_noon([landing(10, taxi=1e40)], "taxi", "max") == 1e40


def test_sum_beyond_64_bits_is_refused() -> None:
    """It would be another number."""
    rows = [landing(9 + place / 10, 2**62) for place in range(3)]
    with pytest.raises(ColumnError, match="'it': a sum of 'delay' is beyond 64-bit integers"):
        at_noon(rows, "delay", "sum")


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
        window_features(pl.DataFrame({"by": [7]}), events, on=["by"], key=["carrier"], asked=asked, wanted=wanted)


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
integers = st.one_of(st.none(), st.integers(-3, 3), st.integers(-50, 50), st.integers(-(2**59), 2**59))
floats = st.one_of(st.none(), st.just(math.nan), st.sampled_from([0.1, -0.1, 0.5**21, 1e9]), st.floats(-1e6, 1e6))
event = st.builds(
    lambda *values: dict(zip(SCHEMA, values, strict=True)), keys, maybe_moments, maybe_moments, integers, floats, st.sampled_from([None, "A1", "B2"])
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
            values = found.get_column(f"{name}_{over}").to_list()
            assert [(one, other) for one, other in zip(values, answers, strict=True) if not same(reduction, one, other)] == []


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(event, max_size=12), data=st.data(), questions=st.lists(st.tuples(keys, moments), min_size=1, max_size=4))
def test_order_of_events_does_not_matter(rows: list[Row], data: st.DataObject, questions: list[tuple[str | None, datetime]]) -> None:
    """Shuffled events give the same bits, but of events of one moment the last row is the last."""
    shuffled, free = data.draw(st.permutations(rows)), {name: each for name, each in ALL.items() if each[1] not in {"first", "last"}}
    frames = [windows(pl.DataFrame(each, schema=SCHEMA), questions, free, over=OVER) for each in (rows, shuffled)]
    assert [list(map(bits, row)) for row in frames[0].rows()] == [list(map(bits, row)) for row in frames[1].rows()]


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(event, max_size=12), questions=st.lists(st.tuples(keys, moments), min_size=1, max_size=4))
def test_what_comes_later_changes_nothing(rows: list[Row], questions: list[tuple[str | None, datetime]]) -> None:
    """Without the events that become available after the last question the answers are the same."""
    events = pl.DataFrame(rows, schema=SCHEMA)
    last = max(at for _, at in questions)
    known = events.filter(pl.max_horizontal("landed", "told") <= last)
    assert windows(events, questions, ALL, over=OVER).equals(windows(known, questions, ALL, over=OVER))
