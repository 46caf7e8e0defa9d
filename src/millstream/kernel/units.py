"""A step's work in units: each has a cache key of its own, and only those without a result are computed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl
from msgspec.structs import replace

from millstream.errors import StepError
from millstream.kernel.availability import DAY, FOREVER, Cut, dated_by, is_timed, text_of
from millstream.kernel.digest import digest_bytes
from millstream.kernel.facts import Facts
from millstream.kernel.records import Artifact, Cause, Collection, Part, Table, Value, differing
from millstream.kernel.results import keep_result, present_facts
from millstream.kernel.store import Store, table_of


@dataclass(frozen=True, slots=True)
class SeenCollection:
    """What is seen of several results: by name, or without names in a list."""

    members: tuple[Seen, ...]
    names: tuple[str, ...] | None

    @property
    def digest(self) -> str:
        """Digest of what is seen of each."""
        told = ["a list"] if self.names is None else ["by name", *self.names]
        return digest_bytes(*(each.encode() for each in (*told, *map(key_of, self.members))))

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(each.rows for each in self.members if not isinstance(each, Value))


Seen = Cut | Value | SeenCollection


@dataclass(frozen=True, slots=True)
class Unit:
    """What is computed at once: the days `[start, stop)` (None: everything) from what is seen of each input; `item` says which file or item it is."""

    start: int | None
    stop: int | None
    seen: tuple[Seen, ...]
    item: str | None = None

    @property
    def rows(self) -> int:
        """Rows of all inputs."""
        return sum(each.rows for each in self.seen if not isinstance(each, Value))


Batch = list[tuple[str, Unit]]
"""Units that are computed at once, by their keys."""


def together(store: Store, artifacts: Sequence[Artifact]) -> Artifact:
    """One artifact of all units: a table of all their parts."""
    del store
    return artifacts[0] if len(artifacts) == 1 else _one_table(artifacts)


@dataclass(frozen=True)
class Plan:
    """What a step is to do: its units, all that its result depends on besides what they see, and how the results become one.

    `facts` are those of the result, `inputs` the names of what each unit sees. Up to `longest` neighbouring days are computed at once.
    `sources` are the texts of the user's code that the step refers to, behind their names. `again` tells the causes as they are then.
    """

    units: Sequence[Unit]
    causes: Sequence[Cause]
    facts: Facts = Facts()
    inputs: Sequence[tuple[str, Seen]] = ()
    longest: int = 1
    notes: Sequence[str] = ()
    sources: Sequence[tuple[str, str]] = ()
    together: Callable[[Store, Sequence[Artifact]], Artifact] = field(default=together)
    again: Callable[[], Sequence[Cause]] | None = None

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The cache key of each unit."""
        causes = digest_bytes(*(f"{cause.name}={cause.value}".encode() for cause in self.causes))
        return tuple(_unit_key(unit, causes) for unit in self.units)

    @cached_property
    def key(self) -> str:
        """The cache key of the whole step."""
        return digest_bytes(*(key.encode() for key in self.keys))

    @property
    def told(self) -> tuple[Cause, ...]:
        """All that the keys are made of, in words that can be compared with those of an earlier run."""
        return (*self.causes, *input_causes(self.inputs))

    def check_unchanged(self, step: str, where: str) -> None:
        """Raises StepError if what the result depends on is no longer what it was when the step was planned."""
        if self.again is None:
            return
        now = self.again()
        changed = None if tuple(now) == tuple(self.causes) else next(iter(differing(self.causes, now)), None)
        if changed is not None:
            hint = "nothing of it was kept: it must stand still while a step runs; a step may give a result, and change nothing else"
            raise StepError(f"{step}: '{changed}' changed while it ran", where=where, hint=hint)


def seen_of(store: Store, inputs: Sequence[Artifact], as_of: int | None) -> tuple[Seen, ...]:
    """Every input cut at the moment."""
    return tuple(_seen(store, each, as_of) for each in inputs)


def expect_tables(reader: str, names: Sequence[str], seen: Sequence[Seen], where: str) -> None:
    """Raise StepError if an input of `reader` is no table."""
    for name, each in zip(names, seen, strict=True):
        if not isinstance(each, Cut):
            given = "several results" if isinstance(each, SeenCollection) else "a JSON value" if each.kind == "json" else "a value"
            raise StepError(f"{reader}: {name} gives {given}, not a table", where=where, hint=f"return a table from {name}")


def key_of(seen: Seen) -> str:
    """Digest of exactly what is seen."""
    return seen.key if isinstance(seen, Cut) else seen.digest


def _seen(store: Store, artifact: Artifact, as_of: int | None) -> Seen:
    if isinstance(artifact, Collection):
        return SeenCollection(tuple(_seen(store, each, as_of) for each in artifact.members), artifact.names)
    return artifact if isinstance(artifact, Value) else store.visible(artifact, as_of)


def _unit_key(unit: Unit, causes: str) -> str:
    return digest_bytes(causes.encode(), f"{unit.start}:{unit.stop}".encode(), *(key_of(each).encode() for each in unit.seen))


def input_causes(inputs: Sequence[tuple[str, Seen]]) -> tuple[Cause, ...]:
    """What is seen of each input and how it is understood."""
    facts = (Cause(f"facts of {name}", facts_text(each.table.facts)) for name, each in inputs if isinstance(each, Cut))
    return (*facts, *(Cause(f"input {name}", _summary(each)) for name, each in inputs))


def facts_text(facts: Facts) -> str:
    """Facts in words."""
    return f"key={','.join(facts.key)} time={facts.time} known_at={facts.known_at} delay={facts.delay}"


@dataclass(frozen=True, slots=True)
class Stored:
    """A result that the step has stored by itself: the table, how many of its rows are new, and the bytes written for them."""

    table: Table
    rows: int = 0
    size: int = 0


def processed(unit: Unit, result: object) -> int:
    """The rows that a unit read; of one that reads no table, as a source's file, those that it gave."""
    if isinstance(result, Stored):
        return result.rows
    if isinstance(result, pl.DataFrame) and not any(isinstance(each, Cut) for each in unit.seen):
        return result.height
    return unit.rows


def keep(store: Store, unit: Unit, keys: Batch, facts: Facts, result: object) -> tuple[dict[str, Artifact], int]:
    """Store the result of a unit that stands for several: what each of their keys gave, and the bytes written."""
    if isinstance(result, Stored):
        return {keys[0][0]: result.table}, result.size
    if unit.start is None:
        artifact, size = keep_result(store, facts, result)
        return {keys[0][0]: artifact}, size
    if not isinstance(result, pl.DataFrame):
        raise StepError(f"a step with a partition returns a table, but this one returns a {type(result).__name__}", hint="leave partition= out")
    kept = present_facts(facts, result.columns)
    table, size = store.write_table(_within(result, kept, unit), kept)
    return {key: _days(table, each) for key, each in keys}, size


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
    days = table.parts[bisect_left(table.parts, unit.start, key=_day) : bisect_left(table.parts, unit.stop, key=_day)]
    return table_of(
        table.names, table.types, table.facts, days or [replace(table.parts[0], day=None, rows=0, digest="", earliest=None, latest=None, newest=None)]
    )


def _day(part: Part) -> int:
    return FOREVER if part.day is None else part.day


def _one_table(artifacts: Sequence[Artifact]) -> Table:
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


def batches(missing: Sequence[tuple[str, Unit]], longest: int) -> list[Batch]:
    """Neighbouring units together, at most `longest` days each."""
    batches: list[Batch] = []
    for key, unit in missing:
        last = batches[-1] if batches else []
        if last and len(last) < longest and last[-1][1].stop is not None and last[-1][1].stop == unit.start:
            last.append((key, unit))
        else:
            batches.append([(key, unit)])
    return batches


def joined(batch: Batch) -> Unit:
    """One unit that sees all that the units of a batch see."""
    units = [unit for _, unit in batch]
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
    if not isinstance(seen, Cut):
        return seen.digest[:16]
    days = [
        f"{'' if part.day is None else part.day // DAY}:{part.digest[:8]}{'' if until is None else '@' + text_of(until)}"
        for part, until in seen.parts
    ]
    return f"{seen.table.digest[:16]} {seen.rows} {' '.join(days)}"
