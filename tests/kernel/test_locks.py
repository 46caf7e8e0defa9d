"""Locks: a result is computed once at a time, and a lock does not outlive its holder."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest
from rivers import python_environment, run_python

from millstream.kernel.facts import Facts
from millstream.kernel.store import Store
from millstream.kernel.units import Unit, produce

COMPUTE = """
import sys
from pathlib import Path
from millstream.kernel.facts import Facts
from millstream.kernel.store import Store
from millstream.kernel.units import Unit, produce

def compute(unit):
    print("computing", flush=True)
    sys.stdin.readline()
    return {"answer": 42}

outcome = produce(Store(Path(sys.argv[1])), [Unit(None, None, ())], facts=Facts(), causes=(), compute=compute)
print("computed", outcome.computed, flush=True)
"""


@contextmanager
def computing(root: Path) -> Generator[subprocess.Popen[str]]:
    """A process that is inside the computation of a result until a line is sent to it."""
    command = [sys.executable, "-c", dedent(COMPUTE), str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=python_environment()) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "computing\n"
            yield process
        finally:
            process.kill()


def ask(root: Path, computed: list[str]) -> int:
    """Ask for the same result here; how many pieces were computed."""

    def compute(_: Unit) -> object:
        computed.append("here")
        return {"answer": 42}

    return produce(Store(root), [Unit(None, None, ())], facts=Facts(), causes=(), compute=compute).computed


def locks(root: Path) -> list[Path]:
    """The files of locks."""
    return list((root / "locks").iterdir())


def test_two_processes_compute_a_result_once(tmp_path: Path) -> None:
    """The second one waits for the first, and takes what it made."""
    with computing(tmp_path) as first:
        (lock,) = locks(tmp_path)
        with lock.open() as handle, pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        command = [sys.executable, "-c", dedent(COMPUTE), str(tmp_path)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=python_environment()) as second:
            answers = [first.communicate("go\n")[0], second.communicate()[0]]

    assert answers == ["computed 1\n", "computed 0\n"]


def test_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    """After kill -9 the next one computes at once."""
    computed: list[str] = []
    with computing(tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()

        assert ask(tmp_path, computed) == 1

    assert (computed, ask(tmp_path, computed), computed) == (["here"], 0, ["here"])


def test_child_does_not_hold_the_lock(tmp_path: Path) -> None:
    """A program started inside a step lives on without it."""
    children: list[subprocess.Popen[bytes]] = []

    def compute(_: Unit) -> object:
        children.append(subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, close_fds=False))
        return 1

    produce(Store(tmp_path), [Unit(None, None, ())], facts=Facts(), causes=(), compute=compute)
    (lock,) = locks(tmp_path)

    code = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX); print('free')"
    assert run_python(code, str(lock)).stdout == "free\n"
    assert children[0].poll() is None
    children[0].communicate()
