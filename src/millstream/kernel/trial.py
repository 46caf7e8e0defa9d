"""A step alone on its real inputs: what it takes and what it gives; nothing of it is stored or on record."""

from __future__ import annotations

import cProfile
import pstats
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from millstream.kernel.availability import Cut, dated_by
from millstream.kernel.function import FunctionOperation
from millstream.kernel.graph import Node
from millstream.kernel.handing import IN_ORDER, Handing
from millstream.kernel.meter import Cost, Meter
from millstream.kernel.records import Artifact
from millstream.kernel.store import Store
from millstream.kernel.units import Plan, Unit, batches, joined

SAMPLED = 0.005
SHOWN = 15
Entries = Mapping[tuple[str, int, str], tuple[int, int, float, float, object]]
"""What `pstats` knows of each function: primitive calls, calls, own seconds, all seconds, callers."""


class Call(msgspec.Struct, frozen=True):
    """A Python function: where it is, how often it was called, and the seconds spent in it, without and with what it called."""

    function: str
    calls: int
    own: float
    seconds: float


class Trial(msgspec.Struct, frozen=True):
    """What a step took and gave.

    `reading` are the seconds until its inputs were in memory, `seconds` those of its own, `calls` is how often its function was called;
    `peak` is the most memory that the process held, `grown` how much more that is than before. `rows` is None for a result that is no table.
    `plan` is the query of a function that returns a lazy frame, as polars runs it; of all others `spent` are the functions that took longest.
    """

    step: str
    reading: float
    seconds: float
    cpu: float
    peak: int
    grown: int
    calls: int
    rows_in: int
    rows: int | None
    columns: int | None
    plan: str | None = None
    spent: tuple[Call, ...] = ()


def try_step(node: Node, store: Store, inputs: Sequence[Artifact], as_of: int) -> tuple[Trial, list[object]]:
    """Compute all of a step once, measured; also what it gave, piece by piece."""
    plan = node.operation.plan(store, inputs, as_of)
    units = _pieces(plan)
    started = time.perf_counter()
    for unit in units:
        for seen in unit.seen:
            if isinstance(seen, Cut):
                store.read(seen)
    reading = time.perf_counter() - started
    with _measured() as (before, cost):
        begun = time.perf_counter()
        results = [_own_rows(node.operation.compute(store, unit), plan, unit) for unit in units]
        seconds = time.perf_counter() - begun
    frames = [each for each in results if isinstance(each, pl.DataFrame)]
    rows, columns = (sum(each.height for each in frames), frames[0].width) if frames else (None, None)
    rows_in = sum(unit.rows for unit in units)
    trial = Trial(node.name, reading, seconds, cost.cpu, cost.peak, max(cost.peak - before, 0), len(units), rows_in, rows, columns)
    return trial, results


def look_inside(node: Node, store: Store, inputs: Sequence[Artifact], as_of: int) -> tuple[str | None, tuple[Call, ...]]:
    """Where the time of a step goes, found by running its newest piece again: the query of a lazy frame, or the Python functions called."""
    operation, unit = node.operation, _pieces(node.operation.plan(store, inputs, as_of))[-1]
    profile = cProfile.Profile()
    if not isinstance(operation, FunctionOperation):
        profile.runcall(operation.compute, store, unit)
        return None, _calls(profile)
    with Handing(store) as handing:
        arguments = operation.handed(handing, store, unit)
        result = profile.runcall(operation.function, *arguments, **operation.settings)
        if isinstance(result, pl.LazyFrame):
            return result.explain(engine="in-memory", optimizations=IN_ORDER), ()
    return None, _calls(profile)


def _pieces(plan: Plan) -> list[Unit]:
    """What is computed at once, as in a run of which nothing is stored."""
    pairs = list(dict(zip(plan.keys, plan.units, strict=True)).items())
    return [joined(batch) for batch in batches(pairs, plan.longest)]


def _own_rows(result: object, plan: Plan, unit: Unit) -> object:
    """The rows of a piece that belong to its days."""
    dated = dated_by(plan.facts)
    if unit.start is None or not isinstance(result, pl.DataFrame) or dated is None or dated not in result.columns:
        return result
    return result.filter(pl.col(dated).cast(pl.Int64).is_between(unit.start, unit.stop, closed="left"))


def _calls(profile: cProfile.Profile) -> tuple[Call, ...]:
    stats: Any = pstats.Stats(profile)
    entries: Entries = stats.stats
    told = [Call(_function(*where), calls, own, total) for where, (_, calls, own, total, _) in entries.items()]
    return tuple(sorted(told, key=lambda each: -each.seconds)[:SHOWN])


def _function(file: str, line: int, name: str) -> str:
    return name if file == "~" else f"{Path(file).name}:{line} {name}"


@contextmanager
def _measured() -> Generator[tuple[int, Cost]]:
    """CPU time and memory of the process while the block runs, and the memory that it held before."""
    meter, over, cost = Meter[str](), threading.Event(), Cost()
    meter.start("before")
    meter.sample()
    before = meter.stop("before").peak
    meter.start("step")

    def watch() -> None:
        while not over.wait(SAMPLED):
            meter.sample()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield before, cost
    finally:
        over.set()
        thread.join()
        found = meter.stop("step")
        cost.cpu, cost.peak = found.cpu, found.peak
