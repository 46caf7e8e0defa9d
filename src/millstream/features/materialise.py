"""From stored tables to the online store: each view's rows by key, each aggregate's running sums."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from millstream.features.online import Key, OnlineColumn, OnlineTable, OnlineView, OnlineWindows, Running
from millstream.features.point_in_time import running_newest
from millstream.features.views import JoinedView, WindowView
from millstream.features.windows import ENTER, TIME, events_of, is_float, window_columns
from millstream.kernel.availability import available_at, is_timed
from millstream.kernel.durations import microseconds
from millstream.kernel.facts import Facts

LEAVE = "__leave__"


def materialise(view: JoinedView | WindowView, table: pl.DataFrame, facts: Facts) -> OnlineTable:
    """The online form of a view over its table, as far as the table is visible."""
    available = table.select(available_at(facts)).to_series().drop_nulls().sort().to_list() if is_timed(facts, table.columns) else []
    if isinstance(view, WindowView):
        return _windows(view, table, facts, available)
    columns = [name for name in table.columns if name not in (*facts.key, facts.time, facts.known_at)]
    names = view.naming.apply(view.name, columns)
    on = view.naming.on or facts.key
    if not is_timed(facts, table.columns):
        static = dict(zip(table.select(facts.key).rows(), table.select(names.keys()).rows(), strict=True))
        return OnlineView(view.name, tuple(on), tuple(names.values()), None, available, static=static)
    histories = {
        key: _history(rows, list(names))
        for key, rows in running_newest(table, facts).partition_by(facts.key, as_dict=True, maintain_order=True).items()
    }
    return OnlineView(view.name, tuple(on), tuple(names.values()), view.reach, available, timed=histories)


def _history(rows: pl.DataFrame, columns: Sequence[str]) -> tuple[list[int], list[int], list[tuple[object, ...]]]:
    return rows.get_column("__available__").to_list(), rows.get_column("__time__").to_list(), rows.select(columns).rows()


def _windows(view: WindowView, table: pl.DataFrame, facts: Facts, available: list[int]) -> OnlineWindows:
    events = events_of(table, key=view.key, facts=facts, columns=view.columns)
    names = list(dict.fromkeys(column for column, _ in view.columns.values()))
    widths = list(view.over)
    wanted = {each.output: each for each in window_columns(view.over, view.columns)}
    columns = tuple(
        OnlineColumn(output, each.reduction, widths.index(each.over), names.index(each.column), is_float(table.schema, each.column))
        for output, each in ((new, wanted[old]) for old, new in view.naming.apply(view.name, list(wanted)).items())
    )
    entered: list[dict[Key, Running]] = []
    left: list[dict[Key, Running]] = []
    for width in widths:
        active = events.with_columns((pl.col(TIME) + microseconds(width) + 1).alias(LEAVE)).filter(pl.col(ENTER) < pl.col(LEAVE))
        entered.append(_running(active, view.key, ENTER, names))
        left.append(_running(active, view.key, LEAVE, names))
    return OnlineWindows(view.name, tuple(view.naming.on or view.key), columns, available, entered, left)


def _running(events: pl.DataFrame, key: Sequence[str], moment: str, names: Sequence[str]) -> dict[Key, Running]:
    ordered = events.sort(moment)
    groups = ordered.partition_by(key, as_dict=True, maintain_order=True) if key else {(): ordered}
    return {group: _totals(rows, moment, names) for group, rows in groups.items()}


def _totals(rows: pl.DataFrame, moment: str, names: Sequence[str]) -> Running:
    values = [rows.get_column(f"__value_{name}__") for name in names]
    counts = [value.is_not_null().cast(pl.Int64).cum_sum().to_list() for value in values]
    sums = [value.fill_null(0).cast(pl.Int128).cum_sum().to_list() for value in values]
    return Running(rows.get_column(moment).to_list(), counts, sums)
