"""A step at work: the units that lack a result, computed by every thread that has nothing better to do."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from millstream.kernel.again import disagreement
from millstream.kernel.graph import Node
from millstream.kernel.isolation import Call, Workers
from millstream.kernel.locks import key_lock
from millstream.kernel.logs import Log, listen
from millstream.kernel.meter import Cost
from millstream.kernel.records import Artifact
from millstream.kernel.store import Found, Store
from millstream.kernel.threads import Threads
from millstream.kernel.units import Batch, Plan, batches, joined, keep, processed


@dataclass(frozen=True, slots=True)
class Outcome:
    """The artifact of a step and what it took: units computed, rows processed, bytes written; seconds, also those that were saved.

    `cost` is that of its worker, if it had one; `notes` are what was noticed on the way.
    """

    artifact: Artifact
    computed: int = 0
    rows: int = 0
    seconds: float = 0.0
    size: int = 0
    cost: Cost | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step is computed: into which store, in which threads, with which workers, and seen from which moment."""

    store: Store
    as_of: int
    threads: Threads[Job] | None = None
    workers: Workers | None = None


class Job:
    """One attempt at a step. Who enters first opens it, who leaves last closes it and tells `done`; nobody waits for anybody."""

    def __init__(
        self,
        node: Node,
        plan: Plan,
        inputs: Sequence[Artifact],
        place: Place,
        *,
        log: Log | None = None,
        attempt: int = 1,
        again: frozenset[str] = frozenset(),
    ) -> None:
        """Nothing is done yet; the units in `again` are computed although their results are stored."""
        self.node, self.plan, self.inputs, self.place, self.log, self.attempt, self.again = node, plan, inputs, place, log, attempt, again
        self.done: Callable[[Job], None] = _nothing
        self.outcome: Outcome | None = None
        self.error: BaseException | None = None
        self._lock, self._held = threading.Lock(), ExitStack()
        self._inside, self._opened, self._closed = 0, False, False
        self._todo: deque[Batch] = deque()
        self._stored: dict[str, Found] = {}
        self._found: dict[str, Found] = {}
        self._computed = self._rows = self._size = 0
        self._cost: Cost | None = None
        self._begun = 0.0

    @property
    def seconds(self) -> float:
        """How long ago it was opened."""
        return time.perf_counter() - self._begun if self._opened else 0.0

    def enter(self) -> bool:
        """Take part; False if there is nothing left to do."""
        with self._lock:
            if self._closed or (self._opened and not self._todo):
                return False
            self._inside += 1
            if self._opened:
                return True
            self._opened = True
        self._open()
        return True

    def batches(self) -> Iterator[Batch]:
        """Units to be computed at once, until there are none, or one has failed."""
        while True:
            with self._lock:
                if not self._todo or self.error is not None:
                    return
                batch = self._todo.popleft()
            yield batch

    def isolated(self, batch: Batch) -> tuple[dict[str, Artifact], int]:
        """Have a worker compute some units: what each gave, and the bytes written."""
        assert self.place.workers is not None
        assert self.log is not None
        call = Call(self.node, self.plan, self.inputs, self.place.as_of, tuple(key for key, _ in batch))
        made, cost = self.place.workers.compute(call, self.log)
        with self._lock:
            self._cost = cost if self._cost is None else self._cost + cost
        return made.artifacts, made.size

    def settle(self, rows: int, made: Mapping[str, Artifact], size: int, seconds: float) -> None:
        """Put on record what some units gave, unless what they depend on has changed meanwhile."""
        self.plan.check_unchanged(self.node.name, self.node.where)
        results = {key: Found(artifact, seconds / len(made)) for key, artifact in made.items()}
        self.place.store.record(results)
        with self._lock:
            self._found |= results
            self._computed, self._rows, self._size = self._computed + len(made), self._rows + rows, self._size + size

    def fail(self, error: BaseException) -> None:
        """Nothing more is computed; the first error counts."""
        with self._lock:
            self.error = self.error or error
            self._todo.clear()

    def leave(self) -> None:
        """No longer take part; the last one puts all together."""
        with self._lock:
            self._inside -= 1
            if self._inside or self._closed:
                return
            self._closed = True
        try:
            if self.error is None:
                artifact = self.plan.together(self.place.store, [self._found[key].artifact for key in self.plan.keys])
                notes = disagreement(self._stored, self._found)
                self.outcome = Outcome(artifact, self._computed, self._rows, self.seconds, self._size, self._cost, notes)
        except Exception as error:  # noqa: BLE001  whatever it is, it is this step's
            self.error = error
        finally:
            self._held.close()
        self.done(self)

    def _open(self) -> None:
        """Hold the step's lock, see what is missing, and call others if there is enough for them."""
        self._begun = time.perf_counter()
        try:
            self._held.enter_context(key_lock(self.place.store.root, self.plan.key))
            self._stored = self.place.store.find(self.plan.keys)
            self._found = {key: each for key, each in self._stored.items() if key not in self.again}
            missing = [(key, unit) for key, unit in dict(zip(self.plan.keys, self.plan.units, strict=True)).items() if key not in self._found]
            self._todo.extend(batches(missing, self.plan.longest))
        except Exception as error:  # noqa: BLE001  whatever it is, it is this step's
            self.fail(error)
        if self.place.threads is not None:
            for _ in range(min(len(self._todo), self.place.threads.most) - 1):
                self.place.threads.begin(self)


def take_part(jobs: Iterator[Job]) -> None:
    """What a thread does: help with one job after the other."""
    for job in jobs:
        if not job.enter():
            continue
        listen(job.log)
        try:
            for batch in job.batches():
                begun, unit = time.perf_counter(), joined(batch)
                if job.node.limits.isolated and job.place.workers is not None:
                    rows, (made, size) = unit.rows, job.isolated(batch)
                else:
                    result = job.node.operation.compute(job.place.store, unit)
                    rows, (made, size) = processed(unit, result), keep(job.place.store, unit, batch, job.plan.facts, result)
                job.settle(rows, made, size, time.perf_counter() - begun)
        except BaseException as error:  # noqa: BLE001  also a panic of native code, and a step that wants to exit
            job.fail(error)
        listen(None)
        job.leave()


def look_up(store: Store, plan: Plan) -> Outcome | None:
    """What a plan comes to if all of its units have a result."""
    found = store.find(plan.keys)
    if len(found) < len(set(plan.keys)):
        return None
    return Outcome(plan.together(store, [found[key].artifact for key in plan.keys]), seconds=sum(each.seconds for each in found.values()))


def make(node: Node, store: Store, inputs: Sequence[Artifact], as_of: int) -> Artifact:
    """The artifact of one node for its inputs, found or made here and now, without a record of it; isolated or not."""
    plan = node.operation.plan(store, inputs, as_of)
    found = look_up(store, plan)
    if found is not None:
        return found.artifact
    job = Job(node, plan, inputs, Place(store, as_of))
    take_part(iter([job]))
    if job.error is not None:
        raise job.error
    assert job.outcome is not None
    return job.outcome.artifact


def repeat(node: Node, store: Store, inputs: Sequence[Artifact], as_of: int) -> tuple[Plan, Artifact]:
    """What a node is to do for its inputs, and what it gives when every unit of it is computed once more."""
    plan = node.operation.plan(store, inputs, as_of)
    made: dict[str, Artifact] = {}
    for batch in batches(list(dict(zip(plan.keys, plan.units, strict=True)).items()), plan.longest):
        unit = joined(batch)
        made |= keep(store, unit, batch, plan.facts, node.operation.compute(store, unit))[0]
    return plan, plan.together(store, [made[key] for key in plan.keys])


def _nothing(_: Job) -> None:
    """Nobody is told."""
