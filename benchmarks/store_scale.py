"""After 10,000 runs of 20 steps and a million results, each in a file: `show`, `why`, a cached run and `gc --dry-run` take less than 1 CPU s each.

What importing the user's file takes is left out. The other side is the same project after its first run. With `--quick` there are 200 runs
and 20,000 results. Old results have a record of their file, but no file: nothing of this looks at one.
"""

from __future__ import annotations

import secrets
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl

from benchmarks._measure import MILLSTREAM, Case, Finding, Options, Spent, in_turns, read_options, run_python, spent_here, tell
from millstream.kernel.facts import Facts
from millstream.kernel.ledger import Ledger
from millstream.kernel.records import Cause, Part, Piece, StepReport, Table
from millstream.kernel.store import Found, Store, table_of

MOST = 1.0
STEPS, DAYS, FRESH = 20, 15, 10
"""Steps of the project, days that each does one by one, and every how manyth run found nothing stored."""
RUNS, RESULTS = 10_000, 1_000_000
FEW_RUNS, FEW_RESULTS = 200, 20_000
BATCH, BYTES = 5_000, 50_000
BETWEEN = 600.0
"""Seconds between two runs."""
COMMANDS = {
    "show": ("show",),
    "why STEP": ("why", "step_9"),
    "cached run": ("run",),
    "gc --dry-run": ("gc", "--dry-run", "--keep-last", "100", "--older-than", "1d"),
}
STEP = """
@ms.step({before}, partition="1d")
def step_{number}({before}: pl.LazyFrame) -> pl.LazyFrame:
    return {before}.with_columns(x=pl.col("x") + {number})
"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much has happened."""

    runs: int
    results: int


def write_project(folder: Path) -> Path:
    """A source, and steps that each go over its days."""
    folder.mkdir()
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    rows = [(number, begin + timedelta(minutes=number)) for number in range(DAYS * 1_440)]
    pl.DataFrame(rows, schema={"x": pl.Int64, "at": pl.Datetime("us", "UTC")}, orient="row").write_parquet(folder / "events.parquet")
    steps = [STEP.format(number=number, before=f"step_{number - 1}" if number > 1 else "events") for number in range(1, STEPS)]
    text = 'import polars as pl\n\nimport millstream as ms\n\nevents = ms.source("events.parquet", time="at")\n' + "\n".join(steps)
    (folder / "project.py").write_text(text, encoding="utf-8")
    millstream(folder, "run")
    return folder


def millstream(folder: Path, *words: str) -> Spent:
    """A command in a folder."""
    return run_python(*MILLSTREAM, *words, folder=folder)


def remember_runs(folder: Path, sizes: Sizes) -> None:
    """Runs before the one that there was, of the same steps."""
    ledger, now = Ledger(folder / ".millstream" / "ledger.sqlite"), time.time()
    for number in range(sizes.runs):
        started = now - (sizes.runs - number) * BETWEEN
        run = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(started))}-{secrets.token_hex(4)[:7]}"
        columns = "run, started, as_of, command, status, seconds, environment, settings, process"
        values = (run, started, round(started * 1e6), "run", "done", 1.0, b'{"python":"3.11"}', b"{}", 1)
        ledger.database.execute(f"INSERT INTO runs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608  only names are put in
        ledger.keep(run, [_report(step, number) for step in range(STEPS)])


def _report(step: int, run: int) -> StepReport:
    name, round_, fresh = f"step_{step}" if step else "events", run // FRESH, run % FRESH == 0
    causes = (Cause(name, f"{round_:016x}"), Cause("python", "3.11"), Cause("input before", f"{round_:016x} 21600")) if fresh else ()
    key = f"{step:04x}{round_:060x}"
    if fresh:
        return StepReport(name, "ran", 0.1, 1_440, f"{name} changed", key, DAYS, causes)
    return StepReport(name, "cached", 0.1, 0, "unchanged", key)


def remember_results(folder: Path, sizes: Sizes) -> None:
    """Results of those runs, each in a file of its own, last used when they were made."""
    store, now = Store(folder / ".millstream"), time.time()
    age = sizes.runs * BETWEEN / sizes.results
    for start in range(0, sizes.results, BATCH):
        made = {secrets.token_hex(32): Found(_table(secrets.token_hex(32)), 0.1) for _ in range(min(BATCH, sizes.results - start))}
        used = {key: now - (sizes.results - start - place) * age for place, key in enumerate(made)}
        store.record(made)
        with store.index.transaction() as index:
            index.executemany("UPDATE results SET used = ? WHERE key = ?", [(moment, key) for key, moment in used.items()])
            files = [(f"{found.artifact.digest}.parquet", used[key]) for key, found in made.items()]
            index.executemany(f"INSERT INTO files (name, sha256, size, used) VALUES (?, '', {BYTES}, ?)", files)  # noqa: S608  a number is put in
    store.index.rows("PRAGMA wal_checkpoint(TRUNCATE)")


def _table(digest: str) -> Table:
    columns = (secrets.token_bytes(16), secrets.token_bytes(16))
    part = Part(1_700_000_000_000_000, digest, 1_440, (Piece(f"{digest}.parquet", 0, ("x", "at")),), columns)
    return msgspec.structs.replace(table_of(("x", "at"), ("Int64", "Datetime"), Facts((), "at"), [part]), digest=digest)


def above_import(folder: Path, words: Sequence[str]) -> tuple[float, float]:
    """CPU and wall seconds that a command takes beyond importing the user's file."""
    spent, least = millstream(folder, *words), run_python("-c", "import project", folder=folder)
    return spent.cpu - least.cpu, spent.wall - least.wall


def measure(options: Options) -> Finding:
    """The same commands in a folder with one run and in one with many."""
    sizes = Sizes(FEW_RUNS, FEW_RESULTS) if options.quick else Sizes(RUNS, RESULTS)
    with tempfile.TemporaryDirectory(prefix="millstream-benchmark.") as name:
        young, old = (write_project(Path(name).resolve() / age) for age in ("young", "old"))
        remember_runs(old, sizes)
        remember_results(old, sizes)
        sides = {
            (command, folder): (lambda words=words, folder=folder: above_import(folder, words))
            for command, words in COMMANDS.items()
            for folder in (old, young)
        }
        gave = in_turns(sides, options.repeats)
        size = sum(path.stat().st_size for path in (old / ".millstream").glob("*.sqlite"))
        collection = spent_here(lambda: millstream(old, "gc", "--keep-last", "100", "--older-than", "1d", "--runs"))
    cases = [Case(each, "CPU s", *([cpu for cpu, _ in gave[each, folder]] for folder in (old, young))) for each in COMMANDS]
    wall = {each: round(statistics.median(wall for _, wall in gave[each, old]), 2) for each in COMMANDS}
    facts = {
        "runs and results": f"{sizes.runs:,} and {sizes.results:,}",
        "MB of SQLite": round(size / 1e6),
        "wall s above importing the file": wall,
        "wall s of a whole gc": round(collection.wall, 1),
    }
    worst = max(statistics.median(case.ours) for case in cases)
    claim = (
        f"show, why, a cached run and gc --dry-run each take less than {MOST:.0f} CPU s above importing the user's file, however much has happened"
    )
    return Finding(claim, worst < MOST, cases, facts)


def main() -> None:
    """Measure and tell."""
    options = read_options(__doc__, repeats=5, sizes=True)
    tell(measure(options), options)


if __name__ == "__main__":
    main()
