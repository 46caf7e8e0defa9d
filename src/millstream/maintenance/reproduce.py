"""A run made once more: each step from its recorded inputs, in a clean store, compared with what is on record.

The code is that of the record, sources are their recorded snapshots, a refit follows its fit record. As every step is given the recorded
inputs, a difference is told where it arises and nowhere else. One process, one thread a library, steps one after the other.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import msgspec
import polars as pl

from millstream.errors import ConfigurationError, MillstreamError, NotFoundError
from millstream.features.lowering import is_read
from millstream.kernel.declarations import Declaration
from millstream.kernel.graph import Node, ordered
from millstream.kernel.job import repeat
from millstream.kernel.ledger import Ledger
from millstream.kernel.locks import in_use
from millstream.kernel.records import Artifact, Collection, RunReport, StepReport, Table, Value
from millstream.kernel.store import Store
from millstream.maintenance.run_difference import pairs
from millstream.registry.environment import environment
from millstream.registry.records import Version
from millstream.registry.versions import Registry
from millstream.registry.workspace import Workspace
from millstream.serving.release import lower_bundle
from millstream.sources.pulled import PulledOperation
from millstream.sources.snapshot import merged
from millstream.sources.spine import SpineOperation
from millstream.training.declare import Model
from millstream.training.lowering import follow_record, lower_model

TOLERANCE = 1e-9
"""Floats count as equal up to this share of the greater one: sums in another order differ by less."""

Verdict = Literal["recorded", "identical", "equal", "different", "failed"]


class Repeated(msgspec.Struct, frozen=True):
    """One step made once more.

    `recorded`: taken from the record, as a source is. `identical`: the same digest. `equal`: equal up to 1e-9 of each float.
    `different` and `failed`: `detail` says where, or why.
    """

    name: str
    verdict: Verdict
    detail: str = ""
    seconds: float = 0.0


class Reproduction(msgspec.Struct, frozen=True):
    """A run made once more. `changed` is what differs of the environment: name, then, now."""

    run: str
    version: str | None
    steps: tuple[Repeated, ...]
    changed: tuple[tuple[str, str, str], ...]

    @property
    def same(self) -> bool:
        """Whether every step gave what is on record."""
        return all(each.verdict in ("recorded", "identical", "equal") for each in self.steps)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is to be made once more: a run, and the version of it that was asked for, if one was."""

    run: RunReport
    version: Version | None
    files: Mapping[str, str]
    settings: Mapping[str, Mapping[str, object]]


def recorded(ledger: Ledger, registry: Registry, what: str) -> Recorded:
    """The run that a version (`delays@3`) or a run's name means; NotFoundError if it is not on record or came before code was kept."""
    model, at, number = what.partition("@")
    version = registry.version(model, int(number)) if at and number.isdigit() else None
    run = ledger.run(version.lineage.run if version else what)
    files = ledger.files(run.run)
    if not files:
        raise NotFoundError(f"the code of run {run.run} is not on record", hint="runs keep it since this version; run again, and reproduce that")
    return Recorded(run, version, files, ledger.circumstances(run.run).settings)


def environment_changes(workspace: Workspace, run: str) -> tuple[tuple[str, str, str], ...]:
    """What differs between the environment of a run and this one: name, then, now."""
    differing = pairs(workspace.ledger.circumstances(run).environment, dict(environment()))
    return tuple((each.name, str(each.before or "none"), str(each.now or "none")) for each in differing if not each.name.startswith("git"))


def reproduce(workspace: Workspace, names: Mapping[Declaration, str], models: Mapping[str, Model], asked: Recorded, clean: Store) -> Reproduction:
    """Make a run, or what a version needs of it, once more in a clean store."""
    reports = {each.name: each for each in asked.run.steps}
    nodes = [node for node in ordered(_targets(workspace, names, models, asked)) if node.name in reports]
    if not nodes:
        raise ConfigurationError(f"run {asked.run.run} has no step that its code declares", hint="`millstream show RUN` lists its steps")
    again = _Again(workspace.store, workspace.ledger, clean, reports, asked.run.as_of)
    with in_use(workspace.store.root):
        steps = tuple(again.step(node) for node in nodes)
    return Reproduction(asked.run.run, asked.version.name if asked.version else None, steps, environment_changes(workspace, asked.run.run))


def _targets(workspace: Workspace, names: Mapping[Declaration, str], models: Mapping[str, Model], asked: Recorded) -> list[Node]:
    targets: list[Node] = []
    for name, model in models.items():
        if asked.version is not None and name != asked.version.model:
            continue
        nodes = lower_model(name, model, workspace.lowering)
        if asked.version is not None and asked.version.origin == "retrain":
            nodes = follow_record(nodes, asked.version.record)
        targets += [*nodes.targets, lower_bundle(nodes, workspace.lowering)]
    if asked.version is None:
        targets += [workspace.lowering.node(each) for each in names if is_read(each)]
    return targets


@dataclass
class _Again:
    """Steps made once more: `artifacts` are those that later steps read, the recorded ones where they are still stored."""

    store: Store
    ledger: Ledger
    clean: Store
    reports: Mapping[str, StepReport]
    as_of: int
    artifacts: dict[Node, Artifact] = field(default_factory=dict[Node, Artifact])

    def step(self, node: Node) -> Repeated:
        """Make one step once more, and compare."""
        report, started = self.reports[node.name], time.perf_counter()
        if not node.inputs and not isinstance(node.operation, SpineOperation):
            return self._recorded(node, report)
        lacking = [each.name for each in node.inputs if each not in self.artifacts]
        if lacking:
            return Repeated(node.name, "failed", f"{', '.join(lacking)} could not be made")
        try:
            plan, made = repeat(node, self.clean, [self.artifacts[each] for each in node.inputs], self.as_of)
        except MillstreamError as error:
            return Repeated(node.name, "failed", error.message, time.perf_counter() - started)
        known = self._stored(self.ledger.keys(node.name, report.digest))
        before = plan.together(self.clean, known) if known is not None else None
        self.artifacts[node] = before if before is not None and before.digest == report.digest else made
        verdict, detail = self._compare(report, before, made)
        return Repeated(node.name, verdict, detail, time.perf_counter() - started)

    def _recorded(self, node: Node, report: StepReport) -> Repeated:
        found = self._snapshot(node, report)
        if not found:
            return Repeated(node.name, "failed", "its recorded snapshot is no longer stored")
        tables = [each for each in found if isinstance(each, Table)]
        artifact = merged(self.clean, tables) if tables else found[0]
        if artifact.digest != report.digest:
            return Repeated(node.name, "different", "its recorded snapshot is not what it was")
        self.artifacts[node] = artifact
        if isinstance(artifact, Table):
            self.clean.read(self.clean.visible(artifact, None))
        return Repeated(node.name, "recorded")

    def _snapshot(self, node: Node, report: StepReport) -> list[Artifact] | None:
        """What a source gave; what a service gave is found by its content, under whichever key it was taken."""
        if not isinstance(node.operation, PulledOperation):
            return self._stored(self.ledger.keys(node.name, report.digest))
        table = node.operation.recorded(self.store, report.digest)
        if table is None:
            return None
        self.clean.borrow(self.store, table)
        return [table]

    def _stored(self, keys: Sequence[str]) -> list[Artifact] | None:
        """The recorded results, taken over into the clean store; None if one is gone."""
        found = self.store.find(keys)
        if not keys or len(found) < len(set(keys)):
            return None
        for each in found.values():
            self.clean.borrow(self.store, each.artifact)
        return [found[key].artifact for key in keys]

    def _compare(self, report: StepReport, before: Artifact | None, made: Artifact) -> tuple[Verdict, str]:
        if made.digest == report.digest:
            return "identical", ""
        if before is None or before.digest != report.digest:
            return "different", "what it gave then is no longer stored, so it cannot be said where"
        detail = differences_of(self.clean, before, made)
        return ("different", detail) if detail else ("equal", "")


def differences_of(store: Store, before: Artifact, now: Artifact) -> str:
    """Where two artifacts differ beyond the tolerance; nothing if they do not."""
    if isinstance(before, Table) and isinstance(now, Table):
        return _tables(*(store.read(store.visible(each, None)) for each in (before, now)))
    if isinstance(before, Collection) and isinstance(now, Collection):
        if before.names != now.names or len(before.members) != len(now.members):
            return "other results"
        names = before.names or [str(number + 1) for number in range(len(before.members))]
        found = [(name, differences_of(store, old, new)) for name, old, new in zip(names, before.members, now.members, strict=True)]
        return "; ".join(f"{name}: {detail}" for name, detail in found if detail)
    if isinstance(before, Value) and isinstance(now, Value):
        if before.kind == now.kind == "json" and _near(*(msgspec.json.decode(store.read_value(each)) for each in (before, now))):
            return ""
        return f"other content ({before.size:,} bytes then, {now.size:,} now)"
    return "a result of another kind"


def _tables(before: pl.DataFrame, now: pl.DataFrame) -> str:
    if before.schema != now.schema:
        return f"other columns: {', '.join(f'{name} {kind}' for name, kind in now.schema.items() if before.schema.get(name) != kind) or 'fewer'}"
    if before.height != now.height:
        return f"{now.height:,} rows, {before.height:,} then"
    changed = {name: _changed(before.get_column(name), now.get_column(name)) for name in before.columns}
    told = [f"{name} in {count:,} rows" for name, count in changed.items() if count]
    return f"column {', '.join(told)}" if told else ""


def _changed(before: pl.Series, now: pl.Series) -> int:
    """In how many rows a column differs beyond the tolerance."""
    if not before.dtype.is_float():
        return before.len() - int(before.eq_missing(now).sum())
    near = (before - now).abs() <= TOLERANCE * pl.DataFrame([before.abs().alias("a"), now.abs().alias("b")]).max_horizontal()
    return before.len() - int((before.eq_missing(now) | near.fill_null(value=False)).sum())


def _near(before: object, now: object) -> bool:
    """Whether two JSON values are equal up to the tolerance of each number."""
    if isinstance(before, int | float) and isinstance(now, int | float):
        return math.isclose(before, now, rel_tol=TOLERANCE)
    if isinstance(before, list) and isinstance(now, list):
        olds, news = cast("list[object]", before), cast("list[object]", now)
        return len(olds) == len(news) and all(map(_near, olds, news))
    if isinstance(before, dict) and isinstance(now, dict):
        old, new = cast("dict[str, object]", before), cast("dict[str, object]", now)
        return old.keys() == new.keys() and all(_near(old[key], new[key]) for key in old)
    return before == now
