"""What a user writes for the graph: steps, and the values all declarations are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack, overload

from millstream.kernel.declarations import Columns, Declaration, Table, collecting, names, optional_name
from millstream.kernel.declared_functions import (
    F1,
    F2,
    F3,
    F4,
    F5,
    F6,
    F7,
    F8,
    Eight,
    F_co,
    Five,
    Four,
    Function,
    FunctionTable,
    One,
    PiecewiseFunction,
    Seven,
    Six,
    TableOptions,
    Three,
    Two,
    files_read,
    input_tables,
)
from millstream.kernel.limits import Retries, limits_of

__all__ = ["Columns", "Declaration", "Function", "FunctionTable", "PiecewiseFunction", "Step", "Table", "collecting", "step"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Step(FunctionTable[F_co]):
    """A function from tables to a table. Calling it calls the plain function."""

    noun: ClassVar[str] = "step"


@overload
def step(*inputs: *One, **options: Unpack[TableOptions]) -> Callable[[F1], Step[F1]]: ...
@overload
def step(*inputs: *Two, **options: Unpack[TableOptions]) -> Callable[[F2], Step[F2]]: ...
@overload
def step(*inputs: *Three, **options: Unpack[TableOptions]) -> Callable[[F3], Step[F3]]: ...
@overload
def step(*inputs: *Four, **options: Unpack[TableOptions]) -> Callable[[F4], Step[F4]]: ...
@overload
def step(*inputs: *Five, **options: Unpack[TableOptions]) -> Callable[[F5], Step[F5]]: ...
@overload
def step(*inputs: *Six, **options: Unpack[TableOptions]) -> Callable[[F6], Step[F6]]: ...
@overload
def step(*inputs: *Seven, **options: Unpack[TableOptions]) -> Callable[[F7], Step[F7]]: ...
@overload
def step(*inputs: *Eight, **options: Unpack[TableOptions]) -> Callable[[F8], Step[F8]]: ...
def step(  # noqa: PLR0913  each is an option of the language, given by name
    *inputs: Table,
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
    """Make a step of the function below: it reads the tables given, one positional parameter each, and returns a table.

    Keyword-only parameters with defaults are its settings. `key`, `time` and `known_at` are those of the first table unless said
    otherwise; a new `time` resets `known_at` and the delay. `partition` ("1d") runs it piece by piece of its time, `lookback`
    ("7d") gives each piece that much of the past.

    How it is run: `reads` names the files that the function reads by itself, from the folder of the user's file; their content is part
    of the cache key. `isolate` runs it in a process of its own, as `memory` ("2GB") and `timeout` ("5m") do, which hold for each call;
    `retries=(3, ConnectionError)` tries again so often after these errors, later each time.
    Raises DeclarationError if function, tables and options do not fit.
    """
    tables, files = input_tables("step", inputs), files_read("step", reads)
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
