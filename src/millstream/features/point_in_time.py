"""The point-in-time join: for every row asked, the newest row of a view that counted at that moment.

A row counts at t if max(time, known_at + delay) <= t. Of those that count the greatest time wins; of equal times the one known last, then the
later row.
The join sorts and checks inside; every row asked comes back once and in order.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from millstream.errors import ColumnError
from millstream.kernel.availability import available_at, is_timed
from millstream.kernel.facts import Facts

ASKED, PLACE, ROW = "__asked__", "__place__", "__row__"
AVAILABLE, RANK = "__available__", "__rank__"


def newest_rows(
    questions: pl.DataFrame, view: pl.DataFrame, *, on: Sequence[str], facts: Facts, asked: pl.Series | None, max_age: int | None = None
) -> pl.DataFrame:
    """The columns of `view` that are not its facts, one row per question, in the questions' order; null where nothing counts.

    `on` are the columns of `questions` that answer to `facts.key`; `asked` are microseconds, None for untimed questions; `max_age` is in
    microseconds, inclusive.
    """
    values = [name for name in view.columns if name not in (*facts.key, facts.time, facts.known_at)]
    keys = questions.select(key_columns(questions.schema, on, view.schema, facts.key))
    renamed = view.select(*(pl.col(column).alias(f"__key_{place}__") for place, column in enumerate(facts.key)), *values, *_moments(view, facts))
    found = _static(keys, renamed, facts.key) if not is_timed(facts, view.columns) or asked is None else _timed(keys, renamed, asked, max_age)
    return renamed.select(values).with_row_index(ROW).join(found, on=ROW, how="right", maintain_order="right").select(values)


def key_columns(questions: pl.Schema, on: Sequence[str], view: pl.Schema, key: Sequence[str]) -> list[pl.Expr]:
    """The columns by which questions look up a key, as `__key_0__` and so on, of the key's types; a column of nulls alone fits any key."""
    for column, name in zip(on, key, strict=True):
        asked, given = questions[column], view[name]
        if asked not in (given, pl.Null):
            raise ColumnError(f"column '{column}' is {asked} in the question, but the key '{name}' of the view is {given}", hint="cast one of them")
    return [pl.col(column).cast(view[name]).alias(f"__key_{place}__") for place, (column, name) in enumerate(zip(on, key, strict=True))]


def running_newest(view: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """For every moment at which a row becomes available, the row of its key that is the newest from then on, in order of these moments."""
    moments = (
        view.with_columns(_moments(view, facts))
        .with_row_index(ROW)
        .filter(pl.col(AVAILABLE).is_not_null(), *(pl.col(name).is_not_null() for name in facts.key))
    )
    ranked, running = _ranked(moments, list(facts.key))
    rows = ranked.select(RANK, *(name for name in view.columns if name not in facts.key), "__time__")
    return running.join(rows, on=RANK, how="left", maintain_order="left")


def _ranked(counted: pl.DataFrame, by: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows by their rank (time, then known last, then later row), and the running best rank of each key in order of availability."""
    ranked = counted.sort("__time__", "__known__", ROW).with_row_index(RANK).sort(AVAILABLE, RANK)
    running = ranked.select(*by, AVAILABLE, pl.col(RANK).cum_max().over(by) if by else pl.col(RANK).cum_max())
    return ranked, running


def _moments(view: pl.DataFrame, facts: Facts) -> list[pl.Expr]:
    if not is_timed(facts, view.columns) or facts.time is None:
        return []
    time, known = (pl.col(name).cast(pl.Int64) for name in (facts.time, facts.known_at or facts.time))
    return [available_at(facts).alias(AVAILABLE), time.alias("__time__"), known.alias("__known__")]


def _static(keys: pl.DataFrame, view: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Row numbers of an untimed view, unique by key."""
    numbered = view.select(keys.columns).with_row_index(ROW)
    if numbered.select(keys.columns).is_duplicated().any():
        raise ColumnError(
            f"a view without a time has several rows for one {', '.join(key)}", hint="say when each happened (time=), or keep one row per key"
        )
    return keys.join(numbered, on=keys.columns, how="left", maintain_order="left").select(ROW)


def _timed(keys: pl.DataFrame, view: pl.DataFrame, asked: pl.Series, max_age: int | None) -> pl.DataFrame:
    """Row numbers of the newest row that counts: as-of over the running newest row of each key."""
    by = keys.columns
    counted = view.with_row_index(ROW).filter(pl.col(AVAILABLE).is_not_null(), *(pl.col(name).is_not_null() for name in by))
    ranked, running = _ranked(counted, by)
    questions = keys.with_columns(asked.alias(ASKED).cast(pl.Int64)).with_row_index(PLACE).sort(ASKED, maintain_order=True)
    if by:
        joined = questions.join_asof(running, left_on=ASKED, right_on=AVAILABLE, by=by, strategy="backward", check_sortedness=False)
    else:
        joined = questions.join_asof(running, left_on=ASKED, right_on=AVAILABLE, strategy="backward")
    best = ranked.select(RANK, ROW, "__time__")
    placed = joined.join(best, on=RANK, how="left", maintain_order="left").sort(PLACE)
    if max_age is None:
        return placed.select(ROW)
    fresh = pl.col("__time__") >= pl.col(ASKED) - max_age
    return placed.select(pl.when(fresh).then(pl.col(ROW)))
