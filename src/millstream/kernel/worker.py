"""The other end of an isolated step: a process that imports the user's file, computes what it is asked to and stores it."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from millstream.errors import DamagedError, MillstreamError, RequestError, StepError, first_line
from millstream.kernel.graph import Node
from millstream.kernel.records import Artifact, Cause
from millstream.kernel.store import Store
from millstream.kernel.units import Plan, joined, keep

Find = Callable[[str], Node]
"""The node of that name, in this process."""

Opening = Callable[[], Find]
"""Imports the user's file in a fresh process. It is a function of a module, or a `partial` of one: both find their way by name."""

REMEMBERED = 256 * 1024 * 1024
DIE_WITH_PARENT = 1


@dataclass(frozen=True, slots=True)
class Request:
    """Compute units of a step, by their cache keys. `inputs` are left out if the step is that of the request before."""

    name: str
    step: str
    units: tuple[str, ...]
    causes: tuple[Cause, ...]
    inputs: tuple[Artifact, ...] | None
    as_of: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The user's file is imported."""


@dataclass(frozen=True, slots=True)
class Made:
    """What each unit gave, stored; the bytes written and the CPU seconds that it took."""

    artifacts: dict[str, Artifact]
    size: int
    cpu: float


@dataclass(frozen=True, slots=True)
class Failed:
    """An error that can be raised again in another process: whether the step may be tried again after it, and which content is damaged."""

    kind: type[MillstreamError]
    message: str
    where: str | None
    hint: str | None
    trace: str
    forgiven: bool = False
    content: str = ""


def serve(requests: int, answers: int, root: str, parent: int) -> None:
    """Answer until nobody asks any more; `requests` and `answers` are open file descriptors, `root` is where the store lies."""
    _die_with(parent)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR2, all_threads=True)
    with os.fdopen(requests, "rb") as asked, os.fdopen(answers, "wb") as told, contextlib.suppress(EOFError):
        try:
            desk = _Desk(receive(asked), Path(root))  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001  whatever the user's file raises
            send(told, _failure(error))
            return
        send(told, Ready())
        while True:
            answer = desk.answer(receive(asked))  # type: ignore[arg-type]
            sys.stdout.flush()
            sys.stderr.flush()
            send(told, answer)


def send(stream: BinaryIO, message: object) -> None:
    """Write a message whole."""
    pickle.dump(message, stream)
    stream.flush()


def receive(stream: BinaryIO) -> object:
    """Read one message; raises EOFError if the other process is gone."""
    try:
        return pickle.load(stream)  # noqa: S301  both ends of the pipe are this program
    except pickle.UnpicklingError as error:
        raise EOFError from error


class _Desk:
    """Computes what is asked."""

    def __init__(self, opening: Opening, root: Path) -> None:
        self._find, self._store = opening(), Store(root)
        self._store.columns.memory.limit = REMEMBERED
        self._planned: tuple[str, Node, Plan] | None = None

    def answer(self, request: Request) -> Made | Failed:
        """Compute, store, and say what it gave."""
        node: Node | None = None
        try:
            node, plan = self._plan(request)
            return self._compute(node, plan, request)
        except BaseException as error:  # noqa: BLE001  also a panic of native code and a step that wants to exit
            return _failure(error, node)

    def _plan(self, request: Request) -> tuple[Node, Plan]:
        """The step as this process sees it, which must be what the other saw."""
        if self._planned is None or self._planned[0] != request.step:
            node = self._find(request.name)
            assert request.inputs is not None
            self._planned = request.step, node, node.operation.plan(self._store, request.inputs, request.as_of)
        _, node, plan = self._planned
        if plan.key != request.step:
            self._planned = None
            other = next((name for name, _ in set(_pairs(plan.causes)) ^ set(_pairs(request.causes))), "what it reads")
            raise StepError(
                f"{request.name}: '{other}' is not in its worker what it is in the process that began the run",
                where=node.where,
                hint="run again if a file was edited meanwhile; a value that is set after the import does not reach an isolated step",
            )
        return node, plan

    def _compute(self, node: Node, plan: Plan, request: Request) -> Made:
        used = time.process_time()
        units = dict(zip(plan.keys, plan.units, strict=True))
        batch = [(key, units[key]) for key in request.units]
        unit = joined(batch)
        made, size = keep(self._store, unit, batch, plan.facts, node.operation.compute(self._store, unit))
        plan.check_unchanged(node.name, node.where)
        return Made(made, size, time.process_time() - used)


def _failure(error: BaseException, node: Node | None = None) -> Failed:
    forgiven = node is not None and node.limits.forgive(error)
    trace = trace_of(error)
    if isinstance(error, MillstreamError) and not isinstance(error, RequestError):
        content = error.content if isinstance(error, DamagedError) else ""
        return Failed(type(error), error.message, error.where, error.hint, trace, forgiven, content)
    told = said_of(error)
    return Failed(StepError, told if node is None else f"{node.name}: {told}", node.where if node else None, None, trace, forgiven)


def trace_of(error: BaseException) -> str:
    """Where the user's code failed, in full; nothing of an error that is a sentence of ours."""
    told = error.__cause__ or (None if isinstance(error, MillstreamError) else error)
    return "" if told is None else "".join(traceback.format_exception(told))


def said_of(error: BaseException) -> str:
    """Kind and first line of an error that is none of ours."""
    return f"{type(error).__name__}: {first_line(error)}".removesuffix(": ")


def _pairs(causes: Sequence[Cause]) -> list[tuple[str, str]]:
    return [(cause.name, cause.value) for cause in causes]


def _die_with(parent: int) -> None:
    """End as soon as the process that started this one is gone, however it went."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)  # at once, also amid native code
    threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.killpg(os.getpgid(0), signal.SIGKILL)
