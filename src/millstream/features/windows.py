"""Windows ending at the moment asked: rows that count at t with time in [t - w, t), reduced exactly.

A row takes part from max(available, time + 1 µs) until time + w, whatever its lateness. Between two such moments a window does not
change, so it is a step function of the moment asked: worked out once for all events, and looked up once for each question, by the
batch and by the online store alike. Floats are rounded to a fixed binary grid and summed as integers: exact and order-free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from millstream.errors import ColumnError, did_you_mean
from millstream.features.grid import GRID, LARGEST
from millstream.features.point_in_time import key_columns
from millstream.features.reductions import Reduced, check_type, is_summed
from millstream.features.spans import spans_of
from millstream.kernel.availability import available_at
from millstream.kernel.durations import microseconds
from millstream.kernel.facts import Facts

ENTER, TIME, KNOWN, ASKED, PLACE, GROUP, MOMENT = "__enter__", "__time__", "__known__", "__asked__", "__place__", "__group__", "__moment__"
ZERO_WHEN_EMPTY = frozenset({"count", "sum", "n_unique"})


@dataclass(frozen=True, slots=True)
class WindowColumn:
    """One column of an aggregate: `name_window`."""

    name: str
    column: str
    reduction: str
    over: str

    @property
    def output(self) -> str:
        """The feature's name."""
        return f"{self.name}_{self.over}"

    @property
    def empty(self) -> int | None:
        """What it is where nothing counts."""
        return 0 if self.reduction in ZERO_WHEN_EMPTY else None


@dataclass(frozen=True, slots=True)
class Events:
    """The rows that can count, from the first that happened to the last, of equal times the one known last at the end.

    `keys` has one row a group, in their order; `rows` have the group, when each enters and its time in microseconds, and per column
    its value (null where it does not count) and, if it is summed, its whole number on the grid. `where` is the user's line.
    """

    keys: pl.DataFrame
    rows: pl.DataFrame
    where: str | None = None


def window_columns(over: Sequence[str], columns: Mapping[str, tuple[str, str]]) -> list[WindowColumn]:
    """All windows of all columns, window by window."""
    return [WindowColumn(name, column, reduction, width) for width in over for name, (column, reduction) in columns.items()]


def value_name(column: str) -> str:
    """Where the events keep a column's values."""
    return f"__value_{column}__"


def steps_name(column: str) -> str:
    """Where the events keep a column's whole numbers."""
    return f"__steps_{column}__"


def events_of(table: pl.DataFrame, *, key: Sequence[str], facts: Facts, columns: Mapping[str, tuple[str, str]], where: str | None = None) -> Events:
    """The events of a table. `where` is the line of the user's file that asks for them."""
    if facts.time is None:
        raise ColumnError("an aggregate needs a table with a time", where=where, hint="say time= at its source or step")
    _check_columns(table.schema, columns, where)
    rows = table.filter(available_at(facts).is_not_null(), *(pl.col(name).is_not_null() for name in key))
    keys = rows.select(key).unique(maintain_order=True) if key else pl.DataFrame()
    time, known = (pl.col(name).cast(pl.Int64) for name in (facts.time, facts.known_at or facts.time))
    named = [pl.col(name).alias(f"__key_{place}__") for place, name in enumerate(key)]
    summed = dict.fromkeys(name for name, reduction in columns.values() if is_summed(reduction))
    kept = rows.select(
        *named,
        time.alias(TIME),
        known.alias(KNOWN),
        pl.max_horizontal(available_at(facts), time + 1).alias(ENTER),
        *(_counted(rows.schema, name).alias(value_name(name)) for name in dict.fromkeys(name for name, _ in columns.values())),
        *(_on_grid(rows, name, where).alias(steps_name(name)) for name in summed),
    ).sort(TIME, KNOWN, maintain_order=True)
    return Events(keys, _grouped(kept, keys), where)


def timeline(events: Events, width: str, wanted: Sequence[WindowColumn]) -> pl.DataFrame:
    """The answers of one window as step functions, in order of group and moment: they hold from `__moment__` to the next of the group."""
    leave = pl.col(TIME) + microseconds(width) + 1
    active = events.rows.filter(pl.col(ENTER) < leave)
    spans = spans_of(*(active.select(each).to_series().to_numpy() for each in (pl.col(GROUP), pl.col(ENTER), leave)))
    columns: dict[str, Reduced] = {}
    answers: dict[str, pl.Series] = {}
    for each in wanted:
        if each.column not in columns:
            steps = active.get_column(steps_name(each.column)) if steps_name(each.column) in active.columns else None
            columns[each.column] = Reduced(spans, active.get_column(GROUP), active.get_column(value_name(each.column)), steps)
        answers[each.output] = _answer(columns[each.column], each, events.where)
    return pl.DataFrame({GROUP: spans.group, MOMENT: spans.moment, **answers})


def window_features(
    questions: pl.DataFrame, events: Events, *, on: Sequence[str], key: Sequence[str], asked: pl.Series, wanted: Sequence[WindowColumn]
) -> pl.DataFrame:
    """One row per question, in order; empty windows are 0 for count, sum and n_unique, else null."""
    by = key_columns(questions.schema, on, events.keys.schema, key)
    asks = _grouped(questions.select(*by, asked.cast(pl.Int64).alias(ASKED)), events.keys)
    ordered = asks.with_row_index(PLACE).sort(ASKED, maintain_order=True)
    answers: list[pl.DataFrame] = []
    for width in dict.fromkeys(each.over for each in wanted):
        columns = [each for each in wanted if each.over == width]
        course = timeline(events, width, columns)
        found = ordered.join_asof(course, left_on=ASKED, right_on=MOMENT, by=GROUP, strategy="backward", check_sortedness=False)
        answers.append(found.sort(PLACE).select(_filled(each) for each in columns))
    return pl.concat(answers, how="horizontal").select(each.output for each in wanted)


def _answer(column: Reduced, wanted: WindowColumn, where: str | None) -> pl.Series:
    try:
        return column.by(wanted.reduction)
    except (pl.exceptions.InvalidOperationError, OverflowError):
        message = f"aggregate column '{wanted.name}': a {wanted.reduction} of '{wanted.column}' is beyond 64-bit integers"
        raise ColumnError(message, where=where, hint="cast it to Float64 in a step") from None


def _filled(wanted: WindowColumn) -> pl.Expr:
    answer = pl.col(wanted.output)
    return answer if wanted.empty is None else answer.fill_null(wanted.empty)


def _grouped(rows: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """The rows with the number of their group instead of their key; null where there is none."""
    if not keys.width:
        return rows.with_columns(pl.lit(0, pl.Int64).alias(GROUP))
    by = [f"__key_{place}__" for place in range(keys.width)]
    numbered = keys.rename(dict(zip(keys.columns, by, strict=True))).with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(GROUP))
    return rows.join(numbered, on=by, how="left", maintain_order="left").drop(by)


def _check_columns(schema: pl.Schema, columns: Mapping[str, tuple[str, str]], where: str | None) -> None:
    for output, (column, reduction) in columns.items():
        if column not in schema:
            hint = did_you_mean(column, schema.names()) or f"there are {', '.join(schema)}"
            raise ColumnError(f"aggregate column '{output}': there is no column '{column}'", where=where, hint=hint)
        instead = check_type(reduction, schema[column])
        if instead:
            message = f"aggregate column '{output}': the {reduction} of '{column}' ({schema[column]}) is not defined"
            raise ColumnError(message, where=where, hint=instead)


def _counted(schema: pl.Schema, name: str) -> pl.Expr:
    """The value, null where it does not count: what is not a finite number."""
    value = pl.col(name)
    return pl.when(value.is_finite()).then(value) if schema[name].is_float() else value


def _on_grid(rows: pl.DataFrame, name: str, where: str | None) -> pl.Expr:
    """The whole number that is summed: an integer itself, else the nearest on the grid."""
    kind = rows.schema[name]
    if kind.is_integer() or kind == pl.Boolean:
        return pl.col(name).cast(pl.Int128)
    value = _counted(rows.schema, name).cast(pl.Float64)
    largest = rows.select(value.abs().max()).item()
    if largest is not None and largest >= LARGEST:
        message = f"aggregate: '{name}' holds {largest:g}, which is too large to be summed exactly"
        raise ColumnError(message, where=where, hint=f"cap it below {LARGEST:g}, or make it null, in a step")
    return (value * GRID + 0.5).floor().cast(pl.Int128)
