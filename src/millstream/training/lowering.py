"""From a declared model to the steps that make it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from millstream.evaluation.declare import TimeSplit
from millstream.features.declared_views import Label
from millstream.features.feedback import FeedbackOperation
from millstream.features.lowering import Lowering, question_of
from millstream.features.training_set import Question
from millstream.kernel.fingerprint import own_code
from millstream.kernel.graph import Node
from millstream.kernel.operation import Compute, LibraryOperation
from millstream.kernel.records import Cause
from millstream.training.candidates import candidates_of
from millstream.training.declare import Model
from millstream.training.operations import Training
from millstream.training.results import FitRecord

ROOMS = ("validation", "sources", "preparation", "features", "evaluation", "training")


@dataclass(frozen=True, eq=False)
class ModelNodes:
    """The steps of one model, by what they give."""

    name: str
    model: Model
    question: Question
    training: Training
    examples: Node
    label: Node | None
    feedback: Node | None
    rows: Node
    comparison: Node
    scored: Node
    refit: Node

    @property
    def targets(self) -> tuple[Node, ...]:
        """What a run of the model makes."""
        return (self.scored, self.refit)

    @property
    def truth(self) -> tuple[Node, ...]:
        """The training set, and where its labels come from."""
        return tuple(each for each in (self.examples, self.label, self.feedback) if each)


def follow_record(nodes: ModelNodes, record: FitRecord) -> ModelNodes:
    """The same steps, but refitted by a fit record that was decided before."""
    candidate = nodes.training.named(record.method)
    causes = (*_base(nodes.question, nodes.model), Cause("fit record", _told(record)), *candidate.causes())
    operation = LibraryOperation((nodes.rows.name,), lambda: causes, partial(nodes.training.refit_by, record))
    return replace(nodes, refit=Node(f"{nodes.name}/refit", (nodes.rows,), operation, nodes.model.where))


def lower_model(name: str, model: Model, lowering: Lowering) -> ModelNodes:
    """All steps of a model: rows, one fit per candidate and fold, comparison, scored fit, refit."""
    return lowering.once(("model", name, model), lambda: _lower_model(name, model, lowering))


def _lower_model(name: str, model: Model, lowering: Lowering) -> ModelNodes:
    question = question_of(model.examples)
    training = Training(model, question, candidates_of(model.methods, where=model.where))
    examples = lowering.node(model.examples)
    label = lowering.node(model.examples.label) if isinstance(model.examples.label, Label) else None
    base = _base(question, model)

    def node(step: str, inputs: tuple[Node, ...], compute: Compute, *more: Cause) -> Node:
        operation = LibraryOperation(tuple(each.name for each in inputs), lambda: (*base, Cause("step", step.partition("/")[0]), *more), compute)
        return Node(f"{name}/{step}", inputs, operation, model.where)

    feedback = Node(f"{name}/feedback", (), FeedbackOperation(name, question.key), model.where) if question.key else None
    rows = node("rows", tuple(each for each in (examples, label, feedback) if each), training.collect)
    folds = model.split.folds if model.split else TimeSplit().folds
    fits = [
        node(
            f"{candidate.name}/fold_{number + 1}", (rows,), partial(training.fold, candidate, number), Cause("fold", str(number)), *candidate.causes()
        )
        for candidate, number in training.fits(folds)
    ]
    everything = tuple(cause for candidate in training.candidates for cause in candidate.causes())
    named = Cause("candidates", ", ".join(each.name for each in training.candidates))
    comparison = node("comparison", (rows, *fits), training.compare, named)
    scored = node("scored", (rows, comparison), training.score, *everything)
    refit = node("refit", (rows, comparison), training.refit, *everything)
    return ModelNodes(name, model, question, training, examples, label, feedback, rows, comparison, scored, refit)


def _base(question: Question, model: Model) -> tuple[Cause, ...]:
    return (own_code(*ROOMS), Cause("model", f"{question} split={model.split} metric={model.metric} slices={model.slices} seed={model.seed}"))


def _told(record: FitRecord) -> str:
    rounds = "" if record.rounds is None else f", {record.rounds} rounds"
    return f"{record.method}{rounds}, seed {record.seed}, of {', '.join(record.started)}"
