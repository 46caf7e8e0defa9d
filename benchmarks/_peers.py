"""Other systems that run functions as steps, in an environment of their own: the same module of functions, the form that their documentation shows.

Hamilton: `driver.Builder().with_modules(…).with_cache(…)`, a new driver each time. Kedro: a catalog with one dataset a result (Parquet for tables,
pickle for numbers), and `only_missing_outputs` the second time, which asks whether files are there and nothing else. Imports are not counted on any
side; messages and telemetry are off.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

COMMON = """
import importlib.util
import inspect
import json
import logging
import shutil
import sys
import time
from pathlib import Path

import polars as pl

file, store, kind, seed = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:]
specification = importlib.util.spec_from_file_location(file.stem, file)
module = importlib.util.module_from_spec(specification)
sys.modules[file.stem] = module
specification.loader.exec_module(module)
functions = {name: value for name, value in vars(module).items() if inspect.isfunction(value)}
logging.disable(logging.WARNING)


def measured(*arguments):
    cpu = time.process_time()
    run(*arguments)
    return time.process_time() - cpu


def tell():
    if not seed:  # small steps: what is loaded by the first call is not counted
        run(store / "first", False)
        run(store / "first", True)
    fresh, again = measured(store / "kept", False), measured(store / "kept", True)
    size = sum(each.stat().st_size for each in (store / "kept").rglob("*") if each.is_file())
    print(json.dumps({"fresh": fresh, "again": again, "size": size}))
"""
HAMILTON = """
from hamilton import driver


def run(folder, again):
    built = driver.Builder().with_modules(module).with_cache(path=str(folder)).build()
    built.execute([list(functions)[-1]], inputs={"seed": pl.read_csv(seed[0])} if seed else {})


tell()
"""
KEDRO = """
from kedro.io import DataCatalog
from kedro.pipeline import node, pipeline
from kedro.runner import SequentialRunner
from kedro_datasets.pickle import PickleDataset
from kedro_datasets.polars import EagerPolarsDataset


def dataset(folder, name):
    if kind == "numbers":
        return PickleDataset(filepath=str(folder / f"{name}.pickle"))
    return EagerPolarsDataset(filepath=str(folder / f"{name}.parquet"), file_format="parquet")


def run(folder, again):
    given = {"seed": EagerPolarsDataset(filepath=seed[0], file_format="csv")} if seed else {}
    catalog = DataCatalog({**given, **{name: dataset(folder, name) for name in functions}})
    nodes = [node(value, list(inspect.signature(value).parameters) or None, name) for name, value in functions.items()]
    SequentialRunner().run(pipeline(nodes), catalog, only_missing_outputs=again)


tell()
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another system: what is imported of it, what must be installed, and its program behind what all have in common."""

    name: str
    imported: str
    packages: tuple[str, ...]
    program: str


@dataclass(frozen=True, slots=True)
class PeerTurn:
    """CPU seconds of all steps, and again; bytes on disk."""

    fresh: float
    again: float
    size: int


PEERS = (
    Peer("Hamilton", "hamilton", ("apache-hamilton", "polars"), HAMILTON),
    Peer("Kedro", "kedro_datasets", ("kedro", "kedro-datasets", "polars", "pyarrow"), KEDRO),
)
QUIET = {"DO_NOT_TRACK": "1", "HAMILTON_TELEMETRY_ENABLED": "false", "KEDRO_DISABLE_TELEMETRY": "1"}
NEEDED = " ".join(dict.fromkeys(package for peer in PEERS for package in peer.packages))


def installed(python: str | None) -> tuple[list[Peer], dict[str, object]]:
    """The peers that a Python has, and what is told of all: the version, or how to install them."""
    found: list[Peer] = []
    facts: dict[str, object] = {}
    for peer in PEERS:
        version = (
            _ask(python, f"import importlib.metadata, {peer.imported}; print(importlib.metadata.version('{peer.packages[0]}'))") if python else None
        )
        if version is None:
            facts[peer.name] = f"not installed: PYTHON -m pip install {' '.join(peer.packages)}, and say --peers PYTHON"
        else:
            found.append(peer)
            facts[peer.name] = version
    return found, facts


def run_peer(peer: Peer, python: str, module: Path, *, kind: str, arguments: Sequence[str] = ()) -> PeerTurn:
    """The functions of a module as steps of another system, with an empty store and again; `arguments`: the file of the seed, if they need one."""
    store, program = module.parent / peer.name, module.parent / f"{peer.name.lower()}_program.py"
    shutil.rmtree(store, ignore_errors=True)
    store.mkdir()
    program.write_text(COMMON + peer.program, encoding="utf-8")
    output = output_of(peer, [python, str(program), str(module), str(store), kind, *arguments], module.parent)
    told = json.loads(output.splitlines()[-1])
    return PeerTurn(told["fresh"], told["again"], told["size"])


def output_of(peer: Peer, command: Sequence[str], folder: Path) -> str:
    """What a program of another system prints; ends the benchmark with the last lines of stderr if it fails."""
    ended = subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{peer.name} ended with exit code {ended.returncode}:\n{ended.stderr[-2000:]}")
    return ended.stdout


def _ask(python: str, program: str) -> str | None:
    ended = subprocess.run([python, "-c", program], env=_environment(), capture_output=True, text=True, check=False)
    return ended.stdout.splitlines()[-1] if ended.returncode == 0 else None


def _environment() -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, **QUIET}
