"""Remove what nothing recent needs from a store, and nothing that a version needs."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import msgspec

from millstream.kernel.availability import microseconds_of, moment_of
from millstream.kernel.durations import add
from millstream.kernel.garbage import Garbage, Rule, found_before, remove, survey
from millstream.kernel.ledger import Ledger
from millstream.kernel.locks import alone
from millstream.kernel.past_runs import forget_runs, runs_before
from millstream.kernel.store import Store
from millstream.registry.versions import Registry
from millstream.training.results import COST

KEEP_LAST, OLDER_THAN = 10, "30d"
"""What is kept if nothing is said: what the last runs used, and what is younger."""
PASSING = (COST, "file ", "newest ", "one row per key ")
"""Notes that are made again when they are asked for."""


class Collection(msgspec.Struct, frozen=True):
    """What was removed, or would be: all that was last used before `until` (microseconds; None: nothing, or everything), and runs forgotten."""

    until: int | None
    garbage: Garbage
    runs: int
    dry_run: bool


def collect(folder: Path, *, keep_last: int | None = None, older_than: str | None = None, forget: bool = False, dry_run: bool = False) -> Collection:
    """Remove what the last `keep_last` runs have not used and what was not used for `older_than`; of two limits the later keeps more.

    Without a limit both have their default. With `forget`, runs from before the limit are forgotten too. Raises StoreError while somebody uses
    the store; a dry run asks nobody.
    """
    store, ledger, registry = Store(folder), Ledger(folder / "ledger.sqlite"), Registry(folder / "ledger.sqlite")
    with contextlib.nullcontext() if dry_run else alone(folder):
        until = limit(ledger, keep_last, older_than)
        versions = [version for model in registry.models() for version in registry.versions(model)]
        rule = Rule(until, frozenset(f"{version.bundle}.bin" for version in versions), PASSING)
        runs = runs_before(ledger, until, {version.lineage.run for version in versions}) if forget else []
        garbage = survey(store, rule) if dry_run else remove(store, rule)
        if runs and not dry_run:
            forget_runs(ledger, runs)
    return Collection(round(until * 1e6) if 0 < until < time.time() else None, garbage, len(runs), dry_run)


def limit(ledger: Ledger, keep_last: int | None, older_than: str | None) -> float:
    """The moment before which what was last found may go, in seconds since 1970."""
    if keep_last is None and older_than is None:
        keep_last, older_than = KEEP_LAST, OLDER_THAN
    limits = [] if keep_last is None else [found_before(ledger, keep_last)]
    if older_than is not None:
        limits.append(microseconds_of(add(moment_of(time.time_ns() // 1_000), older_than, times=-1)) / 1e6)
    return min(limits)
