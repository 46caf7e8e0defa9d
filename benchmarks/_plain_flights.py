"""The flights template written by hand: polars joins, LightGBM and scikit-learn with the same settings, no library around them.

    python -m benchmarks._plain_flights FOLDER AS_OF

reads `data/` in the folder, compares the four methods on the same folds, scores the winner on the test block, refits it on all
rows, leaves it as `plain.pickle`, and prints one JSON object. It stores no tables, keeps no record, has no intervals and no slices.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import json
import os
import pickle
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402  the threads are capped before
import polars as pl  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]
Scorer = Callable[[pl.DataFrame], Numbers]

NUMBERS = ["distance", "wind_speed", "visibility", "seats", "built", "delay_1d", "landed_1d", "delay_7d", "landed_7d", "hour", "weekday", "age"]
LEVELS = ["carrier", "origin", "dest"]
FOLDS, TEST_DAYS, MOST_ROUNDS, THREADS = 4, 30, 1000, 2
ONE_IN = 10_000
"""Levels that are rarer get no code of their own."""
BOOSTING = {
    "objective": "binary",
    "metric": "binary_logloss",
    "num_leaves": 31,
    "learning_rate": 0.05,
    "min_data_in_leaf": 20,
    "max_bin": 255,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "feature_fraction": 0.8,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
    "seed": 0,
    "data_random_seed": 0,
    "bagging_seed": 0,
    "feature_fraction_seed": 0,
}


@dataclass(frozen=True, slots=True)
class Tables:
    """The raw tables as far as they are known at a moment."""

    schedule: pl.DataFrame
    landings: pl.DataFrame
    weather: pl.DataFrame
    planes: pl.DataFrame


def read_tables(folder: Path, as_of: datetime | None = None) -> Tables:
    """The tables in `data/`, cut at the moment; flights and weather are a file each, or a folder of files."""
    flights, weather = (_read(folder / "data" / name) for name in ("flights", "weather"))
    planes = pl.read_csv(folder / "data/planes.csv")
    until = as_of or datetime.max.replace(tzinfo=UTC)
    return Tables(
        flights.drop("landed", "arrival_delay").filter(pl.col("scheduled") <= until),
        flights.select("flight", "carrier", "landed", "arrival_delay").filter(pl.col("landed") + pl.duration(minutes=15) <= until),
        weather.filter(pl.col("observed") + pl.duration(minutes=20) <= until),
        planes,
    )


def _read(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path / "*.parquet" if path.is_dir() else path.with_suffix(".parquet"))


# -- features -------------------------------------------------------------------


def features_of(tables: Tables) -> pl.DataFrame:
    """Every flight with what was known when it was scheduled, in order of that moment."""
    frame = tables.schedule.sort("scheduled", maintain_order=True)
    frame = with_wind(frame, tables.weather)
    frame = frame.join(tables.planes.select("tailnum", "seats", built="year"), on="tailnum", how="left", maintain_order="left")
    for name, width in (("1d", timedelta(days=1)), ("7d", timedelta(days=7))):
        frame = with_window(frame, tables.landings, name, width)
    return with_calendar(frame)


def with_wind(frame: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """The newest observation that was known, not older than three hours."""
    observed = weather.select("origin", "observed", "wind_speed", "visibility", known=pl.col("observed") + pl.duration(minutes=20)).sort("known")
    joined = frame.join_asof(observed, left_on="scheduled", right_on="known", by="origin", check_sortedness=False)
    fresh = pl.col("observed") >= pl.col("scheduled") - pl.duration(hours=3)
    return joined.with_columns(pl.when(fresh).then(pl.col(name)).alias(name) for name in ("wind_speed", "visibility")).drop("observed", "known")


def with_window(frame: pl.DataFrame, landings: pl.DataFrame, name: str, width: timedelta) -> pl.DataFrame:
    """Landings of the carrier in the window that were known: what had landed 15 minutes ago, less what had landed before the window."""
    running = (
        landings.filter(pl.col("landed").is_not_null())
        .sort("landed")
        .select(
            "carrier",
            "landed",
            sum=pl.col("arrival_delay").cast(pl.Int64).cum_sum().over("carrier"),
            count=pl.col("flight").cum_count().over("carrier"),
        )
    )
    asked = frame.select("carrier", known=pl.col("scheduled") - timedelta(minutes=15), begin=pl.col("scheduled") - width)
    by: Any = {"by": "carrier", "right_on": "landed", "check_sortedness": False}
    entered = asked.join_asof(running, left_on="known", **by)
    left = asked.join_asof(running, left_on="begin", allow_exact_matches=False, **by)
    total, count = (entered[column].fill_null(0) - left[column].fill_null(0) for column in ("sum", "count"))
    window = pl.DataFrame({"total": total, "count": count})
    delay = pl.when(pl.col("count") > 0).then(pl.col("total") / pl.col("count"))
    return frame.hstack(window.select(delay.alias(f"delay_{name}"), pl.col("count").alias(f"landed_{name}")))


def with_calendar(frame: pl.DataFrame) -> pl.DataFrame:
    """Hour and weekday in New York, and the age of the plane on that day."""
    local = pl.col("scheduled").dt.convert_time_zone("America/New_York").dt
    return frame.with_columns(hour=local.hour(), weekday=local.weekday(), age=local.year() - pl.col("built"))


def with_label(frame: pl.DataFrame, tables: Tables, as_of: datetime) -> pl.DataFrame:
    """The flights whose label is known by the moment."""
    decided = pl.col("due") + pl.duration(minutes=15)
    joined = frame.join(tables.landings.select("flight", "landed"), on="flight", how="left", maintain_order="left")
    labelled = joined.with_columns(known=decided + pl.duration(minutes=15), late=(pl.col("landed") > decided).fill_null(value=True))
    return labelled.filter(pl.col("known") <= as_of)


# -- methods --------------------------------------------------------------------


class Stop:
    """LightGBM's early stopping with a patience that grows with the best round."""

    def __init__(self, rows: int) -> None:
        """`rows` that it learns from: few make the loss jump about."""
        self.best, self.loss, self.rows = 0, float("inf"), rows

    def __call__(self, moment: Any) -> None:  # noqa: ANN401  LightGBM's own record
        """After every round."""
        from lightgbm.callback import EarlyStopException  # noqa: PLC0415  costs a second

        results = moment.evaluation_result_list
        loss, number = results[0][2], moment.iteration + 1
        if loss < self.loss:
            self.best, self.loss = number, loss
        if number - self.best > max(0.3 * self.best + 20, 200 * min(1.0, 10_000 / self.rows)):
            raise EarlyStopException(self.best - 1, results)


def code_of(name: str, levels: Mapping[str, int]) -> pl.Expr:
    """The code of a level, -1 for one that is rare or new, null for null."""
    return pl.when(pl.col(name).is_not_null()).then(pl.col(name).replace_strict(levels, default=-1, return_dtype=pl.Float32))


class Codes:
    """Levels as codes by their frequency, everything as float32: what trees learn from."""

    def __init__(self, frame: pl.DataFrame) -> None:
        """Learn the levels of the training rows."""
        counts = {name: frame[name].drop_nulls().value_counts().sort(["count", name], descending=[True, False]) for name in LEVELS}
        frequent = {name: found.filter(pl.col("count") * ONE_IN >= frame.height) for name, found in counts.items()}
        self.levels = {name: {level: code for code, level in enumerate(found[name])} for name, found in frequent.items()}

    def matrix(self, frame: pl.DataFrame) -> Numbers:
        """Rows x columns."""
        coded = [code_of(name, self.levels[name]) for name in LEVELS]
        return frame.select(*coded, pl.col(NUMBERS).cast(pl.Float32)).to_numpy().astype(np.float64)


def fit_boosting(frame: pl.DataFrame, held: pl.DataFrame | None, rounds: int | None) -> tuple[Scorer, int | None]:
    """Boosted trees: as many rounds as served best on `held`, or `rounds`."""
    import lightgbm  # noqa: PLC0415  costs a second

    train = cast("Any", lightgbm.train)
    codes = Codes(frame)
    training = lightgbm.Dataset(codes.matrix(frame), frame["late"].to_numpy())
    if held is None or rounds is not None:
        booster = train(BOOSTING, training, rounds)
        return lambda rows: booster.predict(codes.matrix(rows)), rounds
    stop = Stop(frame.height)
    watched = lightgbm.Dataset(codes.matrix(held), held["late"].to_numpy(), reference=training)
    booster = train(BOOSTING, training, MOST_ROUNDS, valid_sets=[watched], callbacks=[stop])
    return lambda rows: booster.predict(codes.matrix(rows), num_iteration=stop.best), stop.best


def fit_linear(frame: pl.DataFrame, held: pl.DataFrame | None, rounds: int | None) -> tuple[Scorer, int | None]:
    """Logistic regression on normal scores and indicators."""
    del held, rounds
    from sklearn.compose import ColumnTransformer  # noqa: PLC0415  costs a second
    from sklearn.impute import SimpleImputer  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import OneHotEncoder, QuantileTransformer  # noqa: PLC0415

    normal = QuantileTransformer(n_quantiles=256, output_distribution="normal", random_state=0)
    numbers = make_pipeline(normal, SimpleImputer(strategy="constant", fill_value=0.0, add_indicator=True))
    levels = OneHotEncoder(min_frequency=0.001, max_categories=100, handle_unknown="infrequent_if_exist", sparse_output=False)
    logistic = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-5, max_iter=500)
    model: Any = make_pipeline(ColumnTransformer([("numbers", numbers, NUMBERS), ("levels", levels, LEVELS)]), logistic)
    model.fit(_floats(frame), frame["late"].to_numpy())
    return lambda rows: model.predict_proba(_floats(rows))[:, 1], None


def fit_forest(frame: pl.DataFrame, held: pl.DataFrame | None, rounds: int | None) -> tuple[Scorer, int | None]:
    """A random forest on the same codes as the boosting."""
    del held, rounds
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415  costs a second

    codes = Codes(frame)
    forest: Any = RandomForestClassifier(n_estimators=100, min_samples_leaf=20, max_samples=0.3, max_features="sqrt", n_jobs=1, random_state=0)
    forest.fit(codes.matrix(frame), frame["late"].to_numpy())
    return lambda rows: forest.predict_proba(codes.matrix(rows))[:, 1], None


def fit_baseline(frame: pl.DataFrame, held: pl.DataFrame | None, rounds: int | None) -> tuple[Scorer, int | None]:
    """The share of late flights."""
    del held, rounds
    share = frame["late"].mean()
    return lambda rows: np.full(rows.height, share), None


METHODS = {"boosting": fit_boosting, "linear": fit_linear, "forest": fit_forest, "baseline": fit_baseline}


def _floats(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(pl.col(NUMBERS).cast(pl.Float64).fill_null(float("nan")), *LEVELS)


# -- the comparison -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Folds:
    """Which rows are learnt from and which are scored: per fold, then for the test block."""

    pairs: Sequence[tuple[Mask, Mask]]
    test: tuple[Mask, Mask]


def folds_of(frame: pl.DataFrame) -> Folds:
    """Blocks of time: a row is learnt from if it was asked, and its label known, before the block begins."""
    asked, known = frame["scheduled"].cast(pl.Int64).to_numpy(), frame["known"].cast(pl.Int64).to_numpy()
    cut = int(asked.max()) - TEST_DAYS * 86_400_000_000
    trains = (asked < cut) & (known <= cut)
    moments, first = np.unique(asked[trains], return_index=True)
    wanted = [(block + 1) / (FOLDS + 1) * trains.sum() for block in range(FOLDS)]
    starts = [int(moments[np.abs(first - place).argmin()]) for place in wanted]
    ends = [*starts[1:], cut]
    pairs = [((asked < start) & (known <= start), trains & (asked >= start) & (asked < end)) for start, end in zip(starts, ends, strict=True)]
    return Folds(pairs, (trains, asked >= cut))


def compare(frame: pl.DataFrame) -> tuple[dict[str, float], str, int | None, float, Scorer]:
    """The leaderboard, the winner with its rounds and its score on the test block, and the winner fitted on all rows."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415  costs a second

    folds = folds_of(frame)

    def fit(work: tuple[str, tuple[Mask, Mask]]) -> tuple[float, int | None]:
        name, (training, validation) = work
        held = frame.filter(pl.Series(validation))
        scorer, rounds = METHODS[name](frame.filter(pl.Series(training)), held, None)
        return float(roc_auc_score(held["late"].to_numpy(), scorer(held))), rounds

    works = [(name, pair) for pair in reversed(folds.pairs) for name in METHODS]
    with ThreadPoolExecutor(THREADS) as pool:
        results = list(zip(works, pool.map(fit, works), strict=True))
    leaderboard = {name: statistics.fmean(score for (method, _), (score, _) in results if method == name) for name in METHODS}
    winner = max(leaderboard, key=lambda name: leaderboard[name])
    kept = [rounds for (method, _), (_, rounds) in results if method == winner and rounds is not None]
    rounds = int(statistics.median(kept)) if kept else None
    training, test = (frame.filter(pl.Series(mask)) for mask in folds.test)
    with ThreadPoolExecutor(THREADS) as pool:
        scored = pool.submit(METHODS[winner], training, None, rounds)
        refitted = pool.submit(METHODS[winner], frame, None, rounds)
    score = float(roc_auc_score(test["late"].to_numpy(), scored.result()[0](test)))
    return leaderboard, winner, rounds, score, refitted.result()[0]


def main(arguments: Sequence[str]) -> None:
    """The whole script, once."""
    folder, as_of = Path(arguments[0]), datetime.fromisoformat(arguments[1]).replace(tzinfo=UTC)
    tables = read_tables(folder, as_of)
    frame = with_label(features_of(tables), tables, as_of)
    leaderboard, winner, rounds, score, model = compare(frame)
    content = _pickled(model)
    (folder / "plain.pickle").write_bytes(content)
    told: Mapping[str, object] = {"rows": frame.height, "leaderboard": leaderboard, "winner": winner, "rounds": rounds, "test": score}
    sys.stdout.write(json.dumps(told))


def _pickled(model: Scorer) -> bytes:
    """What the scorer holds: a function itself cannot be pickled."""
    held = [cell.cell_contents for cell in model.__closure__ or ()]
    return pickle.dumps(held)


if __name__ == "__main__":
    main(sys.argv[1:])
