"""kill -9 at 50 random moments of a run: run again, it ends with the same digests, and nothing that was reported finished runs again.

The project is exact (whole numbers, ordered rows), so that equal means equal in every byte. The moments are drawn evenly over an undisturbed run,
from before the store is made; `--repeats` is their number; digests are those of the tables read back. Besides, two runs started together on an empty
store must make each step, and each day of a step in parts, once between them.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import _exact_project
from benchmarks._measure import Case, Finding, Options, environment, read_options, tell
from benchmarks._told import Told, parse

KILLS = 50
PAIRS, FEW_PAIRS = 5, 1
ROWS, FEW_ROWS = 100_000, 2_000
SEED = 4


@dataclass(frozen=True, slots=True)
class Killed:
    """When a run was killed, what it had reported by then, and what the next run did."""

    after: float
    before: Told
    again: Told

    @property
    def lost(self) -> list[str]:
        """Steps that were reported finished and ran again."""
        return sorted({*self.before.ran} & {*self.again.ran})


def start(folder: Path) -> subprocess.Popen[str]:
    """A run in a process of its own, about to open its project."""
    command = [sys.executable, "-m", "benchmarks._project_run", str(folder / "river.py")]
    return subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> Told:
    """What a run said that came to its end."""
    output, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a run ended with exit code {process.returncode}:\n{errors[-2000:]}")
    return parse(output)[-1]


def run_anew(folder: Path) -> Told:
    """A run of everything."""
    shutil.rmtree(folder / ".millstream", ignore_errors=True)
    return end(start(folder))


def kill(folder: Path, after: float) -> Told | None:
    """A run of everything, killed so many seconds after it was ready; None if it ended before."""
    shutil.rmtree(folder / ".millstream", ignore_errors=True)
    with start(folder) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        told = parse(first + process.stdout.read())
    if process.returncode != -signal.SIGKILL:
        return None
    return told[-1]


def kills(folder: Path, number: int, seconds: float, chance: random.Random) -> list[Killed]:
    """Runs that were killed at moments drawn evenly over so many seconds, and what the next run did."""
    found: list[Killed] = []
    while len(found) < number:
        after = chance.uniform(0.0, seconds)
        before = kill(folder, after)
        if before is not None:
            found.append(Killed(after, before, end(start(folder))))
    return found


def twice_at_once(folder: Path) -> tuple[Told, Told]:
    """Two runs of everything, started together."""
    shutil.rmtree(folder / ".millstream", ignore_errors=True)
    first, second = start(folder), start(folder)
    return end(first), end(second)


def made_twice(pair: tuple[Told, Told], undisturbed: Told) -> Mapping[str, int]:
    """The parts that two runs made between them of each step, where they are not as many as one run makes."""
    parts = {name: sum(told.parts(name) for told in pair) for name in undisturbed.steps}
    return {name: count for name, count in parts.items() if count != undisturbed.parts(name)}


def measure(options: Options) -> Finding:
    """Undisturbed runs, killed ones, and pairs."""
    number, pairs, rows = options.repeats, *((FEW_PAIRS, FEW_ROWS) if options.quick else (PAIRS, ROWS))
    with tempfile.TemporaryDirectory(prefix="millstream-benchmark.") as name:
        folder = Path(name).resolve() / "project"
        _exact_project.write(folder, rows=rows)
        whole = run_anew(folder)
        killed = kills(folder, number, whole.seconds, random.Random(SEED))  # noqa: S311  moments, not secrets
        both = [twice_at_once(folder) for _ in range(pairs)]
    same = [each.again.digests == whole.digests for each in killed]
    lost = [each.lost for each in killed if each.lost]
    shared = [made_twice(pair, whole) for pair in both]
    equal = [told.digests == whole.digests for pair in both for told in pair]
    cases = [
        Case("digests as if undisturbed / kills", "kills", [sum(same)], [number]),
        Case("nothing finished lost / kills", "kills", [number - len(lost)], [number]),
        Case("each part made once / two runs at once", "pairs", [sum(not each for each in shared)], [pairs]),
        Case("run after a kill / undisturbed run", "CPU s", [each.again.cpu for each in killed], [whole.cpu] * number),
    ]
    done = [len(each.before.ran) for each in killed]
    facts: dict[str, object] = {
        "killed after (s, of a run)": f"{min(each.after for each in killed):.2f} – {max(each.after for each in killed):.2f} of {whole.seconds:.2f}",
        f"of {len(whole.steps)} steps finished before the kill": f"{min(done)} – {max(done)}",
        "digests of two runs at once as if undisturbed": f"{sum(equal)} of {2 * pairs}",
    }
    facts |= {"lost": lost} if lost else {}
    facts |= {"parts made, where not once": [each for each in shared if each]} if any(shared) else {}
    holds = all(same) and not lost and not any(shared) and all(equal)
    return Finding(f"after {number} of {number} kills the next run ends alike, and nothing finished runs again", holds, cases, facts)


def main() -> None:
    """Measure and tell."""
    options = read_options(__doc__, repeats=KILLS, sizes=True)
    tell(measure(options), options)


if __name__ == "__main__":
    main()
