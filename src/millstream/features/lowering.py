"""From what a file declares to the nodes of the graph: sources, steps, views, labels and training sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

from millstream.errors import DeclarationError
from millstream.features.declare import TrainingSet
from millstream.features.declared_views import AggregateView, FeatureView, FunctionView, Label, OnDemandView
from millstream.features.training_set import Question, TrainingSetOperation
from millstream.features.views import JoinedView, Naming, OnDemand, View, WindowView
from millstream.kernel.declarations import Declaration, Readable, Table
from millstream.kernel.declare import Each, Step
from millstream.kernel.declared_functions import Function, FunctionTable, PiecewiseFunction
from millstream.kernel.function import FunctionOperation, Given
from millstream.kernel.graph import Node
from millstream.kernel.kinds import asked_by, gives_table, require_sql
from millstream.kernel.records import Cause
from millstream.kernel.store import Store
from millstream.kernel.units import Seen
from millstream.sources.connections import Connections
from millstream.sources.declare import Source
from millstream.sources.lowering import lower_source

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Reading:
    """How a step reads what is no table and no step: the nodes it needs, and what the function gets of what is seen of them."""

    nodes: tuple[Node, ...]
    hand: Callable[[Store, tuple[Seen, ...]], object]
    causes: tuple[Cause, ...] = ()


Readers = Mapping[type[Readable], Callable[[Any], Reading]]
"""How declarations of the rooms above are read, by their class."""


@dataclass(eq=False)
class Lowering:
    """Nodes by declaration.

    `names` are what people call them; `settings` are those of the command line, by name; paths count from `root`; sources get
    their secrets from `connections`. `readers` are of the rooms above, as models are; `made` is what they made of their own
    declarations, so that it is made once.
    """

    names: Mapping[Declaration, str]
    settings: Mapping[str, Mapping[str, object]]
    root: Path
    connections: Connections = field(default_factory=Connections)
    nodes: dict[Declaration, Node] = field(default_factory=dict[Declaration, Node])
    readers: Readers = field(default_factory=dict[type[Readable], Callable[[Any], Reading]])
    made: dict[object, object] = field(default_factory=dict[object, object])

    def node(self, declaration: Declaration) -> Node:
        """The node of a source, step, view, label or training set (its rows asked, with their features)."""
        if declaration not in self.nodes:
            self.nodes[declaration] = self._lower(declaration)
        return self.nodes[declaration]

    def once(self, key: object, make: Callable[[], T]) -> T:
        """What `make` gives, made once for each key: a node is one and the same for all who read it."""
        if key not in self.made:
            self.made[key] = make()
        return cast("T", self.made[key])

    def views(self, examples: TrainingSet) -> tuple[tuple[View, ...], tuple[Node, ...]]:
        """The views of a training set, and the nodes of the tables they read (the question's first)."""
        nodes = [self.node(examples.rows)]
        views: list[View] = []
        called: dict[FeatureView, str] = {}
        for view in examples.features:
            called[view] = self._view_name(view, views)
            views.append(self._view(view, called, nodes))
        return tuple(views), tuple(nodes)

    def name_of(self, declaration: Declaration) -> str:
        """What people call it."""
        return self.names.get(declaration) or getattr(declaration, "__name__", None) or declaration.noun.replace(" ", "_")

    def settings_of(self, function: Function[Any]) -> dict[str, object]:
        """All settings with their values: defaults, the file's, the command line's."""
        return {**function.defaults, **self.settings.get(self.name_of(function), {})}

    def _lower(self, declaration: Declaration) -> Node:
        name = self.name_of(declaration)
        if isinstance(declaration, Source):
            return Node(name, (), lower_source(name, declaration, self.root, self.connections), declaration.where)
        if isinstance(declaration, TrainingSet):
            views, nodes = self.views(declaration)
            operation = TrainingSetOperation(name, question_of(declaration), views, tuple(node.name for node in nodes), declaration.where)
            return Node(name, nodes, operation, declaration.where)
        if isinstance(declaration, FunctionTable | Label):
            return self._function(name, cast("FunctionTable[Any] | Label[Any]", declaration))
        raise DeclarationError(f"{declaration.title} cannot be run alone", where=declaration.where)

    def _function(self, name: str, declaration: FunctionTable[Any] | Label[Any]) -> Node:
        nodes: list[Node] = []
        given: list[Given] = []
        for each in declaration.inputs:
            reading = self._reading(each)
            places = tuple(range(len(nodes), len(nodes) + len(reading.nodes)))
            plain = isinstance(each, Table | Each)
            given.append(Given(places, isinstance(each, Each), None if plain else reading.hand, reading.causes))
            nodes += reading.nodes
        operation = FunctionOperation(
            name=name,
            function=_plain_function(declaration),
            inputs=tuple(node.name for node in nodes),
            settings=self.settings_of(declaration),
            facts=declaration.facts,
            required=isinstance(declaration, FunctionView | Label),
            partition=_daily(declaration),
            lookback=declaration.lookback,
            reads=tuple((written, self.root / written) for written in declaration.reads),
            given=tuple(given),
        )
        for each, asked in zip(declaration.inputs, operation.asked, strict=True):
            if isinstance(each, Table) and _gives_table(each):
                require_sql(name, asked, declaration.where)
        return Node(name, tuple(nodes), operation, declaration.where, declaration.limits)

    def _reading(self, declaration: Readable) -> Reading:
        if isinstance(declaration, Table | Each):
            node = self.node(declaration if isinstance(declaration, Table) else declaration.step)
            return Reading((node,), lambda _, seen: seen[0])
        reader = next((reader for kind, reader in self.readers.items() if isinstance(declaration, kind)), None)
        if reader is None:
            raise DeclarationError(f"{declaration.title} cannot be read here", where=declaration.where, hint=declaration.unreadable)
        return reader(declaration)

    def _view(self, view: FeatureView, called: Mapping[FeatureView, str], nodes: list[Node]) -> View:
        name, naming = called[view], Naming(view.on_columns, view.prefix, view.selected)
        if isinstance(view, OnDemandView):
            return self._on_demand(name, cast("OnDemandView[Any]", view), called)
        table = view.table if isinstance(view, AggregateView) else view
        assert isinstance(table, Table)
        nodes.append(self.node(_original(table, self.names)))
        if isinstance(view, AggregateView):
            return WindowView(name, len(nodes) - 1, naming, view.key, view.over, view.columns, view.where)
        assert isinstance(view, FunctionView)
        return JoinedView(name, len(nodes) - 1, naming, view.max_age)

    def _on_demand(self, name: str, view: OnDemandView[Any], called: Mapping[FeatureView, str]) -> OnDemand:
        reads = tuple(_read(view, each, called) for each in view.features)
        function = _plain_function(view)
        asked = asked_by(function, 1)[0]
        if asked.kind not in {None, "lazy", "eager"}:
            hint = "it is called for every request: ask for a pl.LazyFrame or a pl.DataFrame"
            raise DeclarationError(f"{view.title}: '{asked.name}' asks for {asked.text}, which it is not handed", where=view.where, hint=hint)
        return OnDemand(name, function, self.settings_of(view), reads, view.where, asked.kind == "eager")

    def _view_name(self, view: FeatureView, before: Sequence[View]) -> str:
        name = self.name_of(view)
        return name if all(each.name != name for each in before) else f"{name}_{len(before)}"


def question_of(examples: TrainingSet) -> Question:
    """What a training set asks."""
    facts = examples.rows.facts
    label = examples.label if isinstance(examples.label, str) else getattr(examples.label, "__name__", "label")
    return Question(facts.key, facts.time, label, not isinstance(examples.label, str), examples.ignore, facts)


def is_read(declaration: Declaration) -> bool:
    """Whether a declaration makes a table (or a label) of its own."""
    return isinstance(declaration, Table | Label)


def needs_model(declaration: Declaration) -> bool:
    """Whether something has to be trained before a declaration can be made."""
    if not isinstance(declaration, Readable):
        return False
    return declaration.for_steps_alone or any(needs_model(each) for each in declaration.made_of)


def _gives_table(table: Table) -> bool:
    """Whether it is sure before anything runs that it gives a table, and no value."""
    return not isinstance(table, Step) or gives_table(_plain_function(cast("Step[Any]", table)))


def _original(table: Table, names: Mapping[Declaration, str]) -> Table:
    """The view that `.on` or `.select` was called on: it computes the same table, so it is run once."""
    if not isinstance(table, FunctionView):
        return table
    view = cast("FunctionView[Any]", table)
    views = (cast("FunctionView[Any]", each) for each in names if isinstance(each, FunctionView))
    computes = (view.function, view.inputs, view.settings)
    return next((each for each in views if _is_plain(each) and (each.function, each.inputs, each.settings) == computes), view)


def _is_plain(view: FeatureView) -> bool:
    return view.on_columns is None and not view.prefix and view.selected is None


def _plain_function(value: Function[Any]) -> FunctionType:
    function = value.function
    if not isinstance(function, FunctionType):
        raise DeclarationError(
            f"{value.title}: is made of a {type(function).__name__}, not of a function", where=value.where, hint="write it with def"
        )
    return function


def _daily(value: PiecewiseFunction[Any]) -> str | None:
    if value.partition not in (None, "1d"):
        raise DeclarationError(f"{value.title}: partition is '{value.partition}', but pieces are days", where=value.where, hint='say partition="1d"')
    return value.partition


def _read(view: OnDemandView[Any], feature: FeatureView, called: Mapping[FeatureView, str]) -> str:
    if feature not in called:
        raise DeclarationError(
            f"{view.title} reads {feature.title}, which does not come before it",
            where=view.where,
            hint="put it earlier among the features of the training set",
        )
    return called[feature]
