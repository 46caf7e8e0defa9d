"""How many threads a process may use, said once before the first native import; and the threads in which steps run."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cap_threads(*, deterministic: bool = False) -> None:
    """Cap the pools of BLAS, OpenMP and polars: steps run in parallel, each on one thread of these; what the user has set stands."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if deterministic:
        os.environ["POLARS_MAX_THREADS"] = "1"
    else:
        os.environ.setdefault("POLARS_MAX_THREADS", str(cores()))


class Threads(Generic[T]):
    """So many threads at most, each started when it is needed first. A program may end while they work: nobody waits for them."""

    def __init__(self, most: int, work: Callable[[Iterator[T]], None]) -> None:
        """Each thread does `work` with what it is given, until there is no more. None is started yet."""
        self.most, self._work = most, work
        self._given: SimpleQueue[T | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._open = 0
        self._lock = threading.Lock()

    def begin(self, item: T) -> None:
        """Give something to the next thread that is free."""
        with self._lock:
            self._open += 1
            if len(self._threads) < min(self._open, self.most):
                self._open += 1  # a new thread takes it back when it asks for the first time
                jobs: Iterator[T] = iter(self._next, None)
                self._threads.append(threading.Thread(target=self._work, args=(jobs,), name=f"step-{len(self._threads)}", daemon=True))
                self._threads[-1].start()
        self._given.put(item)

    def close(self, *, wait: bool) -> None:
        """Let the threads end after what they do now; what nobody has taken is left."""
        while not self._given.empty():
            self._given.get()
        for _ in self._threads:
            self._given.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _next(self) -> T | None:
        with self._lock:
            self._open -= 1
        return self._given.get()
