"""Windows ending at the moment asked: rows that count at t with time in [t - w, t), summed exactly.

A row takes part from max(available, time + 1 µs) until time + w, whatever its lateness. So a window is the difference of two running sums,
both looked up as of the question. Floats are rounded to a fixed binary grid and summed as 128-bit integers: exact, order-free, and the
same offline and online.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from millstream.errors import ColumnError, did_you_mean
from millstream.features.grid import GRID, SCALE
from millstream.features.point_in_time import key_columns
from millstream.kernel.availability import available_at
from millstream.kernel.durations import microseconds
from millstream.kernel.facts import Facts

ENTER, TIME, ASKED, PLACE = "__enter__", "__time__", "__asked__", "__place__"


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


def window_columns(over: Sequence[str], columns: Mapping[str, tuple[str, str]]) -> list[WindowColumn]:
    """All windows of all columns, window by window."""
    return [WindowColumn(name, column, reduction, width) for width in over for name, (column, reduction) in columns.items()]


def events_of(
    table: pl.DataFrame, *, key: Sequence[str], facts: Facts, columns: Mapping[str, tuple[str, str]], where: str | None = None
) -> pl.DataFrame:
    """Each row that can count, as integers: key, when it enters, time, and per column its number on the grid (null where it does not count).

    `where` is the line of the user's file that asks for it.
    """
    if facts.time is None:
        raise ColumnError("an aggregate needs a table with a time", where=where, hint="say time= at its source or step")
    for output, (column, _) in columns.items():
        if column not in table.columns:
            hint = did_you_mean(column, table.columns) or f"there are {', '.join(table.columns)}"
            raise ColumnError(f"aggregate column '{output}': there is no column '{column}'", where=where, hint=hint)
    rows = table.filter(available_at(facts).is_not_null(), *(pl.col(name).is_not_null() for name in key))
    time = pl.col(facts.time).cast(pl.Int64)
    values = {name: _on_grid(table.schema, name, reduction, column) for column, (name, reduction) in columns.items()}
    return rows.select(
        *key,
        time.alias(TIME),
        pl.max_horizontal(available_at(facts), time + 1).alias(ENTER),
        **{f"__value_{name}__": value for name, value in values.items()},
    )


def is_float(schema: pl.Schema, column: str) -> bool:
    """Whether a column's sums are on the grid."""
    return schema[column].is_float()


def window_features(
    questions: pl.DataFrame,
    events: pl.DataFrame,
    *,
    on: Sequence[str],
    key: Sequence[str],
    asked: pl.Series,
    wanted: Sequence[WindowColumn],
    floats: frozenset[str],
) -> pl.DataFrame:
    """One row per question, in order; empty windows are 0 for count and sum, null for mean."""
    by = [f"__key_{place}__" for place in range(len(key))]
    keys = questions.select(*key_columns(questions.schema, on, events.schema, key), asked.cast(pl.Int64).alias(ASKED)).with_row_index(PLACE)
    renamed = events.rename(dict(zip(key, by, strict=True)))
    asked_in_order = keys.sort(ASKED, maintain_order=True)
    answers = [
        _window(asked_in_order, renamed, by, width, [each for each in wanted if each.over == width], floats)
        for width in dict.fromkeys(each.over for each in wanted)
    ]
    return pl.concat(answers, how="horizontal").select(each.output for each in wanted)


def _window(
    questions: pl.DataFrame, events: pl.DataFrame, by: list[str], width: str, wanted: Sequence[WindowColumn], floats: frozenset[str]
) -> pl.DataFrame:
    """Sums that entered by then, less sums that had left by then."""
    leaves = (pl.col(TIME) + microseconds(width) + 1).alias("__leave__")
    active = events.with_columns(leaves).filter(pl.col(ENTER) < pl.col("__leave__"))
    columns = list(dict.fromkeys(each.column for each in wanted))
    entered = _running(questions, active, by, ENTER, columns)
    left = _running(questions, active, by, "__leave__", columns)
    totals = entered.join(left, on=PLACE, suffix="_left", maintain_order="left").sort(PLACE)
    return totals.select(_answer(each, on_grid=each.column in floats).alias(each.output) for each in wanted)


def _running(questions: pl.DataFrame, events: pl.DataFrame, by: list[str], moment: str, columns: Sequence[str]) -> pl.DataFrame:
    values = [pl.col(f"__value_{column}__") for column in columns]
    sums = [value.fill_null(0).cast(pl.Int128).cum_sum().alias(f"__sum_{column}__") for value, column in zip(values, columns, strict=True)]
    counts = [value.is_not_null().cast(pl.Int64).cum_sum().alias(f"__count_{column}__") for value, column in zip(values, columns, strict=True)]
    totals = [each.over(by) for each in (*sums, *counts)] if by else [*sums, *counts]
    running = events.sort(moment).select(*by, moment, *totals)
    if by:
        return questions.join_asof(running, left_on=ASKED, right_on=moment, by=by, strategy="backward", check_sortedness=False).drop(by)
    return questions.join_asof(running, left_on=ASKED, right_on=moment, strategy="backward")


def _answer(wanted: WindowColumn, *, on_grid: bool) -> pl.Expr:
    count = _difference(f"__count_{wanted.column}__")
    if wanted.reduction == "count":
        return count
    total = _difference(f"__sum_{wanted.column}__")
    if wanted.reduction == "sum":
        return total.cast(pl.Float64) * SCALE if on_grid else total.cast(pl.Int64)
    exact = total.cast(pl.Float64) * SCALE if on_grid else total.cast(pl.Float64)
    return pl.when(count > 0).then(exact / count.cast(pl.Float64))


def _difference(name: str) -> pl.Expr:
    return pl.col(name).fill_null(0) - pl.col(f"{name}_left").fill_null(0)


def _on_grid(schema: pl.Schema, name: str, reduction: str, output: str) -> pl.Expr:
    kind = schema[name]
    if kind.is_integer() or kind == pl.Boolean:
        return pl.col(name).cast(pl.Int64)
    if kind.is_float():
        finite = pl.col(name).is_finite()
        return pl.when(finite).then((pl.col(name).cast(pl.Float64) * GRID + 0.5).floor()).cast(pl.Int128)
    if reduction == "count":
        return pl.when(pl.col(name).is_not_null()).then(pl.lit(1, pl.Int64))
    raise ColumnError(f"aggregate column '{output}': the {reduction} of '{name}' ({kind}) is not defined", hint="count it, or cast it in a step")
