"""The edited project as Hamilton runs it: the same functions without millstream's decorators, tables handed in as inputs, its cache kept from before.

A step is reused wrongly if what comes out of the cache is not what a run without one gives; what ran is what Hamilton's own log says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks._edited_project import Edit
from benchmarks._peers import Peer, output_of

NAME = "Hamilton"
PROGRAM = """
import hashlib
import importlib
import inspect
import json
import re
import sys
from pathlib import Path

import polars as pl
from hamilton import driver

given, kept = json.loads(sys.argv[1]), sys.argv[2:]
text = re.sub(r"(?m)^(@ms\\..*|import millstream.*|\\w+ = ms\\..*)$", "", Path("river.py").read_text())
Path("plain_river.py").write_text(text)
sys.path.insert(0, "")
module = importlib.import_module("plain_river")
names = [name for name, value in vars(module).items() if inspect.isfunction(value) and value.__module__ == module.__name__]


def run(cache):
    tables = {name: pl.read_csv(f"{name}.csv", try_parse_dates=True) for name in ("readings", "places")}
    built = driver.Builder().with_modules(module).with_cache(path=cache).build()
    made = built.execute(names, inputs={**tables, **given})
    events = built.cache.logs(built.cache.last_run_id, level="debug")
    ran = [name for name in names if any(event.event_type.value == "execute_node" for event in events[name])]
    return {"ran": ran, "digests": {name: hashlib.sha256(table.write_csv().encode()).hexdigest() for name, table in made.items()}}


print(json.dumps([run(cache) for cache in kept]))
"""


@dataclass(frozen=True, slots=True)
class Reused:
    """How many steps of an edited project another system reused wrongly, and how many it ran needlessly."""

    wrong: int
    needless: int


def prepare(peer: Peer, python: str, folder: Path) -> None:
    """Run the project as it is, and leave the cache in its folder."""
    output_of(peer, [python, "-c", PROGRAM, "{}", "hamilton"], folder)


def observe(peer: Peer, python: str, edit: Edit, folder: Path) -> Reused:
    """Run an edited copy of a prepared project with the cache that lies there, and with an empty one."""
    settings = {name.rpartition(".")[2]: json.loads(value) for name, value in edit.settings.items()}
    told = output_of(peer, [python, "-c", PROGRAM, json.dumps(settings), "hamilton", "anew"], folder)
    run, anew = json.loads(told.splitlines()[-1])
    wrong = [name for name, digest in anew["digests"].items() if run["digests"][name] != digest]
    return Reused(len(wrong), len([name for name in run["ran"] if name not in edit.again]))
