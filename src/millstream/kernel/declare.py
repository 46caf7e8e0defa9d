"""What a user writes for the graph: steps, and the values all declarations are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack, overload

from millstream.kernel.declarations import Columns, Declaration, Readable, Table, collecting, expect, names, optional_name, refusal
from millstream.kernel.declared_functions import (
    F1,
    F2,
    F3,
    F4,
    F5,
    F6,
    F7,
    F8,
    F_co,
    Function,
    FunctionTable,
    PiecewiseFunction,
    TableOptions,
    files_read,
    read_by,
)
from millstream.kernel.limits import Retries, limits_of

__all__ = ["Columns", "Declaration", "Each", "Function", "FunctionTable", "PiecewiseFunction", "Step", "Table", "collecting", "each", "step"]

R = Readable


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Step(FunctionTable[F_co]):
    """A function from tables or results to a table or a value. Calling it calls the plain function."""

    noun: ClassVar[str] = "step"

    def __post_init__(self) -> None:
        """Check that it runs once per item of one list at most, and then not day by day."""
        lists = [value for value in self.inputs if isinstance(value, Each)]
        if len(lists) > 1:
            raise refusal(f"{self.title}: it reads each of {len(lists)} lists", hint="make one list of them in a step: one item, one call")
        if lists and self.partition is not None:
            raise refusal(f"{self.title}: it runs once per item, so it has no partition", hint="leave partition= out")
        super().__post_init__()


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Each(Readable):
    """The items of the list that a step gives, one by one."""

    noun: ClassVar[str] = "each"
    unreadable: ClassVar[str] = "the items of a list are read one by one by a step: @ms.step(ms.each(…))"
    step: Step[Any]

    @property
    def title(self) -> str:
        """Each of what."""
        return f"each of {self.step.title}"

    @property
    def made_of(self) -> tuple[Readable, ...]:
        """The step that gives the list."""
        return (self.step,)


def each(step: Step[Any], /) -> Each:
    """As an input of a step: run its function once per item of the list that `step` returns; who reads it gets the list of the results.

    The list is known only when `step` has run. Each item is cached alone: a new one costs one call. Results are in the order of the items.
    Raises DeclarationError for anything else than a step.
    """
    return Each(step=expect(step, Step, "each: its argument", wanted="a step that returns a list"))


@overload
def step(*inputs: *tuple[R], **options: Unpack[TableOptions]) -> Callable[[F1], Step[F1]]: ...
@overload
def step(*inputs: *tuple[R, R], **options: Unpack[TableOptions]) -> Callable[[F2], Step[F2]]: ...
@overload
def step(*inputs: *tuple[R, R, R], **options: Unpack[TableOptions]) -> Callable[[F3], Step[F3]]: ...
@overload
def step(*inputs: *tuple[R, R, R, R], **options: Unpack[TableOptions]) -> Callable[[F4], Step[F4]]: ...
@overload
def step(*inputs: *tuple[R, R, R, R, R], **options: Unpack[TableOptions]) -> Callable[[F5], Step[F5]]: ...
@overload
def step(*inputs: *tuple[R, R, R, R, R, R], **options: Unpack[TableOptions]) -> Callable[[F6], Step[F6]]: ...
@overload
def step(*inputs: *tuple[R, R, R, R, R, R, R], **options: Unpack[TableOptions]) -> Callable[[F7], Step[F7]]: ...
@overload
def step(*inputs: *tuple[R, R, R, R, R, R, R, R], **options: Unpack[TableOptions]) -> Callable[[F8], Step[F8]]: ...
def step(  # noqa: PLR0913  each is an option of the language, given by name
    *inputs: Readable,
    key: Columns | None = None,
    time: str | None = None,
    known_at: str | None = None,
    partition: str | None = None,
    lookback: str | None = None,
    reads: str | Sequence[str] = (),
    isolate: bool = False,
    memory: str | None = None,
    timeout: str | None = None,
    retries: Retries | None = None,
) -> Callable[[Any], Step[Any]]:
    """Make a step of the function below: it reads what is given, one positional parameter each, and returns a table or a value.

    An annotation says as what an input is handed over: a kind of table, `str` for its name in SQL, the type of a value. Keyword-only
    parameters with defaults are its settings. `key`, `time` and `known_at` are those of the first table unless said
    otherwise; a new `time` resets `known_at` and the delay. `partition` ("1d") runs it piece by piece of its time, `lookback`
    ("7d") gives each piece that much of the past.

    How it is run: `reads` names the files that the function reads by itself, from the folder of the user's file; their content is part
    of the cache key. `isolate` runs it in a process of its own, as `memory` ("2GB") and `timeout` ("5m") do, which hold for each call;
    `retries=(3, ConnectionError)` tries again so often after these errors, later each time.
    Raises DeclarationError if function, inputs and options do not fit.
    """
    tables, files = read_by("step", inputs, Readable), files_read("step", reads)
    limits = limits_of("step", isolate=isolate, memory=memory, timeout=timeout, retries=retries)

    def declare(function: Callable[..., Any]) -> Step[Any]:
        return Step(
            function=function,
            inputs=tables,
            key=names(key, "step: key"),
            time=optional_name(time, "step: time"),
            known_at=optional_name(known_at, "step: known_at"),
            partition=partition,
            lookback=lookback,
            reads=files,
            limits=limits,
        )

    return declare
