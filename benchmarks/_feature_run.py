"""Runs of the feature pipeline of a user's file in this process, and what they made."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from millstream.features.declare import TrainingSet
from millstream.kernel.availability import parse_moment
from millstream.kernel.graph import Node
from millstream.kernel.records import Artifact, StepReport, Table
from millstream.maintenance.run import execute_targets, first_error
from millstream.project import STORE, Project


@dataclass(frozen=True, slots=True)
class Made:
    """What a run of some steps did."""

    project: Project
    artifacts: dict[Node, Artifact]
    reports: list[StepReport]

    @property
    def executed(self) -> list[str]:
        """The steps that ran."""
        return sorted(report.name for report in self.reports if report.status == "ran")

    @property
    def rows(self) -> int:
        """The rows that the run processed, as its ledger has it."""
        return sum(report.rows for report in self.reports)

    def table(self, name: str) -> pl.DataFrame:
        """A whole table that was made."""
        artifact = next(each for node, each in self.artifacts.items() if node.name == name)
        assert isinstance(artifact, Table)
        return self.project.store.read(self.project.store.visible(artifact, None))


def make_features(program: Path, *, as_of: str | None, inputs_only: bool = False) -> Made:
    """The training set and label of a file, made in a project that is opened anew; `inputs_only` stops before the training set.

    `as_of`: None is now.
    """
    project = Project(program)
    examples = next(each for each in project.names if isinstance(each, TrainingSet))
    node = project.lowering.node(examples)
    label = [] if isinstance(examples.label, str) else [project.lowering.node(examples.label)]
    targets = [*(node.inputs if inputs_only else [node]), *label]
    moment = time.time_ns() // 1_000 if as_of is None else parse_moment(as_of)
    result, progress = execute_targets(project.workspace, targets, as_of=moment, command="benchmark")
    error = first_error(result)
    if error is not None:
        raise error
    return Made(project, progress.artifacts, list(progress.reports.values()))


def keep_store(folder: Path) -> None:
    """Remember the store beside a user's file as it is now."""
    shutil.rmtree(folder / "kept", ignore_errors=True)
    shutil.copytree(folder / STORE, folder / "kept")


def restore_store(folder: Path, *, empty: bool = False) -> None:
    """Put the remembered store back, or none."""
    shutil.rmtree(folder / STORE, ignore_errors=True)
    if not empty:
        shutil.copytree(folder / "kept", folder / STORE)
