"""One step at a time: what it makes of some inputs, and what a reader of its result is handed."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, cast

import polars as pl

from millstream.kernel.engine import make
from millstream.kernel.facts import Facts
from millstream.kernel.function import FunctionOperation
from millstream.kernel.graph import Node
from millstream.kernel.handing import Handing
from millstream.kernel.kinds import Asked
from millstream.kernel.records import Artifact, Collection, Table, Value
from millstream.kernel.results import keep_result
from millstream.kernel.store import Store
from millstream.kernel.units import seen_of

NOW = 0


def step_of(function: Callable[..., object], *names: str, **options: Any) -> FunctionOperation:
    """A step that is called after its function; its inputs are called after its parameters unless `names` says otherwise."""
    plain = cast("FunctionType", function)
    inputs = names or plain.__code__.co_varnames[: plain.__code__.co_argcount]
    return FunctionOperation(name=plain.__name__, function=plain, inputs=tuple(inputs), settings={}, facts=Facts(), **options)


def stored(store: Store, value: object) -> Artifact:
    """A frame or value as the result of a step; what is a result already as it is."""
    return value if isinstance(value, Table | Value | Collection) else keep_result(store, Facts(), value)[0]


def made(store: Store, function: Callable[..., object], *inputs: object, **options: Any) -> Artifact:
    """The result of a step."""
    operation = step_of(function, **options)
    return make(Node(operation.name, (), operation), store, [stored(store, each) for each in inputs], NOW)


def handed(store: Store, artifact: Artifact, annotation: object = pl.DataFrame) -> Any:
    """What the parameter of a reader gets."""
    with Handing(store) as handing:
        return handing.hand(Asked("value", annotation), seen_of(store, [artifact], NOW)[0], "made")
