"""A step's work in units: each has a cache key of its own, and only those without a result are computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl
from msgspec.structs import replace

from millstream.errors import StepError
from millstream.kernel.availability import DAY, Cut, dated_by, is_timed, text_of
from millstream.kernel.digest import digest_bytes
from millstream.kernel.facts import Facts
from millstream.kernel.locks import key_lock
from millstream.kernel.records import Artifact, Cause, Part, Table, Value
from millstream.kernel.results import encode_value
from millstream.kernel.store import Store, table_of

Seen = Cut | Value


@dataclass(frozen=True, slots=True)
class Unit:
    """What is computed at once: the days `[start, stop)` (None: everything) from what is seen of each input."""

    start: int | None
    stop: int | None
    seen: tuple[Seen, ...]

    @property
    def rows(self) -> int:
        """Rows of all inputs."""
        return sum(each.rows for each in self.seen if isinstance(each, Cut))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The artifact of a step, and what it took: units computed of all units, rows processed.

    `sources` are the texts of the user's code that the step refers to, behind their names.
    """

    artifact: Artifact
    key: str
    causes: tuple[Cause, ...]
    computed: int
    units: int
    rows: int
    notes: tuple[str, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()


Compute = Callable[[Unit], object]


def seen_of(store: Store, inputs: Sequence[Artifact], as_of: int | None) -> tuple[Seen, ...]:
    """Every input cut at the moment."""
    return tuple(each if isinstance(each, Value) else store.visible(each, as_of) for each in inputs)


def unit_key(unit: Unit, causes: Sequence[Cause]) -> str:
    """The cache key of a unit: its code and settings, its days, and the content that it sees."""
    inputs = [each.key if isinstance(each, Cut) else each.digest for each in unit.seen]
    return digest_bytes(
        *(f"{cause.name}={cause.value}".encode() for cause in causes), f"{unit.start}:{unit.stop}".encode(), *(key.encode() for key in inputs)
    )


def input_causes(names: Sequence[str], seen: Sequence[Seen]) -> tuple[Cause, ...]:
    """What is seen of each input and how it is understood, in words that can be compared with those of an earlier run."""
    tables = {name: each.table.facts for name, each in zip(names, seen, strict=True) if isinstance(each, Cut)}
    facts = (Cause(f"facts of {name}", facts_text(each)) for name, each in tables.items())
    return (*facts, *(Cause(f"input {name}", _summary(each)) for name, each in zip(names, seen, strict=True)))


def facts_text(facts: Facts) -> str:
    """Facts in words."""
    return f"key={','.join(facts.key)} time={facts.time} known_at={facts.known_at} delay={facts.delay}"


def produce(store: Store, units: Sequence[Unit], *, facts: Facts, causes: Sequence[Cause], compute: Compute, longest: int = 1) -> Outcome:
    """Compute the units that have no result (up to `longest` neighbouring days at once) and put all together."""
    keys = [unit_key(unit, causes) for unit in units]
    whole = digest_bytes(*(key.encode() for key in keys))
    found = store.find(keys)
    computed = rows = 0
    if len(found) < len(set(keys)):
        with key_lock(store.root, whole):
            found = store.find(keys)
            missing = [(key, unit) for key, unit in zip(keys, units, strict=True) if key not in found]
            for batch in _batches(missing, longest):
                results = _compute(store, batch, facts, compute)
                store.record(results)
                found |= results
                rows += _joined([unit for _, unit in batch]).rows
            computed = len(missing)
    return Outcome(_together([found[key] for key in keys]), whole, tuple(causes), computed, len(keys), rows)


def _compute(store: Store, batch: Sequence[tuple[str, Unit]], facts: Facts, compute: Compute) -> dict[str, Artifact]:
    unit = _joined([unit for _, unit in batch])
    result = compute(unit)
    if not isinstance(result, pl.DataFrame):
        return {batch[0][0]: store.write_value(*encode_value(result))}
    kept = _present_facts(facts, result)
    if unit.start is None:
        return {batch[0][0]: store.write_table(result, kept)}
    table = store.write_table(_within(result, kept, unit), kept)
    return {key: _days(table, each) for key, each in batch}


def _present_facts(facts: Facts, frame: pl.DataFrame) -> Facts:
    """The facts whose columns the frame has: tables between may drop them."""
    key = facts.key if set(facts.key) <= set(frame.columns) else ()
    time, known_at = (name if name in frame.columns else None for name in (facts.time, facts.known_at))
    return Facts(key, time, known_at, facts.delay)


def _within(frame: pl.DataFrame, facts: Facts, unit: Unit) -> pl.DataFrame:
    """Only the rows that belong to the unit's days."""
    dated = dated_by(facts)
    if dated is None or not is_timed(facts, frame.columns):
        raise StepError(
            f"a step with a partition must return its time, but this one returns {frame.columns}",
            hint="return the column that says when a row happened",
        )
    return frame.filter(pl.col(dated).cast(pl.Int64).is_between(unit.start, unit.stop, closed="left"))


def _days(table: Table, unit: Unit) -> Table:
    assert unit.start is not None
    assert unit.stop is not None
    days = [part for part in table.parts if part.day is not None and unit.start <= part.day < unit.stop]
    return table_of(
        table.names, table.types, table.facts, days or [replace(table.parts[0], day=None, rows=0, digest="", earliest=None, latest=None, newest=None)]
    )


def _together(artifacts: Sequence[Artifact]) -> Artifact:
    first = artifacts[0]
    if len(artifacts) == 1 or isinstance(first, Value):
        return first
    tables = [each for each in artifacts if isinstance(each, Table)]
    shape = next((each for each in tables if each.rows), tables[0])
    for each in tables:
        if each.rows and (each.names, each.types) != (shape.names, shape.types):
            raise StepError(
                f"a piece has columns {_columns(each)}, another has {_columns(shape)}",
                hint="cast in the function, so that every piece has the same types",
            )
    parts = [part for each in tables for part in each.parts]
    return table_of(shape.names, shape.types, shape.facts, [part for part in parts if part.rows] or parts[:1])


def _columns(table: Table) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in zip(table.names, table.types, strict=True))


def _batches(missing: Sequence[tuple[str, Unit]], longest: int) -> list[list[tuple[str, Unit]]]:
    """Neighbouring units together, at most `longest` days each."""
    batches: list[list[tuple[str, Unit]]] = []
    for key, unit in missing:
        last = batches[-1] if batches else []
        if last and len(last) < longest and last[-1][1].stop is not None and last[-1][1].stop == unit.start:
            last.append((key, unit))
        else:
            batches.append([(key, unit)])
    return batches


def _joined(units: Sequence[Unit]) -> Unit:
    """One unit that sees all that the units see."""
    if len(units) == 1:
        return units[0]
    return Unit(units[0].start, units[-1].stop, tuple(_union([unit.seen[place] for unit in units]) for place in range(len(units[0].seen))))


def _union(seen: Sequence[Seen]) -> Seen:
    cuts = [each for each in seen if isinstance(each, Cut)]
    if not cuts:
        return seen[0]
    parts: dict[tuple[int | None, str], tuple[Part, int | None]] = {
        (part.day, part.digest): (part, until) for cut in cuts for part, until in cut.parts
    }
    ordered = sorted(parts.values(), key=lambda each: (each[0].day is None, each[0].day or 0))
    return Cut(cuts[0].table, tuple(ordered))


def _summary(seen: Seen) -> str:
    if isinstance(seen, Value):
        return seen.digest[:16]
    days = [
        f"{'' if part.day is None else part.day // DAY}:{part.digest[:8]}{'' if until is None else '@' + text_of(until)}"
        for part, until in seen.parts
    ]
    return f"{seen.table.digest[:16]} {seen.rows} {' '.join(days)}"
