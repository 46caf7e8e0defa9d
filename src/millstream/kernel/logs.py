"""What steps print, log and warn while they run, step by step: passed on to the terminal and kept, up to a size."""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

HEAD, TAIL = 16_384, 49_152
"""Characters kept of the beginning and of the end of what a step says."""

_speaking = threading.local()
_installing = threading.Lock()
_installed = 0


@dataclass(frozen=True, slots=True)
class Said:
    """A line that a step printed, logged or warned."""

    name: str
    line: str


Hear = Callable[[Said], None]


class Log:
    """What one step says. Several threads may write to it at once."""

    def __init__(self, name: str, hear: Hear) -> None:
        """`hear` is told each line as soon as it is whole."""
        self.name, self._hear = name, hear
        self._lock = threading.Lock()
        self._begun, self._aloud = "", True
        self._head: list[str] = []
        self._tail: deque[str] = deque()
        self._room, self._held, self._cut = HEAD, 0, 0

    def write(self, text: str, *, aloud: bool = True) -> None:
        """Take in some text; without `aloud` it is only kept."""
        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
            self._aloud = aloud
        for line in lines:
            self._line(line.rpartition("\r")[2], aloud=aloud)

    def text(self) -> str:
        """All that was said, or its beginning and its end."""
        if self._begun:
            self.write("\n", aloud=self._aloud)
        with self._lock:
            cut = [f"… {self._cut:,} characters were left out here …"] if self._cut else []
            return "\n".join([*self._head, *cut, *self._tail])

    def _line(self, line: str, *, aloud: bool) -> None:
        with self._lock:
            if self._room > 0 and not self._tail:
                self._head.append(line[: self._room])
                self._cut += max(0, len(line) - self._room)
                self._room -= len(line) + 1
            else:
                self._tail.append(line[-TAIL:])
                self._cut += max(0, len(line) - TAIL)
                self._held += len(self._tail[-1]) + 1
                while self._held > TAIL and len(self._tail) > 1:
                    left = len(self._tail.popleft()) + 1
                    self._held, self._cut = self._held - left, self._cut + left
        if aloud:
            before = getattr(_speaking, "log", None)
            listen(None)  # whoever hears it may print it
            try:
                self._hear(Said(self.name, line))
            finally:
                listen(before)


def listen(log: Log | None) -> None:
    """From now on what this thread says belongs to a log (None: to nobody)."""
    _speaking.log = log


@contextmanager
def capturing() -> Generator[None]:
    """Within, what threads with a log print, log and warn goes there; what others say goes where it went."""
    global _installed  # noqa: PLW0603  stdout and stderr are global too
    with _installing:
        _installed += 1
        if _installed == 1:
            sys.stdout, sys.stderr = _Proxy(sys.stdout), _Proxy(sys.stderr)
            logging.getLogger().addHandler(_HANDLER)
    try:
        yield
    finally:
        with _installing:
            _installed -= 1
            if _installed == 0:
                logging.getLogger().removeHandler(_HANDLER)
                sys.stdout, sys.stderr = _behind(sys.stdout), _behind(sys.stderr)


class _Proxy:
    """A stream that knows who speaks."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        log: Log | None = getattr(_speaking, "log", None)
        if log is None:
            return self.stream.write(text)
        log.write(text)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the stream has
        return getattr(self.stream, name)


class _Handler(logging.Handler):
    """Keeps what steps log. It is said aloud where nobody else would: Python prints warnings of programs that set up no logging."""

    def emit(self, record: logging.LogRecord) -> None:
        log: Log | None = getattr(_speaking, "log", None)
        if log is not None:
            alone = logging.getLogger().handlers == [self]
            log.write(f"{self.format(record)}\n", aloud=alone and record.levelno >= logging.WARNING)
        elif logging.getLogger().handlers == [self] and logging.lastResort is not None and record.levelno >= logging.lastResort.level:
            logging.lastResort.handle(record)


_HANDLER = _Handler()
_HANDLER.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))


def _behind(stream: Any) -> Any:  # noqa: ANN401  whoever else has put another stream in its place meanwhile keeps it
    return stream.stream if isinstance(stream, _Proxy) else stream
