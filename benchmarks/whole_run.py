"""A whole first run (features, 16 fits, scored, refitted, registered) costs at most 1.3 times the CPU of a hand-written script."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks._measure import MILLSTREAM, Case, Finding, Options, Spent, flights_folder, in_turns, read_options, run_python, tell

MOST = 1.3
AS_OF = "2013-06-01"
STEPS = 30
NEAR = 0.005
"""Both sides are one comparison only if no method's score differs by more."""


def by_millstream(folder: Path) -> Spent:
    """`millstream run` where nothing was run before."""
    shutil.rmtree(folder / ".millstream", ignore_errors=True)
    spent = run_python(*MILLSTREAM, "run", "--as-of", AS_OF, "--json", folder=folder)
    executed = sum(step["status"] == "ran" for step in json.loads(spent.output)["steps"])
    if executed != STEPS:
        raise RuntimeError(f"{executed} steps ran, not all {STEPS}")
    return spent


def by_hand(folder: Path) -> Spent:
    """The script, in a process too."""
    return run_python("-m", "benchmarks._plain_flights", str(folder), AS_OF)


def scores(ours: Spent, plain: Spent) -> dict[str, tuple[float, float]]:
    """What both leaderboards say of each method, and of the winner on the test block."""
    mine: dict[str, Any] = json.loads(ours.output)
    theirs: dict[str, Any] = json.loads(plain.output)
    found: dict[str, tuple[float, float]] = {
        entry["method"]: (round(entry["score"], 4), round(theirs["leaderboard"][entry["method"]], 4)) for entry in mine["leaderboard"]
    }
    return {**found, "test": (round(mine["model"]["test"]["value"], 4), round(theirs["test"], 4))}


def measure(options: Options) -> Finding:
    """Both in turns, each with all cores."""
    with flights_folder() as folder:
        gave = in_turns({"ours": lambda: by_millstream(folder), "plain": lambda: by_hand(folder)}, options.repeats, warm=False)
    found = scores(gave["ours"][0], gave["plain"][0])
    far = {name: pair for name, pair in found.items() if abs(pair[0] - pair[1]) > NEAR}
    if far:
        raise RuntimeError(f"the two sides do not compute the same: {far}")
    cpu, wall = ({name: [getattr(each, kind) for each in spent] for name, spent in gave.items()} for kind in ("cpu", "wall"))
    cases = [
        Case("first run / script", "CPU s", cpu["ours"], cpu["plain"]),
        Case("first run / script", "s", wall["ours"], wall["plain"]),
    ]
    facts = {
        "roc_auc, ours and the script's": found,
        "the script has not": "intervals, slices, a store, a registry, proofs that one row equals the batch",
    }
    return Finding(f"a whole first run costs at most {MOST} times the CPU of a hand-written script", cases[0].ratio <= MOST, cases, facts)


def main() -> None:
    """Measure and tell."""
    options = read_options(__doc__, repeats=3)
    tell(measure(options), options)


if __name__ == "__main__":
    main()
