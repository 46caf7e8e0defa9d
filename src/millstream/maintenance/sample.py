"""A file's tables on their newest rows: steps are tried on a sample, whatever the size of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from millstream.features.lowering import Lowering
from millstream.kernel.declarations import Declaration
from millstream.kernel.graph import Node
from millstream.kernel.records import Artifact, Table
from millstream.kernel.store import Store, table_of
from millstream.kernel.units import Plan, Unit
from millstream.sources.declare import Source


@dataclass(frozen=True, eq=False)
class Sampled:
    """A source of which some days are taken: its table is there already."""

    artifact: Artifact

    def plan(self, store: Store, inputs: Sequence[Artifact], as_of: int) -> Plan:
        """Nothing is left to do."""
        del store, inputs, as_of
        return Plan((), (), together=lambda _, __: self.artifact)

    def compute(self, store: Store, unit: Unit) -> object:
        """Never called: the plan has no unit."""
        raise AssertionError(store, unit)


def sampled(lowering: Lowering, tables: Mapping[Source, Table], rows: int, as_of: int) -> Lowering:
    """The way to the same steps, but over the newest rows of their sources that are there at the moment; itself if none has more than `rows`.

    Sources with a time that have more are cut at one and the same day, from which on none has more; all others stay whole.
    """
    starts = {source: day for source, table in tables.items() if (day := _start(table, rows, as_of)) is not None}
    if not starts:
        return lowering
    start = max(starts.values())
    nodes: dict[Declaration, Node] = {}
    for source, table in tables.items():
        kept = _since(table, start) if source in starts else table
        nodes[source] = Node(lowering.name_of(source), (), Sampled(kept), source.where)
    return replace(lowering, nodes=nodes)


def _start(table: Table, rows: int, as_of: int) -> int | None:
    """The first day of the newest days that have at most so many rows together (one day at least); None if all have."""
    dated = [part for part in table.parts if part.day is not None and part.earliest is not None and part.earliest <= as_of]
    if sum(part.rows for part in dated) <= rows or len(dated) < 2:
        return None
    count, start = 0, dated[-1].day
    for part in reversed(dated):
        count += part.rows
        if count > rows:
            break
        start = part.day
    return start


def _since(table: Table, day: int) -> Table:
    parts = [part for part in table.parts if part.day is not None and part.day >= day]
    return table_of(table.names, table.types, table.facts, parts or table.parts[-1:])
