"""Whatever happens to a run, the next one goes on: killed, offline, or two at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from commands import AS_OF, COMMAND, Folder
from rivers import python_environment


def results(folder: Folder) -> tuple[Any, ...]:
    """What must not depend on what happened on the way: scores, version, predictions."""
    record = folder.run().record
    scores = [(entry["method"], entry["score"], entry["low"], entry["high"]) for entry in record["leaderboard"]]
    predicted = folder.call("predict", "delays", "--as-of", AS_OF, "--json").record
    answers = [{name: value for name, value in row.items() if name != "predicted_at"} for row in predicted["predictions"]]
    return scores, record["model"]["test"], answers


def killed_after(folder: Folder, step: str) -> set[str]:
    """Kill a run as soon as it says that a step is done; gives all steps that it said were done."""
    command = [*COMMAND, "run", "--as-of", AS_OF]
    with subprocess.Popen(command, cwd=folder.path, env=python_environment(), stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr is not None
        done: set[str] = set()
        for line in process.stderr:
            done.add(line.split()[1])
            if step in done:
                os.killpg(process.pid, signal.SIGKILL)
                break
        return done


def test_killed_run_is_continued(untrained: Folder, flights: Folder) -> None:
    """Finished steps are not repeated, and the end is the same as without the kill."""
    done = killed_after(untrained, "delays/linear/fold_4")
    again = untrained.run()
    assert again.code == 0, again.errors
    assert not done & again.executed
    assert again.executed
    assert results(untrained) == results(flights)


def test_two_runs_at_once(untrained: Folder, flights: Folder) -> None:
    """Each step is computed by one of them."""
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: untrained.run(), range(2))
    assert (first.code, second.code) == (0, 0), first.errors + second.errors
    assert not first.executed & second.executed
    assert results(untrained) == results(flights)


def test_without_network(untrained: Folder, flights: Folder) -> None:
    """A process without any network interface comes to the same end."""
    within = ("unshare", "-rn")
    if shutil.which("unshare") is None or subprocess.run([*within, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this kernel lets nobody leave the network")
    done = untrained.call("run", "--as-of", AS_OF, "--json", within=within)
    assert done.code == 0, done.errors
    assert results(untrained) == results(flights)
