"""When something happens: triggers of the clock, and how triggers are joined."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, NoReturn

from millstream.kernel.declarations import Declaration, calendar_duration, expect, refusal

FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
"""The fields of a cron line, with the least and the greatest number of each; Sunday is 0 and 7."""
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
LONGEST_WAIT = timedelta(days=366 * 8 + 2)
"""Between two 29ths of February there may be eight years."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Trigger(Declaration):
    """A condition that is true or not at a moment. `|`: either; `&`: both."""

    noun: ClassVar[str] = "trigger"

    def __or__(self, other: Trigger) -> AnyOf:
        """True when either is."""
        other = expect(other, Trigger, "what stands after '|'", wanted="a trigger")
        return AnyOf(parts=(*_parts(self, AnyOf), *_parts(other, AnyOf)))

    def __and__(self, other: Trigger) -> AllOf:
        """True when both are."""
        other = expect(other, Trigger, "what stands after '&'", wanted="a trigger")
        return AllOf(parts=(*_parts(self, AllOf), *_parts(other, AllOf)))

    def __bool__(self) -> NoReturn:
        """Refused: `or`, `and` and `not` would silently drop a trigger."""
        raise refusal(f"{self.title}: true or false only when evaluated", hint="join triggers by '|' and '&', not by 'or' and 'and'")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Every(Trigger):
    """True each time so much time has passed."""

    noun: ClassVar[str] = "every"
    duration: str

    @property
    def title(self) -> str:
        """The duration is its name."""
        return f"every {self.duration}"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Cron(Trigger):
    """True each time the clock (UTC) passes a moment that the line names."""

    noun: ClassVar[str] = "cron"
    line: str
    fields: tuple[frozenset[int], ...] = field(init=False)

    def __post_init__(self) -> None:
        """Read the line; a line that names no moment at all is refused."""
        object.__setattr__(self, "fields", _cron_fields(self.line))
        if self.next_after(datetime(2000, 1, 1, tzinfo=UTC)) is None:
            raise refusal(f"cron: '{self.line}' never comes", hint="is there such a day in that month?")
        super().__post_init__()

    @property
    def title(self) -> str:
        """The line is its name."""
        return f"cron '{self.line}'"

    def next_after(self, moment: datetime) -> datetime | None:
        """The first moment of the line after that one, in UTC; None if there is none."""
        minutes, hours, *_ = self.fields
        start = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = start.replace(hour=0, minute=0)
        while day - start < LONGEST_WAIT:
            if self._is_on(day):
                moments = (day.replace(hour=hour, minute=minute) for hour in sorted(hours) for minute in sorted(minutes))
                found = next((each for each in moments if each >= start), None)
                if found is not None:
                    return found
            day += timedelta(days=1)
        return None

    def _is_on(self, day: datetime) -> bool:
        """Whether a day is meant: if both kinds of day are restricted, either will do, as in every cron."""
        _, _, of_month, months, of_week = self.fields
        by_month, by_week = day.day in of_month, day.isoweekday() % 7 in of_week
        restricted = len(of_month) < 31 and len(of_week) < 7
        return day.month in months and (by_month or by_week if restricted else by_month and by_week)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class AnyOf(Trigger):
    """True when one of its parts is."""

    noun: ClassVar[str] = "any of several triggers"
    parts: tuple[Trigger, ...]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class AllOf(Trigger):
    """True when all of its parts are."""

    noun: ClassVar[str] = "all of several triggers"
    parts: tuple[Trigger, ...]


def every(duration: str, /) -> Every:
    """A trigger of the clock: `every("10m")`, `every("1mo")`. Raises DeclarationError if the duration is malformed."""
    return Every(duration=calendar_duration(duration, "every"))


def cron(line: str, /) -> Cron:
    """A trigger of the clock in the five fields of cron, in UTC: `cron("0 4 1 * *")` is four o'clock on the first of each month.

    Minute, hour, day of month, month, day of week; each is `*`, a number, a name (`mon`, `jan`), a range `1-5`, steps `*/15`, or
    several of these with commas. `@hourly @daily @weekly @monthly @yearly` are known. Raises DeclarationError if it is malformed.
    """
    return Cron(line=expect(line, str, "cron: the line", wanted="a text of five fields"))


def _cron_fields(line: str) -> tuple[frozenset[int], ...]:
    parts = SHORTHANDS.get(line.strip().lower(), line).lower().split()
    if len(parts) != len(FIELDS):
        named = ", ".join(name for name, _, _ in FIELDS)
        raise refusal(f"cron: '{line}' has {len(parts)} fields, not five", hint=f"{named}, as in '0 4 1 * *'")
    minute, hour, of_month, month, of_week = (
        frozenset(number for piece in part.split(",") for number in _cron_piece(piece, *known, line))
        for part, known in zip(parts, FIELDS, strict=True)
    )
    return minute, hour, of_month, month, frozenset(number % 7 for number in of_week)


def _cron_piece(piece: str, name: str, least: int, greatest: int, line: str) -> range:
    """The numbers of `*`, `7`, `1-5`, `*/15` or `8-18/2`."""
    span, slash, step_text = piece.partition("/")
    first_text, dash, last_text = span.partition("-")
    first = least if span == "*" else _cron_number(first_text, name)
    last = greatest if span == "*" or (slash and not dash) else _cron_number(last_text, name) if dash else first
    step = int(step_text) if step_text.isdecimal() else 0 if slash else 1
    if first is None or last is None or step < 1 or not least <= first <= last <= greatest:
        raise refusal(f"cron: '{piece}' in '{line}' is no {name}", hint=f"numbers from {least} to {greatest}, as in '*', '5', '1-5' or '*/15'")
    return range(first, last + 1, step)


def _cron_number(text: str, name: str) -> int | None:
    if text.isdecimal():
        return int(text)
    names = {"month": MONTHS, "day of week": DAYS}.get(name, ())
    return names.index(text) + (name == "month") if text in names else None


def _parts(trigger: Trigger, kind: type[AnyOf | AllOf]) -> tuple[Trigger, ...]:
    return trigger.parts if isinstance(trigger, kind) else (trigger,)
