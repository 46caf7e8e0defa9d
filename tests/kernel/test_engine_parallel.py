"""Parts of one step are computed side by side, each on record as soon as it is made, and nobody waits for anybody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from millstream.errors import StepError
from millstream.kernel.engine import Progress, execute
from millstream.kernel.graph import Node, ordered
from millstream.kernel.ledger import Ledger
from millstream.kernel.records import Artifact, Cause, Value
from millstream.kernel.store import Store
from millstream.kernel.threads import Threads, cores
from millstream.kernel.units import Plan, Unit

several = pytest.mark.skipif(cores() < 2, reason="one processor runs one step at a time")


def item_of(number: int) -> Value:
    """What one unit sees."""
    return Value(f"{number:064x}", "json", 1, inline=str(number).encode())


@dataclass(frozen=True, eq=False)
class Pieces:
    """A step of so many units, each with a value of its own; `act` happens for each."""

    name: str
    count: int
    act: Callable[[int], object]

    def plan(self, store: Store, inputs: Sequence[Artifact], as_of: int) -> Plan:
        units = [Unit(None, None, (item_of(number),), str(number)) for number in range(self.count)]
        return Plan(units, (Cause("name", self.name),), together=lambda store, artifacts: store.write_value(str(len(artifacts)).encode())[0])

    def compute(self, store: Store, unit: Unit) -> bytes:
        self.act(int(unit.item or ""))
        return f"{self.name} {unit.item}".encode()


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Progress]:
    """Runs nodes in one store."""
    store, ledger = Store(tmp_path / "store"), Ledger(tmp_path / "ledger.sqlite")

    def execute_all(*targets: Node) -> Progress:
        identity = ledger.begin(as_of=0, command="run", environment={}, settings={})
        return execute(ordered(targets), store=store, ledger=ledger, run=identity, as_of=0)

    return execute_all


def pieces(name: str, count: int, act: Callable[[int], object] = lambda _: None) -> Node:
    """A node of so many units."""
    return Node(name, (), Pieces(name, count, act))


@several
def test_units_of_one_step_run_at_once(run: Callable[..., Progress]) -> None:
    """Units that wait for each other both end."""
    barrier = threading.Barrier(2, timeout=30)

    progress = run(pieces("both", 2, lambda _: barrier.wait()))

    assert [report.parts for report in progress.reports.values()] == [2]


def test_no_more_units_at_once_than_processors(run: Callable[..., Progress]) -> None:
    """Neither of one step nor of several."""
    inside, most, lock = [0], [0], threading.Lock()

    def act(_: int) -> None:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.002)
        with lock:
            inside[0] -= 1

    run(*(pieces(f"step {number}", 12, act) for number in range(8)))

    assert most[0] == cores()


def test_many_steps_of_many_units_come_to_an_end(run: Callable[..., Progress]) -> None:
    """However they share the threads; two of them are one and the same step."""
    nodes = [pieces(f"step {number}", number) for number in range(1, 20)]

    progress = run(*nodes, pieces("step 7", 7), pieces("step 19", 19))

    assert progress.errors == {}
    assert len(progress.artifacts) == 21
    assert sum(report.parts for report in progress.reports.values()) == sum(range(1, 20))


def test_units_that_are_done_when_one_fails_are_kept(run: Callable[..., Progress]) -> None:
    """What begins after the failure is not computed; the next run does what is missing."""
    done: list[int] = []

    def act(number: int) -> None:
        if number == 5:
            raise StepError("broke at 5")
        done.append(number)

    progress = run(pieces("step", 40, act))
    first = len(done)
    again = run(pieces("step", 40, done.append))

    assert [str(error) for error in progress.errors.values()] == ["broke at 5"]
    assert 5 <= first < 40
    assert sorted(done) == list(range(40))
    assert [report.parts for report in again.reports.values()] == [40 - first]


def test_threads_are_started_when_they_are_needed() -> None:
    """One thread does all that comes one after the other; several begin when several things wait."""
    names, free = list[str](), threading.Semaphore(0)

    def work(items: Iterator[threading.Event]) -> None:
        for item in items:
            names.append(threading.current_thread().name)
            item.wait(30)
            free.release()

    threads = Threads(3, work)
    for _ in range(4):
        over = threading.Event()
        over.set()
        threads.begin(over)
        assert free.acquire(timeout=30)
        time.sleep(0.01)
    one_by_one = set(names)
    last = [threading.Event() for _ in range(5)]
    for each in last:
        threads.begin(each)
    until = time.monotonic() + 30
    while len(names) < 7 and time.monotonic() < until:
        time.sleep(0.01)
    side_by_side = set(names[4:])
    for each in last:
        each.set()
    threads.close(wait=True)

    assert len(one_by_one) <= 2  # a thread that has just put its work down may not be waiting yet
    assert len(side_by_side) == 3
