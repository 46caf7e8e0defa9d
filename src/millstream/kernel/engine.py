"""The local engine: every step as soon as its inputs are there, in threads; independent branches go on when one fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from millstream.kernel.graph import Node
from millstream.kernel.ledger import Ledger
from millstream.kernel.reasons import explain
from millstream.kernel.records import Artifact, StepReport
from millstream.kernel.store import Store
from millstream.kernel.threads import cores
from millstream.kernel.units import Outcome

Listener = Callable[[StepReport | Node], None]


@dataclass
class Progress:
    """What a run has come to."""

    artifacts: dict[Node, Artifact] = field(default_factory=dict[Node, Artifact])
    reports: dict[Node, StepReport] = field(default_factory=dict[Node, StepReport])
    errors: dict[Node, Exception] = field(default_factory=dict[Node, Exception])


def execute(nodes: Sequence[Node], *, store: Store, ledger: Ledger, run: str, as_of: int, listener: Listener | None = None) -> Progress:
    """Run the ordered nodes; every report is on record as soon as its step is done (those that were cached, at the end)."""
    progress = Progress()
    waiting = list(nodes)
    tell = listener or _nobody
    pool = ThreadPoolExecutor(max_workers=cores(), thread_name_prefix="step")
    running: dict[Future[tuple[Outcome, float]], Node] = {}
    try:
        while waiting or running:
            _skip(waiting, progress, tell)
            for node in [each for each in waiting if all(before in progress.artifacts for before in each.inputs)]:
                waiting.remove(node)
                tell(node)
                running[pool.submit(_timed, node, store, [progress.artifacts[each] for each in node.inputs], as_of)] = node
            for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
                node = running.pop(future)
                report = _settle(node, future, progress, ledger, run)
                progress.reports[node] = report
                if report.status == "ran":
                    ledger.keep_code(report.causes, future.result()[0].sources)
                if report.status != "cached":
                    ledger.keep(run, report)
                tell(report)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    ledger.keep_all(run, [report for report in progress.reports.values() if report.status in ("cached", "skipped")])
    return progress


def _timed(node: Node, store: Store, inputs: Sequence[Artifact], as_of: int) -> tuple[Outcome, float]:
    started = time.perf_counter()
    outcome = node.operation.produce(store, inputs, as_of)
    return outcome, time.perf_counter() - started


def _settle(node: Node, future: Future[tuple[Outcome, float]], progress: Progress, ledger: Ledger, run: str) -> StepReport:
    error = future.exception()
    if isinstance(error, Exception):
        progress.errors[node] = error
        return StepReport(node.name, "failed", 0.0, 0, next(iter(str(error).splitlines()), type(error).__name__))
    if error is not None:
        raise error
    outcome, seconds = future.result()
    progress.artifacts[node] = outcome.artifact
    if not outcome.computed:
        return StepReport(node.name, "cached", seconds, 0, "unchanged", outcome.key, 0, outcome.causes, outcome.notes)
    before = ledger.last(node.name, before=run)
    why = explain(before.causes if before else None, outcome.causes)
    return StepReport(node.name, "ran", seconds, outcome.rows, why, outcome.key, outcome.computed, outcome.causes, outcome.notes)


def _skip(waiting: list[Node], progress: Progress, tell: Listener) -> None:
    for node in list(waiting):
        broken = next((each for each in node.inputs if each in progress.errors or _skipped(each, progress.reports)), None)
        if broken is not None:
            waiting.remove(node)
            progress.reports[node] = StepReport(node.name, "skipped", 0.0, 0, f"{broken.name} did not finish")
            tell(progress.reports[node])


def _nobody(_: StepReport | Node) -> None:
    """Listens to nothing."""


def _skipped(node: Node, reports: Mapping[Node, StepReport]) -> bool:
    return node in reports and reports[node].status == "skipped"
