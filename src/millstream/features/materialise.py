"""From stored tables to the online store: each view's rows by key, each aggregate's timelines."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import polars as pl

from millstream.features.online import Answers, Key, OnlineColumn, OnlineTable, OnlineView, OnlineWindows, Timeline
from millstream.features.point_in_time import running_newest
from millstream.features.views import JoinedView, WindowView
from millstream.features.windows import GROUP, MOMENT, Events, events_of, timeline, window_columns
from millstream.kernel.availability import available_at, is_timed
from millstream.kernel.facts import Facts


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
    events = events_of(table, key=view.key, facts=facts, columns=view.columns, where=view.where)
    every = window_columns(view.over, view.columns)
    names = view.naming.apply(view.name, [each.output for each in every])
    wanted = {each.output: each for each in every if each.output in names}
    windows = [width for width in view.over if any(each.over == width for each in wanted.values())]
    kept = {width: [each for each in wanted.values() if each.over == width] for width in windows}
    courses = [timeline(events, width, kept[width]) for width in windows]
    columns: list[OnlineColumn] = []
    for old, new in names.items():
        each = wanted[old]
        window, place = windows.index(each.over), kept[each.over].index(each)
        empty = float(each.empty) if each.empty is not None and courses[window].schema[old].is_float() else each.empty
        columns.append(OnlineColumn(new, window, place, empty))
    timelines = tuple(_timeline(events, course) for course in courses)
    return OnlineWindows(view.name, tuple(view.naming.on or view.key), tuple(columns), available, timelines)


def _timeline(events: Events, course: pl.DataFrame) -> Timeline:
    groups = course.get_column(GROUP).to_frame().with_row_index("first").group_by(GROUP).agg(pl.col("first").min(), pl.len()).sort(GROUP)
    keys: list[Key] = events.keys.rows() if events.keys.width else [()] * groups.height
    stretches: dict[Key, tuple[int, int]] = {keys[group]: (first, first + length) for group, first, length in groups.rows()}
    moments = array("q", course.get_column(MOMENT).to_list())
    return Timeline(stretches, moments, tuple(_packed(answers) for answers in course.drop(GROUP, MOMENT)))


def _packed(answers: pl.Series) -> Answers:
    """Eight bytes a number where that can be."""
    if answers.dtype == pl.Float64:
        return array("d", answers.fill_null(float("nan")).to_list())
    if answers.dtype == pl.Int64 and not answers.null_count():
        return array("q", answers.to_list())
    return answers.to_list()
