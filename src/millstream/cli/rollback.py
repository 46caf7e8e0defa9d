"""`millstream rollback`: put the version before back in office."""

from __future__ import annotations

import click

from millstream.cli.options import as_json, as_of, in_file, microseconds_as_of, open_project
from millstream.cli.output import print_json, say


@click.command("rollback", short_help="Put the version before back in office.")
@click.argument("model", required=False)
@click.option("--reason", default="by hand", show_default=True, help="Kept in the history.")
@as_of
@in_file
@as_json
def command(model: str | None, reason: str, moment: str | None, file: str | None, *, as_json: bool) -> None:
    """Make the version that was champion before the present one champion of MODEL again."""
    project = open_project(file)
    version = project.registry.roll_back(project.model(model), moment=microseconds_as_of(moment), reason=reason)
    if as_json:
        print_json({"model": version.model, "champion": version.name, "reason": reason})
    else:
        say(f"{version.name} is champion again: {reason}")
