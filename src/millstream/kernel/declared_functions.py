"""What steps, views and labels share: a plain function, the tables it reads, and its settings."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypedDict, cast, overload

from millstream.errors import did_you_mean
from millstream.kernel.declarations import Columns, Declaration, Readable, Table, describe, expect, expect_each, fixed_duration, refusal
from millstream.kernel.facts import Facts
from millstream.kernel.limits import NONE, Limits, Retries

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    F_co = TypeVar("F_co", bound=Callable[..., Any], covariant=True, default=Callable[..., Any])
else:
    from typing import TypeVar

    F_co = TypeVar("F_co", bound=Callable[..., Any], covariant=True)

F1 = TypeVar("F1", bound=Callable[[Any], Any])
F2 = TypeVar("F2", bound=Callable[[Any, Any], Any])
F3 = TypeVar("F3", bound=Callable[[Any, Any, Any], Any])
F4 = TypeVar("F4", bound=Callable[[Any, Any, Any, Any], Any])
F5 = TypeVar("F5", bound=Callable[[Any, Any, Any, Any, Any], Any])
F6 = TypeVar("F6", bound=Callable[[Any, Any, Any, Any, Any, Any], Any])
F7 = TypeVar("F7", bound=Callable[[Any, Any, Any, Any, Any, Any, Any], Any])
F8 = TypeVar("F8", bound=Callable[[Any, Any, Any, Any, Any, Any, Any, Any], Any])

One = tuple[Table]
Two = tuple[Table, Table]
Three = tuple[Table, Table, Table]
Four = tuple[Table, Table, Table, Table]
Five = tuple[Table, Table, Table, Table, Table]
Six = tuple[Table, Table, Table, Table, Table, Table]
Seven = tuple[Table, Table, Table, Table, Table, Table, Table]
Eight = tuple[Table, Table, Table, Table, Table, Table, Table, Table]

P = ParamSpec("P")
K = TypeVar("K")
A = Any
MOST_INPUTS = 8


class WithSettings:
    """The method `with_settings`, typed by the function's own keyword-only parameters.

    The overload with most inputs comes first, so that no input is left among the settings.
    """

    @overload
    def __get__(self, value: Function[Callable[Concatenate[A, A, A, A, A, A, A, A, P], Any]], kind: type[K]) -> Callable[P, K]: ...
    @overload
    def __get__(self, value: Function[Callable[Concatenate[A, A, A, A, A, A, A, P], Any]], kind: type[K]) -> Callable[P, K]: ...
    @overload
    def __get__(self, value: Function[Callable[Concatenate[A, A, A, A, A, A, P], Any]], kind: type[K]) -> Callable[P, K]: ...
    @overload
    def __get__(self, value: Function[Callable[Concatenate[A, A, A, A, A, P], Any]], kind: type[K]) -> Callable[P, K]: ...
    @overload
    def __get__(self, value: Function[Callable[Concatenate[A, A, A, A, P], Any]], kind: type[K]) -> Callable[P, K]: ...
    @overload
    def __get__(self, value: Function[Callable[Concatenate[A, A, A, P], Any]], kind: type[K]) -> Callable[P, K]: ...
    @overload
    def __get__(self, value: Function[Callable[Concatenate[A, A, P], Any]], kind: type[K]) -> Callable[P, K]: ...
    @overload
    def __get__(self, value: Function[Callable[Concatenate[A, P], Any]], kind: type[K]) -> Callable[P, K]: ...
    def __get__(self, value: Any, kind: Any) -> Any:
        """The same function with other settings, as a new value of the same kind."""
        return self if value is None else functools.partial(_with_settings, value)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Function(Declaration, Generic[F_co]):
    """A plain function, what it reads, and those of its settings that differ from the defaults.

    Its positional parameters are what it reads, its keyword-only parameters the settings.
    """

    function: F_co
    inputs: tuple[Readable, ...]
    settings: Mapping[str, object] = field(default_factory=dict[str, object])

    if TYPE_CHECKING:
        with_settings = WithSettings()

        @property
        def __name__(self) -> str:
            """The function's name."""
            ...

        @property
        def __wrapped__(self) -> F_co:
            """The function itself."""
            ...

        @property
        def __call__(self) -> F_co:
            """Call the plain function, with these settings."""
            ...

    else:
        with_settings = WithSettings()

        def __call__(self, *tables: object, **settings: object) -> object:
            """Call the plain function, with these settings."""
            return self.function(*tables, **{**self.settings, **settings})

    def __post_init__(self) -> None:
        """Take over the function's name and docstring, and check its parameters."""
        _check_function(self.noun, self.function)
        for attribute in functools.WRAPPER_ASSIGNMENTS:
            if hasattr(self.function, attribute):
                object.__setattr__(self, attribute, getattr(self.function, attribute))
        object.__setattr__(self, "__wrapped__", self.function)
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))
        _check_parameters(self)
        _check_settings(self)
        super().__post_init__()

    @property
    def title(self) -> str:
        """What it is, and its function's name."""
        return f"{self.noun} {_name(self.function)}"

    @property
    def defaults(self) -> dict[str, object]:
        """Every setting with its value: the function's default, or what this declaration says instead."""
        keywords = (parameter for parameter in _parameters(self.function) if parameter.kind is parameter.KEYWORD_ONLY)
        return {**{parameter.name: parameter.default for parameter in keywords}, **self.settings}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PiecewiseFunction(Function[F_co]):
    """A function that may say other facts than its first input's, and may run piece by piece."""

    key: tuple[str, ...] | None = None
    known_at: str | None = None
    partition: str | None = None
    lookback: str | None = None
    reads: tuple[str, ...] = ()
    limits: Limits = NONE

    def __post_init__(self) -> None:
        """Check the options that need each other."""
        if self.lookback is not None and self.partition is None:
            raise refusal(f"{self.title}: lookback needs a partition", hint="say partition='1d' too, or leave lookback out")
        for option, duration in (("partition", self.partition), ("lookback", self.lookback)):
            if duration is not None:
                fixed_duration(duration, f"{self.title}: {option}")
        super().__post_init__()


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FunctionTable(PiecewiseFunction[F_co], Table):
    """A function whose result is a table that others read."""

    time: str | None = None

    @property
    def made_of(self) -> tuple[Readable, ...]:
        """Its inputs."""
        return self.inputs

    def __post_init__(self) -> None:
        """Inherit the facts that are not declared, and check that they fit each other."""
        object.__setattr__(self, "facts", self._facts())
        if self.facts.time is None:
            for option in ("known_at", "partition"):
                if getattr(self, option) is not None:
                    raise refusal(f"{self.title}: {option} needs a time", hint="its first input has none: say time='column' too")
        super().__post_init__()

    def _facts(self) -> Facts:
        first = self.inputs[0]
        inherited = first.facts if isinstance(first, Table) else Facts()
        key = inherited.key if self.key is None else self.key
        if self.time not in {None, inherited.time}:
            return Facts(key, self.time, self.known_at)
        return Facts(key, inherited.time, self.known_at or inherited.known_at, inherited.delay)


class OperationalOptions(TypedDict, total=False):
    """How a function is run; only `reads` is part of its cache key. `memory` and `timeout` imply `isolate`."""

    reads: str | Sequence[str]
    isolate: bool
    memory: str | None
    timeout: str | None
    retries: Retries | None


class PiecewiseOptions(OperationalOptions, total=False):
    """Options of everything made by a function. `key`: columns; `known_at`: a column; `partition`, `lookback`: durations."""

    key: Columns | None
    known_at: str | None
    partition: str | None
    lookback: str | None


class TableOptions(PiecewiseOptions, total=False):
    """Options of a function whose result is a table. `time`: a column, which resets `known_at` and delay."""

    time: str | None


def input_tables(verb: str, inputs: Sequence[object]) -> tuple[Table, ...]:
    """The inputs, if they are one to eight tables that views may read; `verb` is the public name that was called."""
    tables = tuple(expect(value, Table, f"{verb}: an input", wanted="a table") for value in read_by(verb, inputs, Table))
    for table in tables:
        _refuse_what_is_for_steps_alone(verb, table)
    return tables


def read_by(verb: str, inputs: Sequence[object], kind: type[Readable]) -> tuple[Readable, ...]:
    """The inputs, if they are one to eight of that kind; `verb` is the public name that was called."""
    if not inputs:
        raise refusal(f"{verb}: no table is given", hint=f"name the tables the function reads, as in @ms.{verb}(table)")
    if len(inputs) > MOST_INPUTS:
        raise refusal(f"{verb}: {len(inputs)} tables are given, {MOST_INPUTS} at most", hint="join some of them in a step of their own")
    for value in inputs:
        if isinstance(value, Declaration) and not isinstance(value, kind):
            raise refusal(f"{verb}: {describe(value)} cannot be an input", hint=value.unreadable)
        if inspect.isfunction(value):
            hint = f"name the tables it reads, as in @ms.{verb}(table), and make tables of other functions with @ms.step"
            raise refusal(f"{verb}: the plain function {_name(value)} is given where a table is wanted", hint=hint)
    return tuple(expect(value, kind, f"{verb}: an input", wanted="a table") for value in inputs)


def _refuse_what_is_for_steps_alone(verb: str, table: Table) -> None:
    seen: set[Readable] = set()
    below: list[Readable] = [table]
    while below:
        each = below.pop()
        if each.for_steps_alone:
            raise refusal(f"{verb}: {describe(table)} is made with {describe(each)}", hint=each.unreadable)
        below += [one for one in each.made_of if one not in seen]
        seen |= set(each.made_of)


def files_read(verb: str, reads: object) -> tuple[str, ...]:
    """The paths of files that a function reads by itself; one may come alone."""
    return (reads,) if isinstance(reads, str) else expect_each(reads, str, f"{verb}: reads", wanted="the path of a file")


def _with_settings(value: Function[Any], **settings: object) -> Function[Any]:
    return dataclasses.replace(value, settings={**value.settings, **settings})


def _check_function(noun: str, function: object) -> None:
    if isinstance(function, Declaration):
        raise refusal(f"{noun}: {describe(function)} is no plain function", hint="one decorator a function: read the other as an input")
    if not callable(function):
        raise refusal(f"{noun}: {describe(function)} is no function")


def _check_parameters(value: Function[Any]) -> None:
    parameters = _parameters(value.function)
    tables = [parameter.name for parameter in parameters if parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD}]
    any_number = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    given = len(value.inputs)
    if len(tables) > given or (len(tables) < given and not any_number):
        takes = f"{len(tables)} ({', '.join(tables)})" if tables else "none"
        hint = "one positional parameter a table, in order; put settings behind a '*'"
        raise refusal(f"{value.title}: number of tables declared: {given}, but the function takes {takes}", hint=hint)
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            raise refusal(f"{value.title}: '**{parameter.name}' hides its settings", hint="name each setting, with a default")
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            hint = f"keyword-only parameters are settings: write '{parameter.name}: ... = ...'"
            raise refusal(f"{value.title}: setting '{parameter.name}' has no default", hint=hint)


def _check_settings(value: Function[Any]) -> None:
    known = [parameter.name for parameter in _parameters(value.function) if parameter.kind is parameter.KEYWORD_ONLY]
    for name in value.settings:
        if name not in known:
            hint = did_you_mean(name, known) or (f"it has: {', '.join(known)}" if known else "it has no settings")
            raise refusal(f"{value.title}: there is no setting '{name}'", hint=hint)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise refusal(f"{describe(function)} does not say its parameters", hint="wrap it in a function of your own") from None


def _name(function: object) -> str:
    return cast("str", getattr(function, "__name__", type(function).__name__))
