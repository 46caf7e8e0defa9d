"""Every benchmark can be listed, started and read by a machine; how fast anything is, is not said here."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rivers import python_environment

ROOT = Path(__file__).parents[1]
BENCHMARKS = sorted((ROOT / "benchmarks").glob("[!_]*.py"))


def run_benchmark(name: str, *arguments: str) -> str:
    """What a benchmark prints, started as `scripts/bench` starts it."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    return subprocess.run(command, cwd=ROOT, env=python_environment(), check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_benchmark_says_what_it_claims(path: Path) -> None:
    """The first line of its docstring, which `scripts/bench` lists, is a sentence on one line."""
    claim = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]

    assert len(claim) > 20
    assert claim.endswith(".")


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_benchmark_has_the_options_of_all(path: Path) -> None:
    """Each can be repeated more often, and told as JSON."""
    told = run_benchmark(path.stem, "--help")

    assert "--json" in told
    assert "--repeats" in told


def test_benchmark_prints_one_object() -> None:
    """With `--json` there is the claim, what either side took, how often it was measured, and where."""
    told = json.loads(run_benchmark("start_up", "--repeats", "1", "--json"))

    assert {"claim", "unit", "ours", "plain", "ratio", "repeats", "machine"} <= told.keys()
    assert told["repeats"] == 1
    assert told["ours"] > 0
    assert told["plain"] > 0
    assert told["ratio"] == pytest.approx(told["ours"] / told["plain"])
    assert {"cpus", "python", "polars"} <= told["machine"].keys()


def test_benchmark_refuses_to_measure_nothing() -> None:
    """A median of no repeats would be none."""
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run_benchmark("start_up", "--repeats", "0")

    assert "at least 1" in refused.value.stderr


def test_kernel_benchmarks_are_told_as_one() -> None:
    """With `--quick` each part runs once; what edits and kills claim is no speed, so it holds at this size too; a missing system is named."""
    told = json.loads(run_benchmark("kernel", "--quick", "--json"))["benchmarks"]

    assert list(told) == ["kernel_steps", "kernel_tables", "start_up", "kernel_edits", "kernel_kills"]
    assert told["kernel_edits"]["holds"], told["kernel_edits"]["rows"]
    assert told["kernel_kills"]["holds"], told["kernel_kills"]["facts"]
    assert told["kernel_tables"]["facts"]["Kedro"].startswith("not installed")
