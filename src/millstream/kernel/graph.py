"""The graph: named steps and what they read. It knows no input or output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from millstream.kernel.limits import NONE, Limits
from millstream.kernel.records import Artifact
from millstream.kernel.store import Store
from millstream.kernel.units import Plan, Unit


class Operation(Protocol):
    """What a step does: a function of its inputs as seen at a moment."""

    def plan(self, store: Store, inputs: Sequence[Artifact], as_of: int) -> Plan:
        """What is to be computed, and what it depends on."""
        ...

    def compute(self, store: Store, unit: Unit) -> object:
        """Compute one unit."""
        ...


@dataclass(frozen=True, eq=False, repr=False)
class Node:
    """One step of a graph. `where` is the line of the user's file that made it, `limits` say how it is run."""

    name: str
    inputs: tuple[Node, ...]
    operation: Operation
    where: str = ""
    limits: Limits = NONE

    def __repr__(self) -> str:
        """Its name: what it reads has names of its own."""
        return f"<node {self.name}>"


def ordered(targets: Iterable[Node]) -> list[Node]:
    """The targets and all that they need, inputs first."""
    found: dict[Node, None] = {}
    for target in targets:
        _visit(target, found)
    return list(found)


def downstream(nodes: Sequence[Node], start: Node) -> Iterator[Node]:
    """All of the ordered nodes that need `start`, itself first."""
    reached = {start}
    for node in nodes:
        if node in reached or reached & set(node.inputs):
            reached.add(node)
            yield node


def _visit(node: Node, found: dict[Node, None]) -> None:
    if node in found:
        return
    for each in node.inputs:
        _visit(each, found)
    found[node] = None
