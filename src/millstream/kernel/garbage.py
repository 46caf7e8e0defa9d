"""What nothing recent needs: results that no run has found for long, the files that only they held, and notes that can be made again.

A result is removed before its files, a file before its record: a kill in between leaves nothing that counts, and the next turn goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from millstream.kernel.ledger import Ledger
from millstream.kernel.store import FOUND_AGAIN, Store

BATCH = 10_000
"""Rows removed in one transaction."""
PASSING = "FROM notes WHERE used < ? AND name >= ? AND name < ? AND name NOT IN (SELECT key FROM pins)"
LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is garbage: what was last found before `until` (seconds since 1970), and is needed neither by a pin nor among `files`.

    Of the notes only those whose names begin with one of `passing` are: what they say can be found again.
    """

    until: float
    files: frozenset[str] = frozenset()
    passing: tuple[str, ...] = ()


class Garbage(msgspec.Struct, frozen=True):
    """How much there is: results, files (with those that killed writers left half-written), notes; `bytes` of them, out of so many."""

    results: int
    files: int
    notes: int
    bytes: int
    out_of: int


def found_before(ledger: Ledger, keep_last: int) -> float:
    """The moment after which everything was last found that the newest runs have used, in seconds since 1970."""
    if not keep_last:
        return float("inf")
    row = ledger.database.row("SELECT started FROM runs ORDER BY run DESC LIMIT 1 OFFSET ?", (keep_last - 1,))
    return float(row[0]) - FOUND_AGAIN if row else 0.0


def survey(store: Store, rule: Rule) -> Garbage:
    """What would be removed."""
    results, records, all_records = _total(store, "results", rule.until)
    files, size, all_files = _total(store, "files", rule.until)
    pinned = store.index.rows("SELECT size FROM results WHERE key IN (SELECT key FROM pins) AND used < ?", (rule.until,))
    needed = [
        row for name in _needed(store, rule) for row in store.index.rows("SELECT size FROM files WHERE name = ? AND used < ?", (name, rule.until))
    ]
    left = [path.lstat().st_size for path in store.files.abandoned()]
    notes = [row[0] for prefix in rule.passing for row in store.index.rows(f"SELECT count(*) {PASSING}", _named(rule, prefix))]
    kept = sum(row[0] for row in (*pinned, *needed))
    freed, out_of = records + size - kept + sum(left), all_records + all_files + sum(left)
    return Garbage(results - len(pinned), files - len(needed) + len(left), sum(notes), freed, out_of)


def remove(store: Store, rule: Rule) -> Garbage:
    """Remove what nothing needs; the store must be had alone."""
    found = survey(store, rule)
    store.files.remove_abandoned()
    query = f"DELETE FROM results WHERE rowid IN (SELECT rowid FROM results WHERE used < ? AND key NOT IN (SELECT key FROM pins) LIMIT {BATCH})"  # noqa: S608  no value is put in
    while _removed(store, query, (rule.until,)):
        pass
    for prefix in rule.passing:
        _removed(store, f"DELETE {PASSING}", _named(rule, prefix))
    _remove_files(store, rule)
    store.index.compact()
    return found


def _remove_files(store: Store, rule: Rule) -> None:
    needed, last = _needed(store, rule), 0
    query = f"SELECT id, name FROM files WHERE +used < ? AND id > ? ORDER BY id LIMIT {BATCH}"  # noqa: S608  no value is put in
    while rows := store.index.rows(query, (rule.until, last)):
        store.forget(*(name for _, name in rows if name not in needed))
        last = rows[-1][0]


def _needed(store: Store, rule: Rule) -> set[str]:
    return store.needed_files() | rule.files


def _named(rule: Rule, prefix: str) -> tuple[float, str, str]:
    return rule.until, prefix, prefix + LAST


def _total(store: Store, table: str, until: float) -> tuple[int, int, int]:
    """How many rows were last used before a moment, their bytes, and the bytes of all; each row is looked at once."""
    query = "SELECT count(*), coalesce(sum(size), 0) FROM {} WHERE used {} ?"
    ((count, size),), ((_, rest),) = (store.index.rows(query.format(table, sign), (until,)) for sign in ("<", ">="))
    return int(count), int(size), int(size) + int(rest)


def _removed(store: Store, query: str, values: tuple[object, ...]) -> int:
    with store.index.transaction() as index:
        return index.execute(query, values).rowcount
