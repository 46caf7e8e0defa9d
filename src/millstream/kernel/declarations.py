"""Declared values: frozen, compared by identity, and aware of the user's line that made them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import ClassVar, TypeVar, cast, overload

from millstream.errors import DeclarationError, did_you_mean
from millstream.kernel.durations import add, microseconds
from millstream.kernel.facts import Facts
from millstream.kernel.preview import Previewed

Columns = str | Sequence[str]
"""One column, or several."""

T = TypeVar("T")

_made: ContextVar[list[Declaration] | None] = ContextVar("made", default=None)
_BETWEEN = {"millstream", "contextlib", "dataclasses", "functools"}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Declaration:
    """Something a user's file says: made on import, and run by nobody until a command asks for it.

    `where` is the `file:line` of the user's line that made it.
    """

    noun: ClassVar[str] = "declaration"
    unreadable: ClassVar[str] = "only a source, step or feature view can be read"
    where: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Note the user's line, and tell the collector of the import."""
        object.__setattr__(self, "where", user_line())
        made = _made.get()
        if made is not None:
            made.append(self)

    @property
    def title(self) -> str:
        """What it is, and what it is called as far as it knows."""
        return self.noun

    def __repr__(self) -> str:
        """What it is; nothing has run."""
        return f"<{self.title}: declared, not run>"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Readable(Declaration):
    """A declaration that a step can read: a table, the items of a list, a trained model.

    `for_steps_alone`: views and labels may not even read what steps make of it.
    """

    for_steps_alone: ClassVar[bool] = False

    @property
    def made_of(self) -> tuple[Readable, ...]:
        """What it is made of, as far as it is made of other declarations."""
        return ()


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Table(Previewed, Readable):
    """A declaration that a step, view or label can read. `facts` are declared, or inherited from its first input."""

    facts: Facts = field(init=False)


@contextmanager
def collecting() -> Generator[list[Declaration]]:
    """Gather every declaration made in the block, in the order made."""
    made: list[Declaration] = []
    token = _made.set(made)
    try:
        yield made
    finally:
        _made.reset(token)


def user_line() -> str:
    """The innermost `file:line` outside millstream."""
    frame = inspect.currentframe()
    while frame is not None and _is_between(frame):
        frame = frame.f_back
    if frame is None:
        return "unknown"
    file = frame.f_code.co_filename
    return f"{file if file.startswith('<') else Path(file).absolute()}:{frame.f_lineno}"


def refusal(message: str, *, hint: str | None = None) -> DeclarationError:
    """The error that names the user's line."""
    return DeclarationError(message, where=user_line(), hint=hint)


def describe(value: object) -> str:
    """A few words for any value, to be put in an error."""
    if isinstance(value, Declaration):
        return f"{value.title} (declared at {value.where})"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, str | int | float) or value is None:
        return repr(value)
    return f"{_article(type(value).__name__)} object"


def expect(value: object, kind: type[T] | tuple[type[T], ...], role: str, *, wanted: str, hint: str | None = None) -> T:
    """The value, if it is of that kind; else a refusal that names role and culprit."""
    if isinstance(value, kind):
        return value
    raise refusal(f"{role} must be {wanted}, not {describe(value)}", hint=hint)


def expect_each(values: object, kind: type[T], role: str, *, wanted: str, hint: str | None = None) -> tuple[T, ...]:
    """The values as a tuple, if there is a list of them and each is of that kind."""
    if isinstance(values, str | Declaration) or not isinstance(values, Iterable):
        raise refusal(f"{role} must be a list, each item {wanted}; it is {describe(values)}", hint="put it in square brackets")
    items = cast("Iterable[object]", values)
    return tuple(expect(value, kind, f"each of {role}", wanted=wanted, hint=hint) for value in items)


@overload
def names(columns: None, option: str) -> None: ...
@overload
def names(columns: Columns, option: str) -> tuple[str, ...]: ...
def names(columns: Columns | None, option: str) -> tuple[str, ...] | None:
    """Column names as a tuple; one name may come alone."""
    if columns is None:
        return None
    listed = (columns,) if isinstance(columns, str) else expect_each(columns, str, option, wanted="a column's name")
    if "" in listed:
        raise refusal(f"{option}: a column's name is empty")
    if len(set(listed)) < len(listed):
        twice = next(name for name in listed if listed.count(name) > 1)
        raise refusal(f"{option}: column '{twice}' is named twice")
    return listed


def optional_name(column: str | None, option: str) -> str | None:
    """A column's name, or None."""
    return None if column is None else expect(column, str, option, wanted="one column's name")


def expect_number(value: object, option: str, *, low: float, high: float = math.inf, whole: bool = False) -> None:
    """Refuse what is not a number from `low` to `high`, both included; `whole`: not an integer."""
    kinds = int if whole else int | float
    kind = "a whole number" if whole else "a number"
    limits = f"from {low:g} to {high:g}" if high < math.inf else f"of at least {low:g}"
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high or value == math.inf:
        raise refusal(f"{option} must be {kind} {limits}, not {describe(value)}")


def expect_choice(value: object, known: Iterable[str], option: str) -> None:
    """Refuse a word that is not one of those known."""
    words = list(known)
    if value not in words:
        close = did_you_mean(value, words) if isinstance(value, str) else None
        raise refusal(f"{option}: there is no {describe(value)}", hint=close or f"one of: {', '.join(words)}")


def fixed_duration(duration: str, option: str, *, positive: bool = True) -> int:
    """Microseconds of a duration that must not depend on the calendar; refused with the option's name otherwise."""
    text = expect(duration, str, option, wanted="a duration such as '3h'")
    try:
        length = microseconds(text)
    except DeclarationError as error:
        raise refusal(f"{option}: {error.message}", hint=error.hint) from None
    if positive and length == 0:
        raise refusal(f"{option}: '{text}' is no time at all", hint="give a duration longer than zero")
    return length


def calendar_duration(duration: str, option: str) -> str:
    """The text of a duration longer than zero that may follow the calendar; refused with the option's name otherwise."""
    text = expect(duration, str, option, wanted="a duration such as '30d'")
    start = datetime(2000, 1, 1, tzinfo=UTC)
    try:
        later = add(start, text)
    except DeclarationError as error:
        raise refusal(f"{option}: {error.message}", hint=error.hint) from None
    if later == start:
        raise refusal(f"{option}: '{text}' is no time at all", hint="give a duration longer than zero")
    return text


def _is_between(frame: FrameType) -> bool:
    module = frame.f_globals.get("__name__", "")
    return isinstance(module, str) and module.partition(".")[0] in _BETWEEN


def _article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
