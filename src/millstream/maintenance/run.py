"""A run: make what the file declares as of a moment, register new versions, and put the first one in office."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import numpy as np

from millstream.errors import MillstreamError
from millstream.evaluation.judge import gate_text, judge
from millstream.evaluation.records import Score, Verdict
from millstream.features.training_set import ASKED
from millstream.kernel.again import Again
from millstream.kernel.availability import Cut
from millstream.kernel.declarations import Declaration
from millstream.kernel.engine import Listener, Progress, execute
from millstream.kernel.graph import Node, ordered
from millstream.kernel.locks import in_use
from millstream.kernel.records import Artifact, RunReport, Table, Value
from millstream.kernel.store import Store
from millstream.kernel.units import seen_of
from millstream.maintenance.selection import Chosen, Selection, choose
from millstream.registry.environment import environment, git_state, project_files
from millstream.registry.records import Lineage, Version
from millstream.registry.workspace import Workspace
from millstream.serving.declare import Deployment
from millstream.serving.release import lower_bundle
from millstream.training.declare import Model
from millstream.training.lowering import ModelNodes, lower_model
from millstream.training.operations import cost_of
from millstream.training.results import COST, Comparison, Cost, FitRecord, Scored


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run made of one model. `fresh` says whether the version is new; `asked` and `rows` count what was asked and what was learnt from."""

    nodes: ModelNodes
    version: Version
    alias: str | None
    fresh: bool
    comparison: Comparison
    costs: Mapping[str, Cost]
    scored: Scored
    asked: int
    rows: int
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run's report, the models it made, and what was said on the way."""

    report: RunReport
    trained: Sequence[Trained]
    errors: Sequence[Exception]
    notes: Sequence[str]
    artifacts: Mapping[Node, Artifact] = field(default_factory=dict[Node, Artifact])


def run(
    workspace: Workspace,
    models: Mapping[str, Model],
    deployments: Mapping[str, Deployment],
    *,
    as_of: int,
    more: Sequence[Node] = (),
    command: str = "run",
    listener: Listener | None = None,
) -> RunResult:
    """Make all models (and the nodes in `more`) as of a moment, registering what is new."""
    return run_chosen(workspace, Chosen(models, tuple(more)), deployments, as_of=as_of, command=command, listener=listener)


def run_selection(
    workspace: Workspace,
    declared: Mapping[Declaration, str],
    life: Mapping[str, tuple[Model, Deployment | None]],
    selection: Selection,
    *,
    as_of: int,
    listener: Listener | None = None,
) -> RunResult:
    """Make what is selected of a file: `life` are its models and their deployments by name."""
    chosen = choose(workspace, declared, {name: model for name, (model, _) in life.items()}, selection)
    deployments = {name: deployment for name, (_, deployment) in life.items() if deployment is not None}
    return run_chosen(workspace, chosen, deployments, as_of=as_of, listener=listener, selection=selection)


def run_chosen(
    workspace: Workspace,
    chosen: Chosen,
    deployments: Mapping[str, Deployment],
    *,
    as_of: int,
    command: str = "run",
    listener: Listener | None = None,
    selection: Selection | None = None,
) -> RunResult:
    """Make the models and steps that are chosen; the selection says which steps are computed although their results are stored."""
    lowered = {name: lower_model(name, model, workspace.lowering) for name, model in chosen.models.items()}
    bundles = {name: lower_bundle(nodes, workspace.lowering) for name, nodes in lowered.items()}
    targets = [*chosen.nodes, *(node for name, nodes in lowered.items() for node in (*nodes.targets, bundles[name]))]
    again = selection.again(ordered(targets)) if selection else None
    with in_use(workspace.store.root):
        result, progress = execute_targets(workspace, targets, as_of=as_of, command=command, listener=listener, again=again)
        made = [Made(nodes, bundles[name], progress.artifacts, progress.keys, result.report.run, as_of) for name, nodes in lowered.items()]
        trained = [_register(workspace, each, deployments.get(each.nodes.name)) for each in made if _finished(each)]
    return RunResult(result.report, trained, result.errors, result.notes, progress.artifacts)


def execute_targets(
    workspace: Workspace,
    targets: Sequence[Node],
    *,
    as_of: int,
    command: str,
    listener: Listener | None = None,
    again: Mapping[Node, Again] | None = None,
) -> tuple[RunResult, Progress]:
    """Run the targets and all that they need, on record; those in `again` although their results are stored."""
    started = time.perf_counter()
    with in_use(workspace.store.root):
        identity = workspace.ledger.begin(as_of=as_of, command=command, environment=dict(environment()), settings=workspace.lowering.settings)
        workspace.ledger.keep_files(identity, project_files(workspace.root))
        status = "failed"
        try:
            nodes = ordered(targets)
            progress = execute(
                nodes,
                store=workspace.store,
                ledger=workspace.ledger,
                run=identity,
                as_of=as_of,
                listener=listener,
                opening=workspace.opening,
                again=again,
            )
            status = "failed" if progress.errors else "done"
            if any(each.status == "ran" for each in progress.reports.values()):
                workspace.ledger.add_environment(identity, git_state(workspace.root))
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            workspace.ledger.finish(identity, status, time.perf_counter() - started)
    report = RunReport(identity, as_of, time.perf_counter() - started, tuple(progress.reports.values()))
    return RunResult(report, (), list(progress.errors.values()), _notes(report)), progress


@dataclass(frozen=True, slots=True)
class Made:
    """What a run made of one model: its nodes, the node of its bundle, and all artifacts with the cache keys of their units."""

    nodes: ModelNodes
    bundle: Node
    artifacts: Mapping[Node, Artifact]
    keys: Mapping[Node, tuple[str, ...]]
    run: str
    as_of: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a version: how it was fitted, and what was scored on the test block."""

    record: FitRecord
    test: Score
    baseline: Score


def evidence_from(store: Store, made: Made) -> Evidence:
    """The evidence that a run made."""
    scored = scored_of(store, made)
    return Evidence(comparison_of(store, made).record, scored.winner, scored.baseline)


def evidence_of(version: Version) -> Evidence:
    """The evidence of a version, for the refit that follows its record."""
    return Evidence(version.record, version.test, version.baseline)


def register(workspace: Workspace, made: Made, evidence: Evidence, *, origin: Literal["run", "retrain"], moment: int) -> tuple[Version, bool]:
    """The version of a bundle: the one on record if nothing is new, else the next one. Says whether it is new."""
    bundle, model = made.artifacts[made.bundle], made.nodes.name
    known = next((each for each in workspace.registry.versions(model) if each.bundle == bundle.digest), None)
    if known is not None:
        if not workspace.store.has_all(known.name):
            _pin(workspace, known, made)
        return known, False
    lineage = _lineage(workspace.store, made)
    foreign = _is_foreign(made.nodes.training.named(evidence.record.method).method)
    created = time.time_ns() // 1_000

    def make(number: int) -> Version:
        version = Version(model, number, created, bundle.digest, origin, lineage, evidence.record, evidence.test, evidence.baseline, foreign)
        _pin(workspace, version, made)
        return version

    version = workspace.registry.register(model, make, moment=moment)
    return version, version.lineage.run == made.run


def _pin(workspace: Workspace, version: Version, made: Made) -> None:
    """Keep what a version needs to answer, to be told about, and to be made again from the same data. Versions of replays answer nobody."""
    if workspace.folder != workspace.store.root:
        return
    nodes = made.nodes
    sources = [node for node in ordered([made.bundle]) if not node.inputs]
    keys = [key for node in (*sources, nodes.comparison, nodes.scored, nodes.refit, made.bundle) for key in made.keys.get(node, ())]
    entries = comparison_of(workspace.store, made).entries if nodes.comparison in made.artifacts else ()
    workspace.store.pin(version.name, [*keys, *(f"{COST}{digest}" for entry in entries for digest in entry.artifacts)])


def _lineage(store: Store, made: Made) -> Lineage:
    asked = store.read(_whole(store, made.artifacts[made.nodes.rows]), [ASKED]).get_column(ASKED)
    until = asked.max()
    digests = tuple((node.name, artifact.digest) for node, artifact in made.artifacts.items())
    return Lineage(made.run, made.as_of, until if isinstance(until, int) else None, asked.len(), digests, environment())


def comparison_of(store: Store, made: Made) -> Comparison:
    """The comparison that a run made."""
    return msgspec.msgpack.decode(_content(store, made.artifacts[made.nodes.comparison]), type=Comparison)


def scored_of(store: Store, made: Made) -> Scored:
    """The scored fit that a run made."""
    return msgspec.msgpack.decode(_content(store, made.artifacts[made.nodes.scored]), type=Scored)


def _register(workspace: Workspace, made: Made, deployment: Deployment | None) -> Trained:
    store, name = workspace.store, made.nodes.name
    comparison, scored = comparison_of(store, made), scored_of(store, made)
    version, fresh = register(workspace, made, evidence_from(store, made), origin="run", moment=made.as_of)
    verdict = None
    if fresh and workspace.registry.champion(name) is None:
        verdict = _first(workspace, version, deployment, scored, made.as_of)
    costs = {entry.method: cost_of(store, entry.artifacts) for entry in comparison.entries}
    asked = seen_of(store, [made.artifacts[made.nodes.examples]], made.as_of)[0]
    assert isinstance(asked, Cut)
    return Trained(made.nodes, version, workspace.registry.alias(version), fresh, comparison, costs, scored, asked.rows, comparison.rows, verdict)


def _first(workspace: Workspace, version: Version, deployment: Deployment | None, scored: Scored, as_of: int) -> Verdict | None:
    gate = deployment.accept if deployment else None
    if gate is None:
        workspace.registry.promote(version, moment=as_of, reason="the first version")
        return None
    truth, scores = np.frombuffer(scored.truth, "<f8"), np.frombuffer(scored.scores, "<f8")
    verdict = judge(gate, truth, scores, None, metric=scored.winner.metric)
    if verdict.outcome == "accepted":
        workspace.registry.promote(version, moment=as_of, reason=f"the first version; {gate_text(gate)}: {verdict.reason}")
    return verdict


def _finished(made: Made) -> bool:
    return made.bundle in made.artifacts and made.nodes.scored in made.artifacts


def _content(store: Store, artifact: Artifact) -> bytes:
    assert isinstance(artifact, Value)
    return store.read_value(artifact)


def _whole(store: Store, artifact: Artifact) -> Cut:
    assert isinstance(artifact, Table)
    return store.visible(artifact, None)


def _is_foreign(method: object) -> bool:
    return not type(method).__module__.startswith("millstream.")


def first_error(result: RunResult) -> Exception | None:
    """The error to show: the user's before our own."""
    return next((each for each in result.errors if isinstance(each, MillstreamError)), next(iter(result.errors), None))


def _notes(report: RunReport) -> tuple[str, ...]:
    """What the steps said, each sentence once, behind the names of those that said it."""
    said: dict[str, list[str]] = {}
    for step in report.steps:
        for note in step.notes:
            said.setdefault(note, []).append(step.name)
    return tuple(f"{', '.join(names)}: {note}" for note, names in said.items())
