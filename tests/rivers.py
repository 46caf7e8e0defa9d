"""Small rivers: a user's file in a folder of its own, run as the command line runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import polars as pl

from millstream.features.declare import TrainingSet
from millstream.features.declared_views import Label
from millstream.kernel.availability import Cut, parse_moment
from millstream.kernel.declarations import Declaration
from millstream.kernel.declarations import Table as DeclaredTable
from millstream.kernel.engine import Progress
from millstream.kernel.graph import Node
from millstream.kernel.records import Artifact, StepReport, Table
from millstream.maintenance.run import RunResult, execute_targets, first_error
from millstream.project import Project

FILE = "river.py"
LATER = "2030-01-01"


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


def targets_of(project: Project, only: Sequence[str] = ()) -> list[Node]:
    """The nodes of tables, labels and training sets."""
    return [_node(project, each) for each, name in project.names.items() if _can_run(each) and (not only or name in only)]


def run_python(code: str, *arguments: str, user: int | None = None, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """A process of its own that sees the same modules as this one."""
    return subprocess.run(
        [sys.executable, "-c", dedent(code), *arguments], env=python_environment(), user=user, capture_output=True, text=True, timeout=timeout, check=False
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
