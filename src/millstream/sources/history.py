"""The snapshots of a source in the order in which they were taken, and which of them counts at a moment."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import msgspec

from millstream.kernel.availability import DAY, text_of
from millstream.kernel.digest import digest_value
from millstream.kernel.disk import explained
from millstream.kernel.locks import key_lock
from millstream.kernel.store import Store
from millstream.sources.declare import Source
from millstream.sources.records import Snapshot

RECENT = 600_000_000
"""A run as of now sees its sources within so many microseconds."""


def identity_of(source: Source, address: object) -> str:
    """What a source is: another address, choice of columns or fact makes it another one, with a history of its own."""
    facts = source.facts
    return digest_value([address, source.columns, facts.key, facts.time, facts.known_at, facts.delay, source.tz])[:16]


def taken_of(store: Store, identity: str) -> list[Snapshot]:
    """All snapshots of a source."""
    noted = store.note(_note(identity))
    return msgspec.json.decode(noted, type=list[Snapshot]) if noted else []


@contextmanager
def one_at_a_time(store: Store, identity: str) -> Generator[None]:
    """Nobody else reads the source or adds to its history meanwhile, in no process.

    The lock lies in a folder of its own: it is waited for by who holds that of a step.
    """
    folder = store.root / "readings"
    with explained(store.root):
        folder.mkdir(exist_ok=True)
    with key_lock(folder, identity):
        yield


def keep_snapshot(store: Store, identity: str, snapshot: Snapshot) -> None:
    """Add one to those taken, if it is new: from then on it is what the source was. One at a time."""
    taken = taken_of(store, identity)
    if snapshot not in taken:
        store.set_note(_note(identity), msgspec.json.encode([*taken, snapshot]))


def pin_snapshot(store: Store, identity: str, key: str) -> None:
    """Keep the result behind a snapshot for good: what the source has given may never be given again."""
    store.pin(_note(identity), [key])


def looks_now(taken: Sequence[Snapshot], as_of: int) -> bool:
    """Whether a run as of the moment sees the source as it is now, instead of a snapshot taken before."""
    return not taken or (is_recent(as_of) and as_of >= taken[-1].taken)


def moment_taken(as_of: int) -> int:
    """From when on that counts which a run as of a moment takes now, in microseconds."""
    return min(as_of, now()) if is_recent(as_of) else now()


def at_moment(taken: Sequence[Snapshot], as_of: int) -> Snapshot:
    """The newest snapshot taken by then; before the first one, the oldest."""
    return next((each for each in reversed(taken) if each.taken <= as_of), taken[0])


def notes_of(source: Source, snapshot: Snapshot, as_of: int) -> tuple[str, ...]:
    """What a run says of a snapshot that is younger than its moment."""
    if as_of >= snapshot.taken or is_recent(as_of):
        return ()
    day = text_of(snapshot.taken - snapshot.taken % DAY)
    older = f"as of {text_of(as_of)} the snapshot of {day} was used: rows restated since then show their newest form"
    static = "without a time, so not replayable: it is seen as it was when the snapshot was taken"
    return (older,) if source.facts.time else (older, static)


def is_recent(as_of: int) -> bool:
    """Whether a moment is now, or as good as now."""
    return as_of > now() - RECENT


def now() -> int:
    """This moment in microseconds."""
    return time.time_ns() // 1_000


def _note(identity: str) -> str:
    return f"snapshots {identity}"
