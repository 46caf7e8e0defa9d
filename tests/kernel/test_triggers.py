"""Cron lines: which moments they name, against every minute tried one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import millstream as ms
from millstream.errors import DeclarationError

START = datetime(2024, 2, 27, 23, 58, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("* * * * *", "2024-02-27T23:59"),
        ("*/15 * * * *", "2024-02-28T00:00"),
        ("5/20 * * * *", "2024-02-28T00:05"),
        ("0 4 1 * *", "2024-03-01T04:00"),
        ("30 8-18/2 * * mon-fri", "2024-02-28T08:30"),
        ("0 0 29 2 *", "2024-02-29T00:00"),
        ("0 0 * * 7", "2024-03-03T00:00"),
        ("0 0 13 * FRI", "2024-03-01T00:00"),
        ("15,45 6 * jan,mar *", "2024-03-01T06:15"),
        ("@monthly", "2024-03-01T00:00"),
    ],
)
def test_next_moment(line: str, moment: str) -> None:
    """Names, ranges, steps and lists; of two kinds of day either will do."""
    assert ms.cron(line).next_after(START) == datetime.fromisoformat(moment).replace(tzinfo=UTC)


def test_next_moment_is_after() -> None:
    """At the moment itself the next one is meant."""
    four = datetime(2024, 3, 1, 4, tzinfo=UTC)
    assert ms.cron("0 4 1 * *").next_after(four) == datetime(2024, 4, 1, 4, tzinfo=UTC)


def test_leap_day_is_waited_for() -> None:
    """Eight years where a century has none."""
    assert ms.cron("0 0 29 2 *").next_after(datetime(2096, 3, 1, tzinfo=UTC)) == datetime(2104, 2, 29, tzinfo=UTC)


PIECES = (
    ["*", "0", "7,39", "*/20", "50-59"],
    ["*", "3", "22-23", "*/6"],
    ["*", "1", "28-31", "*/9"],
    ["*", "3", "feb", "2-3"],
    ["*", "0", "tue,thu", "6-7"],
)


@settings(max_examples=60, deadline=None)
@given(parts=st.tuples(*(st.sampled_from(each) for each in PIECES)), minutes=st.integers(0, 3 * 1440))
def test_no_moment_is_left_out(parts: tuple[str, ...], minutes: int) -> None:
    """The next moment is the first of the following minutes that the line names."""
    trigger = ms.cron(" ".join(parts))
    start = START + timedelta(minutes=minutes)
    named = (start.replace(second=0) + timedelta(minutes=minute) for minute in range(1, 3000))
    found = trigger.next_after(start)
    first = next((moment for moment in named if is_named(moment, *trigger.fields)), None)
    assert found == first if first else found is None or found - start > timedelta(minutes=2998)


def is_named(moment: datetime, *fields: frozenset[int]) -> bool:
    """Whether a minute is one of a line, by the rule of every cron."""
    minute, hour, of_month, month, of_week = fields
    days = (moment.day in of_month, moment.isoweekday() % 7 in of_week)
    day = any(days) if len(of_month) < 31 and len(of_week) < 7 else all(days)
    return moment.minute in minute and moment.hour in hour and moment.month in month and day


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0 4 1 *", "has 4 fields, not five"),
        ("60 * * * *", "'60' in '60 * * * *' is no minute"),
        ("0 24 * * *", "is no hour"),
        ("0 0 * foo *", "'foo' in '0 0 * foo *' is no month"),
        ("0 0 5-2 * *", "'5-2' in '0 0 5-2 * *' is no day of month"),
        ("*/0 * * * *", "is no minute"),
        ("0 0 30 2 *", "'0 0 30 2 *' never comes"),
    ],
)
def test_line_that_is_none(line: str, told: str) -> None:
    """The piece is named, and what it should be."""
    with pytest.raises(DeclarationError) as caught:
        ms.cron(line)
    assert told in caught.value.message
    assert (caught.value.where or "").startswith(__file__)


def test_cron_is_joined_with_other_triggers() -> None:
    """It is a trigger as every other."""
    daily, monthly = ms.cron("@daily"), ms.every("30d")
    assert (daily | monthly).parts == (daily, monthly)
