"""The local engine: every step as soon as its inputs are there, in threads; independent branches go on when one fails."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from millstream.kernel.again import Again, disagreement
from millstream.kernel.availability import is_timed
from millstream.kernel.graph import Node
from millstream.kernel.ledger import Ledger, Sources
from millstream.kernel.locks import key_lock
from millstream.kernel.meter import Cost, Meter
from millstream.kernel.past import Past
from millstream.kernel.reasons import explain, found_again
from millstream.kernel.records import Artifact, StepReport, Table
from millstream.kernel.store import Found, Store
from millstream.kernel.threads import cores
from millstream.kernel.units import Plan, batches, joined, keep

Listener = Callable[[StepReport | Node], None]
SAMPLED = 0.05


@dataclass(frozen=True, slots=True)
class Outcome:
    """The artifact of a step and what it took: units computed, rows processed, bytes written; seconds, also those that were saved.

    `notes` are what was noticed on the way.
    """

    artifact: Artifact
    computed: int = 0
    rows: int = 0
    seconds: float = 0.0
    size: int = 0
    notes: tuple[str, ...] = ()


@dataclass
class Progress:
    """What a run has come to."""

    artifacts: dict[Node, Artifact] = field(default_factory=dict[Node, Artifact])
    keys: dict[Node, tuple[str, ...]] = field(default_factory=dict[Node, tuple[str, ...]])
    reports: dict[Node, StepReport] = field(default_factory=dict[Node, StepReport])
    errors: dict[Node, Exception] = field(default_factory=dict[Node, Exception])


def execute(
    nodes: Sequence[Node],
    *,
    store: Store,
    ledger: Ledger,
    run: str,
    as_of: int,
    listener: Listener | None = None,
    again: Mapping[Node, Again] | None = None,
) -> Progress:
    """Run the ordered nodes; what is made is on record as soon as it is made, what became of the steps a moment later.

    Those in `again` are computed although their results are stored.
    """
    execution = _Execution(nodes, store, ledger, run, as_of, listener or _nobody, again or {})
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


def look_up(store: Store, plan: Plan) -> Outcome | None:
    """What a plan comes to if all of its units have a result."""
    found = store.find(plan.keys)
    if len(found) < len(set(plan.keys)):
        return None
    return Outcome(plan.together(store, [found[key].artifact for key in plan.keys]), seconds=sum(each.seconds for each in found.values()))


def _perform(node: Node, store: Store, plan: Plan, again: frozenset[str] = frozenset()) -> Outcome:
    """Compute the units without a result and those in `again`, neighbouring ones at once, and put all together."""
    computed = rows = size = 0
    started = time.perf_counter()
    with key_lock(store.root, plan.key):
        stored = store.find(plan.keys)
        found = {key: each for key, each in stored.items() if key not in again}
        missing = [(key, unit) for key, unit in dict(zip(plan.keys, plan.units, strict=True)).items() if key not in found]
        for batch in batches(missing, plan.longest):
            begun, unit = time.perf_counter(), joined([unit for _, unit in batch])
            made, written = keep(store, unit, batch, plan.facts, node.operation.compute(store, unit))
            found |= _record(store, made, (time.perf_counter() - begun) / len(made))
            computed, rows, size = computed + len(batch), rows + unit.rows, size + written
    artifact = plan.together(store, [found[key].artifact for key in plan.keys])
    return Outcome(artifact, computed, rows, time.perf_counter() - started, size, disagreement(stored, found))


def _record(store: Store, made: Mapping[str, Artifact], seconds: float) -> dict[str, Found]:
    results = {key: Found(artifact, seconds) for key, artifact in made.items()}
    store.record(results)
    return results


class _Execution:
    """One run: which steps wait for which, which are running, and what is not on record yet."""

    def __init__(  # noqa: PLR0917  made in one place, by `execute`
        self, nodes: Sequence[Node], store: Store, ledger: Ledger, run: str, as_of: int, tell: Listener, again: Mapping[Node, Again]
    ) -> None:
        self.progress = Progress()
        self._store, self._ledger, self._run, self._as_of, self._tell = store, ledger, run, as_of, tell
        self._again, self._past = again, Past(ledger, store, self.progress.artifacts)
        self._lacking = {node: len(set(node.inputs)) for node in nodes}
        self._readers: dict[Node, list[Node]] = {node: [] for node in nodes}
        for node in nodes:
            for each in dict.fromkeys(node.inputs):
                self._readers[each].append(node)
        self._ready = deque(node for node in nodes if not self._lacking[node])
        self._running: dict[Future[Outcome], tuple[Node, Plan]] = {}
        self._meter = Meter[Node]()
        self._pool = ThreadPoolExecutor(max_workers=cores(), thread_name_prefix="step")
        self._unrecorded: list[tuple[StepReport, Sources, tuple[str, ...]]] = []
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
            again = self._again[node].keys(plan) if node in self._again else frozenset[str]()
            found = None if again else look_up(self._store, plan)
        except Exception as error:  # noqa: BLE001  whatever the step raises is told with its name
            self._fail(node, error)
            return
        if found is None:
            self._tell(node)
            self._meter.start(node)
            self._running[self._pool.submit(_perform, node, self._store, plan, again)] = node, plan
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
        notes = (*plan.notes, *_never(outcome.artifact), *outcome.notes)
        known = not outcome.computed and self._ledger.newest_key(node.name) == plan.key
        why = "unchanged" if known else self._why(node, plan, outcome)
        known = known or (not outcome.computed and self._ledger.knows(node.name, plan.key))
        report = StepReport(
            node.name,
            "ran" if outcome.computed else "cached",
            outcome.seconds,
            outcome.rows,
            why,
            plan.key,
            outcome.computed,
            () if known else plan.told,
            notes,
            cost.cpu,
            cost.peak,
            outcome.size,
            _shape(outcome.artifact),
            outcome.artifact.digest,
        )
        self._settle(node, report, plan.sources if outcome.computed else (), () if known else plan.keys)

    def _why(self, node: Node, plan: Plan, outcome: Outcome) -> str:
        """The first thing that is not as it was the time before."""
        if outcome.computed and node in self._again:
            return self._again[node].reason
        before = self._ledger.last(node.name, before=self._run)
        why = explain(before.causes if before else None, plan.told, self._past)
        return why if outcome.computed else found_again(why)

    def _settle(self, node: Node, report: StepReport, sources: Sources = (), keys: tuple[str, ...] = ()) -> None:
        self.progress.reports[node] = report
        self._unrecorded.append((report, sources, keys))
        self._tell(report)
        for reader in self._readers[node]:
            self._lacking[reader] -= 1
            if not self._lacking[reader]:
                self._ready.append(reader)

    def _write(self) -> None:
        if self._unrecorded:
            reports, sources, keys = zip(*self._unrecorded, strict=True)
            texts = [each for each in zip(reports, sources, strict=True) if each[1]]
            self._ledger.keep(self._run, reports, texts, [each for each in zip(reports, keys, strict=True) if each[1]])
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
