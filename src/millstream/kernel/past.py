"""What earlier runs made, as far as it is still stored: by the name of a step and the digest of its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from millstream.kernel.changes import Known, KnownPart, PartSeen, Seen
from millstream.kernel.graph import Node
from millstream.kernel.ledger import Ledger
from millstream.kernel.records import Artifact, Table, Value
from millstream.kernel.store import Store

LONGEST_VALUE = 4_096


@dataclass(frozen=True)
class Past:
    """Looks into the ledger for the cache keys of a result, and into the store for what they gave.

    `present` is what the run that asks has made by now, which may not be on record yet.
    """

    ledger: Ledger
    store: Store
    present: Mapping[Node, Artifact] = field(default_factory=dict[Node, Artifact])

    def artifacts(self, step: str, digest: str) -> list[Artifact]:
        """What the units of a step gave when its result had a digest with this beginning; those that are gone are left out."""
        made = next((each for node, each in self.present.items() if node.name == step and each.digest.startswith(digest)), None)
        if made is not None:
            return [made]
        return [each.artifact for each in self.store.find(self.ledger.keys(step, digest)).values()]

    def parts(self, step: str, digest: str) -> Known:
        """The parts of a table."""
        known: dict[str, KnownPart] = {}
        for table in self.artifacts(step, digest):
            if isinstance(table, Table):
                for part in table.parts:
                    columns = dict(zip(table.names, zip(table.types, part.columns, strict=True), strict=True))
                    known[part.digest[:8]] = KnownPart(part.rows, columns)
        return known

    def seen(self, step: str, digest: str) -> Seen | None:
        """All of a table, as a step that reads it would see it; None if it is no table, or no longer stored."""
        tables = [each for each in self.artifacts(step, digest) if isinstance(each, Table)]
        parts = [part for table in tables for part in table.parts]
        if not tables:
            return None
        return Seen(digest, sum(part.rows for part in parts), {part.day: PartSeen(part.digest[:8], None) for part in parts})

    def json(self, step: str, digest: str) -> str | None:
        """A result that is no table, if it is JSON and short."""
        values = [each for each in self.artifacts(step, digest) if isinstance(each, Value)]
        if len(values) != 1 or values[0].kind != "json" or values[0].size > LONGEST_VALUE:
            return None
        return self.store.read_value(values[0]).decode()
