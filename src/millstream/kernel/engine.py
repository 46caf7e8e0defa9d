"""The local engine: every step as soon as its inputs are there, in threads; independent branches go on when one fails."""

from __future__ import annotations

import heapq
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from types import MappingProxyType

from millstream.errors import DamagedError, StepError, first_line
from millstream.kernel.again import Again
from millstream.kernel.availability import is_timed
from millstream.kernel.graph import Node, ordered
from millstream.kernel.isolation import Workers
from millstream.kernel.job import Job, Outcome, Place, look_up, make, take_part
from millstream.kernel.ledger import Ledger, Sources
from millstream.kernel.limits import pause
from millstream.kernel.logs import Log, Said, capturing
from millstream.kernel.meter import Cost, Meter
from millstream.kernel.past import Past
from millstream.kernel.reasons import explain, found_again
from millstream.kernel.records import Artifact, StepReport, Table
from millstream.kernel.store import Store, holds
from millstream.kernel.threads import Threads, cores
from millstream.kernel.units import Plan
from millstream.kernel.worker import Opening, said_of, trace_of

__all__ = ["Began", "Event", "Listener", "Progress", "Said", "execute", "make"]


@dataclass(frozen=True, slots=True)
class Began:
    """A step has begun, and why it must run."""

    name: str
    why: str


Event = StepReport | Began | Said
"""What became of a step, that it begins, or what it says."""

Listener = Callable[[Event], None]
"""Is told by the thread of the run, but what a step says by the step's own."""

SAMPLED = 0.05


@dataclass
class Progress:
    """What a run has come to."""

    artifacts: dict[Node, Artifact] = field(default_factory=dict[Node, Artifact])
    keys: dict[Node, tuple[str, ...]] = field(default_factory=dict[Node, tuple[str, ...]])
    reports: dict[Node, StepReport] = field(default_factory=dict[Node, StepReport])
    errors: dict[Node, Exception] = field(default_factory=dict[Node, Exception])


def execute(  # noqa: PLR0913  each is given by name
    nodes: Sequence[Node],
    *,
    store: Store,
    ledger: Ledger,
    run: str,
    as_of: int,
    listener: Listener | None = None,
    opening: Opening | None = None,
    again: Mapping[Node, Again] | None = None,
) -> Progress:
    """Run the ordered nodes; what is made is on record as soon as it is made, what became of the steps a moment later.

    `opening` imports the user's file in the workers of isolated steps. Those in `again` are computed although their results are stored.
    """
    threads, workers = Threads(cores(), take_part), Workers(store.root, opening, run)
    execution = _Execution(nodes, Place(store, as_of, threads, workers), ledger, run, listener or _aloud, again or {})
    finished = False
    try:
        with capturing():
            while execution.goes_on():
                try:
                    execution.end(execution.done.get(timeout=execution.patience()))
                except Empty:
                    execution.look()
        finished = True
    finally:
        workers.close()
        threads.close(wait=finished)
        execution.close()
    return execution.progress


@dataclass(frozen=True, slots=True)
class _Unrecorded:
    """What is not on record yet: what became of a step, the code that it ran, the keys of what it gave, what it said."""

    report: StepReport
    sources: Sources = ()
    keys: tuple[str, ...] = ()
    log: str = ""


class _Execution:
    """One run: which steps wait for which, which are running, and what is not on record yet."""

    def __init__(self, nodes: Sequence[Node], place: Place, ledger: Ledger, run: str, tell: Listener, again: Mapping[Node, Again]) -> None:
        self.progress, self.done = Progress(), SimpleQueue[Job]()
        self._place, self._ledger, self._run, self._tell = place, ledger, run, tell
        self._again, self._past = again, Past(ledger, place.store, self.progress.artifacts)
        self._lacking = {node: len(set(node.inputs)) for node in nodes}
        self._readers: dict[Node, list[Node]] = {node: [] for node in nodes}
        for node in nodes:
            for each in dict.fromkeys(node.inputs):
                self._readers[each].append(node)
        self._ready = deque(node for node in nodes if not self._lacking[node])
        self._running: dict[Node, Job] = {}
        self._pausing: list[tuple[float, int, Job]] = []
        self._costs: dict[Node, Cost] = {}
        self._whys: dict[Node, str] = {}
        self._healed: dict[Node, dict[str, str]] = {node: {} for node in nodes}
        self._meter = Meter[Node]()
        self._unrecorded: list[_Unrecorded] = []
        self._recorded = time.monotonic()

    def goes_on(self) -> bool:
        """Start what can start; False when nothing is left."""
        while self._ready:
            self._begin(self._ready.popleft())
        while self._pausing and self._pausing[0][0] <= time.monotonic():
            self._start(heapq.heappop(self._pausing)[2])
        if time.monotonic() - self._recorded > SAMPLED:
            self._write()
        return bool(self._running or self._pausing)

    def look(self) -> None:
        """See what the steps cost while they run."""
        self._meter.sample()

    def patience(self) -> float:
        """How long to wait for a step that ends."""
        return min(SAMPLED, max(0.0, self._pausing[0][0] - time.monotonic())) if self._pausing and not self._running else SAMPLED

    def end(self, job: Job) -> None:
        """Settle a step, or have it tried again later."""
        node, error = job.node, job.error
        del self._running[node]
        if not node.limits.isolated:
            self._costs[node] = self._costs.get(node, Cost()) + self._meter.stop(node)
        if error is None:
            assert job.outcome is not None
            self._finish(node, job.plan, job.outcome, job)
            return
        if self._heals(node, error):
            return
        if job.log is not None and not node.limits.isolated:
            job.log.write(trace_of(error), aloud=False)
        if job.attempt <= node.limits.retries and node.limits.forgive(error):
            seconds = pause(job.plan.key, job.attempt)
            assert job.log is not None
            job.log.write(f"{_said_first(error)}; attempt {job.attempt + 1} of {node.limits.retries + 1} in {seconds:.1f} s\n")
            again = Job(node, job.plan, job.inputs, self._place, log=job.log, attempt=job.attempt + 1, again=job.again)
            heapq.heappush(self._pausing, (time.monotonic() + seconds, id(again), again))
            return
        self._fail(node, error if isinstance(error, Exception) else _as_step_error(node, error), job)

    def close(self) -> None:
        """Put on record what is not yet, also what the steps said that did not come to an end."""
        self._write({node.name: job.log.text() for node, job in self._running.items() if job.log is not None})

    def _begin(self, node: Node) -> None:
        broken = next((each for each in node.inputs if each not in self.progress.artifacts), None)
        if broken is not None:
            self._settle(node, StepReport(node.name, "skipped", 0.0, 0, f"{broken.name} did not finish"))
            return
        try:
            inputs = [self.progress.artifacts[each] for each in node.inputs]
            plan = node.operation.plan(self._place.store, inputs, self._place.as_of)
            again = self._again[node].keys(plan) if node in self._again else frozenset[str]()
            found = None if again else look_up(self._place.store, plan)
        except Exception as error:  # noqa: BLE001  whatever the step raises is told with its name
            if not self._heals(node, error):
                self._fail(node, error)
            return
        if found is None:
            self._whys[node] = self._again[node].reason if again else self._why(node, plan)
            self._tell(Began(node.name, self._whys[node]))
            self._start(Job(node, plan, inputs, self._place, log=Log(node.name, self._tell), again=again))
        else:
            self._finish(node, plan, found)

    def _start(self, job: Job) -> None:
        job.done = self.done.put
        if not job.node.limits.isolated:
            self._meter.start(job.node)
        self._running[job.node] = job
        assert self._place.threads is not None
        self._place.threads.begin(job)

    def _heals(self, node: Node, error: BaseException) -> bool:
        """Have damage that a step has met made anew by the steps that made it, and try again then; False for any other error, and the second time."""
        if not isinstance(error, DamagedError) or error.content in self._healed[node]:
            return False
        made, settled = self.progress.artifacts, self.progress.reports
        damaged = [each for each in ordered([node]) if each in made and holds(made[each], error.content)]
        if not damaged and all(each in settled for each in node.inputs):
            return False
        self._healed[node][error.content] = ""
        for each in damaged:
            self._place.store.drop(self.progress.keys[each], holding=error.content)
            self._healed[each][error.content] = f"{error.message}: made anew"
            del made[each], self.progress.keys[each], settled[each]
        at_work = {*self._running, *(job.node for *_, job in self._pausing)}
        waiting = [each for each in self._lacking if each not in settled and each not in at_work]
        self._lacking |= {each: sum(other not in settled for other in set(each.inputs)) for each in waiting}
        self._ready = deque(each for each in waiting if not self._lacking[each])
        return True

    def _why(self, node: Node, plan: Plan) -> str:
        """The first thing that is not as it was the time before."""
        before = self._ledger.last(node.name, before=self._run)
        return explain(before.causes if before else None, plan.told, self._past)

    def _fail(self, node: Node, error: Exception, job: Job | None = None) -> None:
        self.progress.errors[node] = error
        attempts = job.attempt if job else 1
        why = _said_first(error) + (f" ({attempts} attempts)" if attempts > 1 else "")
        report = StepReport(node.name, "failed", job.seconds if job else 0.0, 0, why, attempts=attempts)
        self._settle(node, report, _Unrecorded(report, log=_said(job)))

    def _finish(self, node: Node, plan: Plan, outcome: Outcome, job: Job | None = None) -> None:
        self.progress.artifacts[node], self.progress.keys[node] = outcome.artifact, plan.keys
        cost, attempts = outcome.cost or self._costs.get(node, Cost()), job.attempt if job else 1
        healed = tuple(told for told in self._healed[node].values() if told)
        notes = (*plan.notes, *_never(outcome.artifact), *outcome.notes, *healed, *((f"it took {attempts} attempts",) if attempts > 1 else ()))
        same = not outcome.computed and self._ledger.newest_key(node.name) == plan.key
        known = same or (not outcome.computed and self._ledger.knows(node.name, plan.key))
        report = StepReport(
            node.name,
            "ran" if outcome.computed else "cached",
            outcome.seconds,
            outcome.rows,
            self._whys[node] if outcome.computed else "unchanged" if same else found_again(self._why(node, plan)),
            plan.key,
            outcome.computed,
            () if known else plan.told,
            notes,
            cost.cpu,
            cost.peak,
            outcome.size,
            _shape(outcome.artifact),
            outcome.artifact.digest,
            attempts,
        )
        self._settle(node, report, _Unrecorded(report, plan.sources if outcome.computed else (), () if known else plan.keys, _said(job)))

    def _settle(self, node: Node, report: StepReport, unrecorded: _Unrecorded | None = None) -> None:
        self.progress.reports[node] = report
        self._unrecorded.append(unrecorded or _Unrecorded(report))
        self._tell(report)
        for reader in self._readers[node]:
            self._lacking[reader] -= 1
            if not self._lacking[reader]:
                self._ready.append(reader)

    def _write(self, logs: Mapping[str, str] = MappingProxyType({})) -> None:
        unrecorded, self._unrecorded, self._recorded = self._unrecorded, [], time.monotonic()
        told = {**{each.report.name: each.log for each in unrecorded}, **logs}
        if unrecorded or told:
            self._ledger.keep(
                self._run,
                [each.report for each in unrecorded],
                [(each.report, each.sources) for each in unrecorded if each.sources],
                [(each.report, each.keys) for each in unrecorded if each.keys],
                {name: log for name, log in told.items() if log},
            )


def _never(artifact: Artifact) -> tuple[str, ...]:
    """How many rows of a table have no time, or nobody knows when: they never count."""
    if not isinstance(artifact, Table) or not is_timed(artifact.facts, artifact.names):
        return ()
    never = sum(part.rows for part in artifact.parts if part.day is None)
    columns = " or ".join(name for name in (artifact.facts.time, artifact.facts.known_at) if name)
    return (f"{never:,} rows never count: their {columns} is null",) if never else ()


def _shape(artifact: Artifact) -> tuple[int, int] | None:
    return (artifact.rows, len(artifact.names)) if isinstance(artifact, Table) else None


def _as_step_error(node: Node, error: BaseException) -> StepError:
    """Of what is no ordinary error: a panic of native code, or a step that wanted to exit."""
    return StepError(f"{node.name}: {said_of(error)}", where=node.where)


def _said_first(error: BaseException) -> str:
    return first_line(error) or type(error).__name__


def _said(job: Job | None) -> str:
    return job.log.text() if job is not None and job.log is not None else ""


def _aloud(event: Event) -> None:
    """Who listens to nothing else hears at least what steps say."""
    if isinstance(event, Said):
        sys.stderr.write(f"{event.name} | {event.line}\n")
