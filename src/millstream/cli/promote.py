"""`millstream promote`: put a version in office."""

from __future__ import annotations

import click

from millstream.cli.options import as_json, as_of, in_file, microseconds_as_of, open_project
from millstream.cli.output import print_json, say


@click.command("promote", short_help="Put a version in office.")
@click.argument("version", metavar="MODEL@N")
@click.option("--reason", default="by hand", show_default=True, help="Kept in the history.")
@as_of
@in_file
@as_json
def command(version: str, reason: str, moment: str | None, file: str | None, *, as_json: bool) -> None:
    """Make MODEL@N the champion, and record why. A version that the gate has refused is refused here too (exit code 3)."""
    project = open_project(file)
    from millstream.maintenance.office import promote

    event = promote(project.workspace, version, project.deployment, moment=microseconds_as_of(moment), reason=reason)
    if as_json:
        print_json({"model": event.model, "champion": f"{event.model}@{event.version}", "reason": event.reason})
    else:
        say(f"{event.model}@{event.version} is champion: {event.reason}")
