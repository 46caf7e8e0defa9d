"""No leak: what belongs to the test period, or was not known by its beginning, leaves no trace in what is fitted before the refit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from flight_data import QUICK, Change, Flights, first_days, other_future, run_flights, write_flights
from rivers import write_parcels

MOMENT = pl.Datetime("us", "UTC")
SPLIT = datetime(2024, 2, 10, tzinfo=UTC)
DECIDED = timedelta(days=2)
"""After so long the label of a parcel is known."""
BLIND = {
    "features=[traffic]": "features=[]",  # the news of the test period would reach its later rows by right
    "split=ms.split.time(folds=2)": 'split=ms.split.time(test="2024-02-10", folds=2)',
}
ALL_METHODS = {"methods=[ms.methods.linear()]": "methods=[ms.methods.linear(), ms.methods.boosting(rounds=15), ms.methods.forest(trees=5)]"}
SOURCE = 'parcels = ms.source("parcels.parquet", key="parcel", time="sent")'
TELLTALES = """
class Counter:
    def fit(self, X, y):
        self.rows = len(X)

    def predict(self, X):
        return [self.rows] * len(X)


class Mirror(Counter):
    def predict(self, X):
        return X[:, 0]


"""
"""An estimator that answers how many rows it was fitted on, and one that answers the first column as it gets it."""


def trained(file: Path) -> Flights:
    """Folds, comparison and scored fit of a file's model, when all labels of the test period are known."""
    return run_flights(file, as_of="2024-03-20", only=("comparison", "scored"))


def answers(run: Flights) -> dict[object, float]:
    """What the scored model says to each parcel of the test block."""
    rows = run.labelled()
    tested = rows.frame.filter(pl.Series(rows.plan(run.nodes.model).test_rows()))
    return dict(zip(tested.get_column("parcel"), np.frombuffer(run.scored().scores, "<f8").tolist(), strict=True))


def write_world(folder: Path, changes: Mapping[str, Change], program: Mapping[str, str] = ALL_METHODS) -> Path:
    """The parcels of sixty days, some of their files changed."""
    file = write_parcels(folder, {**BLIND, **program}, days=60)
    for name, change in changes.items():
        change(pl.read_parquet(folder / name)).write_parquet(folder / name)
    return file


def assert_same_fits(world: Flights, other: Flights) -> None:
    """Every candidate is the same on every fold, and so are leaderboard and winner; only the test block differs."""
    assert (other.scored().truth, other.scored().scores) != (world.scored().truth, world.scored().scores)
    assert other.folds() == world.folds()
    before, after = world.comparison(), other.comparison()
    assert (after.entries, after.record, after.test_start) == (before.entries, before.record, before.test_start)
    assert other.scored().trained_on == world.scored().trained_on


# the parcels

IN_TEST, EVERY_OTHER = pl.col("sent") >= SPLIT, pl.col("parcel") % 2 == 0


def changed(parcels: pl.DataFrame) -> pl.DataFrame:
    """Every other parcel of the test period is of a kind never met before."""
    others = {"weight": -1000 * pl.col("weight"), "route": pl.lit("nowhere"), "pieces": pl.lit(None, pl.Int64)}
    return parcels.with_columns(pl.when(IN_TEST & EVERY_OTHER).then(other).otherwise(name).alias(name) for name, other in others.items())


def permuted(parcels: pl.DataFrame) -> pl.DataFrame:
    """The test period stands in another order, and every other parcel of it has the features of another."""
    mixed, same = parcels.filter(IN_TEST, EVERY_OTHER), parcels.filter(IN_TEST, ~EVERY_OTHER)
    features = mixed.select("route", "weight", "pieces").sample(fraction=1, shuffle=True, seed=1)
    tested = pl.concat([mixed.with_columns(features), same]).sample(fraction=1, shuffle=True, seed=2)
    return pl.concat([parcels.filter(~IN_TEST), tested])


def dropped(parcels: pl.DataFrame) -> pl.DataFrame:
    """Every other parcel of the test period was never sent."""
    return parcels.filter(~(IN_TEST & EVERY_OTHER))


def appended(parcels: pl.DataFrame) -> pl.DataFrame:
    """Every other parcel of the test period was sent twice, once under another number and nine times as heavy."""
    again = parcels.filter(IN_TEST & EVERY_OTHER).with_columns(pl.col("parcel") + 1_000_000, pl.col("weight") * 9)
    return pl.concat([again, parcels])


def turned(arrivals: pl.DataFrame) -> pl.DataFrame:
    """What arrived after the split arrived at its first second, or never: labels that were not known by then are others."""
    first = pl.lit(SPLIT + timedelta(seconds=1), MOMENT)
    return arrivals.with_columns(arrived=pl.when(pl.col("arrived") <= SPLIT).then("arrived").when(pl.col("parcel") % 3 == 0).then(first))


CHANGES: dict[str, dict[str, Change]] = {
    "changed": {"parcels.parquet": changed},
    "permuted": {"parcels.parquet": permuted},
    "dropped": {"parcels.parquet": dropped},
    "appended": {"parcels.parquet": appended},
    "labels": {"arrivals.parquet": turned},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Flights:
    """The parcels as they were."""
    return trained(write_world(tmp_path_factory.mktemp("world"), {}))


@pytest.mark.parametrize("kind", CHANGES)
def test_the_test_period_leaves_no_trace_in_what_is_fitted(world: Flights, tmp_path: Path, kind: str) -> None:
    """Whatever becomes of it: the folds, the winner, and the scored model's answers to the parcels that are the same."""
    other = trained(write_world(tmp_path, CHANGES[kind]))
    assert_same_fits(world, other)
    mine, theirs = answers(world), answers(other)
    same = [parcel for parcel in mine if isinstance(parcel, int) and parcel % 2]
    assert len(same) > 300
    assert [theirs[parcel] for parcel in same] == [mine[parcel] for parcel in same]


def test_a_trace_would_be_seen(world: Flights, tmp_path: Path) -> None:
    """A few weights of the training period are others: every method but the baseline is another too."""
    heavier = pl.when(pl.col("parcel") < 20).then(1e6).otherwise("weight").alias("weight")
    other = trained(write_world(tmp_path, {"parcels.parquet": lambda frame: frame.with_columns(heavier)}))
    same = {name for name, digest in other.folds().items() if world.folds()[name] == digest}
    assert same == {"baseline/fold_1", "baseline/fold_2"}
    assert answers(other) != answers(world)


@pytest.fixture
def _own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))


@pytest.mark.usefixtures("_own_key")
def test_a_row_trains_only_if_its_label_was_known_by_then(tmp_path: Path) -> None:
    """Two days of parcels before each block are asked before it, and train neither its fold nor the scored model."""
    run = trained(write_world(tmp_path, {}, {SOURCE: TELLTALES + SOURCE, "methods=[ms.methods.linear()]": "methods=[Counter()]"}))
    rows, sent = run.labelled(), pl.read_parquet(tmp_path / "parcels.parquet").get_column("sent")
    plan = rows.plan(run.nodes.model)
    for number in range(2):
        begins = rows.frame.filter(pl.Series(plan.validation_rows(number))).get_column("__asked__").cast(MOMENT).min()
        assert isinstance(begins, datetime)
        known = (sent + DECIDED <= begins).sum()
        assert 0 < known < (sent < begins).sum()
        assert set(run.fold_scores("Counter", number)) == {known}
    assert run.scored().trained_on == (sent + DECIDED <= SPLIT).sum() < (sent < SPLIT).sum()


@pytest.mark.usefixtures("_own_key")
def test_the_preparation_is_fitted_on_training_rows_alone(tmp_path: Path) -> None:
    """A route that is met in the last block only has no code there; most of the block takes it, and it would be the first."""
    program = {SOURCE: TELLTALES + SOURCE, "methods=[ms.methods.linear()]": "methods=[Mirror()]"}
    begins = datetime(2024, 1, 27, tzinfo=UTC)
    fresh = pl.when(pl.col("sent") >= begins, pl.col("parcel") % 10 > 0).then(pl.lit("fresh")).otherwise("route").alias("route")
    run = trained(write_world(tmp_path, {"parcels.parquet": lambda frame: frame.with_columns(fresh)}, program))
    rows = run.labelled()
    block = rows.frame.filter(pl.Series(rows.plan(run.nodes.model).validation_rows(1)))
    is_fresh = block.get_column("route") == "fresh"
    scores = run.fold_scores("Mirror", 1)
    assert rows.features[0] == "route"
    assert is_fresh.mean() == pytest.approx(0.9, abs=0.1)
    assert set(scores.filter(is_fresh)) == {-1.0}
    assert set(scores.filter(~is_fresh)) <= {0.0, 1.0, 2.0, 3.0, 4.0}


# the flights


def test_the_future_of_the_flights_leaves_no_trace_in_what_is_fitted(tmp_path: Path) -> None:
    """Flights, landings and weather are others after the split; views, windows and labels bring nothing of it into a fit."""
    split = datetime(2013, 1, 17, 12, tzinfo=UTC)
    program = {**QUICK, 'split=ms.split.time(test="30d")': f'split=ms.split.time(test="{split:%Y-%m-%dT%H:%M}", folds=2)'}
    worlds = {"as it was": first_days(), "another": other_future(split, seed=1)}
    files = [write_flights(tmp_path / name, program=program, changes=changes) for name, changes in worlds.items()]
    world, other = (run_flights(file, as_of="2013-03-01", only=("comparison", "scored")) for file in files)
    assert_same_fits(world, other)
