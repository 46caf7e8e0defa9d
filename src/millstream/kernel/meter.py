"""What steps cost while several run in one process: each moment's CPU time is shared by those that run."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

K = TypeVar("K")
STATUS = Path("/proc/self/statm")


@dataclass
class Cost:
    """CPU seconds, and the most bytes of memory that the process held meanwhile (0 where the system does not tell)."""

    cpu: float = 0.0
    peak: int = 0


class Meter(Generic[K]):
    """Shares the CPU time of the process equally among the steps that run at the same time."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._running: dict[K, Cost] = {}
        self._read = time.process_time()

    def start(self, step: K) -> None:
        """A step begins."""
        self.sample()
        self._running[step] = Cost()

    def stop(self, step: K) -> Cost:
        """A step is over: what it cost."""
        self.sample()
        return self._running.pop(step)

    def sample(self) -> None:
        """Share what was used since the last time."""
        now = time.process_time()
        if self._running:
            share, held = (now - self._read) / len(self._running), _memory()
            for cost in self._running.values():
                cost.cpu += share
                cost.peak = max(cost.peak, held)
        self._read = now


def _memory() -> int:
    try:
        return int(STATUS.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
