"""What the benchmarks share: paired repeats, the CPU of processes, and one small table or one JSON object at the end.

Both sides run in one command and take turns, so that what else happens on the machine meets both alike.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import millstream as ms

ROOT = Path(__file__).parents[1]
TEMPLATE = Path(ms.__file__).parent / "templates" / "flights"
MILLSTREAM = ("-m", "millstream.cli.main")
"""What python is given to be the command `millstream`, installed or not."""
LIBRARIES = ("polars", "numpy", "lightgbm", "scikit-learn", "uvicorn")

T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Options:
    """How often each side is measured, how the result is told, and of which size the data are.

    `peers` is a Python that has the other systems, for the benchmarks that compare with them.
    """

    repeats: int
    as_json: bool
    quick: bool = False
    peers: str | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """Wall and CPU seconds (user and system, all threads), and what came of them."""

    wall: float
    cpu: float
    output: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison: what each repeat measured of us and, in the same turn, of the plain alternative."""

    name: str
    unit: str
    ours: Sequence[float]
    plain: Sequence[float]

    @property
    def ratios(self) -> list[float]:
        """Ours over plain, turn by turn."""
        return [ours / plain if plain else float("inf") for ours, plain in zip(self.ours, self.plain, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the ratios of the turns."""
        return statistics.median(self.ratios)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a benchmark claims, whether it held here, and the comparisons: the first is that of the claim.

    `rows` are single observations behind the comparisons, all with the same names.
    """

    claim: str
    holds: bool
    cases: Sequence[Case]
    facts: Mapping[str, object]
    rows: Sequence[Mapping[str, object]] = ()


def read_options(documentation: str | None, *, repeats: int, sizes: bool = False, peers: str = "") -> Options:
    """The options that every benchmark has; `sizes`: also `--quick`; `peers`: what `--peers` needs to have installed."""
    parser = argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=_positive, default=repeats, help=f"how often each side is measured, in turns (default: {repeats})")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    if sizes:
        parser.add_argument("--quick", action="store_true", help="small sizes and one turn: a look whether all works, not a measurement")
    if peers:
        parser.add_argument("--peers", metavar="PYTHON", help=f"a Python of an environment with: {peers}")
    given = parser.parse_args()
    quick = sizes and given.quick
    return Options(1 if quick else given.repeats, given.json, quick, given.peers if peers else None)


def in_turns(sides: Mapping[S, Callable[[], T]], repeats: int, *, warm: bool = True) -> dict[S, list[T]]:
    """What every side gave in every turn; another side begins each turn. `warm` runs each once before, unmeasured."""
    if warm:
        for act in sides.values():
            act()
    names, gave = list(sides), dict[S, list[T]]((name, []) for name in sides)
    for turn in range(repeats):
        for name in (*names[turn % len(names) :], *names[: turn % len(names)]):
            gave[name].append(sides[name]())
    return gave


def spent_here(act: Callable[[], object]) -> Spent:
    """What a call takes in this process."""
    cpu, wall = time.process_time(), time.perf_counter()
    act()
    return Spent(time.perf_counter() - wall, time.process_time() - cpu)


def run_python(*arguments: str, folder: Path | None = None) -> Spent:
    """A fresh interpreter with these arguments, in a folder; ends the benchmark with the last lines of stderr if it fails."""
    before, wall = _children(), time.perf_counter()
    ended = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    spent = Spent(time.perf_counter() - wall, _children() - before, ended.stdout)
    if ended.returncode:
        sys.exit(f"python {' '.join(arguments)} ended with exit code {ended.returncode}:\n{ended.stderr[-2000:]}")
    return spent


def environment() -> dict[str, str]:
    """The environment of a process that finds millstream as this one does, and the benchmarks, from any folder."""
    found = [str(Path(entry).resolve()) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": os.pathsep.join(dict.fromkeys([str(ROOT), *found]))}


@contextmanager
def flights_folder(changes: Mapping[str, str] | None = None) -> Generator[Path]:
    """The flights template in a temporary folder; `changes` says which texts of the user's file become others."""
    with tempfile.TemporaryDirectory(prefix="millstream-benchmark.") as name:
        folder = Path(name).resolve() / "flights"
        shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("__pycache__", ".millstream"))
        program = folder / "flights.py"
        text = program.read_text(encoding="utf-8")
        for old, new in (changes or {}).items():
            if text.count(old) != 1:
                sys.exit(f"the template does not have this text once: {old}")
            text = text.replace(old, new)
        program.write_text(text, encoding="utf-8")
        yield folder


def load_file(file: Path) -> ModuleType:
    """A module of a file anywhere, under the file's name."""
    specification = importlib.util.spec_from_file_location(file.stem, file)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[file.stem] = module
    specification.loader.exec_module(module)
    return module


def tell(finding: Finding, options: Options) -> None:
    """The table, or with `--json` the object."""
    text = json.dumps(_record(finding, options)) if options.as_json else _table(finding, options)
    sys.stdout.write(f"{text}\n")


def tell_together(findings: Mapping[str, tuple[Finding, Options]], *, as_json: bool) -> None:
    """What several benchmarks came to, a line each; with `--json` one object that has the object of each."""
    if as_json:
        told = {name: _record(finding, options) for name, (finding, options) in findings.items()}
        sys.stdout.write(f"{json.dumps({'holds': all(finding.holds for finding, _ in findings.values()), 'benchmarks': told})}\n")
        return
    lines = [("held" if finding.holds else "DID NOT HOLD", name, finding.claim) for name, (finding, _) in findings.items()]
    sys.stdout.write("\n".join(_aligned(lines)) + "\n")


def machine() -> dict[str, object]:
    """Where the figures come from."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = round(os.getloadavg()[0], 2)
    libraries = {name: _version(name) for name in LIBRARIES}
    return {"cpus": cpus, "load": load, "system": platform.platform(), "python": platform.python_version(), **libraries}


def _record(finding: Finding, options: Options) -> dict[str, object]:
    cases = [_case_record(case) for case in finding.cases]
    first = {name: cases[0][name] for name in ("unit", "ours", "plain", "ratio")}
    told = {"claim": finding.claim, "holds": finding.holds, **first, "repeats": options.repeats}
    rows = {"rows": [dict(row) for row in finding.rows]} if finding.rows else {}
    return {**told, "cases": cases, "facts": dict(finding.facts), **rows, "machine": machine()}


def _case_record(case: Case) -> dict[str, object]:
    return {
        "name": case.name,
        "unit": case.unit,
        "ours": statistics.median(case.ours),
        "ours_range": [min(case.ours), max(case.ours)],
        "plain": statistics.median(case.plain),
        "plain_range": [min(case.plain), max(case.plain)],
        "ratio": case.ratio,
        "ratio_range": [min(case.ratios), max(case.ratios)],
    }


def _table(finding: Finding, options: Options) -> str:
    header = ("", "unit", "millstream", "other", "ratio")
    cases = [(case.name, case.unit, _told(case.ours), _told(case.plain), _told(case.ratios)) for case in finding.cases]
    rows = [tuple(str(value) for value in row.values()) for row in finding.rows]
    observed = [*_aligned([tuple(finding.rows[0]), *rows]), ""] if finding.rows else []
    facts = [f"{name}: {value}" for name, value in finding.facts.items()]
    verdict = f"claim: {finding.claim}\n{'held' if finding.holds else 'DID NOT HOLD'} here: median (range) of {options.repeats} turns, "
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    return "\n".join([*observed, *_aligned([header, *cases]), *facts, f"{verdict}on {where}"])


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _told(values: Sequence[float]) -> str:
    return f"{_number(statistics.median(values))} ({_number(min(values))} – {_number(max(values))})"


def _number(value: float) -> str:
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def process_of(*arguments: str, folder: Path | None = None) -> Callable[[], Spent]:
    """`run_python` as a side that takes turns."""
    return lambda: run_python(*arguments, folder=folder)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
