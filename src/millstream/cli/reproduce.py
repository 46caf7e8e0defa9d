"""`millstream reproduce`: make a run once more from the record, and compare."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from millstream.cli.options import as_json, in_file, open_project
from millstream.cli.output import print_json, say

if TYPE_CHECKING:
    from millstream.maintenance.reproduce import Recorded, Reproduction
    from millstream.project import Project


@click.command("reproduce", short_help="Make a run once more, and see that it gives the same.")
@click.argument("what", metavar="MODEL@N|RUN")
@in_file
@as_json
def command(what: str, file: str | None, *, as_json: bool) -> None:
    """Make a version or a run once more from its recorded code, snapshots and fit record, in a clean store; exit code 3 if anything differs."""
    project = open_project(file)
    from millstream.maintenance.reproduce import recorded

    found = reproduce_alone(project, recorded(project.ledger, project.registry, what), what)
    if as_json:
        print_json({"run": found.run, "version": found.version, "same": found.same, "steps": found.steps, "environment": found.changed})
    else:
        say("\n".join(_lines(found)))
    if not found.same:
        raise click.exceptions.Exit(3)


def reproduce_alone(project: Project, asked: Recorded, what: str) -> Reproduction:
    """Make it once more in a process of its own, with one thread a library, from the code of the record."""
    import msgspec

    from millstream.errors import StepError
    from millstream.maintenance.reproduce import Reproduction

    with tempfile.TemporaryDirectory(prefix="millstream-") as folder:
        for name, text in asked.files.items():
            path = Path(folder) / "code" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "millstream.cli.reproduce", str(Path(folder) / "code" / project.file.name), str(project.root), folder, what]
        environment = {**os.environ, "POLARS_MAX_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=False)  # noqa: S603  our own words
    if done.returncode:
        raise StepError(f"{what} could not be made once more", hint="the lines above say why")
    return msgspec.json.decode(done.stdout, type=Reproduction)


def repeat(file: str, home: str, folder: str, what: str) -> None:
    """What the process of its own does: the outcome as JSON on stdout."""
    from millstream.kernel.threads import cap_threads

    cap_threads(deterministic=True)
    import msgspec

    from millstream.kernel.store import Store
    from millstream.maintenance.reproduce import recorded, reproduce
    from millstream.project import Project

    project = Project(file, home=Path(home))
    asked = recorded(project.ledger, project.registry, what)
    project.settings = {owner: dict(settings) for owner, settings in asked.settings.items()}
    result = reproduce(project.workspace, project.names, project.models, asked, Store(Path(folder) / "store"))
    sys.stdout.write(msgspec.json.encode(result).decode())


def _lines(found: Reproduction) -> list[str]:
    told = [f"{name}: {then} then, {now} now" for name, then, now in found.changed]
    counted = {verdict: sum(each.verdict == verdict for each in found.steps) for verdict in ("identical", "equal", "different", "failed")}
    words = ", ".join(f"{count} {verdict}" for verdict, count in counted.items() if count) or "nothing to compare"
    return [
        *(f"{each.verdict:<9} {each.name:<32} {each.seconds:>6.2f} s  {each.detail}".rstrip() for each in found.steps),
        *(f"environment: {line}" for line in told),
        f"{found.version or f'run {found.run}'}: {words}",
    ]


if __name__ == "__main__":
    from millstream.cli.output import report_error

    try:
        repeat(*sys.argv[1:])
    except Exception as error:  # noqa: BLE001  it is told in one place
        sys.exit(report_error(error, as_json=False))
