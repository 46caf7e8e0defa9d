"""The local engine: every step as soon as its inputs are there, in threads; independent branches go on when one fails."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from msgspec.structs import replace

from millstream.kernel.availability import is_timed
from millstream.kernel.graph import Node
from millstream.kernel.ledger import Ledger, Sources
from millstream.kernel.locks import key_lock
from millstream.kernel.meter import Cost, Meter
from millstream.kernel.reasons import explain
from millstream.kernel.records import Artifact, StepReport, Table
from millstream.kernel.store import Found, Store
from millstream.kernel.threads import cores
from millstream.kernel.units import Plan, batches, joined, keep, processed

Listener = Callable[[StepReport | Node], None]
SAMPLED = 0.05
FEW = 64


@dataclass(frozen=True, slots=True)
class Outcome:
    """The artifact of a step and what it took: units computed, rows processed, bytes written; seconds, also those that were saved."""

    artifact: Artifact
    computed: int = 0
    rows: int = 0
    seconds: float = 0.0
    size: int = 0


@dataclass
class Progress:
    """What a run has come to."""

    artifacts: dict[Node, Artifact] = field(default_factory=dict[Node, Artifact])
    keys: dict[Node, tuple[str, ...]] = field(default_factory=dict[Node, tuple[str, ...]])
    reports: dict[Node, StepReport] = field(default_factory=dict[Node, StepReport])
    errors: dict[Node, Exception] = field(default_factory=dict[Node, Exception])


def execute(nodes: Sequence[Node], *, store: Store, ledger: Ledger, run: str, as_of: int, listener: Listener | None = None) -> Progress:
    """Run the ordered nodes; what is made is on record as soon as it is made, what became of the steps a moment later."""
    execution = _Execution(nodes, store, ledger, run, as_of, listener or _nobody)
    try:
        while execution.goes_on():
            pass
    finally:
        execution.close()
    return execution.progress


def make(node: Node, store: Store, inputs: Sequence[Artifact], as_of: int) -> Artifact:
    """The artifact of one node for its inputs, found or made, without a record of it."""
    plan = node.operation.plan(store, inputs, as_of)
    return (look_up(store, plan) or _perform(node, store, plan)).artifact


def repeat(node: Node, store: Store, inputs: Sequence[Artifact], as_of: int) -> tuple[Plan, Artifact]:
    """What a node is to do for its inputs, and what it gives when every unit of it is computed once more."""
    plan = node.operation.plan(store, inputs, as_of)
    made: dict[str, Artifact] = {}
    for batch in batches(list(dict(zip(plan.keys, plan.units, strict=True)).items()), plan.longest):
        unit = joined([unit for _, unit in batch])
        made |= keep(store, unit, batch, plan.facts, node.operation.compute(store, unit))[0]
    return plan, plan.together(store, [made[key] for key in plan.keys])


def look_up(store: Store, plan: Plan) -> Outcome | None:
    """What a plan comes to if all of its units have a result."""
    found = store.find(plan.keys)
    if len(found) < len(set(plan.keys)):
        return None
    return Outcome(plan.together(store, [found[key].artifact for key in plan.keys]), seconds=sum(each.seconds for each in found.values()))


def _perform(node: Node, store: Store, plan: Plan) -> Outcome:
    """Compute the units without a result, neighbouring ones at once, and put all together."""
    computed = rows = size = 0
    started = time.perf_counter()
    with key_lock(store.root, plan.key):
        found = store.find(plan.keys)
        missing = [(key, unit) for key, unit in dict(zip(plan.keys, plan.units, strict=True)).items() if key not in found]
        for batch in batches(missing, plan.longest):
            begun, unit = time.perf_counter(), joined([unit for _, unit in batch])
            result = node.operation.compute(store, unit)
            made, written = keep(store, unit, batch, plan.facts, result)
            found |= _record(store, made, (time.perf_counter() - begun) / len(made))
            computed, rows, size = computed + len(batch), rows + processed(unit, result), size + written
    artifact = plan.together(store, [found[key].artifact for key in plan.keys])
    return Outcome(artifact, computed, rows, time.perf_counter() - started, size)


def _record(store: Store, made: Mapping[str, Artifact], seconds: float) -> dict[str, Found]:
    results = {key: Found(artifact, seconds) for key, artifact in made.items()}
    store.record(results)
    return results


class _Execution:
    """One run: which steps wait for which, which are running, and what is not on record yet."""

    def __init__(self, nodes: Sequence[Node], store: Store, ledger: Ledger, run: str, as_of: int, tell: Listener) -> None:
        self.progress = Progress()
        self._store, self._ledger, self._run, self._as_of, self._tell = store, ledger, run, as_of, tell
        self._lacking = {node: len(set(node.inputs)) for node in nodes}
        self._readers: dict[Node, list[Node]] = {node: [] for node in nodes}
        for node in nodes:
            for each in dict.fromkeys(node.inputs):
                self._readers[each].append(node)
        self._ready = deque(node for node in nodes if not self._lacking[node])
        self._running: dict[Future[Outcome], tuple[Node, Plan]] = {}
        self._meter = Meter[Node]()
        self._pool = ThreadPoolExecutor(max_workers=cores(), thread_name_prefix="step")
        self._unrecorded: list[tuple[StepReport, Sources]] = []
        self._recorded = time.monotonic()

    def goes_on(self) -> bool:
        """Start what can start, settle what is over; False when nothing is left."""
        while self._ready:
            self._begin(self._ready.popleft())
        if not self._running:
            return False
        for future in wait(self._running, timeout=SAMPLED, return_when=FIRST_COMPLETED).done:
            node, plan = self._running.pop(future)
            self._end(node, plan, future, self._meter.stop(node))
        self._meter.sample()
        if time.monotonic() - self._recorded > SAMPLED:
            self._write()
        return True

    def close(self) -> None:
        """Leave no thread that is waited for, and everything on record."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._write()

    def _begin(self, node: Node) -> None:
        broken = next((each for each in node.inputs if each not in self.progress.artifacts), None)
        if broken is not None:
            self._settle(node, StepReport(node.name, "skipped", 0.0, 0, f"{broken.name} did not finish"))
            return
        try:
            plan = node.operation.plan(self._store, [self.progress.artifacts[each] for each in node.inputs], self._as_of)
            found = look_up(self._store, plan)
        except Exception as error:  # noqa: BLE001  whatever the step raises is told with its name
            self._fail(node, error)
            return
        if found is None:
            self._tell(node)
            self._meter.start(node)
            self._running[self._pool.submit(_perform, node, self._store, plan)] = node, plan
        else:
            self._finish(node, plan, found, Cost())

    def _end(self, node: Node, plan: Plan, future: Future[Outcome], cost: Cost) -> None:
        error = future.exception()
        if isinstance(error, Exception):
            self._fail(node, error)
        elif error is not None:
            raise error
        else:
            self._finish(node, plan, future.result(), cost)

    def _fail(self, node: Node, error: Exception) -> None:
        self.progress.errors[node] = error
        self._settle(node, StepReport(node.name, "failed", 0.0, 0, next(iter(str(error).splitlines()), type(error).__name__)))

    def _finish(self, node: Node, plan: Plan, outcome: Outcome, cost: Cost) -> None:
        self.progress.artifacts[node], self.progress.keys[node] = outcome.artifact, plan.keys
        report = StepReport(
            node.name,
            "cached",
            outcome.seconds,
            0,
            "unchanged",
            plan.key,
            notes=(*plan.notes, *_never(outcome.artifact)),
            shape=_shape(outcome.artifact),
            digest=outcome.artifact.digest,
            units=plan.keys if len(plan.keys) <= FEW else (),
        )
        if not outcome.computed:
            self._settle(node, replace(report, causes=() if self._ledger.knows(node.name, plan.key) else plan.told))
            return
        before, causes = self._ledger.last(node.name, before=self._run), plan.told
        why = explain(before.causes if before else None, causes)
        ran = {"rows": outcome.rows, "parts": outcome.computed, "cpu": cost.cpu, "peak": cost.peak, "size": outcome.size}
        self._settle(node, replace(report, status="ran", why=why, causes=causes, **ran), plan.sources)

    def _settle(self, node: Node, report: StepReport, sources: Sources = ()) -> None:
        self.progress.reports[node] = report
        self._unrecorded.append((report, sources))
        self._tell(report)
        for reader in self._readers[node]:
            self._lacking[reader] -= 1
            if not self._lacking[reader]:
                self._ready.append(reader)

    def _write(self) -> None:
        if self._unrecorded:
            self._ledger.keep(self._run, [report for report, _ in self._unrecorded], [each for each in self._unrecorded if each[1]])
            self._unrecorded = []
        self._recorded = time.monotonic()


def _never(artifact: Artifact) -> tuple[str, ...]:
    """How many rows of a table have no time, or nobody knows when: they never count."""
    if not isinstance(artifact, Table) or not is_timed(artifact.facts, artifact.names):
        return ()
    never = sum(part.rows for part in artifact.parts if part.day is None)
    columns = " or ".join(name for name in (artifact.facts.time, artifact.facts.known_at) if name)
    return (f"{never:,} rows never count: their {columns} is null",) if never else ()


def _shape(artifact: Artifact) -> tuple[int, int] | None:
    return (artifact.rows, len(artifact.names)) if isinstance(artifact, Table) else None


def _nobody(_: StepReport | Node) -> None:
    """Listens to nothing."""
