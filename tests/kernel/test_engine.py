"""The engine: inputs first, branches on their own, everything on record."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rivers import run_python

from millstream.errors import StepError
from millstream.kernel.engine import Began, Listener, Progress, execute
from millstream.kernel.graph import Node, downstream, ordered
from millstream.kernel.ledger import Ledger
from millstream.kernel.records import Artifact, Cause, StepReport, Value
from millstream.kernel.store import Store
from millstream.kernel.threads import cores
from millstream.kernel.units import Plan, Unit, seen_of


@dataclass(frozen=True, eq=False)
class Adding:
    """A step whose result is the texts of its inputs and its own name; `act` happens on the way."""

    name: str
    act: Callable[[], object] = field(default=lambda: None)

    def plan(self, store: Store, inputs: Sequence[Artifact], as_of: int) -> Plan:
        seen = seen_of(store, inputs, as_of)
        return Plan([Unit(None, None, seen)], (Cause("name", self.name),), inputs=[(str(number), each) for number, each in enumerate(seen)])

    def compute(self, store: Store, unit: Unit) -> bytes:
        self.act()
        return b"".join(store.read_value(each) for each in unit.seen if isinstance(each, Value)) + self.name.encode()


def fail() -> None:
    """What a broken step does."""
    raise StepError("it broke", where="river.py:7")


def step(name: str, *inputs: Node, act: Callable[[], object] = lambda: None) -> Node:
    """A node of the graph."""
    return Node(name, inputs, Adding(name, act))


@dataclass(frozen=True)
class Place:
    """A store and a ledger."""

    store: Store
    ledger: Ledger

    def run(self, *targets: Node, listener: Listener | None = None) -> tuple[str, Progress]:
        """Run the targets and what they need."""
        identity = self.ledger.begin(as_of=0, command="run", environment={}, settings={})
        return identity, execute(ordered(targets), store=self.store, ledger=self.ledger, run=identity, as_of=0, listener=listener)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(Store(tmp_path / "store"), Ledger(tmp_path / "ledger.sqlite"))


def statuses(progress: Progress) -> dict[str, str]:
    """What became of each step."""
    return {node.name: report.status for node, report in progress.reports.items()}


def test_result_has_what_its_inputs_gave_in_their_order(place: Place) -> None:
    """Inputs are handed over as they are named."""
    a, b = step("a"), step("b")
    c = step("c", b, a)

    _, progress = place.run(c)

    result = progress.artifacts[c]
    assert isinstance(result, Value)
    assert place.store.read_value(result) == b"bac"


def test_order_has_inputs_first_and_each_step_once(place: Place) -> None:
    """Also where two steps share an input."""
    a = step("a")
    b, c = step("b", a), step("c", a)
    d = step("d", b, c)

    assert [node.name for node in ordered([d, c])] == ["a", "b", "c", "d"]
    assert [node.name for node in downstream(ordered([d]), b)] == ["b", "d"]


def test_step_starts_when_its_inputs_are_there(place: Place) -> None:
    """What is told while running: no step begins before its inputs are done."""
    told: list[str] = []
    a = step("a")
    b = step("b", a)
    c = step("c", b)

    place.run(c, listener=lambda each: told.append(f"{each.name} begins" if isinstance(each, Began) else f"{each.name} {each.status}"))

    assert told == ["a begins", "a ran", "b begins", "b ran", "c begins", "c ran"]


@pytest.mark.skipif(cores() < 2, reason="one processor runs one step at a time")
def test_independent_steps_run_at_once(place: Place) -> None:
    """Two steps that wait for each other both end."""
    barrier = threading.Barrier(2, timeout=30)

    _, progress = place.run(step("a", act=barrier.wait), step("b", act=barrier.wait))

    assert statuses(progress) == {"a": "ran", "b": "ran"}


def test_independent_branch_goes_on(place: Place) -> None:
    """What does not need the broken step is made; what does is skipped, and says for whom."""
    broken = step("broken", act=fail)
    reader = step("reader", broken)
    last = step("last", reader, step("other"))

    run, progress = place.run(last, step("end", step("begin")))

    assert statuses(progress) == {"broken": "failed", "reader": "skipped", "last": "skipped", "other": "ran", "begin": "ran", "end": "ran"}
    assert {node.name: report.why for node, report in progress.reports.items() if report.status == "skipped"} == {
        "reader": "broken did not finish",
        "last": "reader did not finish",
    }
    assert [str(error) for error in progress.errors.values()] == ["it broke\n  at river.py:7"]
    assert {report.name: report.status for report in place.ledger.run(run).steps} == statuses(progress)


def test_what_a_failed_run_made_is_kept(place: Place) -> None:
    """The next run begins where it stopped."""
    first = step("first")
    place.run(step("second", first, act=fail))

    _, progress = place.run(step("second", first))

    assert statuses(progress) == {"first": "cached", "second": "ran"}


def test_second_run_executes_nothing(place: Place) -> None:
    """Every result is found, and said to be so."""
    a = step("a")
    place.run(step("b", a))

    run, progress = place.run(step("b", a))

    assert statuses(progress) == {"a": "cached", "b": "cached"}
    assert [report.status for report in place.ledger.run(run).steps] == ["cached", "cached"]


def test_step_is_on_record_while_others_run(place: Place) -> None:
    """A step that takes its time sees its input in the ledger."""
    seen: list[StepReport] = []

    def look() -> None:
        until = time.monotonic() + 10
        while not seen and time.monotonic() < until:
            seen.extend(each for each in (place.ledger.last("first"),) if each is not None)
            time.sleep(0.01)

    place.run(step("later", step("first"), act=look))

    assert [report.status for report in seen] == ["ran"]


def test_cost_is_shared_by_the_steps_that_run_at_once(place: Place) -> None:
    """CPU seconds are those of the process; the memory that it held is told where the system tells it."""

    def work() -> None:
        until = time.thread_time() + 0.2
        while time.thread_time() < until:
            pass

    started = time.process_time()
    _, progress = place.run(step("idle"), step("busy", act=work), step("busier", act=work))
    used = time.process_time() - started

    costs = [report.cpu for report in progress.reports.values()]
    assert 0.3 < sum(costs) <= used
    assert all(report.peak > 1_000_000 for report in progress.reports.values()) == sys.platform.startswith("linux")


def test_threads_are_capped(tmp_path: Path) -> None:
    """Every pool has one thread; polars as many as there are processors, in deterministic mode one; what the user says stands."""
    code = """
    import os, sys
    from millstream.kernel.threads import cap_threads, cores
    os.environ.pop("POLARS_MAX_THREADS", None)
    os.environ["OMP_NUM_THREADS"] = "3"
    os.environ.pop("OPENBLAS_NUM_THREADS", None)
    cap_threads(deterministic="deterministic" in sys.argv)
    import polars
    wanted = 1 if "deterministic" in sys.argv else cores()
    print(polars.thread_pool_size() == wanted, os.environ["OMP_NUM_THREADS"], os.environ["OPENBLAS_NUM_THREADS"])
    """

    assert run_python(code).stdout.split() == ["True", "3", "1"]
    assert run_python(code, "deterministic").stdout.split() == ["True", "3", "1"]
