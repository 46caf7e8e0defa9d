"""Five steps pass a table of 2M × 10, all kept as Parquet: at most twice the CPU of plain calls if each adds a column, 4 times if all are rewritten.

Again costs at most 0.2 CPU s and runs no step, and all five tables take at most 300 MB where columns are added. Profiles are not measured off and on:
the kernel makes none, so there is nothing to switch.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from benchmarks._measure import Case, Finding, Options, in_turns, load_file, read_options, spent_here, tell
from benchmarks._table_steps import STEPS, VARIANTS, module_text, river_text, seed_text

if TYPE_CHECKING:
    import polars as pl

    from millstream.project import Project

MOST = {"adds": 2.0, "rewrites": 4.0}
MOST_AGAIN = 0.2
MOST_BYTES = 300_000_000
ROWS, FEW_ROWS = 2_000_000, 50_000


@dataclass(frozen=True, slots=True)
class Turn:
    """CPU seconds of everything, and again; steps that were run by the second; bytes on disk."""

    fresh: float
    again: float = 0.0
    executed: int = 0
    size: int = 0


class Chain:
    """A folder with the functions, the user's file that makes steps of them, and the source of the seed."""

    def __init__(self, folder: Path, variant: str, rows: int) -> None:
        """Write the folder, and import the functions."""
        self.folder, self.variant = folder / variant, variant
        self.folder.mkdir()
        (self.folder / "seed.csv").write_text(seed_text(rows), encoding="utf-8")
        (self.folder / "river.py").write_text(river_text(f"chain_{variant}"), encoding="utf-8")
        functions = self.folder / f"chain_{variant}.py"
        functions.write_text(module_text(variant), encoding="utf-8")
        self.functions = load_file(functions)

    def by_millstream(self) -> Turn:
        """A project opened anew with an empty store, and once more."""
        shutil.rmtree(self.folder / ".millstream", ignore_errors=True)
        executed: list[int] = []
        fresh, again = (spent_here(lambda: executed.append(self._run()[1])) for _ in range(2))
        if executed[0] != STEPS + 1:
            raise RuntimeError(f"{executed[0]} steps ran, not the source and {STEPS}")
        size = sum(file.stat().st_size for file in (self.folder / ".millstream").rglob("*") if file.is_file())
        return Turn(fresh.cpu, again.cpu, executed[1], size)

    def plainly(self) -> Turn:
        """One call after the other."""
        return Turn(spent_here(lambda: call_plainly(self.functions, self.folder)).cpu)

    def stored_plainly(self) -> Turn:
        """The same, every table written as Parquet."""
        stored = self.folder / "plain"
        shutil.rmtree(stored, ignore_errors=True)
        stored.mkdir()
        spent = spent_here(lambda: call_plainly(self.functions, self.folder, stored))
        return Turn(spent.cpu, size=sum(file.stat().st_size for file in stored.iterdir()))

    def check(self) -> None:
        """What is stored is what the calls give."""
        project, _ = self._run()
        if not project.load(f"step_{STEPS - 1}").equals(call_plainly(self.functions, self.folder)):
            raise RuntimeError(f"{self.variant}: the stored table is not what plain calls give")

    def _run(self) -> tuple[Project, int]:
        from millstream.cli.run import run_project  # noqa: PLC0415  `--help` need not wait for it
        from millstream.maintenance.run import first_error  # noqa: PLC0415
        from millstream.project import Project  # noqa: PLC0415

        project = Project(self.folder / "river.py")
        result = run_project(project, time.time_ns() // 1_000, lambda _: None)
        error = first_error(result)
        if error is not None:
            raise error
        return project, sum(step.status == "ran" for step in result.report.steps)


def call_plainly(functions: ModuleType, folder: Path, stored: Path | None = None) -> pl.DataFrame:
    """What a script does: the seed's file read, then one call after the other, each result written if that is wanted."""
    import polars as pl  # noqa: PLC0415

    table = pl.read_csv(folder / "seed.csv")
    for place in range(STEPS):
        table = getattr(functions, f"step_{place}")(table)
        if stored is not None:
            table.write_parquet(stored / f"step_{place}.parquet")
    return table


def measure(options: Options) -> Finding:
    """Every variant, ours and plain calls in turns."""
    rows = FEW_ROWS if options.quick else ROWS
    with tempfile.TemporaryDirectory(prefix="millstream-benchmark.") as name:
        chains = [Chain(Path(name).resolve(), variant, rows) for variant in VARIANTS]
        for chain in chains:
            chain.check()
        acts = {"ours": Chain.by_millstream, "plain": Chain.plainly, "stored": Chain.stored_plainly}
        sides = {(chain.variant, who): (lambda act=act, chain=chain: act(chain)) for chain in chains for who, act in acts.items()}
        gave = in_turns(sides, options.repeats, warm=False)
    cases: list[Case] = []
    for variant in VARIANTS:
        ours, plain, stored = (gave[variant, who] for who in acts)
        fresh = [each.fresh for each in ours]
        cases += [
            Case(f"{variant}, fresh / plain calls", "CPU s", fresh, [each.fresh for each in plain]),
            Case(f"{variant}, fresh / calls and write_parquet", "CPU s", fresh, [each.fresh for each in stored]),
            Case(f"{variant}, again / plain calls", "CPU s", [each.again for each in ours], [each.fresh for each in plain]),
            Case(f"{variant}, on disk / five files", "MB", [each.size / 1e6 for each in ours], [each.size / 1e6 for each in stored]),
        ]
    found = {case.name: case for case in cases}
    executed = sum(turn.executed for variant in VARIANTS for turn in gave[variant, "ours"])
    held = {
        **{f"{variant} fresh": found[f"{variant}, fresh / plain calls"].ratio <= most for variant, most in MOST.items()},
        "again": executed == 0 and all(statistics.median(found[f"{variant}, again / plain calls"].ours) <= MOST_AGAIN for variant in MOST),
        "disk": max(found["adds, on disk / five files"].ours) * 1e6 <= MOST_BYTES,
    }
    claim = (
        f"five steps that pass {rows:,} × 10 cost at most {MOST['adds']} times the CPU of plain calls if each adds a column,"
        f" {MOST['rewrites']} times if all are rewritten; again at most {MOST_AGAIN} CPU s and no step; at most {MOST_BYTES // 10**6} MB"
    )
    return Finding(claim, all(held.values()), cases, {"held": held, "steps that ran again": executed})


def main() -> None:
    """Measure and tell."""
    options = read_options(__doc__, repeats=5, sizes=True)
    tell(measure(options), options)


if __name__ == "__main__":
    main()
