"""The reference itself, against answers worked out by hand."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import get_args

import pytest
from brute_force import Facts, Key, Reduction, Row, newest_row, window

MINUTE = 60_000_000
HOUR = 60 * MINUTE
NOON = datetime(2013, 6, 1, 12)
WEATHER = Facts(("origin",), time="observed", delay_us=20 * MINUTE)
CORRECTED = Facts(("origin",), time="observed", known_at="told")
LANDINGS = Facts(("carrier",), time="landed")
ENDS: list[Reduction] = ["first", "last"]


def observed(hour: int, wind: float | None = None, origin: str = "JFK", minute: int = 0) -> Row:
    """An observation on the first of June."""
    return {"origin": origin, "observed": datetime(2013, 6, 1, hour, minute), "wind": wind}


def told(hour: int, wind: float, *, at: int | None) -> Row:
    """An observation of `hour` that became known at the hour `at`."""
    return {**observed(hour, wind), "told": None if at is None else datetime(2013, 6, 1, at)}


def landed(hour: int, delay: float | None, carrier: str = "UA") -> Row:
    """A landing on the first of June."""
    return {"carrier": carrier, "landed": datetime(2013, 6, 1, hour), "delay": delay}


def wind_at(rows: list[Row], facts: Facts, at: datetime, max_age_us: int | None = None, key: Key = ("JFK",)) -> object:
    """The wind that the view shows, None if it shows nothing."""
    row = newest_row(rows, facts, key, at, max_age_us=max_age_us)
    return None if row is None else row["wind"]


def over_a_day(rows: list[Row], reduction: Reduction, key: Key = ("UA",), at: datetime = NOON) -> object:
    """One reduction of the delays of the day before `at`."""
    return window(rows, LANDINGS, key, at, width_us=24 * HOUR, column="delay", reduction=reduction)


def test_newest_row_is_the_last_that_happened() -> None:
    """The row with the greatest time answers, wherever it stands in the table."""
    assert wind_at([observed(10, 1.0), observed(11, 2.0), observed(9, 3.0)], WEATHER, NOON) == 2.0


def test_row_counts_from_the_moment_its_delay_is_over() -> None:
    """An observation of 11:40 with 20 minutes of delay counts at 12:00 and not a microsecond before."""
    rows = [observed(10, 1.0), observed(11, 2.0, minute=40)]
    assert wind_at(rows, WEATHER, NOON) == 2.0
    assert wind_at(rows, WEATHER, NOON - timedelta(microseconds=1)) == 1.0


def test_row_known_early_waits_for_its_time() -> None:
    """A forecast for 13:00 told at 9:00 does not count at noon."""
    assert wind_at([told(13, 1.0, at=9)], CORRECTED, NOON) is None


def test_row_told_late_waits_until_it_is_told() -> None:
    """An observation of 10:00 told at 14:00 does not count at noon, so the one before it answers."""
    assert wind_at([told(9, 1.0, at=9), told(10, 2.0, at=14)], CORRECTED, NOON) == 1.0


def test_late_news_about_the_past_does_not_hide_the_present() -> None:
    """What happened last wins over what was told last."""
    assert wind_at([told(11, 1.0, at=11), told(9, 2.0, at=12)], CORRECTED, NOON) == 1.0


def test_correction_wins_at_equal_times() -> None:
    """Of two rows about one moment the one known last answers, in either order."""
    rows = [told(10, 1.0, at=11), told(10, 2.0, at=10)]
    assert wind_at(rows, CORRECTED, NOON) == 1.0
    assert wind_at(rows[::-1], CORRECTED, NOON) == 1.0


def test_later_row_wins_if_all_else_is_equal() -> None:
    """Equal in time and knowledge: the later row of the snapshot."""
    assert wind_at([observed(10, 1.0), observed(10, 2.0)], WEATHER, NOON) == 2.0


def test_newest_row_may_be_as_old_as_its_limit() -> None:
    """Three hours old is not older than three hours; a microsecond later it is."""
    rows = [observed(9, 1.0)]
    assert wind_at(rows, WEATHER, NOON, 3 * HOUR) == 1.0
    assert wind_at(rows, WEATHER, NOON + timedelta(microseconds=1), 3 * HOUR) is None


def test_null_moments_never_count() -> None:
    """Without a time or a `known_at` a row is never known."""
    rows: list[Row] = [{"origin": "JFK", "observed": None, "wind": 1.0, "told": NOON}, told(10, 2.0, at=None)]
    assert wind_at(rows, CORRECTED, NOON) is None


def test_other_keys_and_null_keys_are_not_answered() -> None:
    """A key finds only its own rows, and a null key finds none, not even rows with a null key."""
    rows: list[Row] = [observed(10, 1.0, origin="LGA"), {"origin": None, "observed": NOON, "wind": 2.0}]
    assert wind_at(rows, WEATHER, NOON) is None
    assert wind_at(rows, WEATHER, NOON, key=(None,)) is None


def test_table_without_time_answers_by_key_alone() -> None:
    """A static table has one row per key and no age."""
    planes: list[Row] = [{"tailnum": "N1", "seats": 55}, {"tailnum": "N2", "seats": 182}]
    assert newest_row(planes, Facts(("tailnum",)), ("N2",), NOON, max_age_us=HOUR) == planes[1]


def test_window_holds_its_start_and_not_its_end() -> None:
    """Yesterday's noon is inside, today's is not: nothing is part of its own history."""
    start: Row = {"carrier": "UA", "landed": NOON - timedelta(days=1), "delay": 1}
    earlier: Row = {"carrier": "UA", "landed": NOON - timedelta(days=1, microseconds=1), "delay": 10}
    assert over_a_day([earlier, start, landed(11, 2), landed(12, 100)], "sum") == 3


def test_window_leaves_out_what_is_not_known_yet() -> None:
    """A landing of 11:00 known an hour and a half later is not in the window at noon."""
    late = Facts(("carrier",), time="landed", delay_us=90 * MINUTE)
    rows = [landed(10, 5), landed(11, 7)]
    assert window(rows, late, ("UA",), NOON, width_us=24 * HOUR, column="delay", reduction="sum") == 5


def test_nulls_do_not_count() -> None:
    """Counts and means go over the values that are there."""
    rows = [landed(9, 4), landed(10, None), landed(11, 5)]
    assert over_a_day(rows, "count") == 2
    assert over_a_day(rows, "mean") == 4.5


@pytest.mark.parametrize("reduction", get_args(Reduction))
def test_empty_window(reduction: Reduction) -> None:
    """Nothing counts: zero rows, values and sum, else nothing."""
    answer = 0 if reduction in {"count", "sum", "n_unique"} else None
    assert over_a_day([landed(9, 4, carrier="AA"), landed(13, 4)], reduction) == answer


def test_reductions_of_a_window() -> None:
    """Worked out by hand: of 5, 1, 1 and 9 in the order of their times."""
    rows = [landed(10, 1), landed(9, 5), landed(11, 9), landed(8, None), landed(10, 1)]
    answers = {"min": 1, "max": 9, "first": 5, "last": 9, "n_unique": 3, "mean": 4.0, "std": math.sqrt(44 / 3)}
    assert {name: over_a_day(rows, name) for name in get_args(Reduction) if name in answers} == answers


def test_ends_of_a_window_at_equal_times() -> None:
    """The last is the one told last, then the later row; the first the one told first, then the earlier row."""
    rows = [told(10, 1.0, at=11), told(10, 2.0, at=10), told(10, 3.0, at=11), told(10, 4.0, at=10)]
    ends = [window(rows, CORRECTED, ("JFK",), NOON, width_us=24 * HOUR, column="wind", reduction=each) for each in ENDS]
    assert ends == [2.0, 3.0]


def test_window_over_all_rows() -> None:
    """Without key columns every row is meant."""
    rows = [landed(9, 1, carrier="AA"), landed(10, 2)]
    assert window(rows, Facts((), time="landed"), (), NOON, width_us=24 * HOUR, column="delay", reduction="sum") == 3


def test_count_takes_any_column() -> None:
    """Texts are counted like numbers."""
    assert window([landed(9, 1)], LANDINGS, ("UA",), NOON, width_us=24 * HOUR, column="carrier", reduction="count") == 1


def test_integers_are_summed_as_they_are() -> None:
    """Beyond 2**53 an integer sum is still exact."""
    assert over_a_day([landed(9, 2**53), landed(10, 1)], "sum") == 2**53 + 1


def test_floats_are_summed_on_the_grid() -> None:
    """0.1 becomes 104858 steps of 2**-20, so ten of them are 1048580 steps."""
    rows = [landed(9, 0.1)] * 10
    assert over_a_day(rows, "sum") == 1_048_580 / 2**20
    assert over_a_day(rows, "mean") == 1_048_580 / 2**20 / 10


def test_half_a_step_goes_up() -> None:
    """Rounding is floor(x + 1/2), for negative numbers too."""
    half = 0.5 / 2**20
    assert over_a_day([landed(9, half)], "sum") == 1 / 2**20
    assert over_a_day([landed(9, -half)], "sum") == 0.0


def test_order_of_floats_does_not_matter() -> None:
    """Numbers that a float sum would add differently in another order."""
    values = [1e9, 0.1, -1e9, 0.2, 1e-3]
    sums = {over_a_day([landed(9, value) for value in order], "sum") for order in (values, values[::-1], sorted(values))}
    assert len(sums) == 1
