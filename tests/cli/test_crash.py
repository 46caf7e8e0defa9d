"""Crash-only: whatever ends a run, the next one goes on from there and comes to the same end."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from command import FLIGHTS_AS_OF, PARCELS_AS_OF, Answer, millstream, start


def kill_once(folder: Path, step: str, as_of: str) -> set[str]:
    """Kill a run as soon as it says that a step is done; the steps that it said were done."""
    done = set[str]()
    with start(folder, "run", "--as-of", as_of) as process:
        assert process.stderr is not None
        for line in process.stderr:
            done.add(line.split()[1])
            if step in done:
                break
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode in (-signal.SIGKILL, 0)  # 0: it was done before the signal came
    assert step in done
    return done


def outcome(folder: Path, as_of: str) -> dict[str, Any]:
    """Winner, scores and predictions: what a crash must not change."""
    record = millstream(folder, "run", "--as-of", as_of, "--json").well().record
    predicted = millstream(folder, "predict", "--as-of", as_of, "--show", "1000", "--json").well().record
    return {
        "leaderboard": [{name: entry[name] for name in ("method", "metric", "score", "low", "high", "size")} for entry in record["leaderboard"]],
        "test": record["model"]["test"],
        "predictions": [{name: each[name] for name in each if name not in ("predicted_at", "version")} for each in predicted["predictions"]],
        "ran": [step["name"] for step in record["steps"] if step["status"] == "ran"],
    }


@pytest.mark.parametrize("step", ["late", "delays/comparison"])
def test_killed_run_is_continued(new_parcels: Path, parcels: Path, step: str) -> None:
    """Wherever it was killed: what was done is not repeated, and the end is that of an undisturbed run."""
    done = kill_once(new_parcels, step, PARCELS_AS_OF)
    executed = millstream(new_parcels, "run", "--as-of", PARCELS_AS_OF, "--json").well().executed

    assert done & executed == set()
    assert outcome(new_parcels, PARCELS_AS_OF) == outcome(parcels, PARCELS_AS_OF)


def test_run_that_is_killed_amid_its_fits(new_flights: Path, flights: Path) -> None:
    """Fits of several methods run at once; those that were done are kept, and winner, scores and predictions are the same bits."""
    done = kill_once(new_flights, "delays/forest/fold_4", FLIGHTS_AS_OF)
    executed = millstream(new_flights, "run", "--as-of", FLIGHTS_AS_OF, "--json").well().executed

    assert {"delays/comparison", "delays/refit", "delays/scored"} <= executed
    assert done >= {"schedule", "wind", "late", "delays/rows"}
    assert done & executed == set()
    assert outcome(new_flights, FLIGHTS_AS_OF) == outcome(flights, FLIGHTS_AS_OF)


def test_two_runs_at_once(new_flights: Path, flights: Path) -> None:
    """Both end well, each step is computed by one of them, and there is one version."""
    runs = [start(new_flights, "run", "--as-of", FLIGHTS_AS_OF, "--json") for _ in range(2)]
    said = [run.communicate(timeout=300) for run in runs]
    first, second = (Answer(run.returncode, *texts).well() for run, texts in zip(runs, said, strict=True))
    every = {step["name"] for step in first.record["steps"]}

    assert first.executed & second.executed == set()
    assert first.executed | second.executed == every
    assert [each.record["model"]["version"] for each in (first, second)] == [1, 1]
    assert outcome(new_flights, FLIGHTS_AS_OF) == outcome(flights, FLIGHTS_AS_OF)


def test_interrupted_run(new_parcels: Path) -> None:
    """Ctrl-C ends a run at once with exit code 130 and one sentence; what was done is kept."""
    with start(new_parcels, "run", "--as-of", PARCELS_AS_OF) as process:
        assert process.stderr is not None
        first = process.stderr.readline().split()
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)

    assert process.returncode == 130
    assert rest.splitlines()[-1] == "interrupted: what is finished is kept, the next run goes on from there"
    assert first[1] not in millstream(new_parcels, "run", "--as-of", PARCELS_AS_OF, "--json").well().executed
