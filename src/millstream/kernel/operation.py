"""A step of the library: one pure function of what is seen of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from millstream.kernel.facts import Facts
from millstream.kernel.records import Artifact, Cause
from millstream.kernel.store import Store
from millstream.kernel.units import Outcome, Seen, Unit, input_causes, produce, seen_of

Compute = Callable[[Store, tuple[Seen, ...]], object]


@dataclass(frozen=True, eq=False)
class LibraryOperation:
    """Runs `compute` on the store and what is seen of each input; `causes` is all else that its result depends on."""

    inputs: tuple[str, ...]
    causes: Callable[[], tuple[Cause, ...]]
    compute: Compute
    facts: Facts = Facts()

    def produce(self, store: Store, inputs: Sequence[Artifact], as_of: int) -> Outcome:
        """Find or make the result for the inputs as seen at the moment."""
        seen, causes = seen_of(store, inputs, as_of), self.causes()
        outcome = produce(store, [Unit(None, None, seen)], facts=self.facts, causes=causes, compute=lambda unit: self.compute(store, unit.seen))
        return Outcome(outcome.artifact, outcome.key, (*causes, *input_causes(self.inputs, seen)), outcome.computed, outcome.units, outcome.rows)
