"""From what a step gave to an artifact: a table by column, everything else by its codec, several results each by its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from millstream.kernel.codecs import codec_for, codec_named
from millstream.kernel.digest import digest_bytes
from millstream.kernel.facts import Facts
from millstream.kernel.formats.paths import NAME, hand_path, keep_path
from millstream.kernel.records import Artifact, Collection, Value
from millstream.kernel.store import Store


@dataclass(frozen=True, slots=True)
class Several:
    """Several results of one call: by name, or without names in a list. Each is a frame, a value or several again."""

    members: tuple[object, ...]
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A result that is stored already, and the bytes written."""

    artifact: Artifact
    size: int


def keep_result(store: Store, facts: Facts, result: object) -> tuple[Artifact, int]:
    """Store a result: its artifact, and the bytes written. A table has those of the facts whose columns it has."""
    if isinstance(result, pl.DataFrame):
        return store.write_table(result, present_facts(facts, result.columns))
    if isinstance(result, Kept):
        return result.artifact, result.size
    if isinstance(result, Several):
        kept = [keep_result(store, facts, each) for each in result.members]
        return collection_of([artifact for artifact, _ in kept], result.names), sum(size for _, size in kept)
    if isinstance(result, Path):
        return keep_path(store, result)
    codec = codec_for(result)
    return store.write_value(codec.encode(result), codec.name)


def value_of(store: Store, value: Value) -> object:
    """What a step returned, as its codec reads it back."""
    return hand_path(store, value) if value.kind == NAME else codec_named(value.kind).decode(store.read_value(value))


def collection_of(members: Sequence[Artifact], names: Sequence[str] | None = None) -> Collection:
    """Several artifacts as one."""
    told = ["a list"] if names is None else ["by name", *names]
    digest = digest_bytes(*(each.encode() for each in (*told, *(member.digest for member in members))))
    return Collection(tuple(members), None if names is None else tuple(names), digest)


def present_facts(facts: Facts, columns: Sequence[str]) -> Facts:
    """The facts whose columns are there: tables between may drop them."""
    key = facts.key if set(facts.key) <= set(columns) else ()
    time, known_at = (name if name in columns else None for name in (facts.time, facts.known_at))
    return Facts(key, time, known_at, facts.delay)
