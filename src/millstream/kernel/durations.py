"""Durations as polars writes them: `15m`, `3h`, `1d12h`, `1mo`."""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timedelta

from millstream.errors import DeclarationError, did_you_mean

Duration = str
"""Numbers with units, largest first by custom: `us ms s m h d w` are fixed, `mo q y` follow the calendar."""

MICROSECONDS = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
MONTHS = {"mo": 1, "q": 3, "y": 12}
FIXED_INSTEAD = {"mo": 30, "q": 91, "y": 365}
SPELLED = {
    "microsecond": "us", "millisecond": "ms", "sec": "s", "second": "s", "min": "m", "minute": "m", "hr": "h", "hour": "h",
    "day": "d", "week": "w", "month": "mo", "quarter": "q", "yr": "y", "year": "y",
}  # fmt: skip

_PART = re.compile(r"(\d+)(us|ms|mo|s|m|h|d|w|q|y)")


def microseconds(duration: str) -> int:
    """The length of a fixed duration in microseconds.

    Raises DeclarationError if the text is malformed or has a calendar unit, whose length depends on the date.
    """
    parts = _parts(duration)
    months = [(number, unit) for number, unit in parts if unit in MONTHS]
    if months:
        days = sum(number * FIXED_INSTEAD[unit] for number, unit in months)
        raise DeclarationError(f"'{duration}' has no fixed length", hint=f"a fixed duration is wanted here: say '{days}d' instead")
    return sum(number * MICROSECONDS[unit] for number, unit in parts)


def add(moment: datetime, duration: str, *, times: int = 1) -> datetime:
    """The moment so many durations later (earlier if `times` is negative).

    Calendar units keep the day of the month, or take the last day of a shorter month; they are added before the fixed units.
    Raises DeclarationError if the text is malformed or the moment falls outside the years 1 to 9999.
    """
    parts = _parts(duration)
    months = times * sum(number * MONTHS[unit] for number, unit in parts if unit in MONTHS)
    fixed = times * sum(number * MICROSECONDS[unit] for number, unit in parts if unit in MICROSECONDS)
    try:
        return _add_months(moment, months) + timedelta(microseconds=fixed)
    except (OverflowError, ValueError):
        raise DeclarationError(f"{times} x '{duration}' from {moment} is beyond the calendar (years 1 to 9999)") from None


def _add_months(moment: datetime, months: int) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


def _parts(duration: str) -> list[tuple[int, str]]:
    parts = _PART.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise DeclarationError(f"'{duration}' is not a duration", hint=_suggestion(duration))
    return [(int(number), unit) for number, unit in parts]


def _suggestion(duration: str) -> str:
    written = re.fullmatch(r"\s*(\d+)\s*([a-z]+?)s?\s*", duration.lower())
    if written:
        number, word = written.groups()
        unit = SPELLED.get(word, word)
        meant = f"{number}{unit}"
        if _PART.fullmatch(meant):
            return f"did you mean '{meant}'?"
        close = did_you_mean(word, SPELLED)
        if close:
            return f"did you mean '{number}{SPELLED[close.split(chr(39))[1]]}'?"
    return "write numbers with units, as in '15m', '3h', '30d', '1d12h' or '1mo' (us ms s m h d w mo q y)"
