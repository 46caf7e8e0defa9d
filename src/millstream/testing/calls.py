"""A step as a plain function on literal tables, whatever kind of table it asks for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from millstream.kernel.availability import MOMENT, normalise_facts
from millstream.kernel.declarations import Table
from millstream.kernel.facts import Facts
from millstream.testing.literals import rows


def call(step: Callable[..., Any], *tables: pl.DataFrame | pl.LazyFrame | str, **settings: object) -> pl.DataFrame:
    """What a step, view or label gives for some tables (texts are read by `rows`), as a DataFrame; settings as in the function itself.

    Each table is handed over as the parameter's annotation asks, and the times of a declared input as in a run: microseconds in UTC.
    A plain function is called as it is. Errors are the function's own.
    """
    inputs: Sequence[Table] = getattr(step, "inputs", ())
    facts = [table.facts for table in inputs]
    frames = [_as_in_a_run(table, facts[place] if place < len(facts) else Facts()) for place, table in enumerate(tables)]
    asked = _annotations(step)
    arguments = [_as_asked(frame, asked[min(place, len(asked) - 1)] if asked else "") for place, frame in enumerate(frames)]
    return _frame(step(*arguments, **settings))


def _as_in_a_run(table: pl.DataFrame | pl.LazyFrame | str, facts: Facts) -> pl.DataFrame:
    frame = rows(table) if isinstance(table, str) else table.collect() if isinstance(table, pl.LazyFrame) else table
    empty = [name for name in (facts.time, facts.known_at) if name in frame.columns and frame.get_column(name).null_count() == frame.height]
    return normalise_facts(frame.with_columns(pl.lit(None, MOMENT).alias(name) for name in empty if name), facts)


def _annotations(step: Callable[..., Any]) -> list[str]:
    """What each positional parameter asks for, as written."""
    function: Callable[..., Any] = getattr(step, "__wrapped__", step)
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    parameters = (each for each in inspect.signature(function).parameters.values() if each.kind in kinds)
    return [_written(each.annotation) for each in parameters]


def _written(annotation: object) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    return annotation if isinstance(annotation, str) else f"{getattr(annotation, '__module__', '')}.{getattr(annotation, '__qualname__', annotation)}"


def _as_asked(frame: pl.DataFrame, asked: str) -> object:
    kind = asked.rpartition(".")[2]
    foreign: Any = frame  # what pandas and pyarrow make has no types here: they are no dependencies
    if asked.startswith(("pd.", "pandas.")):
        return foreign.to_pandas()
    if kind == "Table" and asked.startswith(("pa.", "pyarrow.")):
        return foreign.to_arrow()
    return frame if kind == "DataFrame" else frame.lazy()


def _frame(result: object) -> pl.DataFrame:
    if isinstance(result, pl.LazyFrame):
        return result.collect(engine="in-memory")
    if isinstance(result, pl.DataFrame):
        return result
    polars: Any = pl
    make = {"pandas": polars.from_pandas, "pyarrow": polars.from_arrow}.get(type(result).__module__.partition(".")[0])
    made = make(result) if make is not None else None
    if isinstance(made, pl.DataFrame):
        return made
    raise AssertionError(f"the function returned a {type(result).__name__}, not a table: call it as it is")
