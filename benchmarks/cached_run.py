"""A second run: no step is executed, at most 0.3 CPU s above importing the user's file; also after editing a comment."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks._measure import MILLSTREAM, Case, Finding, Options, flights_folder, in_turns, read_options, run_python, tell

MOST = 0.3
AS_OF = "2013-06-01"


@dataclass(frozen=True, slots=True)
class Repeat:
    """What a process took, and how many steps it executed."""

    cpu: float
    executed: int = 0


def run(folder: Path) -> Repeat:
    """`millstream run` in a folder."""
    spent = run_python(*MILLSTREAM, "run", "--as-of", AS_OF, "--json", folder=folder)
    return Repeat(spent.cpu, sum(step["status"] != "cached" for step in json.loads(spent.output)["steps"]))


def run_edited(folder: Path) -> Repeat:
    """The same after a comment came into the label's function and another to the end, as an editor would leave them."""
    program = folder / "flights.py"
    text = program.read_text(encoding="utf-8").replace("    decided =", "    # the moment of truth\n    decided =", 1)
    program.write_text(f"{text}# and another\n", encoding="utf-8")
    return run(folder)


def import_program(folder: Path) -> Repeat:
    """The least that a run of this file can cost."""
    return Repeat(run_python("-c", "import flights", folder=folder).cpu)


def measure(options: Options) -> Finding:
    """One run that executes everything, then runs that find everything."""
    with flights_folder() as folder:
        first = run(folder)
        sides = {"again": lambda: run(folder), "edited": lambda: run_edited(folder), "import": lambda: import_program(folder)}
        gave = in_turns(sides, options.repeats)
    cpu = {name: [repeat.cpu for repeat in repeats] for name, repeats in gave.items()}
    executed = sum(repeat.executed for repeat in (*gave["again"], *gave["edited"]))
    above = {name: _above(cpu[name], cpu["import"]) for name in ("again", "edited")}
    facts = {
        "steps executed": f"{executed} in {2 * options.repeats} runs, {first.executed} in the first",
        "CPU s of the first run": round(first.cpu, 1),
        "CPU s above importing the file": {name: round(value, 3) for name, value in above.items()},
    }
    cases = [
        Case("nothing changed / import flights.py", "CPU s", cpu["again"], cpu["import"]),
        Case("comments edited / import flights.py", "CPU s", cpu["edited"], cpu["import"]),
    ]
    claim = f"a second run executes no step and costs at most {MOST} CPU s above importing the user's file"
    return Finding(claim, executed == 0 and max(above.values()) <= MOST, cases, facts)


def _above(ours: Sequence[float], plain: Sequence[float]) -> float:
    return statistics.median(our - other for our, other in zip(ours, plain, strict=True))


def main() -> None:
    """Measure and tell."""
    options = read_options(__doc__, repeats=7)
    tell(measure(options), options)


if __name__ == "__main__":
    main()
