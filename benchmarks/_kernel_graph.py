"""A graph of the plain functions of a module, run by the kernel alone: the only place here that knows how the kernel is called."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType

import msgspec

from millstream.kernel.engine import execute
from millstream.kernel.facts import Facts
from millstream.kernel.function import FunctionOperation
from millstream.kernel.graph import Node
from millstream.kernel.ledger import Ledger
from millstream.kernel.records import Artifact, Table, Value
from millstream.kernel.store import Store


@dataclass(frozen=True, slots=True)
class Step:
    """A plain function and the names of the steps whose results it takes."""

    name: str
    function: Callable[..., object]
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Executed:
    """How many steps ran and were reused, and what the last one gave."""

    ran: int
    reused: int
    last: object


def steps_of(module: ModuleType) -> list[Step]:
    """The functions of a module in their order: each stands after those whose results its parameters are named after."""
    own = {name: value for name, value in vars(module).items() if isinstance(value, FunctionType) and value.__module__ == module.__name__}
    return [Step(name, function, tuple(inspect.signature(function).parameters)) for name, function in own.items()]


def call_plainly(steps: Sequence[Step]) -> object:
    """What a script does: one call after the other. Gives what the last one gives."""
    found: dict[str, object] = {}
    for step in steps:
        found[step.name] = step.function(*(found[each] for each in step.inputs))
    return found[steps[-1].name]


def run_graph(steps: Sequence[Step], folder: Path) -> Executed:
    """Everything from functions to finished: nodes made, store and ledger opened in the folder, all steps executed, persisted and recorded."""
    nodes: dict[str, Node] = {}
    for step in steps:
        assert isinstance(step.function, FunctionType)
        operation = FunctionOperation(step.name, step.function, step.inputs, {}, Facts())
        nodes[step.name] = Node(step.name, tuple(nodes[each] for each in step.inputs), operation)
    store, ledger = Store(folder), Ledger(folder / "ledger.sqlite")
    as_of = time.time_ns() // 1_000
    run = ledger.begin(as_of=as_of, command="benchmark", environment={}, settings={})
    progress = execute(list(nodes.values()), store=store, ledger=ledger, run=run, as_of=as_of)
    ledger.finish(run, "failed" if progress.errors else "done", 0.0)
    for error in progress.errors.values():
        raise error
    statuses = [report.status for report in progress.reports.values()]
    return Executed(statuses.count("ran"), statuses.count("cached"), _content(store, progress.artifacts[nodes[steps[-1].name]]))


def _content(store: Store, artifact: Artifact) -> object:
    if isinstance(artifact, Table):
        return store.read(store.visible(artifact, None))
    assert isinstance(artifact, Value)
    return msgspec.json.decode(store.read_value(artifact))
