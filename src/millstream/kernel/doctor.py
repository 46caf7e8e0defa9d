"""Whether a store is sound: its folder and disk, its databases, all that is stored, and the runs on record; and how to mend it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path

import msgspec

from millstream.errors import StoreError
from millstream.kernel import ledger as runs_on_record
from millstream.kernel import store as results_on_record
from millstream.kernel.damage import Damage, find_damage
from millstream.kernel.database import inspect
from millstream.kernel.disk import FREE, LOCAL, explained, network_of
from millstream.kernel.files import OURS
from millstream.kernel.ledger import KEY, Ledger
from millstream.kernel.locks import alone, in_use
from millstream.kernel.store import LOST, Store
from millstream.kernel.words import counted

INDEX, LEDGER = "index.sqlite", "ledger.sqlite"
FORMATS = {INDEX: len(results_on_record.FORMATS), LEDGER: len(runs_on_record.FORMATS)}
ENOUGH, LEAST = 1_000_000_000, 100_000_000
"""Bytes that should be free on the disk, and without which hardly anything works."""
NAMED = 3
"""Names that a sentence lists."""
FIX = "`millstream doctor --fix` drops it, and the next run that needs it makes it anew"


class Finding(msgspec.Struct, frozen=True):
    """Something found: about what, how it is, and the cure. What is not serious may stay as it is; `mended` says that the cure was applied."""

    subject: str
    message: str
    hint: str = ""
    serious: bool = True
    mended: bool = False


def examine(root: Path, *, formats: Mapping[str, int], fix: bool = False) -> list[Finding]:
    """Look at everything in the folder of a store; `formats` are the newest ones of the databases that other rooms keep in it.

    With `fix` what is damaged is dropped and what is nobody's is removed; that takes the store alone: StoreError while somebody uses it.
    """
    ground = [*_writable(root), *_databases(root, {**FORMATS, **formats})]
    found = [*ground, *_disk(root)]
    if any(each.serious and each.subject in {root.name, INDEX, LEDGER} for each in ground):
        return [*found, Finding(root.name, "nothing else of it was looked at", "mend this first", serious=False)]
    with alone(root) if fix else in_use(root):
        store, ledger = Store(root), Ledger(root / LEDGER)
        damage = find_damage(store)
        return [*found, *_contents(store, ledger, damage, fix=fix), *_left(store, damage, fix=fix), *_pins(store), *_runs(ledger, fix=fix)]


def _writable(root: Path) -> Iterator[Finding]:
    for folder in (root, root / "objects"):
        try:
            with explained(folder), tempfile.TemporaryFile(dir=folder):
                pass
        except StoreError as error:
            yield Finding(root.name, error.message, error.hint or "")
            return


def _databases(root: Path, formats: Mapping[str, int]) -> Iterator[Finding]:
    for path in sorted([*root.glob("*.sqlite"), *root.glob("check/*.sqlite"), *root.glob("replays/*/*.sqlite")]):
        name, newest = str(path.relative_to(root)), formats.get(path.name)
        number, wrong = inspect(path)
        if wrong is not None:
            yield Finding(name, f"it is damaged: {wrong}", "put a copy of it back, or move it away: it is made anew, and what was on record is lost")
        elif newest is not None and number > newest:
            yield Finding(name, f"it was written by a newer millstream (format {number}, this one knows {newest})", "upgrade millstream")


def _disk(root: Path) -> Iterator[Finding]:
    network, free = network_of(root), shutil.disk_usage(root).free
    if network is not None:
        message = f"it lies on another machine ({network}), where locks and SQLite can be trusted only if one machine at a time uses it"
        yield Finding(root.name, message, LOCAL, serious=False)
    if free < ENOUGH:
        yield Finding(root.name, f"its disk has only {free / 1e6:,.0f} MB left", FREE.partition(" and run")[0], serious=free < LEAST)


class _Words:
    """Who needs results: the steps that gave them, as far as the ledger tells, and what is pinned to them."""

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self.store, self.ledger = store, ledger

    @cached_property
    def steps(self) -> dict[str, str]:
        """Steps by the keys of their units."""
        found: dict[str, str] = {}
        for name, keys in self.ledger.database.rows("SELECT name, keys FROM results"):
            found |= dict.fromkeys((keys[start : start + KEY].hex() for start in range(0, len(keys), KEY)), name)
        return found

    def of(self, keys: Collection[str]) -> str:
        """The end of the sentence about what held these results."""
        if not keys:
            return ", but it held no result"
        steps = {self.steps[key] for key in keys if key in self.steps}
        pins = {name for key in keys for (name,) in self.store.index.rows("SELECT name FROM pins WHERE key = ?", (key,))}
        return f": it held {counted(len(keys), 'result')}{_listed(' of ', steps)}{_listed(', needed by ', pins)}"


def _listed(before: str, names: Collection[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - NAMED:,} more" if len(ordered) > NAMED else ""
    return f"{before}{', '.join(ordered[:NAMED])}{more}" if ordered else ""


def _contents(store: Store, ledger: Ledger, damage: Damage, *, fix: bool) -> Iterator[Finding]:
    """What is damaged, and what it held; with `fix` it is dropped."""
    words = _Words(store, ledger)
    if fix:
        store.forget(*damage.files)
        store.drop([*damage.results, *damage.dangling, *(key for name in damage.files for key in damage.holding[name])])
    for name, wrong in damage.files.items():
        yield Finding(f"stored file {name[:16]}…", f"it {wrong}{words.of(damage.holding[name])}", FIX, mended=fix)
    for name, why in damage.unreadable.items():
        message = f"it cannot be read ({why}){words.of(damage.holding[name])}"
        yield Finding(f"stored file {name[:16]}…", message, "make it readable: it may be whole, so it is not dropped")
    for key, wrong in damage.results.items():
        yield Finding(f"stored result {key[:16]}…", f"its record {wrong}{words.of([key])}", FIX, mended=fix)
    if damage.dangling:
        message = f"a file was dropped or deleted{words.of(damage.dangling)}"
        yield Finding(store.root.name, message, "the next run that needs it makes it anew", serious=False, mended=fix)


def _left(store: Store, damage: Damage, *, fix: bool) -> Iterator[Finding]:
    """Files that nobody has on record; with `fix` those that are ours are removed."""
    half, ours = store.files.abandoned(), [path for path in damage.strays if path == store.path(path.name) and OURS.fullmatch(path.name)]
    foreign = sorted(set(damage.strays) - set(ours))
    size = sum(path.lstat().st_size for path in (*half, *ours))
    if fix:
        store.files.remove(path.name for path in ours)
        store.files.remove_abandoned()
    if half or ours:
        message = f"{counted(len(ours), 'file')} not on record and {len(half):,} half-written take {size / 1e6:,.1f} MB"
        yield Finding("objects", message, "`millstream doctor --fix` removes them", serious=False, mended=fix)
    if foreign:
        message = f"there is what millstream has not put there{_listed(': ', [str(path.relative_to(store.objects)) for path in foreign])}"
        yield Finding("objects", message, "nothing of it is read, followed or removed", serious=False)


def _pins(store: Store) -> Iterator[Finding]:
    """What is needed by name and is gone."""
    for name, count in store.index.rows(f"SELECT name, count(*) FROM pins WHERE {LOST} GROUP BY name ORDER BY name"):  # noqa: S608  no value is put in
        message = f"{counted(count, 'result')} that it was made with {'is' if count == 1 else 'are'} gone"
        yield Finding(name, message, "`millstream run` as of then makes that anew, if data and code are as they were", serious=False)


def _runs(ledger: Ledger, *, fix: bool) -> Iterator[Finding]:
    """Runs that were killed; with `fix` that is written down."""
    killed = ledger.killed()
    if fix:
        for run in killed:
            ledger.settle(run)
    if killed:
        message = f"{counted(len(killed), 'run')} {'was' if len(killed) == 1 else 'were'} killed{_listed(': ', killed)}; what was finished is kept"
        yield Finding("ledger.sqlite", message, "`millstream doctor --fix` writes it down", serious=False, mended=fix)
