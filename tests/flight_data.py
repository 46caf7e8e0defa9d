"""The flights of the template in a folder of their own, whole or thinned or changed, and what a run makes of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

import millstream as ms
from millstream.kernel.availability import microseconds_of, parse_moment
from millstream.kernel.graph import Node
from millstream.kernel.records import Artifact, Table, Value
from millstream.maintenance.run import execute_targets, first_error
from millstream.project import Project
from millstream.serving.predict import questions
from millstream.training.lowering import ModelNodes, lower_model
from millstream.training.operations import Rows
from millstream.training.results import Comparison, FoldResult, Scored

TEMPLATE = Path(ms.__file__).parent / "templates" / "flights"
FLIGHTS, WEATHER, PLANES = ("data/flights.parquet", "data/weather.parquet", "data/planes.csv")
QUICK = {
    "ms.methods.boosting()": "ms.methods.boosting(rounds=30)",
    "ms.methods.forest()": "ms.methods.forest(trees=10)",
}
"""Methods that are fitted in a moment."""
SHORT_END = datetime(2013, 1, 25, tzinfo=UTC)
LANDED, OBSERVED = timedelta(minutes=15), timedelta(minutes=20)
"""After so long a landing and an observation are known."""

Change = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Flights:
    """What a run as of a moment made."""

    project: Project
    nodes: ModelNodes
    artifacts: Mapping[Node, Artifact]
    as_of: int

    def table(self, name: str) -> pl.DataFrame:
        """What is visible of a source, view, label or training set."""
        found = next(artifact for node, artifact in self.artifacts.items() if node.name == name)
        assert isinstance(found, Table)
        return self.project.store.read(self.project.store.visible(found, self.as_of))

    def rows(self) -> pl.DataFrame:
        """All rows asked, with features and truth as far as it is known."""
        return questions(self.project.workspace, self.nodes, self.artifacts, self.as_of)

    def labelled(self) -> Rows:
        """The rows that are trained on, scored or compared: those whose label is known."""
        rows = self.artifacts[self.nodes.rows]
        assert isinstance(rows, Table)
        return self.nodes.training.read(self.project.store, self.project.store.visible(rows, None))

    def content(self, step: str) -> bytes:
        """The bytes that a step of the model gave."""
        found = next(artifact for node, artifact in self.artifacts.items() if node.name == f"delays/{step}")
        assert isinstance(found, Value)
        return self.project.store.read_value(found)

    def folds(self) -> dict[str, str]:
        """The digest of what each candidate gave on each fold: its rounds, and its scores to the bit."""
        steps = {node.name.removeprefix("delays/"): artifact for node, artifact in self.artifacts.items()}
        return {name: artifact.digest for name, artifact in steps.items() if "/fold_" in name}

    def fold_scores(self, method: str, number: int) -> pl.Series:
        """The scores of a candidate on the rows that a fold (from 0) validates on."""
        result = msgspec.msgpack.decode(self.content(f"{method}/fold_{number + 1}"), type=FoldResult)
        return pl.Series(np.frombuffer(result.scores, "<f8"))

    def comparison(self) -> Comparison:
        """The leaderboard."""
        return msgspec.msgpack.decode(self.content("comparison"), type=Comparison)

    def scored(self) -> Scored:
        """The scored fit."""
        return msgspec.msgpack.decode(self.content("scored"), type=Scored)


def write_flights(folder: Path, *, program: Mapping[str, str] | None = None, changes: Mapping[str, Change] | None = None) -> Path:
    """The template in a folder; `program` says which texts become others, `changes` what becomes of the data."""
    text = (TEMPLATE / "flights.py").read_text(encoding="utf-8")
    for old, new in (program or {}).items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file = folder / "flights.py"
    (folder / "data").mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    shutil.copyfile(TEMPLATE / PLANES, folder / PLANES)
    for name in (FLIGHTS, WEATHER):
        _change(TEMPLATE / name, folder / name, (changes or {}).get(name))
    return file


def run_flights(file: Path, *, as_of: str, only: Sequence[str] = ("training rows",)) -> Flights:
    """The steps of the file's model up to `only` these: tables by their names, or its training rows."""
    project = Project(file)
    nodes = lower_model("delays", project.models["delays"], project.lowering)
    parts = {"training rows": nodes.rows, "comparison": nodes.comparison, "scored": nodes.scored, "refit": nodes.refit}
    targets = [parts[name] if name in parts else project.lowering.node(project.value(name)) for name in only]
    result, progress = execute_targets(project.workspace, targets, as_of=parse_moment(as_of), command="run")
    error = first_error(result)
    if error is not None:
        raise error
    return Flights(project, nodes, progress.artifacts, parse_moment(as_of))


def first_days() -> dict[str, Change]:
    """The data up to SHORT_END as they were."""
    return {FLIGHTS: _before("scheduled"), WEATHER: _before("observed")}


def other_future(moment: datetime, *, seed: int) -> dict[str, Change]:
    """The first days with another future: what became known after the moment is changed, dropped, added to, and in another order."""
    random = np.random.default_rng(seed)
    return {
        FLIGHTS: lambda frame: _other_flights(_before("scheduled")(frame), moment, random),
        WEATHER: lambda frame: _other_weather(_before("observed")(frame), moment, random),
    }


def _before(time: str) -> Change:
    return lambda frame: frame.filter(pl.col(time) < SHORT_END)


def _other_flights(flights: pl.DataFrame, moment: datetime, random: np.random.Generator) -> pl.DataFrame:
    """Flights scheduled after the moment are others, and so are all landings known after it."""
    begins = pl.lit(moment + timedelta(microseconds=1), pl.Datetime("us", "UTC"))
    fresh = flights.tail(200).with_columns(flight="new " + pl.col("flight"), scheduled=begins)
    flights = _dropped(pl.concat([flights, fresh]), pl.col("scheduled") > moment, random)
    scheduled = _after(moment, flights.height, random)
    landed = pl.when(_two_in_three(flights.height, random)).then(_after(moment - LANDED, flights.height, random))
    asked_later, landed_later = pl.col("scheduled") > moment, (pl.col("landed") + LANDED > moment) | pl.col("landed").is_null()
    others = {name: pl.col(name).shuffle(int(random.integers(1_000))) for name in ("carrier", "origin", "dest", "tailnum", "distance")}
    flights = flights.with_columns(
        landed=pl.when(landed_later).then(landed).otherwise("landed"),
        arrival_delay=pl.when(landed_later).then(pl.lit(-777, pl.Int16)).otherwise("arrival_delay"),
        due=pl.when(asked_later).then(scheduled + timedelta(hours=1)).otherwise("due"),
        scheduled=pl.when(asked_later).then(scheduled).otherwise("scheduled"),
        **{name: pl.when(asked_later).then(other).otherwise(name) for name, other in others.items()},
    )
    return _shuffled(flights, pl.col("scheduled") > moment, random)


def _other_weather(weather: pl.DataFrame, moment: datetime, random: np.random.Generator) -> pl.DataFrame:
    later = pl.col("observed") + OBSERVED > moment
    weather = _dropped(weather, later, random)
    changed = {"wind_speed": pl.lit(-99.0), "visibility": pl.lit(None), "observed": pl.lit(_after(moment - OBSERVED, weather.height, random))}
    weather = weather.with_columns(pl.when(later).then(other).otherwise(name).alias(name) for name, other in changed.items())
    return _shuffled(weather, later, random)


def _after(moment: datetime, rows: int, random: np.random.Generator) -> pl.Series:
    """Moments of the ten days after, one in ten of them a microsecond later."""
    microseconds = microseconds_of(moment) + 1 + random.integers(0, 10 * 86_400_000_000, rows) * (random.random(rows) < 0.9)
    return pl.Series(microseconds).cast(pl.Datetime("us", "UTC"))


def _two_in_three(rows: int, random: np.random.Generator) -> pl.Series:
    return pl.Series(random.random(rows) < 2 / 3)


def _dropped(frame: pl.DataFrame, later: pl.Expr, random: np.random.Generator) -> pl.DataFrame:
    """Without one in three of the rows that are later."""
    return frame.filter(~later | _two_in_three(frame.height, random))


def _shuffled(frame: pl.DataFrame, later: pl.Expr, random: np.random.Generator) -> pl.DataFrame:
    """What is later stands anywhere; all else stays in its order."""
    anywhere = pl.Series(random.uniform(0, frame.height, frame.height))
    place = pl.when(later).then(anywhere).otherwise(pl.int_range(pl.len()).cast(pl.Float64))
    return frame.sort(place, maintain_order=True)


def _change(source: Path, target: Path, change: Change | None) -> None:
    if change is None:
        shutil.copyfile(source, target)
    else:
        change(pl.read_parquet(source)).write_parquet(target)
