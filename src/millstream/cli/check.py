"""`millstream check`: mistakes found before anything is trained."""

from __future__ import annotations

import click

from millstream.cli.options import as_json, as_of, microseconds_as_of, open_project, set_options
from millstream.cli.output import print_json, say


@click.command("check", short_help="Look for mistakes on a sample, before anything is trained.")
@click.argument("file", required=False, type=click.Path())
@as_of
@click.option("--rows", default=200_000, show_default=True, help="Look at the newest so many rows of each source; 0: at all.")
@set_options
@as_json
def command(file: str | None, moment: str | None, rows: int, settings: tuple[str, ...], *, as_json: bool) -> None:
    """Build the tables of FILE on a sample, and look for what would leak, skew or surprise; exit code 3 if something serious was found."""
    project = open_project(file, settings)
    from millstream.cli.progress import Progress
    from millstream.maintenance.check import check

    progress = Progress(quiet=as_json)
    findings = check(project.workspace, project.names, project.models, as_of=microseconds_as_of(moment), rows=rows, listener=progress)
    progress.close()
    serious = [each for each in findings if each.serious]
    if as_json:
        print_json({"findings": findings, "ok": not serious})
    else:
        for each in findings:
            said = (
                f"{'error' if each.serious else 'note '} {each.subject}: {each.message}",
                each.where and f"      at {each.where}",
                each.hint and f"      {each.hint}",
            )
            say("\n".join(line for line in said if line))
        say(f"{len(serious)} errors, {len(findings) - len(serious)} notes")
    if serious:
        raise click.exceptions.Exit(3)
