"""A step of the library: one pure function of what is seen of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from millstream.kernel.facts import Facts
from millstream.kernel.records import Artifact, Cause
from millstream.kernel.store import Store
from millstream.kernel.units import Plan, Seen, Unit, seen_of

Compute = Callable[[Store, tuple[Seen, ...]], object]


@dataclass(frozen=True, eq=False)
class LibraryOperation:
    """Calls `function` with the store and what is seen of each input; `causes` is all else that its result depends on."""

    inputs: tuple[str, ...]
    causes: Callable[[], tuple[Cause, ...]]
    function: Compute
    facts: Facts = Facts()

    def plan(self, store: Store, inputs: Sequence[Artifact], as_of: int) -> Plan:
        """One unit that sees everything."""
        seen = seen_of(store, inputs, as_of)
        return Plan([Unit(None, None, seen)], self.causes(), self.facts, tuple(zip(self.inputs, seen, strict=True)))

    def compute(self, store: Store, unit: Unit) -> object:
        """The result."""
        return self.function(store, unit.seen)
