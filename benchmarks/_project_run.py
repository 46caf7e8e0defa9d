"""Runs the project of a folder in a process of its own, and says line by line what becomes of each step.

The first line is `ready`, told before anything is opened; then one JSON object for each finished step, as it is reported; the last line is an object
with the digest of what is stored of each step, read back, and what the run took. With `--anew` the same is done afterwards with an empty store.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import shutil
import sys
import time
from pathlib import Path


def pretend(versions: dict[str, str]) -> None:
    """Let some distributions seem to have other versions than they have: the upgrade that an edit simulates."""
    real = importlib.metadata.version

    def version(distribution_name: str) -> str:
        return versions.get(distribution_name) or real(distribution_name)

    importlib.metadata.version = version


def say(told: object) -> None:
    """One line, out at once: whoever kills this process must have what was said before."""
    sys.stdout.write(f"{told if isinstance(told, str) else json.dumps(told)}\n")
    sys.stdout.flush()


def run(file: Path, settings: dict[str, str]) -> None:
    """One run of everything that the file declares, as of now."""
    from millstream.kernel.digest import digest_frame  # noqa: PLC0415
    from millstream.kernel.engine import Event  # noqa: PLC0415
    from millstream.kernel.records import StepReport, Table  # noqa: PLC0415
    from millstream.maintenance.run import first_error, run_selection  # noqa: PLC0415
    from millstream.maintenance.selection import Selection  # noqa: PLC0415
    from millstream.project import Project  # noqa: PLC0415

    def tell(event: Event) -> None:
        if isinstance(event, StepReport):
            say({"step": event.name, "status": event.status, "why": event.why, "parts": event.parts})

    say("ready")
    began, cpu = time.perf_counter(), time.process_time()
    project = Project(file, settings=settings)
    result = run_selection(project.workspace, project.names, project.lives, Selection(), as_of=time.time_ns() // 1_000, listener=tell)
    spent = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    error = first_error(result)
    if error is not None:
        raise error
    store = project.store
    digests = {
        node.name: digest_frame(store.read(store.visible(each, None))) if isinstance(each, Table) else each.digest
        for node, each in result.artifacts.items()
    }
    say({"digests": digests, **spent})


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--anew", action="store_true")
    parser.add_argument("--settings", type=json.loads, default={})
    parser.add_argument("--versions", type=json.loads, default={})
    given = parser.parse_args()
    pretend(given.versions)
    run(given.file, given.settings)
    if given.anew:
        shutil.move(given.file.parent / ".millstream", given.file.parent / "before")
        run(given.file, given.settings)


if __name__ == "__main__":
    main()
