"""What would leak, skew or surprise, found on a sample of a file's tables before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from millstream.errors import MillstreamError
from millstream.features.lowering import is_read, needs_model
from millstream.kernel.availability import Cut
from millstream.kernel.declarations import Declaration
from millstream.kernel.engine import Listener
from millstream.kernel.graph import Node, ordered
from millstream.kernel.ledger import Ledger
from millstream.kernel.locks import in_use
from millstream.kernel.records import Artifact
from millstream.kernel.records import Table as StoredTable
from millstream.kernel.store import Store
from millstream.maintenance.leaks import inconsistent, labels_by_age, late_questions, self_matches
from millstream.maintenance.records import Finding
from millstream.maintenance.run import execute_targets
from millstream.maintenance.sample import sampled
from millstream.maintenance.steadiness import blind_spots, swapped, unsteady
from millstream.registry.workspace import Workspace
from millstream.sources.declare import Source
from millstream.training.declare import Model
from millstream.training.lowering import ModelNodes, lower_model

ROWS = 200_000


@dataclass(frozen=True, slots=True)
class Built:
    """The nodes of a file and what they gave."""

    store: Store
    artifacts: Mapping[Node, Artifact]
    as_of: int

    def inputs(self, node: Node) -> list[Artifact]:
        """What a node reads."""
        return [self.artifacts[each] for each in node.inputs]

    def cuts(self, nodes: Sequence[Node]) -> list[Cut]:
        """What is seen of some tables."""
        tables = [artifact for node in nodes if isinstance(artifact := self.artifacts[node], StoredTable)]
        return [self.store.visible(table, self.as_of) for table in tables]


def check(
    workspace: Workspace,
    names: Mapping[Declaration, str],
    models: Mapping[str, Model],
    *,
    as_of: int,
    rows: int = ROWS,
    listener: Listener | None = None,
) -> list[Finding]:
    """Build everything but models on the newest `rows` rows of each source (0: on all), and look at it."""
    with in_use(workspace.store.root):
        return _check(workspace, names, models, as_of, rows, listener)


def _check(
    workspace: Workspace, names: Mapping[Declaration, str], models: Mapping[str, Model], as_of: int, rows: int, listener: Listener | None
) -> list[Finding]:
    workspace, failed = _sampled(workspace, names, as_of, rows, listener)
    if failed:
        return failed
    tables = [workspace.lowering.node(each) for each in names if is_read(each) and not needs_model(each)]
    lowered = [lower_model(name, model, workspace.lowering) for name, model in models.items()]
    targets = [*tables, *(node for nodes in lowered for node in nodes.truth)]
    _, progress = execute_targets(workspace, targets, as_of=as_of, command="check", listener=listener)
    built = Built(workspace.store, progress.artifacts, as_of)
    findings = _failures(progress.errors)
    findings += [found for node in ordered(targets) for found in (*swapped(node), *blind_spots(node))]
    for node in [each for each in ordered(targets) if each in progress.artifacts]:
        findings += inconsistent(built.store, node, built.inputs(node), built.artifacts[node], as_of)
        findings += unsteady(built.store, node, built.inputs(node), built.artifacts[node], as_of)
    findings += _dated_by_day(built, workspace, names, models)
    for nodes in lowered:
        findings += [*self_matches(nodes.model, nodes.name), *_of_training_set(built, nodes)]
    return findings


def _sampled(
    workspace: Workspace, names: Mapping[Declaration, str], as_of: int, rows: int, listener: Listener | None
) -> tuple[Workspace, list[Finding]]:
    """The workspace over the newest rows of every source, and what failed while they were read.

    What is made of a sample is in a ledger of its own: it is not what `why` compares the next run with.
    """
    sources = {each: workspace.lowering.node(each) for each in names if isinstance(each, Source)}
    if not rows or not sources:
        return workspace, []
    _, progress = execute_targets(workspace, list(sources.values()), as_of=as_of, command="check", listener=listener)
    tables = {source: artifact for source, node in sources.items() if isinstance(artifact := progress.artifacts.get(node), StoredTable)}
    lowering, failed = sampled(workspace.lowering, tables, rows, as_of), _failures(progress.errors)
    if lowering is workspace.lowering:
        return workspace, failed
    return replace(workspace, lowering=lowering, ledger=Ledger(workspace.folder / "check" / "ledger.sqlite")), failed


def _failures(errors: Mapping[Node, Exception]) -> list[Finding]:
    """What kept a step from being built; what is no user's error is raised."""
    findings: list[Finding] = []
    for node, error in errors.items():
        if not isinstance(error, MillstreamError):
            raise error
        findings.append(Finding(node.name, error.message, serious=True, hint=error.hint or "", where=error.where or ""))
    return findings


def _of_training_set(built: Built, nodes: ModelNodes) -> list[Finding]:
    if any(node not in built.artifacts for node in nodes.truth):
        return []
    rows = nodes.examples.inputs[0]
    asked = built.artifacts[rows]
    assert isinstance(asked, StoredTable)
    return [
        *late_questions(built.store, rows, asked),
        *labels_by_age(built.store, nodes, built.cuts(nodes.truth), built.as_of),
        *_always_null(built, nodes.examples, nodes.question.features),
    ]


def _always_null(built: Built, examples: Node, features: Callable[[Sequence[str]], list[str]]) -> list[Finding]:
    artifact = built.artifacts[examples]
    assert isinstance(artifact, StoredTable)
    names = features(artifact.names)
    frame = built.store.read(built.store.visible(artifact, built.as_of), names)
    empty = [name for name in names if frame.height and frame.get_column(name).null_count() == frame.height]
    hint = "is it looked up by the right column, of the same spelling?"
    return [
        Finding(examples.name, f"feature '{name}' is null in all {frame.height:,} rows", serious=True, hint=hint, where=examples.where)
        for name in empty
    ]


def _dated_by_day(built: Built, workspace: Workspace, names: Mapping[Declaration, str], models: Mapping[str, Model]) -> list[Finding]:
    """Sources whose times are all midnights, as of facts that are dated by their day: they are known when the day is over."""
    questions = {model.examples.rows for model in models.values()}
    findings: list[Finding] = []
    for source in [each for each in names if isinstance(each, Source) and each not in questions]:
        node, facts = workspace.lowering.node(source), source.facts
        table = built.artifacts.get(node)
        if facts.time is None or facts.known_at or facts.delay or not isinstance(table, StoredTable):
            continue
        dated = [part for part in table.parts if part.day is not None]
        if len(dated) > 1 and all(part.earliest == part.latest == part.day for part in dated):
            message = "its times are all midnights: what is dated by its day counts from the first moment of that day on"
            findings.append(Finding(node.name, message, serious=False, hint='say delay="1d": known when the day is over', where=source.where))
    return findings
