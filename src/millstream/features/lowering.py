"""From what a file declares to the nodes of the graph: sources, steps, views, labels and training sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType

from millstream.errors import DeclarationError
from millstream.features.declared_views import AggregateView, FeatureView, FunctionView, Label, OnDemandView
from millstream.features.declare import TrainingSet
from millstream.features.training_set import Question, TrainingSetOperation
from millstream.features.views import JoinedView, Naming, OnDemand, View, WindowView
from millstream.kernel.declarations import Declaration, Table
from millstream.kernel.declared_functions import Function, FunctionTable, PiecewiseFunction
from millstream.kernel.function import FunctionOperation
from millstream.kernel.graph import Node
from millstream.sources.declare import Source
from millstream.sources.snapshot import SourceOperation


@dataclass(eq=False)
class Lowering:
    """Nodes by declaration. `names` are what people call them; `settings` are those of the command line, by name; paths count from `root`."""

    names: Mapping[Declaration, str]
    settings: Mapping[str, Mapping[str, object]]
    root: Path
    nodes: dict[Declaration, Node] = field(default_factory=dict)

    def table(self, table: Table) -> Node:
        """The node of a source, a step or a view."""
        return self._node(table)

    def label(self, label: Label) -> Node:
        """The node of a label."""
        return self._node(label)

    def training_set(self, examples: TrainingSet) -> Node:
        """The node of the rows asked with their features."""
        return self._node(examples)

    def views(self, examples: TrainingSet) -> tuple[tuple[View, ...], tuple[Node, ...]]:
        """The views of a training set, and the nodes of the tables they read (the question's first)."""
        nodes = [self.table(examples.rows)]
        views: list[View] = []
        called: dict[FeatureView, str] = {}
        for view in examples.features:
            called[view] = self._view_name(view, views)
            views.append(self._view(view, called, nodes))
        return tuple(views), tuple(nodes)

    def name_of(self, declaration: Declaration) -> str:
        """What people call it."""
        return self.names.get(declaration) or getattr(declaration, "__name__", None) or declaration.noun.replace(" ", "_")

    def settings_of(self, function: Function) -> dict[str, object]:
        """All settings with their values: defaults, the file's, the command line's."""
        return {**function.defaults, **self.settings.get(self.name_of(function), {})}

    def _node(self, declaration: Declaration) -> Node:
        if declaration not in self.nodes:
            self.nodes[declaration] = self._lower(declaration)
        return self.nodes[declaration]

    def _lower(self, declaration: Declaration) -> Node:
        name = self.name_of(declaration)
        if isinstance(declaration, Source):
            return Node(name, (), SourceOperation(name, declaration, self.root), declaration.where)
        if isinstance(declaration, TrainingSet):
            views, nodes = self.views(declaration)
            operation = TrainingSetOperation(name, question_of(declaration), views, tuple(node.name for node in nodes), declaration.where)
            return Node(name, nodes, operation, declaration.where)
        if isinstance(declaration, FunctionTable | Label):
            return self._function(name, declaration)
        raise DeclarationError(f"{declaration.title} cannot be run alone", where=declaration.where)

    def _function(self, name: str, declaration: FunctionTable | Label) -> Node:
        nodes = tuple(self.table(each) for each in declaration.inputs)
        operation = FunctionOperation(
            name=name,
            function=_plain_function(declaration),
            inputs=tuple(node.name for node in nodes),
            settings=self.settings_of(declaration),
            facts=declaration.facts,
            required=isinstance(declaration, FunctionView | Label),
            partition=_daily(declaration),
            lookback=declaration.lookback,
        )
        return Node(name, nodes, operation, declaration.where)

    def _view(self, view: FeatureView, called: Mapping[FeatureView, str], nodes: list[Node]) -> View:
        name, naming = called[view], Naming(view.on_columns, view.prefix, view.selected)
        if isinstance(view, OnDemandView):
            return OnDemand(name, _plain_function(view), self.settings_of(view), tuple(_read(view, each, called) for each in view.features), view.where)
        table = view.table if isinstance(view, AggregateView) else view
        assert isinstance(table, Table)
        nodes.append(self._node(_original(table, self.names)))
        if isinstance(view, AggregateView):
            return WindowView(name, len(nodes) - 1, naming, view.key, view.over, view.columns)
        assert isinstance(view, FunctionView)
        return JoinedView(name, len(nodes) - 1, naming, view.max_age)

    def _view_name(self, view: FeatureView, before: Sequence[View]) -> str:
        name = self.name_of(view)
        return name if all(each.name != name for each in before) else f"{name}_{len(before)}"


def question_of(examples: TrainingSet) -> Question:
    """What a training set asks."""
    facts = examples.rows.facts
    label = examples.label if isinstance(examples.label, str) else getattr(examples.label, "__name__", "label")
    return Question(facts.key, facts.time, label, not isinstance(examples.label, str), examples.ignore, facts)


def _original(table: Table, names: Mapping[Declaration, str]) -> Table:
    """The view that `.on` or `.select` was called on computes the same table: it is run once."""
    if not isinstance(table, FunctionView) or table in names:
        return table
    twins = (each for each in names if isinstance(each, FunctionView) and each.function is table.function and each.settings == table.settings)
    return next(twins, table)


def _plain_function(value: Function) -> FunctionType:
    function = value.function
    if not isinstance(function, FunctionType):
        raise DeclarationError(f"{value.title}: is made of a {type(function).__name__}, not of a function", where=value.where, hint="write it with def")
    return function


def _daily(value: PiecewiseFunction) -> str | None:
    if value.partition not in (None, "1d"):
        raise DeclarationError(f"{value.title}: partition is '{value.partition}', but pieces are days", where=value.where, hint='say partition="1d"')
    return value.partition


def _read(view: OnDemandView, feature: FeatureView, called: Mapping[FeatureView, str]) -> str:
    if feature not in called:
        raise DeclarationError(f"{view.title} reads {feature.title}, which does not come before it", where=view.where, hint="put it earlier among the features of the training set")
    return called[feature]
