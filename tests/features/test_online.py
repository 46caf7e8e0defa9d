"""One row online is that row of the batch, to the bit, at any moment that the online store holds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
import pytest

from millstream.errors import ColumnError
from millstream.features.declared_views import Reduction
from millstream.features.materialise import materialise
from millstream.features.online import OnlineTable, OnlineView
from millstream.features.views import JoinedView, Naming, OnDemand, View, WindowView
from millstream.kernel.facts import Facts
from millstream.kernel.store import Store
from millstream.serving.release import online_views

MOMENT = pl.Datetime("us", "UTC")
HOUR = 3_600_000_000
DAY = 24 * HOUR
START = 1_370_044_800_000_000  # the first of June 2013
LENGTH = 6 * DAY
ON_TIME = Facts(("airport",), "observed")
LATE = Facts(("airport",), "observed", "told", HOUR)
COLUMNS = {
    "n": ("wind", "count"),
    "gusty": ("gust", "mean"),
    **{f"{column}_{each}": (column, each) for column in ("wind", "gust") for each in get_args(Reduction)},
    **{f"{column}_{each}": (column, each) for column in ("sky", "observed") for each in ("count", "min", "max", "first", "last", "n_unique")},
}

LATEST = JoinedView("weather", 1, Naming(), None)
VIEWS: dict[str, View] = {
    "newest row": LATEST,
    "no older than": JoinedView("weather", 1, Naming(), "5h"),
    "looked up by another column": JoinedView("weather", 1, Naming(on=("other",), prefix="other_"), "1d"),
    "some columns, in another order": JoinedView("weather", 1, Naming(selected=("sky", "wind"), prefix="w_"), None),
    "windows": WindowView("winds", 1, Naming(), ("airport",), ("1h", "1d", "3d"), COLUMNS),
    "windows over all rows": WindowView("winds", 1, Naming(), (), ("6h",), COLUMNS),
    "windows looked up by another column": WindowView("winds", 1, Naming(on=("other",), prefix="other_"), ("airport",), ("1d",), COLUMNS),
    "windows of two keys": WindowView("winds", 1, Naming(on=("airport", "other")), ("airport", "sky"), ("1d",), COLUMNS),
    "some windows": WindowView("winds", 1, Naming(selected=("gusty_3d", "n_1h")), ("airport",), ("1h", "3d"), COLUMNS),
}


def moments(random: np.random.Generator, rows: int, *, nulls: float = 0.0) -> pl.Series:
    """Quarters of an hour of six days, so that many are equal; a share of them null."""
    values = START + random.integers(0, LENGTH // (HOUR // 4), rows) * (HOUR // 4)
    return pl.Series([None if random.random() < nulls else int(value) for value in values], dtype=pl.Int64).cast(MOMENT)


def weather(seed: int, rows: int = 400) -> pl.DataFrame:
    """Observations that were told up to a day late, before they happened, or never; with nulls and what is no number."""
    random = np.random.default_rng(seed)
    observed = moments(random, rows, nulls=0.02)
    lateness = pl.Series(random.choice([-3, 0, 0, 1, 7, 24, None], rows).tolist(), dtype=pl.Int64) * HOUR
    gusts = np.where(random.random(rows) < 0.2, math.nan, random.normal(scale=1e3, size=rows))
    return pl.DataFrame(
        {
            "airport": random.choice(["JFK", "LGA", "EWR"], rows),
            "observed": observed,
            "told": (observed.cast(pl.Int64) + lateness).cast(MOMENT),
            "wind": pl.Series(random.choice([None, *range(-9, 30)], rows).tolist(), dtype=pl.Int32),
            "gust": pl.Series([None if random.random() < 0.1 else float(gust) for gust in gusts]),
            "sky": random.choice(["JFK", "clear", None], rows).tolist(),
        },
        schema_overrides={"sky": pl.String},
    ).sort(pl.col("observed").dt.date(), nulls_last=True, maintain_order=True)


def questions(seed: int, rows: int = 150) -> pl.DataFrame:
    """Airports and moments asked, some of them unknown or null."""
    random = np.random.default_rng(seed + 1_000)
    names = [["JFK", "LGA", "EWR", "XXX", None], ["JFK", "LGA", "clear", "XXX", None]]
    columns = {column: random.choice(known, rows).tolist() for column, known in zip(("airport", "other"), names, strict=True)}
    return pl.DataFrame({**columns, "asked": moments(random, rows)})


def batch(view: View, asked: pl.DataFrame, table: pl.DataFrame, facts: Facts) -> list[tuple[object, ...]]:
    """The view's columns in the training set."""
    assert not isinstance(view, OnDemand)
    return view.features(asked, asked.get_column("asked").cast(pl.Int64), table, facts).rows()


def one_by_one(online: OnlineTable, asked: pl.DataFrame) -> list[tuple[object, ...]]:
    """The view's columns for one request after another."""
    at = asked.get_column("asked").cast(pl.Int64).to_list()
    return [tuple(online.read(row, moment)) for row, moment in zip(asked.iter_rows(named=True), at, strict=True)]


def bits(rows: Sequence[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Floats by their bits: `nan` is `nan`, and -0.0 is not 0.0."""
    return [tuple(value.hex() if isinstance(value, float) else value for value in row) for row in rows]


@pytest.mark.parametrize("facts", [ON_TIME, LATE], ids=["on time", "late"])
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_online_is_the_batch(view: View, facts: Facts) -> None:
    """All features of requests at random moments, over rows that came late, to the bit."""
    for seed in range(3):
        table = weather(seed) if facts.known_at else weather(seed).drop("told")
        asked = questions(seed)
        assert not isinstance(view, OnDemand)

        online = materialise(view, table, facts)

        rows = batch(view, asked, table, facts)
        assert bits(one_by_one(online, asked)) == bits(rows)
        assert any(value is not None for row in rows for value in row)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_online_names_are_those_of_the_batch(view: View) -> None:
    """With prefix and selection, in the same order."""
    assert not isinstance(view, OnDemand)
    found = view.features(questions(0), questions(0).get_column("asked").cast(pl.Int64), weather(0), LATE)
    assert list(materialise(view, weather(0), LATE).outputs) == found.columns


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_online_is_the_batch_without_rows(view: View) -> None:
    """An empty table gives what the batch gives."""
    table = weather(0).clear()
    assert not isinstance(view, OnDemand)
    assert one_by_one(materialise(view, table, LATE), questions(0)) == batch(view, questions(0), table, LATE)


def test_static_view_online() -> None:
    """By key alone, at any moment."""
    planes = pl.DataFrame({"airport": ["JFK", "LGA"], "runways": [4, 2]})
    asked, facts = questions(0), Facts(("airport",))
    assert one_by_one(materialise(LATEST, planes, facts), asked) == batch(LATEST, asked, planes, facts)


def test_selection_of_what_is_not_there() -> None:
    """It is refused with the view and the name."""
    view = dataclasses.replace(LATEST, naming=Naming(selected=("winds",)))
    with pytest.raises(ColumnError, match="weather: select names 'winds'"):
        materialise(view, weather(0), LATE)


def test_request_without_the_column_finds_nothing() -> None:
    """A column that is not sent is null."""
    online = materialise(LATEST, weather(0), LATE)
    assert tuple(online.read({}, START + LENGTH)) == (None, None, None)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_retention_does_not_change_answers(view: View, tmp_path: Path) -> None:
    """What is left out because it is older than the retention time is in no answer since then."""
    store = Store(tmp_path)
    since = START + 4 * DAY + 5 * HOUR
    asked = questions(3, rows=400).filter(pl.col("asked").cast(pl.Int64) >= since)
    seen = store.visible(store.write_table(weather(3), LATE)[0], None)

    (kept,) = online_views(store, [view], [seen, seen], since=since)

    assert not isinstance(kept, OnDemand)
    assert bits(one_by_one(kept, asked)) == bits(batch(view, asked, store.read(seen), LATE))


def test_retention_leaves_something_out(tmp_path: Path) -> None:
    """A view that looks back for hours keeps no row of the first days."""
    store = Store(tmp_path)
    seen = store.visible(store.write_table(weather(3), LATE)[0], None)
    (kept,) = online_views(store, [VIEWS["no older than"]], [seen, seen], since=START + 4 * DAY)
    assert isinstance(kept, OnlineView)
    assert min(time for _, times, _ in kept.timed.values() for time in times) >= START + 3 * DAY


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_watermark_is_the_newest_moment_at_which_something_became_available(view: View) -> None:
    """Never later than the moment asked; null before the first row."""
    table = weather(1)
    known = table.filter(pl.col("observed").is_not_null(), pl.col("told").is_not_null())
    available = known.select(pl.max_horizontal("observed", pl.col("told") + pl.duration(hours=1)))
    at = datetime(2013, 6, 3, 12, tzinfo=UTC)
    newest = available.to_series().cast(pl.Int64).filter(available.to_series() <= at).max()
    assert not isinstance(view, OnDemand)

    online = materialise(view, table, LATE)

    assert online.watermark(int(at.timestamp() * 1e6)) == newest
    assert online.watermark(START - DAY) is None
