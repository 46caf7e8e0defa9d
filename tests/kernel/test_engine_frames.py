"""From the call of `run` to the user's function it is a short way, which only goes down."""

from __future__ import annotations

from pathlib import Path

from msgspec import json
from rivers import write_river

from millstream.kernel.availability import parse_moment
from millstream.kernel.records import Value
from millstream.maintenance.run import run
from millstream.project import Project

LOOKING = """
    import sys, threading
    from pathlib import Path

    pl.DataFrame({"tree": range(3)}).write_parquet(Path(__file__).parent / "trees.parquet")
    trees = ms.source("trees.parquet", key="tree")

    @ms.step(trees)
    def looks(trees: pl.LazyFrame) -> list:
        threads = [threading.main_thread().ident, threading.get_ident()]
        found = []
        for thread in threads:
            frame = sys._current_frames()[thread]
            while frame is not None:
                found.append([frame.f_globals.get("__name__", ""), frame.f_code.co_qualname])
                if found[-1] == ["millstream.maintenance.run", "run"]:
                    break
                frame = frame.f_back
        return found
"""


def test_a_few_frames_in_a_few_files(tmp_path: Path) -> None:
    """At most six frames of four modules, those of the run's thread and of the step's together."""
    project = Project(write_river(tmp_path, LOOKING))
    node = project.lowering.node(project.value("looks"))
    result = run(project.workspace, {}, {}, as_of=parse_moment("2030-01-01"), more=[node])
    assert not result.errors

    value = result.artifacts[node]
    assert isinstance(value, Value)
    frames = [(module, name) for module, name in json.decode(project.store.read_value(value)) if module.startswith("millstream.")]

    assert frames[-1][1] == "take_part"
    assert ("millstream.maintenance.run", "run") in frames
    assert len(frames) <= 6, frames
    assert len({module for module, _ in frames}) <= 4, frames
