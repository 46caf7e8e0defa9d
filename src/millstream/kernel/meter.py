"""What steps cost while several run in one process: each moment's CPU time is shared by those that run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

K = TypeVar("K")
PROC = Path("/proc")
OWN = PROC / "self" / "statm"
LOOKED = 0.002
"""CPU seconds between two looks at the memory: less cannot have filled much."""
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Cost:
    """CPU seconds, and the most bytes of memory that the process held meanwhile (0 where the system does not tell)."""

    cpu: float = 0.0
    peak: int = 0

    def __add__(self, other: Cost) -> Cost:
        """What both cost, one after the other."""
        return Cost(self.cpu + other.cpu, max(self.peak, other.peak))


class Meter(Generic[K]):
    """Shares the CPU time of the process equally among the steps that run at the same time."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._running: dict[K, Cost] = {}
        self._read, self._held, self._looked = time.process_time(), 0, -1.0

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
            share = (now - self._read) / len(self._running)
            if now - self._looked > LOOKED:
                self._held, self._looked = _resident(), now
            for cost in self._running.values():
                cost.cpu += share
                cost.peak = max(cost.peak, self._held)
        self._read = now


def memory_of(process: int) -> int:
    """Bytes that a process holds for itself: not the files that it has mapped, not what it started holds. 0 if it is gone."""
    try:
        if sys.platform.startswith("linux"):
            _, resident, shared, *_ = (PROC / str(process) / "statm").read_bytes().split()
            return (int(resident) - int(shared)) * PAGE
        told = subprocess.run(["/bin/ps", "-o", "rss=", "-p", str(process)], capture_output=True, check=False).stdout  # noqa: S603  a number
        return int(told) * 1024
    except (OSError, ValueError):
        return 0


def _resident() -> int:
    try:
        return int(OWN.read_bytes().split()[1]) * PAGE
    except OSError:
        return 0
