"""Locks: a result is computed once at a time, and a lock does not outlive its holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest
from rivers import python_environment, run_python

from millstream.errors import StoreError
from millstream.kernel import locks
from millstream.kernel.engine import make
from millstream.kernel.graph import Node
from millstream.kernel.locks import alone, hold, in_use, is_held, key_lock, let_go
from millstream.kernel.operation import LibraryOperation
from millstream.kernel.store import Store

COMPUTE = """
import sys
from pathlib import Path
from millstream.kernel.engine import make
from millstream.kernel.graph import Node
from millstream.kernel.operation import LibraryOperation
from millstream.kernel.store import Store

def compute(store, seen):
    print("computing", flush=True)
    sys.stdin.readline()
    return {"answer": 42}

print(make(Node("answer", (), LibraryOperation((), lambda: (), compute)), Store(Path(sys.argv[1])), [], 0).inline.decode(), flush=True)
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


def ask(root: Path, compute: Callable[[], object]) -> None:
    """Ask for the same result here."""
    make(Node("answer", (), LibraryOperation((), lambda: (), lambda _, __: compute())), Store(root), [], 0)


def test_two_processes_compute_a_result_once(tmp_path: Path) -> None:
    """The second one waits for the first, and takes what it made."""
    with computing(tmp_path) as first:
        command = [sys.executable, "-c", dedent(COMPUTE), str(tmp_path)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=python_environment()) as second:
            answers = [first.communicate("go\n")[0], second.communicate()[0]]  # the second one would say "computing" first

    assert answers == ['{"answer":42}\n', '{"answer":42}\n']


def test_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    """After kill -9 the next one computes at once."""
    computed: list[str] = []
    with computing(tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()

        ask(tmp_path, lambda: computed.append("here"))
        ask(tmp_path, lambda: computed.append("again"))

    assert computed == ["here"]


def test_child_does_not_hold_the_lock(tmp_path: Path) -> None:
    """A program started inside a step lives on without it."""
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with key_lock(tmp_path, "ab12" * 16):
        child = subprocess.Popen(command, stdin=subprocess.PIPE, close_fds=False)

    code = """
    import sys
    from pathlib import Path
    from millstream.kernel.locks import key_lock
    with key_lock(Path(sys.argv[1]), "ab12" * 16):
        print("free")
    """
    assert run_python(code, str(tmp_path)).stdout == "free\n"
    assert child.poll() is None
    child.communicate()


def test_different_keys_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """Who holds one key can take any other."""
    with key_lock(tmp_path, "ab12" * 16), key_lock(tmp_path, "ab13" + "ab12" * 15):
        held = True

    assert held


def test_who_uses_a_store_is_named(tmp_path: Path) -> None:
    """Another process, by its number."""
    code = """
    import sys
    from pathlib import Path
    from millstream.kernel.locks import in_use
    with in_use(Path(sys.argv[1])):
        print("used", flush=True)
        sys.stdin.readline()
    """
    command = [sys.executable, "-c", dedent(code), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=python_environment()) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(StoreError) as caught, alone(tmp_path):
            pass
        process.communicate("done\n")

    named = f" (process {process.pid})" if sys.platform == "linux" else ""
    assert caught.value.message == f"{tmp_path} is in use by a run or a server{named}"


def test_who_comes_while_a_store_is_cleaned_waits(tmp_path: Path) -> None:
    """And goes on as soon as it is done."""
    order: list[str] = []

    def use() -> None:
        with in_use(tmp_path):
            order.append("used")

    with alone(tmp_path):
        waiting = threading.Thread(target=use)
        waiting.start()
        waiting.join(0.2)
        order.append("cleaned")
    waiting.join()

    assert order == ["cleaned", "used"]


def test_nobody_waits_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who cleans and does not come to an end is named."""
    monkeypatch.setattr(locks, "PATIENCE", 0.1)

    with alone(tmp_path), pytest.raises(StoreError, match=r"has been cleaned for 0 s.*\n.*end that process"), in_use(tmp_path):
        pass


def test_sign_of_life(tmp_path: Path) -> None:
    """A file is held until it is let go; those of the dead are removed by whoever comes an hour later."""
    sign = tmp_path / "running" / "a"
    handle = hold(sign)
    assert is_held(sign)

    let_go(sign, handle)
    sign.touch()
    assert not is_held(sign)

    os.utime(sign, (0, 0))
    young = tmp_path / "running" / "young"
    young.touch()
    hold(tmp_path / "running" / "b")
    assert sorted(path.name for path in sign.parent.iterdir()) == ["b", "young"]


def test_store_in_use_is_nobodys_alone(tmp_path: Path) -> None:
    """Many may use it at once; who wants it alone is told, and gets it when they are done."""
    with in_use(tmp_path), in_use(tmp_path), pytest.raises(StoreError, match="is in use by a run or a server"), alone(tmp_path):
        pass

    with alone(tmp_path):
        had = True

    assert had
