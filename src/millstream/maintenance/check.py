"""What would leak, skew or surprise, found on the tables of a file before anything is trained.

Every table is built; views over the question's own source, features that are always null, and code that could not be followed
are reported. Consistency (recompute from cut inputs) is checked for every view, step and label that is not partitioned, at one moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from millstream.features.declared_views import FunctionView
from millstream.features.lowering import is_read, needs_model
from millstream.kernel.availability import text_of
from millstream.kernel.declarations import Declaration
from millstream.kernel.engine import Listener, make
from millstream.kernel.facts import Facts
from millstream.kernel.fingerprint import fingerprint
from millstream.kernel.function import FunctionOperation
from millstream.kernel.graph import Node, ordered
from millstream.kernel.records import Artifact
from millstream.kernel.records import Table as StoredTable
from millstream.maintenance.run import execute_targets, first_error
from millstream.registry.workspace import Workspace
from millstream.training.declare import Model
from millstream.training.lowering import lower_model


class Finding(msgspec.Struct, frozen=True):
    """Something found: about what, how much, and what to do."""

    subject: str
    message: str
    serious: bool
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Built:
    """The nodes of a file and what they gave."""

    workspace: Workspace
    artifacts: Mapping[Node, Artifact]
    as_of: int


def check(
    workspace: Workspace, names: Mapping[Declaration, str], models: Mapping[str, Model], *, as_of: int, listener: Listener | None = None
) -> list[Finding]:
    """Build everything but models and what is made with them, and look at it."""
    tables = [workspace.lowering.node(each) for each in names if is_read(each) and not needs_model(each)]
    lowered = [lower_model(name, model, workspace.lowering) for name, model in models.items()]
    targets = [*tables, *(nodes.examples for nodes in lowered)]
    result, progress = execute_targets(workspace, targets, as_of=as_of, command="check", listener=listener)
    error = first_error(result)
    if error is not None:
        raise error
    built = Built(workspace, progress.artifacts, as_of)
    findings = [found for node in ordered(targets) for found in (*_blind(node), *_inconsistent(built, node))]
    for nodes in lowered:
        findings += _self_matches(nodes.model, nodes.name)
        findings += _always_null(built, nodes.examples, nodes.question.features)
    return findings


def _blind(node: Node) -> list[Finding]:
    if not isinstance(node.operation, FunctionOperation):
        return []
    return [Finding(node.name, f"a blind spot of its cache key: {each}", serious=False) for each in fingerprint(node.operation.function).blind]


def _inconsistent(built: Built, node: Node) -> list[Finding]:
    """Rows that change with later knowledge: the function on inputs cut earlier, against its table cut at the same moment."""
    operation, artifact = node.operation, built.artifacts.get(node)
    if not isinstance(operation, FunctionOperation) or not isinstance(artifact, StoredTable) or operation.partition:
        return []
    moment = _middle(artifact)
    if moment is None:
        return []
    store = built.workspace.store
    earlier = make(node, store, [built.artifacts[each] for each in node.inputs], moment)
    assert isinstance(earlier, StoredTable)
    before, now = (store.read(store.visible(each, moment)) for each in (earlier, artifact))
    if before.equals(now):
        return []
    changed = [
        name for name in now.columns if before.height != now.height or not before.get_column(name).equals(now.get_column(name), null_equal=True)
    ]
    message = f"rows that counted on {text_of(moment)} are others when recomputed from what was known then: {', '.join(changed)}"
    return [
        Finding(
            node.name, message, serious=True, hint="a later fact comes in through one of its inputs: say known_at=, or join as of the row's own time"
        )
    ]


def _middle(table: StoredTable) -> int | None:
    latest = [part.latest for part in table.parts if part.latest is not None]
    return latest[len(latest) // 2] if len(latest) > 1 else None


def _self_matches(model: Model, name: str) -> list[Finding]:
    question = model.examples.rows
    return [
        Finding(
            name,
            f"{view.title} is made of the question's own table, so a question meets itself",
            serious=False,
            hint="an aggregate never does: its window is open at the moment asked",
        )
        for view in model.examples.features
        if isinstance(view, FunctionView) and view.inputs[0] is question and view.timed and _is_there_when_asked(view.facts, question.facts)
    ]


def _is_there_when_asked(view: Facts, question: Facts) -> bool:
    return view.time == question.time and not view.delay


def _always_null(built: Built, examples: Node, features: Callable[[Sequence[str]], list[str]]) -> list[Finding]:
    artifact = built.artifacts[examples]
    assert isinstance(artifact, StoredTable)
    names = features(artifact.names)
    seen = built.workspace.store.visible(artifact, built.as_of)
    frame = built.workspace.store.read(seen, names)
    empty = [name for name in names if frame.height and frame.get_column(name).null_count() == frame.height]
    return [
        Finding(
            examples.name,
            f"feature '{name}' is null in all {frame.height:,} rows",
            serious=True,
            hint="is it looked up by the right column, of the same spelling?",
        )
        for name in empty
    ]
