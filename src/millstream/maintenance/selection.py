"""Which steps of a file a run makes, and which of them although their results are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from millstream.errors import ConfigurationError, NotFoundError, did_you_mean
from millstream.features.declare import TrainingSet
from millstream.features.declared_views import FeatureView
from millstream.features.lowering import is_read, needs_model
from millstream.features.training_set import TrainingSetOperation
from millstream.kernel.again import Again
from millstream.kernel.availability import DAY, parse_moment
from millstream.kernel.declarations import Declaration
from millstream.kernel.function import FunctionOperation
from millstream.kernel.graph import Node, downstream, ordered
from millstream.registry.workspace import Workspace
from millstream.serving.release import lower_bundle
from millstream.training.declare import Model
from millstream.training.lowering import lower_model

FROM, BACKFILL = "asked for by --from", "asked for by --backfill"


@dataclass(frozen=True, slots=True)
class Days:
    """Days to be made anew, `[start, stop)` in microseconds."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Selection:
    """What a run makes: all of a file, or the `steps` named.

    Made anew are the steps in `start` with all that follows from them, and the `days` of steps that run day by day.
    """

    steps: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    days: Days | None = None

    def again(self, nodes: Sequence[Node]) -> Mapping[Node, Again]:
        """The nodes that are computed although their results are stored."""
        if self.days is not None:
            again = Again(BACKFILL, self.days.start, self.days.stop)
            wanted = [node for node in nodes if runs_by_day(node) and (not self.steps or node.name in self.steps)]
            if not wanted:
                raise ConfigurationError("no step that would run runs day by day", hint='say partition="1d" in its decorator, or use --from')
            return dict.fromkeys(wanted, again)
        by_name = {node.name: node for node in nodes}
        absent = next((step for step in self.start if step not in by_name), None)
        if absent is not None:
            raise ConfigurationError(f"--from {absent}: {', '.join(self.steps)} does not need it", hint=did_you_mean(absent, by_name))
        return {node: Again(FROM) for step in self.start for node in downstream(nodes, by_name[step])}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The models and the other steps that a run makes."""

    models: Mapping[str, Model]
    nodes: tuple[Node, ...]


def days_between(first: str, last: str) -> Days:
    """The days from the one of a moment to that of another, both included."""
    start, stop = (parse_moment(each) // DAY * DAY for each in (first, last))
    if stop < start:
        raise ConfigurationError(f"there is no day from {first} to {last}", hint="say the earlier one first")
    return Days(start, stop + DAY)


def runs_by_day(node: Node) -> bool:
    """Whether a step is computed day by day."""
    operation = node.operation
    if isinstance(operation, TrainingSetOperation):
        return operation.question.time is not None
    return isinstance(operation, FunctionOperation) and operation.partition is not None


def choose(workspace: Workspace, declared: Mapping[Declaration, str], models: Mapping[str, Model], selection: Selection) -> Chosen:
    """What a selection means in a file; raises NotFoundError if it has no such step."""
    if not selection.steps:
        everything = [workspace.lowering.node(each) for each in declared if is_read(each) and (needs_model(each) or not models)]
        return Chosen(models, (*everything, *_unreached(workspace, declared, models, selection.start)))
    chosen = {name: models[name] for name in selection.steps if name in models}
    others = [step for step in selection.steps if step not in models and step.partition("/")[0] not in chosen]
    return Chosen(chosen, tuple(node_named(workspace, declared, models, step) for step in others))


def node_named(workspace: Workspace, declared: Mapping[Declaration, str], models: Mapping[str, Model], step: str) -> Node:
    """The step of that name: a declared one, or one of those that make a model."""
    for declaration, name in declared.items():
        if name == step:
            return _node(workspace, declaration, name, declared)
    model = step.partition("/")[0]
    parts = {node.name: node for node in nodes_of_model(workspace, model, models[model])} if model in models else {}
    if step not in parts:
        known = [*(name for each, name in declared.items() if is_read(each) or isinstance(each, TrainingSet)), *models, *parts]
        raise NotFoundError(f"there is no step '{step}'", hint=did_you_mean(step, known) or f"there are: {', '.join(known[:12])}")
    return parts[step]


def has_step(declared: Mapping[Declaration, str], models: Mapping[str, Model], step: str) -> bool:
    """Whether a file may have a step of that name."""
    tables = (name for each, name in declared.items() if is_read(each) or isinstance(each, TrainingSet))
    return step in tables or ("/" in step and step.partition("/")[0] in models)


def nodes_of_model(workspace: Workspace, name: str, model: Model) -> list[Node]:
    """All steps of a model and what they need, inputs first."""
    nodes = lower_model(name, model, workspace.lowering)
    return ordered([*nodes.targets, lower_bundle(nodes, workspace.lowering)])


def _node(workspace: Workspace, declaration: Declaration, name: str, declared: Mapping[Declaration, str]) -> Node:
    if is_read(declaration) or isinstance(declaration, TrainingSet):
        return workspace.lowering.node(declaration)
    message, hint = f"'{name}' is {declaration.title}, not a step", "name a source, step, view, label, training set or model"
    if isinstance(declaration, FeatureView):
        readers = [known for each, known in declared.items() if isinstance(each, TrainingSet) and declaration in each.features]
        message = f"'{name}' has no step of its own: it is computed for the rows of a training set"
        hint = f"run {readers[0]}, of which it is a part" if readers else "name it among the features of a training set"
    raise ConfigurationError(message, where=declaration.where, hint=hint)


def _unreached(workspace: Workspace, declared: Mapping[Declaration, str], models: Mapping[str, Model], start: Sequence[str]) -> list[Node]:
    """The steps to begin with that no model needs."""
    if not start:
        return []
    reached = {node.name for name, model in models.items() for node in nodes_of_model(workspace, name, model)}
    return [node_named(workspace, declared, models, step) for step in start if step not in reached]
