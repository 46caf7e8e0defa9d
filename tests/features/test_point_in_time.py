"""The point-in-time join: cases with answers worked out by hand, and any case against the reference."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import brute_force
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.errors import ColumnError
from millstream.features.point_in_time import newest_rows
from millstream.kernel.facts import Facts

Row = dict[str, object]

MOMENT = pl.Datetime("us", "UTC")
MINUTE = 60_000_000
HOUR = 60 * MINUTE
NOON = datetime(2013, 6, 1, 12, tzinfo=UTC)
WEATHER = Facts(("origin",), time="observed", delay=20 * MINUTE)
CORRECTED = Facts(("origin",), time="observed", known_at="told")
PLANES = Facts(("tailnum",))
OBSERVED = {"origin": pl.String(), "observed": MOMENT, "told": MOMENT, "wind": pl.Int64()}


def observed(hour: int, wind: int | None, *, minute: int = 0, told: int | None = None, origin: str | None = "JFK") -> Row:
    """An observation of the first of June, told at the hour `told` (by default when it was made)."""
    at = datetime(2013, 6, 1, hour, minute, tzinfo=UTC)
    return {"origin": origin, "observed": at, "told": at if told is None else datetime(2013, 6, 1, told, tzinfo=UTC), "wind": wind}


def asked_of(view: pl.DataFrame, facts: Facts, questions: list[tuple[str | None, datetime]], max_age: int | None = None) -> pl.DataFrame:
    """What the view answers to some airports and moments."""
    rows = pl.DataFrame({"from": [origin for origin, _ in questions]}, schema={"from": pl.String})
    asked = pl.Series([at for _, at in questions], dtype=MOMENT).cast(pl.Int64)
    return newest_rows(rows, view, on=["from"], facts=facts, asked=asked, max_age=max_age)


def wind_at(rows: list[Row], facts: Facts, at: datetime = NOON, *, origin: str | None = "JFK", max_age: int | None = None) -> object:
    """The wind at one airport and moment."""
    view = pl.DataFrame(rows, schema=OBSERVED)
    return asked_of(view.drop("told") if facts.known_at is None else view, facts, [(origin, at)], max_age).item(0, "wind")


def seats_of(tailnum: object, planes: pl.DataFrame, at: datetime | None = NOON) -> object:
    """The seats of one plane."""
    asked = None if at is None else pl.Series([at], dtype=MOMENT).cast(pl.Int64)
    return newest_rows(pl.DataFrame({"plane": [tailnum]}), planes, on=["plane"], facts=PLANES, asked=asked).item(0, "seats")


def test_newest_row_answers() -> None:
    """The row with the greatest time, wherever it stands."""
    assert wind_at([observed(10, 1), observed(11, 2), observed(9, 3)], WEATHER) == 2


def test_feature_that_is_not_known_yet() -> None:
    """An observation of 11:41 comes 20 minutes later: at noon the one before it answers."""
    assert wind_at([observed(10, 1), observed(11, 2, minute=41)], WEATHER) == 1


def test_feature_that_has_not_happened_yet() -> None:
    """A forecast for 13:00 that was told at 9:00 does not count at noon."""
    assert wind_at([observed(13, 1, told=9)], CORRECTED) is None


def test_feature_is_known_when_its_delay_is_over() -> None:
    """An observation of 11:40 counts at 12:00, and not a microsecond before."""
    rows = [observed(10, 1), observed(11, 2, minute=40)]
    assert wind_at(rows, WEATHER, NOON) == 2
    assert wind_at(rows, WEATHER, NOON - timedelta(microseconds=1)) == 1


def test_late_news_of_an_older_day_does_not_replace_newer() -> None:
    """What happened last wins over what was told last."""
    assert wind_at([observed(11, 1, told=11), observed(9, 2, told=12)], CORRECTED) == 1


def test_late_news_answers_until_something_newer_is_known() -> None:
    """What was told at 11:30 about 9:00 is the newest there is until the observation of 10:00 is told."""
    rows = [observed(8, 1), observed(10, 3, told=13), observed(9, 2, told=11)]
    assert [wind_at(rows, CORRECTED, NOON + timedelta(hours=hours)) for hours in (-2, 0, 1)] == [1, 2, 3]


@pytest.mark.parametrize("turned", [False, True])
def test_correction_wins(turned: bool) -> None:
    """Of two rows about one moment the one known last answers, whichever stands first."""
    rows = [observed(10, 1, told=10), observed(10, 2, told=11)]
    assert wind_at(rows[::-1] if turned else rows, CORRECTED) == 2


def test_correction_does_not_answer_before_it_is_told() -> None:
    """Until then the row that it corrects does."""
    rows = [observed(10, 2, told=11), observed(10, 1, told=10)]
    assert wind_at(rows, CORRECTED, NOON - timedelta(hours=1, microseconds=1)) == 1


@pytest.mark.parametrize("turned", [False, True])
def test_correction_of_a_forecast_wins(turned: bool) -> None:
    """Both were told before the hour they are about, so both count from then on: still the one told last answers."""
    rows = [observed(11, 1, told=8), observed(11, 2, told=9)]
    assert wind_at(rows[::-1] if turned else rows, CORRECTED) == 2


def test_later_row_wins_if_all_else_is_equal() -> None:
    """Equal in time and knowledge: the later row of the snapshot."""
    assert wind_at([observed(10, 1), observed(10, 2)], CORRECTED) == 2


def test_row_may_be_exactly_as_old_as_its_limit() -> None:
    """Three hours old is not older than three hours; a microsecond later it is."""
    assert wind_at([observed(9, 1)], WEATHER, NOON, max_age=3 * HOUR) == 1
    assert wind_at([observed(9, 1)], WEATHER, NOON + timedelta(microseconds=1), max_age=3 * HOUR) is None


def test_null_in_the_newest_row_is_the_answer() -> None:
    """An older value does not stand in for it."""
    assert wind_at([observed(10, 1), observed(11, None)], WEATHER) is None


def test_null_moments_never_count() -> None:
    """Without a time or a `known_at` a row is never known."""
    untold = observed(11, 2) | {"told": None}
    undated = observed(11, 3) | {"observed": None}
    assert wind_at([observed(10, 1), untold, undated], CORRECTED) == 1


def test_key_that_is_absent() -> None:
    """Other keys do not answer for it."""
    assert wind_at([observed(10, 1, origin="LGA")], WEATHER) is None


def test_view_without_rows() -> None:
    """Everything is null."""
    assert wind_at([], WEATHER) is None


def test_null_key_finds_nothing() -> None:
    """Not even rows with a null key."""
    assert wind_at([observed(10, 1, origin=None), observed(10, 2)], WEATHER, origin=None) is None


def test_view_counts_at_the_very_moment_asked() -> None:
    """Equal times of question and view: what is known at that moment is known."""
    assert wind_at([observed(12, 1)], CORRECTED, NOON) == 1


def test_same_question_twice() -> None:
    """Each is answered."""
    view = pl.DataFrame([observed(10, 1), observed(11, 2)], schema=OBSERVED)
    assert asked_of(view, CORRECTED, [("JFK", NOON), ("JFK", NOON)]).get_column("wind").to_list() == [2, 2]


def test_questions_keep_their_order() -> None:
    """In no order of time or key, with a key and a moment that come twice: one answer each, in place."""
    view = pl.DataFrame([observed(9, 1), observed(11, 2), observed(8, 3, origin="LGA")], schema=OBSERVED)
    early = NOON - timedelta(hours=2)
    questions: list[tuple[str | None, datetime]] = [
        ("LGA", NOON),
        ("JFK", NOON),
        ("XXX", NOON),
        ("JFK", early),
        (None, early),
        ("LGA", early),
        ("JFK", NOON),
    ]
    assert asked_of(view, CORRECTED, questions).get_column("wind").to_list() == [3, 2, None, 1, None, 3, 2]


def test_no_questions() -> None:
    """No rows come back, with the columns of the view."""
    found = asked_of(pl.DataFrame([observed(9, 1)], schema=OBSERVED), CORRECTED, [])
    assert found.schema == {"wind": pl.Int64}
    assert found.height == 0


def test_only_columns_that_are_no_facts_come_back() -> None:
    """Key, time and `known_at` stay behind."""
    assert asked_of(pl.DataFrame([observed(9, 1)], schema=OBSERVED), CORRECTED, [("JFK", NOON)]).columns == ["wind"]


@pytest.mark.parametrize("at", [NOON, None])
def test_static_view(at: datetime | None) -> None:
    """Without a time it answers by key alone, to questions with a time and without."""
    planes = pl.DataFrame({"tailnum": ["N1", "N2"], "seats": [55, 182]})
    assert seats_of("N2", planes, at) == 182
    assert seats_of("N3", planes, at) is None


def test_static_view_with_a_key_twice_is_refused() -> None:
    """It would be a matter of luck which row answers."""
    with pytest.raises(ColumnError, match="several rows for one tailnum"):
        seats_of("N1", pl.DataFrame({"tailnum": ["N1", "N1"], "seats": [55, 182]}))


def test_several_key_columns() -> None:
    """All of them must agree; they are matched in the order in which they are named."""
    facts = Facts(("dest", "origin"), time="observed")
    at = [NOON - timedelta(hours=hours) for hours in (1, 2, 3)]
    view = pl.DataFrame({"origin": ["A", "B", "A"], "dest": ["B", "A", "C"], "observed": at, "wind": [1, 2, 3]})
    questions = pl.DataFrame({"here": ["A", "B", "A", "C", None], "there": ["B", "A", "C", "A", "B"]})
    asked = pl.Series([NOON] * 5, dtype=MOMENT).cast(pl.Int64)
    found = newest_rows(questions, view, on=["there", "here"], facts=facts, asked=asked)
    assert found.get_column("wind").to_list() == [1, 2, 3, None, None]


def test_key_of_another_type_is_refused() -> None:
    """Both columns and both types are named."""
    with pytest.raises(ColumnError) as caught:
        seats_of(7, pl.DataFrame({"tailnum": ["7"], "seats": [55]}))
    assert "column 'plane' is Int64 in the question, but the key 'tailnum' of the view is String" in str(caught.value)


def test_key_that_is_null_in_all_questions() -> None:
    """A column without a type finds nothing."""
    assert seats_of(None, pl.DataFrame({"tailnum": ["7"], "seats": [55]})) is None


# any case: few keys, few moments, so that ties and late news are frequent

START = datetime(2013, 6, 1, tzinfo=UTC)
keys = st.sampled_from(["JFK", "LGA", None])
moments = st.integers(0, 4).map(lambda hour: START + timedelta(hours=hour))
maybe_moments = st.one_of(st.none(), moments, moments, moments)
views = st.lists(st.tuples(keys, maybe_moments, maybe_moments), max_size=14)
asks = st.lists(st.tuples(keys, moments), max_size=8)
ages = st.one_of(st.none(), st.integers(0, 3).map(lambda hours: hours * HOUR))
delays = st.sampled_from([0, HOUR, HOUR // 2])


@settings(max_examples=150, deadline=None)
@given(rows=views, questions=asks, max_age=ages, delay=delays, told=st.booleans())
def test_any_view_answers_as_the_reference(
    rows: list[tuple[str | None, datetime | None, datetime | None]],
    questions: list[tuple[str | None, datetime]],
    max_age: int | None,
    delay: int,
    told: bool,
) -> None:
    """The row found is that of the reference, for every question."""
    facts = Facts(("origin",), "observed", "told" if told else None, delay)
    table = [{"origin": key, "observed": time, "told": known, "wind": place} for place, (key, time, known) in enumerate(rows)]
    view = pl.DataFrame(table, schema=OBSERVED)

    found = asked_of(view if told else view.drop("told"), facts, questions, max_age).get_column("wind").to_list()

    reference = brute_force.Facts(facts.key, facts.time, facts.known_at, facts.delay)
    expected = [brute_force.newest_row(table, reference, (key,), at, max_age_us=max_age) for key, at in questions]
    assert found == [row and row["wind"] for row in expected]


@settings(max_examples=50, deadline=None)
@given(rows=views, questions=asks)
def test_what_comes_later_changes_nothing(
    rows: list[tuple[str | None, datetime | None, datetime | None]], questions: list[tuple[str | None, datetime]]
) -> None:
    """Without the rows that become available after the last question the answers are the same."""
    numbered = [{"origin": key, "observed": time, "told": known, "wind": place} for place, (key, time, known) in enumerate(rows)]
    view = pl.DataFrame(numbered, schema=OBSERVED)
    last = max((at for _, at in questions), default=START)
    known = view.filter(pl.max_horizontal("observed", "told") <= last)
    assert asked_of(view, CORRECTED, questions).equals(asked_of(known, CORRECTED, questions))
