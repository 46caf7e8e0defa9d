"""What a function means: itself and everything of the project that it refers to, transitively, by content.

Followed are functions, classes with their bases and members, constants, closures, defaults, decorators, `functools.partial`, objects,
polars expressions and frames; of other people's packages the version, and that of what they require. What cannot be followed is a named
blind spot.
"""

from __future__ import annotations

import functools
import os
import sys
import types
from collections.abc import Callable

import msgspec

from millstream.kernel.digest import digest_bytes
from millstream.kernel.distributions import version_of
from millstream.kernel.guards import Guards
from millstream.kernel.meaning import Meaning
from millstream.kernel.records import Cause, differing

_MOST_KNOWN = 4096


class FileRead(msgspec.Struct, frozen=True):
    """A file that a function reads by itself; `path` is None where it is not written there, `blind` is its sentence among the blind spots.

    A path put together with `__file__` is absolute, others are as they are written.
    """

    path: str | None
    blind: str


class Fingerprint(msgspec.Struct, frozen=True):
    """The digest of what a function means, its causes by name, the sources they were read from, and what could not be followed."""

    digest: str
    causes: tuple[Cause, ...]
    sources: tuple[tuple[str, str], ...]
    blind: tuple[str, ...]
    reads: tuple[FileRead, ...] = ()


_known: dict[int, tuple[Callable[..., object], Guards, Fingerprint]] = {}


def fingerprint(function: Callable[..., object]) -> Fingerprint:
    """Fingerprint of a function of the project, as it is now.

    The last one is given again while everything that it was taken from is the same object with the same content, which costs microseconds.
    """
    known = _known.get(id(function))
    if known is not None and known[0] is function and known[1].hold():
        return known[2]
    meaning = Meaning()
    meaning.take_in(_name(function), function)
    causes = tuple(Cause(name, meaning.causes[name]) for name in sorted(meaning.causes))
    digest = digest_bytes(*(f"{cause.name}={cause.value}".encode() for cause in causes))
    blind = sorted(meaning.blind)
    reads = tuple(FileRead(each.path, str(each)) for each in blind if each.is_file)
    taken = Fingerprint(digest, causes, tuple(sorted(meaning.sources.items())), tuple(str(each) for each in blind), reads)
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[id(function)] = (function, meaning.guards, taken)
    return taken


def changes(before: Fingerprint, after: Fingerprint) -> tuple[str, ...]:
    """The names of the causes that differ between two fingerprints, as of a constant that was changed while a step ran."""
    return tuple(sorted(differing(before.causes, after.causes)))


def fingerprint_value(name: str, value: object) -> tuple[Cause, ...]:
    """What an object means: its class by content or version, and what it holds; what cannot be known of it is a cause too."""
    meaning = Meaning()
    meaning.take_in(name, value)
    blind = {f"{each.owner}: {each.what}" for each in meaning.blind}
    return (*(Cause(each, meaning.causes[each]) for each in sorted(meaning.causes)), *(Cause(f"blind {each}", each) for each in sorted(blind)))


def versions(*distributions: str) -> tuple[Cause, ...]:
    """The installed versions of some distributions."""
    return tuple(Cause(each, version_of(each)) for each in distributions)


def own_code(*rooms: str) -> Cause:
    """Millstream's version and the code of its rooms, by content: what a step of the library means."""
    return Cause("millstream", f"{sys.modules['millstream'].__version__} {_own_digest(tuple(sorted({'kernel', *rooms})))}")


@functools.cache
def _own_digest(rooms: tuple[str, ...]) -> str:
    return digest_bytes(*(_room_digest(room) for room in rooms))[:16]


@functools.cache
def _room_digest(room: str) -> bytes:
    """The digest of a room's files: their names and what is in them."""
    root = os.path.join(os.path.dirname(os.path.dirname(__file__)), room)  # noqa: PTH118, PTH120  a hundred files at every start
    found = [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names if name.endswith(".py")]  # noqa: PTH118
    pieces: list[bytes] = []
    for file in sorted(found):
        with open(file, "rb", buffering=0) as code:  # noqa: PTH123
            pieces += [file[len(root) :].replace(os.sep, "/").encode(), code.read()]
    return digest_bytes(*pieces).encode()


def _name(function: Callable[..., object]) -> str:
    if isinstance(function, types.FunctionType):
        return f"{function.__globals__.get('__name__')}.{function.__code__.co_qualname}"
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', type(function).__name__)}"
