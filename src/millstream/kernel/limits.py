"""How a step is run: alone in a process, with so much memory and time, and tried again. Nothing of it changes what the step gives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from millstream.kernel.declarations import describe, fixed_duration, refusal

Retries = tuple[int, type[Exception], *tuple[type[Exception], ...]]
"""How often a step may be tried again, and after which errors."""

BYTES = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kKMGT]i?B)")


@dataclass(frozen=True, slots=True)
class Limits:
    """`isolate`: in a process of its own. `memory` in bytes and `timeout` in seconds hold for each call of the function.

    After one of the errors `retried` it is tried again, `retries` times at most.
    """

    isolate: bool = False
    memory: int | None = None
    timeout: float | None = None
    retries: int = 0
    retried: tuple[type[Exception], ...] = ()

    @property
    def isolated(self) -> bool:
        """Whether it runs in a process of its own: only such a one can be ended whatever it does."""
        return self.isolate or self.memory is not None or self.timeout is not None

    def forgive(self, error: BaseException) -> bool:
        """Whether the step may be tried again after this error, or after the one that it tells of."""
        return isinstance(error, self.retried) or isinstance(error.__cause__, (Forgiven, *self.retried))


class Forgiven(Exception):  # noqa: N818  it says so of another error
    """The cause of an error after which a step may be tried again, as its worker says: its own error stays there."""


NONE = Limits()


def limits_of(verb: str, *, isolate: bool, memory: str | None, timeout: str | None, retries: Retries | None) -> Limits:
    """The limits that a decorator was given; raises DeclarationError if they cannot be meant. `verb` is its public name."""
    if (memory, timeout, retries) == (None, None, None):
        return Limits(isolate=True) if isolate else NONE
    seconds = None if timeout is None else fixed_duration(timeout, f"{verb}: timeout") / 1e6
    times, errors = (0, ()) if retries is None else _retries(verb, retries)
    return Limits(isolate, None if memory is None else _bytes(verb, memory), seconds, times, errors)


def pause(key: str, attempt: int) -> float:
    """Seconds until the next attempt: twice as long each time, spread by the step's key so that not all return at once."""
    spread = int(key[attempt % 8 : attempt % 8 + 8], 16) / 0xFFFFFFFF
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1)) * (0.75 + 0.5 * spread))


def _bytes(verb: str, memory: object) -> int:
    found = _SIZE.fullmatch(memory) if isinstance(memory, str) else None
    if found is None:
        raise refusal(f"{verb}: memory is {describe(memory)}, which is no size", hint="write a number and a unit, as in memory='2GB' or '512MB'")
    size = int(float(found[1]) * BYTES[{"KB": "kB", "kiB": "KiB"}.get(found[2], found[2])])
    if size < 200 * 10**6:
        raise refusal(f"{verb}: memory is {memory}, but a process that has done nothing yet holds about 100 MB", hint="say memory='200MB' or more")
    return size


def _retries(verb: str, retries: object) -> tuple[int, tuple[type[Exception], ...]]:
    hint, told = "say how often, and after which errors, as in retries=(3, ConnectionError, TimeoutError)", describe(retries)
    given = cast("tuple[object, ...]", retries) if isinstance(retries, tuple) else ()
    if len(given) < 2:
        raise refusal(f"{verb}: retries is {told}", hint=hint)
    times, *errors = given
    if isinstance(times, bool) or not isinstance(times, int) or times < 1:
        raise refusal(f"{verb}: retries begins with {describe(times)}, not with a number of at least 1", hint=hint)
    return times, tuple(_error(verb, error, hint) for error in errors)


def _error(verb: str, error: object, hint: str) -> type[Exception]:
    told = describe(error)
    if isinstance(error, type) and issubclass(error, Exception):
        return error
    raise refusal(f"{verb}: retries names {told}, which is no kind of error", hint=hint)
