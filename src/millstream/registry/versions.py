"""Which model is which: versions, aliases, and the history of every decision, synced to disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from millstream.errors import NotFoundError
from millstream.evaluation.records import PairedDifference
from millstream.kernel.database import Database
from millstream.kernel.ledger import FORMATS
from millstream.registry.records import Event, Version

SCHEMA = """
CREATE TABLE IF NOT EXISTS versions (model TEXT NOT NULL, version INTEGER NOT NULL, record BLOB NOT NULL, PRIMARY KEY (model, version));
CREATE TABLE IF NOT EXISTS aliases (model TEXT NOT NULL, alias TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (model, alias));
CREATE TABLE IF NOT EXISTS history (number INTEGER PRIMARY KEY, model TEXT NOT NULL, record BLOB NOT NULL);
"""

_version = msgspec.msgpack.Decoder(Version)
_event = msgspec.msgpack.Decoder(Event)


class Registry:
    """The registered versions of all models, in the ledger's file."""

    def __init__(self, path: Path) -> None:
        """Open the registry in a ledger."""
        self.database = Database(path, FORMATS, durable=True)
        self.database.ensure(SCHEMA)

    def register(self, model: str, make: Callable[[int], Version], *, moment: int) -> Version:
        """Give the next number to a new version and record it; if its bundle is on record already, that version is given back."""
        with self.database.transaction() as connection:
            number = connection.execute("SELECT coalesce(max(version), 0) + 1 FROM versions WHERE model = ?", (model,)).fetchone()[0]
            version = make(number)
            same = [known for known in self.versions(model) if known.bundle == version.bundle]
            if same:
                return same[0]
            connection.execute("INSERT INTO versions VALUES (?, ?, ?)", (model, number, msgspec.msgpack.encode(version)))
            event = Event(
                model, "registered", number, moment, _now(), f"made by {version.origin}: {version.record.method}, {version.lineage.rows:,} rows"
            )
            connection.execute("INSERT INTO history (model, record) VALUES (?, ?)", (model, msgspec.msgpack.encode(event)))
        return version

    def versions(self, model: str) -> list[Version]:
        """All versions of a model, the oldest first."""
        return [_version.decode(blob) for (blob,) in self.database.rows("SELECT record FROM versions WHERE model = ? ORDER BY version", (model,))]

    def version(self, model: str, number: int) -> Version:
        """One version."""
        row = self.database.row("SELECT record FROM versions WHERE model = ? AND version = ?", (model, number))
        if row is None:
            known = ", ".join(each.name for each in self.versions(model)) or "none"
            raise NotFoundError(f"there is no version {model}@{number}", hint=f"registered are: {known}")
        return _version.decode(row[0])

    def champion(self, model: str) -> Version | None:
        """The version in office."""
        row = self.database.row("SELECT version FROM aliases WHERE model = ? AND alias = 'champion'", (model,))
        return self.version(model, row[0]) if row else None

    def challenger(self, model: str) -> Version | None:
        """The newest version after the champion on which nothing has been decided."""
        champion = self.champion(model)
        decided = {event.version for event in self.history(model) if event.action in ("refused", "promoted", "rolled_back")}
        waiting = [each for each in self.versions(model) if champion and each.version > champion.version and each.version not in decided]
        return waiting[-1] if waiting else None

    def alias(self, version: Version) -> str | None:
        """What a version is: champion, challenger, or neither."""
        if self.champion(version.model) == version:
            return "champion"
        return "challenger" if self.challenger(version.model) == version else None

    def promote(
        self, version: Version, *, moment: int, reason: str, difference: PairedDifference | None = None, block: tuple[int, int] | None = None
    ) -> Event:
        """Put a version in office and record why."""
        return self._put(version, Event(version.model, "promoted", version.version, moment, _now(), reason, difference, block))

    def roll_back(self, model: str, *, moment: int, reason: str) -> Version:
        """Put the version that was champion before the present one back in office."""
        champion = self.champion(model)
        if champion is None:
            raise NotFoundError(f"{model} has no champion", hint="`millstream run` registers the first version")
        before = [event.version for event in self.history(model) if event.action in ("promoted", "rolled_back") and event.version != champion.version]
        if not before:
            raise NotFoundError(
                f"{champion.name} is the only version that has been champion", hint=f"`millstream promote {model}@N` puts another in office"
            )
        version = self.version(model, before[-1])
        self._put(version, Event(model, "rolled_back", version.version, moment, _now(), reason))
        return version

    def note(self, event: Event) -> None:
        """Record a decision that moves nothing."""
        self.database.execute("INSERT INTO history (model, record) VALUES (?, ?)", (event.model, msgspec.msgpack.encode(event)))

    def history(self, model: str) -> list[Event]:
        """Everything decided about a model, in order."""
        return [_event.decode(blob) for (blob,) in self.database.rows("SELECT record FROM history WHERE model = ? ORDER BY number", (model,))]

    def models(self) -> list[str]:
        """Models with a registered version."""
        return [name for (name,) in self.database.rows("SELECT DISTINCT model FROM versions ORDER BY model")]

    def _put(self, version: Version, event: Event) -> Event:
        with self.database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO aliases VALUES (?, 'champion', ?)", (version.model, version.version))
            connection.execute("INSERT INTO history (model, record) VALUES (?, ?)", (version.model, msgspec.msgpack.encode(event)))
        return event


def _now() -> int:
    return time.time_ns() // 1_000
