"""Whether a store is sound, and whether every registered version can answer from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from millstream.errors import StoreError, first_line
from millstream.kernel.availability import text_of
from millstream.kernel.digest import digest_bytes
from millstream.kernel.doctor import INDEX, LEDGER, Finding, examine
from millstream.kernel.store import Store
from millstream.registry.bundle import unpack_bundle
from millstream.registry.records import Version
from millstream.registry.versions import Registry
from millstream.serving.log import read_segment, segment_paths

OTHERS = {"feedback.sqlite": 1}
"""Databases of other rooms in the folder of a store, with their newest format."""


def doctor(folder: Path, *, fix: bool = False) -> list[Finding]:
    """Everything that is wrong with a store, what its versions need first; with `fix` what is damaged is dropped, to be made anew.

    Raises StoreError if it is to be mended while somebody uses it.
    """
    found = examine(folder, formats=OTHERS, fix=fix)
    unsound = {each.subject for each in found if each.serious} & {folder.name, INDEX, LEDGER}
    versions = [] if unsound else list(_versions(Store(folder), Registry(folder / LEDGER)))
    return [*versions, *found, *_answers(folder)]


def _versions(store: Store, registry: Registry) -> Iterator[Finding]:
    for model in registry.models():
        for version in registry.versions(model):
            wrong = _wrong_bundle(store, version)
            if wrong is not None:
                alias = registry.alias(version)
                as_of = text_of(version.lineage.as_of)
                hint = f"`millstream run --as-of {as_of}` makes it anew if data and code are as they were; else roll back, or train again"
                yield Finding(version.name, f"its bundle {wrong}{f', and it is the {alias}' if alias else ''}", hint)


def _wrong_bundle(store: Store, version: Version) -> str | None:
    """What is wrong with the bundle of a version, None if nothing is."""
    try:
        content = store.path(f"{version.bundle}.bin").read_bytes()
        unpack_bundle(content)
    except FileNotFoundError:
        return "is gone"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except StoreError:
        return "is damaged"
    return None if digest_bytes(content) == version.bundle else "is damaged"


def _answers(folder: Path) -> Iterator[Finding]:
    """Answers on record that cannot be read: they are what monitors judge by."""
    for path in segment_paths(folder / "predictions"):
        yield from _unreadable(folder, path, lambda path: sum(1 for _ in read_segment(path.read_bytes(), path)))
    for path in sorted([*folder.glob("predictions/*.parquet"), *folder.glob("batches/*/*.parquet")]):
        yield from _unreadable(folder, path, pl.read_parquet)


def _unreadable(folder: Path, path: Path, read: Callable[[Path], object]) -> Iterator[Finding]:
    try:
        read(path)
    except (OSError, StoreError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        yield Finding(
            str(path.relative_to(folder)), f"it cannot be read: {first_line(error)}", "put a copy of it back, or move it away: its answers are lost"
        )
