"""Isolated steps: their worker processes, started when the first is needed, watched while they work, and ended whatever they do."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from millstream.errors import DamagedError, MillstreamError, StepError
from millstream.kernel.graph import Node
from millstream.kernel.limits import Forgiven, Limits
from millstream.kernel.logs import Log
from millstream.kernel.meter import Cost, memory_of
from millstream.kernel.records import Artifact
from millstream.kernel.units import Plan
from millstream.kernel.worker import Failed, Made, Opening, Ready, Request, receive, send

WATCHED = 0.05
"""Seconds between two looks at the memory of a worker."""
LAST_WORDS = 0.3
CHUNK = 65_536
_DYING = re.compile(r"^(Fatal Python error|memory allocation of|stack backtrace|thread '.*' .*panicked at)", re.MULTILINE)
"""How native code begins to tell of its end, at length: that is for the log, the error is one sentence."""
_FRAME = re.compile(r'File "([^"]+)", line (\d+) in ')


@dataclass(frozen=True, slots=True)
class Call:
    """What a worker is to compute: units of a step, by their cache keys."""

    node: Node
    plan: Plan
    inputs: Sequence[Artifact]
    as_of: int
    units: tuple[str, ...]


class Workers:
    """The workers of a run: at most one for each thread that asks, used again as long as they are well."""

    def __init__(self, root: Path, opening: Opening | None, run: str) -> None:
        """`root` is where the store lies; `opening` imports the user's file in a worker."""
        self._root, self._opening, self._run = root, opening, run
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._lock = threading.Lock()
        self._closed = False

    def compute(self, call: Call, log: Log) -> tuple[Made, Cost]:
        """Have it computed, within the limits of the step; whatever becomes of the worker, an error is one sentence."""
        worker = self._take(call, log)
        try:
            answer, peak = worker.ask(call, log)
        except BaseException:
            self._end(worker)
            raise
        with self._lock:
            self._idle.append(worker)
        if isinstance(answer, Failed):
            raise _raised(answer, log)
        return answer, Cost(answer.cpu, peak)

    def close(self) -> None:
        """End all, whatever they do."""
        with self._lock:
            self._closed, workers, self._all = True, list(self._all), set()
        for worker in workers:
            worker.kill()

    def _take(self, call: Call, log: Log) -> Worker:
        memory = call.node.limits.memory
        with self._lock:
            fit = next((each for each in self._idle if memory is None or memory_of(each.pid) < memory / 4), None)
            if fit is not None:
                self._idle.remove(fit)
        return fit or self._start(call, log)

    def _start(self, call: Call, log: Log) -> Worker:
        if self._opening is None:
            raise StepError(
                f"{call.node.name}: there is no file that a process of its own could import",
                where=call.node.where,
                hint="run it with `millstream run` or a Project, or leave isolate, memory and timeout out",
            )
        with self._lock:
            if self._closed:
                raise StepError(f"{call.node.name}: the run is over", where=call.node.where)
            worker = Worker(self._root, self._run)
            self._all.add(worker)
        try:
            worker.open(self._opening, call, log)
        except BaseException:
            self._end(worker)
            raise
        return worker

    def _end(self, worker: Worker) -> None:
        with self._lock:
            self._all.discard(worker)
        worker.kill()


class Worker:
    """One process, in a group of its own, with all that it starts."""

    def __init__(self, root: Path, run: str) -> None:
        """Start it; it does nothing yet."""
        self._run = run
        theirs, asked = os.pipe()
        answers, told = os.pipe()
        entry = "from millstream.kernel.worker import serve; serve(*map(int, sys.argv[1:3]), sys.argv[3], int(sys.argv[4]))"
        code = f"import sys; sys.path[:] = {sys.path!r}; {entry}"
        self._process = subprocess.Popen(  # noqa: S603  this interpreter, with our own code
            [sys.executable, "-u", "-c", code, str(theirs), str(told), str(root), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs, told),
            start_new_session=True,
        )
        os.close(theirs)
        os.close(told)
        self.pid = self._process.pid
        self._asked, self._answers = os.fdopen(asked, "wb"), os.fdopen(answers, "rb")
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._output, False)
        self._step = ""
        self._peak, self._dying = 0, False

    def open(self, opening: Opening, call: Call, log: Log) -> None:
        """Have it import the user's file, for as long as that takes."""
        self._tell(opening)
        answer = self._hear(call.node, Limits(memory=call.node.limits.memory), log, aloud=False)
        if isinstance(answer, Failed):
            raise _raised(answer, log)

    def ask(self, call: Call, log: Log) -> tuple[Made | Failed, int]:
        """Have something computed: the answer, and the most bytes that the worker held meanwhile."""
        node, plan, self._peak, self._dying = call.node, call.plan, 0, False
        inputs = None if self._step == plan.key else tuple(call.inputs)
        self._tell(Request(node.name, plan.key, call.units, tuple(plan.causes), inputs, call.as_of))
        answer = self._hear(node, node.limits, log, aloud=True)
        assert not isinstance(answer, Ready)
        self._step = plan.key if isinstance(answer, Made) else ""
        return answer, self._peak

    def kill(self) -> None:
        """End it and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def _tell(self, message: object) -> None:
        with contextlib.suppress(BrokenPipeError):  # it is gone: what it left is found when it is listened to
            send(self._asked, message)

    def _hear(self, node: Node, limits: Limits, log: Log, *, aloud: bool) -> Ready | Made | Failed:
        """Its answer; meanwhile what it writes goes to the log, and clock and memory are watched."""
        deadline = None if limits.timeout is None else time.monotonic() + limits.timeout
        while True:
            left = WATCHED if deadline is None else max(0.0, min(WATCHED, deadline - time.monotonic()))
            ready, _, _ = select.select([self._answers.fileno(), self._output], [], [], left)
            self._read(log, aloud=aloud)
            if self._answers.fileno() in ready:
                try:
                    return receive(self._answers)  # type: ignore[return-value]
                except EOFError:
                    raise self._gone(node, log) from ChildProcessError()
            held = memory_of(self.pid)
            self._peak = max(self._peak, held)
            if limits.memory is not None and held > limits.memory:
                where = self._last_words(node, log)
                raise _too_large(node, held, limits.memory, where) from MemoryError()
            if deadline is not None and time.monotonic() >= deadline:
                raise _too_long(node, limits.timeout or 0.0, self._last_words(node, log)) from TimeoutError()

    def _read(self, log: Log, *, aloud: bool) -> str:
        pieces: list[bytes] = []
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self._output, CHUNK):
                pieces.append(piece)
        text = b"".join(pieces).decode(errors="replace")
        dying = _DYING.search(text)
        said, kept = (text[: dying.start()], text[dying.start() :]) if dying else (text, "")
        if said:
            log.write(said, aloud=aloud and not self._dying)
        if kept:
            log.write(kept, aloud=False)
        self._dying = self._dying or dying is not None
        return text

    def _last_words(self, node: Node, log: Log) -> str:
        """Where it is: its threads tell, also amid native code."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR2)
        heard, until = "", time.monotonic() + LAST_WORDS
        while time.monotonic() < until and not _place(heard, node):
            select.select([self._output], [], [], 0.05)
            heard += self._read(log, aloud=False)
        return _place(heard, node) or node.where

    def _gone(self, node: Node, log: Log) -> StepError:
        code = self._process.wait()
        said = self._read(log, aloud=False) + log.text()
        where = _place(said, node) or node.where
        hint = f"`millstream show {self._run} {node.name}` tells what it said last"
        if code >= 0:
            return StepError(f"{node.name}: its worker ended by itself with exit code {code}", where=where, hint=hint)
        number = signal.Signals(-code)
        if "memory allocation of" in said:
            hint = f"there was no more memory; {hint}"
        elif number is signal.SIGKILL:
            hint = f"probably the system had no more memory: memory= ends a step before that; {hint}"
        return StepError(f"{node.name}: its worker was killed by signal {-code} ({number.name})", where=where, hint=hint)


def _place(said: str, node: Node) -> str | None:
    """The line of the user's file in what a dying process says of its threads."""
    file = node.where.rpartition(":")[0]
    return next((f"{found}:{line}" for found, line in _FRAME.findall(said) if found == file), None)


def _too_large(node: Node, held: int, memory: int, where: str) -> StepError:
    hint = "raise memory=, or do it in pieces with partition="
    return StepError(f"{node.name}: held {held / 1e9:.2f} GB, its memory is {memory / 1e9:.2f} GB", where=where, hint=hint)


def _too_long(node: Node, seconds: float, where: str) -> StepError:
    return StepError(
        f"{node.name}: not done after {seconds:g} s, its timeout", where=where, hint="raise timeout=, or do it in pieces with partition="
    )


def _raised(failed: Failed, log: Log) -> MillstreamError:
    """The error of the worker, in this process."""
    log.write(failed.trace, aloud=False)
    error = failed.kind(failed.message, where=failed.where, hint=failed.hint)
    error.__cause__ = Forgiven() if failed.forgiven else None
    if isinstance(error, DamagedError):
        error.content = failed.content
    return error
