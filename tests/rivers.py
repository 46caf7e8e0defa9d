"""Small rivers: a user's file in a folder of its own, run as the command line runs it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import polars as pl

from millstream.features.declare import TrainingSet
from millstream.features.declared_views import Label
from millstream.kernel.availability import Cut, microseconds_of, parse_moment
from millstream.kernel.declarations import Declaration
from millstream.kernel.declarations import Table as DeclaredTable
from millstream.kernel.engine import Progress
from millstream.kernel.graph import Node
from millstream.kernel.records import Artifact, StepReport, Table
from millstream.maintenance.run import RunResult, execute_targets, first_error, run
from millstream.project import Project

FILE = "river.py"
LATER = "2030-01-01"
PARCELS_BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
PARCELS = """
parcels = ms.source("parcels.parquet", key="parcel", time="sent")
arrivals = ms.source("arrivals.parquet", key="parcel", time="arrived")


@ms.label(parcels, arrivals, known_at="decided")
def late(parcels: pl.LazyFrame, arrivals: pl.LazyFrame, *, days: int = 2) -> pl.LazyFrame:
    decided = pl.col("sent") + pl.duration(days=days)
    sent = parcels.select("parcel", "sent").join(arrivals.select("parcel", "arrived"), on="parcel", how="left")
    return sent.select("parcel", decided=decided, late=(pl.col("arrived") > decided).fill_null(value=True))


traffic = ms.aggregate(arrivals, key="route", over="7d", hours=("hours", "mean"), arrived=("parcel", "count"))
examples = ms.training_set(parcels, label=late, features=[traffic])
delays = ms.train(examples, methods=[ms.methods.linear()], split=ms.split.time(folds=2), metric="roc_auc")
service = ms.deploy(delays, accept=ms.gate.better())
watch = ms.monitor(service)
renewal = ms.retrain(delays, when=ms.every("30d"))
"""
"""Will this parcel be late? One source of questions, one of events, a label that is known two days later."""


@dataclass(frozen=True)
class Ran:
    """What one run did."""

    project: Project
    result: RunResult
    progress: Progress
    as_of: int

    @property
    def executed(self) -> list[str]:
        """The steps that ran, in the order of their names."""
        return sorted(report.name for report in self.progress.reports.values() if report.status == "ran")

    @property
    def statuses(self) -> dict[str, str]:
        """What became of each step."""
        return {report.name: report.status for report in self.progress.reports.values()}

    def step(self, name: str) -> StepReport:
        """The report of a step."""
        return next(report for report in self.progress.reports.values() if report.name == name)

    def artifact(self, name: str) -> Artifact:
        """What a step gave."""
        return next(artifact for node, artifact in self.progress.artifacts.items() if node.name == name)

    def table(self, name: str) -> Table:
        """The table that a step gave."""
        artifact = self.artifact(name)
        assert isinstance(artifact, Table)
        return artifact

    def days(self, name: str) -> dict[int | None, str]:
        """The digest of each part of a table, by its day."""
        return {part.day: part.digest for part in self.table(name).parts}

    def frame(self, name: str) -> pl.DataFrame:
        """The rows of a table as far as they are visible."""
        return self.project.store.read(self.cut(name))

    def cut(self, name: str) -> Cut:
        """What is visible of a table."""
        return self.project.store.visible(self.table(name), self.as_of)

    def answer(self) -> Ran:
        """Itself, if nothing failed."""
        error = first_error(self.result)
        if error is not None:
            raise error
        return self


def write_river(folder: Path, text: str) -> Path:
    """The user's file; its text may be indented as in a test."""
    file = folder / FILE
    file.write_text("import polars as pl\n\nimport millstream as ms\n\n" + dedent(text), encoding="utf-8")
    return file


def run_river(folder: Path, text: str | None = None, *, as_of: str | int = LATER, only: Sequence[str] = ()) -> Ran:
    """Everything that the file declares (or `only` what is named so), in a project opened anew, whatever fails."""
    if text is not None:
        write_river(folder, text)
    project = Project(folder / FILE)
    moment = as_of if isinstance(as_of, int) else parse_moment(as_of)
    result, progress = execute_targets(project.workspace, targets_of(project, only), as_of=moment, command="run")
    return Ran(project, result, progress, moment)


def write_parcels(folder: Path, changes: Mapping[str, str] | None = None, *, days: int = 90, learnable: int = 0, heavier: int | None = None) -> Path:
    """The river PARCELS with its data, 40 parcels a day; `changes` says which texts of it become others.

    Heavy parcels are late from day `learnable` on, before nothing tells which; from day `heavier` on all weigh more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = PARCELS
    for old, new in (changes or {}).items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    random, count = np.random.default_rng(7), 40 * days
    day = np.arange(count) / 40
    weight = random.gamma(4.0, 1.0, count) + (0.0 if heavier is None else 3.0 * (day >= heavier))
    pull = np.where(day < learnable, 0.0, 1.0) * (weight - weight.mean())
    hours = np.clip(48 + 12 * pull + random.normal(0, 24, count), 1, None)
    sent = pl.Series([PARCELS_BEGIN + timedelta(minutes=36 * number) for number in range(count)]).cast(pl.Datetime("us", "UTC"))
    parcels = pl.DataFrame(
        {
            "parcel": np.arange(count),
            "sent": sent,
            "route": [f"r{number % 5}" for number in range(count)],
            "weight": weight,
            "pieces": random.integers(1, 6, count),
        }
    )
    parcels.write_parquet(folder / "parcels.parquet")
    arrived = parcels.select("parcel", "route", hours=pl.Series(hours), arrived=pl.col("sent") + pl.Series(hours * 3.6e9).cast(pl.Duration("us")))
    arrived.write_parquet(folder / "arrivals.parquet")
    return write_river(folder, text)


def day(number: int) -> int:
    """The moment at which a day of PARCELS begins, counted from 0."""
    return microseconds_of(PARCELS_BEGIN + timedelta(days=number))


def train_models(file: Path, *, as_of: int) -> Project:
    """What `millstream run` does with a file as of a moment."""
    project = Project(file)
    deployments = {name: deployment for name in project.models if (deployment := project.deployment(name)) is not None}
    error = first_error(run(project.workspace, project.models, deployments, as_of=as_of))
    if error is not None:
        raise error
    return project


@contextmanager
def served(file: Path, *options: str) -> Generator[tuple[subprocess.Popen[str], int]]:
    """`millstream serve` over a file on a free port of this machine: its process, and the port once it answers."""
    command = [sys.executable, "-m", "millstream.cli.main", "serve", "--file", str(file), "--port", "0", "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=python_environment()) as process:
        try:
            assert process.stdout is not None
            yield process, int(json.loads(process.stdout.readline())["url"].rpartition(":")[2])
        finally:
            process.terminate()


def post(connection: http.client.HTTPConnection, path: str, body: object) -> tuple[int, Any]:
    """Status and answer of a request; text and bytes are sent as they are, all else as JSON."""
    data = body if isinstance(body, bytes | str) else json.dumps(body)
    connection.request("POST", path, data, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def targets_of(project: Project, only: Sequence[str] = ()) -> list[Node]:
    """The nodes of tables, labels and training sets."""
    return [_node(project, each) for each, name in project.names.items() if _can_run(each) and (not only or name in only)]


def run_python(code: str, *arguments: str, user: int | None = None, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """A process of its own that sees the same modules as this one."""
    return subprocess.run(
        [sys.executable, "-c", dedent(code), *arguments],
        env=python_environment(),
        user=user,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def python_environment() -> dict[str, str]:
    """The environment of a process that sees the same modules as this one."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONDONTWRITEBYTECODE": "1"}


def _can_run(declaration: Declaration) -> bool:
    return isinstance(declaration, DeclaredTable | Label | TrainingSet)


def _node(project: Project, declaration: Declaration) -> Node:
    if isinstance(declaration, Label):
        return project.lowering.node(declaration)
    if isinstance(declaration, TrainingSet):
        return project.lowering.node(declaration)
    assert isinstance(declaration, DeclaredTable)
    return project.lowering.node(declaration)
