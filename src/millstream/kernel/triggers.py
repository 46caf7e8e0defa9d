"""When something happens: triggers of the clock, and how triggers are joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NoReturn

from millstream.kernel.declarations import Declaration, calendar_duration, expect, refusal


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


def _parts(trigger: Trigger, kind: type[AnyOf | AllOf]) -> tuple[Trigger, ...]:
    return trigger.parts if isinstance(trigger, kind) else (trigger,)
