"""Five steps pass a table of 2M × 10, all kept as Parquet: at most twice the CPU of plain calls if each adds a column, 4 times if all are rewritten.

Again costs at most 0.2 CPU s and runs no step, and all five tables take at most 300 MB where columns are added. Profiles are not measured off and on:
the kernel makes none, so there is nothing to switch.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from benchmarks._measure import Case, Finding, Options, in_turns, load_file, read_options, spent_here, tell
from benchmarks._peers import NEEDED, Peer, installed, run_peer
from benchmarks._table_steps import STEPS, VARIANTS, module_text, river_text, seed_text

if TYPE_CHECKING:
    import polars as pl

    from millstream.project import Project

OURS, PLAIN, STORED = "millstream", "plain calls", "calls and write_parquet"
MOST = {"adds": 2.0, "rewrites": 4.0}
MOST_AGAIN = 0.2
MOST_BYTES = 300_000_000
ROWS, FEW_ROWS = 2_000_000, 20_000


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
        self.file = self.folder / f"chain_{variant}.py"
        self.file.write_text(module_text(variant), encoding="utf-8")
        self.functions = load_file(self.file)

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
        spent = spent_here(lambda: call_plainly(self.functions, self.folder))
        return Turn(spent.cpu, spent.cpu)

    def stored_plainly(self) -> Turn:
        """The same, every table written as Parquet."""
        stored = self.folder / "plain"
        shutil.rmtree(stored, ignore_errors=True)
        stored.mkdir()
        spent = spent_here(lambda: call_plainly(self.functions, self.folder, stored))
        return Turn(spent.cpu, size=sum(file.stat().st_size for file in stored.iterdir()))

    def by(self, peer: Peer, python: str) -> Turn:
        """The same functions as steps of another system, in a process of its own."""
        turn = run_peer(peer, python, self.file, kind="tables", arguments=[str(self.folder / "seed.csv")])
        return Turn(turn.fresh, turn.again, size=turn.size)

    def sides(self, peers: Sequence[Peer], python: str | None) -> dict[str, Callable[[], Turn]]:
        """All that take turns."""
        others = {peer.name: partial(self.by, peer, python) for peer in peers} if python else {}
        return {OURS: self.by_millstream, PLAIN: self.plainly, STORED: self.stored_plainly, **others}

    def check(self) -> None:
        """What is stored is what the calls give."""
        project, _ = self._run()
        if not project.load(f"step_{STEPS - 1}").equals(call_plainly(self.functions, self.folder)):
            raise RuntimeError(f"{self.variant}: the stored table is not what plain calls give")

    def _run(self) -> tuple[Project, int]:
        from millstream.maintenance.run import first_error, run_selection  # noqa: PLC0415
        from millstream.maintenance.selection import Selection  # noqa: PLC0415
        from millstream.project import Project  # noqa: PLC0415

        project = Project(self.folder / "river.py")
        result = run_selection(project.workspace, project.names, project.lives, Selection(), as_of=time.time_ns() // 1_000, listener=lambda _: None)
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
    """Every variant, ours and the others in turns."""
    rows = FEW_ROWS if options.quick else ROWS
    peers, versions = installed(options.peers)
    with tempfile.TemporaryDirectory(prefix="millstream-benchmark.") as name:
        chains = [Chain(Path(name).resolve(), variant, rows) for variant in VARIANTS]
        for chain in chains:
            chain.check()
        sides = {(each.variant, who): act for each in chains for who, act in each.sides(peers, options.peers).items()}
        gave = in_turns(sides, options.repeats, warm=False)
    others = [PLAIN, STORED, *(peer.name for peer in peers)]
    cases = [case for variant in VARIANTS for who in others for case in _cases(variant, who, gave[variant, OURS], gave[variant, who])]
    ratios = {case.name: case.ratio for case in cases}
    turns = [turn for variant in MOST for turn in gave[variant, OURS]]
    held = {
        **{f"{variant}, fresh": ratios[f"{variant}, fresh / {PLAIN}"] <= most for variant, most in MOST.items()},
        "again": statistics.median(turn.again for turn in turns) <= MOST_AGAIN and not any(turn.executed for turn in turns),
        "on disk": max(turn.size for turn in gave["adds", OURS]) <= MOST_BYTES,
    }
    claim = (
        f"five steps that pass {rows:,} × 10 cost at most {MOST['adds']} times the CPU of plain calls if each adds a column,"
        f" {MOST['rewrites']} times if all are rewritten; again at most {MOST_AGAIN} CPU s and no step; at most {MOST_BYTES // 10**6} MB"
    )
    return Finding(claim, all(held.values()), cases, {"held": held, **versions})


def _cases(variant: str, who: str, ours: Sequence[Turn], other: Sequence[Turn]) -> list[Case]:
    cases = [Case(f"{variant}, fresh / {who}", "CPU s", [each.fresh for each in ours], [each.fresh for each in other])]
    if who != STORED:
        cases.append(Case(f"{variant}, again / {who}", "CPU s", [each.again for each in ours], [each.again for each in other]))
    if who != PLAIN:
        cases.append(Case(f"{variant}, on disk / {who}", "MB", [each.size / 1e6 for each in ours], [each.size / 1e6 for each in other]))
    return cases


def main() -> None:
    """Measure and tell."""
    options = read_options(__doc__, repeats=5, sizes=True, peers=NEEDED)
    tell(measure(options), options)


if __name__ == "__main__":
    main()
