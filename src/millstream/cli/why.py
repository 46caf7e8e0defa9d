"""`millstream why`: why a step ran, or why it would."""

from __future__ import annotations

import click

from millstream.cli.options import as_json, in_file, open_project
from millstream.cli.output import print_json, say


@click.command("why", short_help="Why a step ran, or why it did not.")
@click.argument("step")
@in_file
@as_json
def command(step: str, file: str | None, *, as_json: bool) -> None:
    """Say why STEP ran, or was reused, in the newest run that had it, and what changed since the time before."""
    project = open_project(file)
    from millstream.errors import NotFoundError, did_you_mean
    from millstream.kernel.reasons import code_changes, differences

    reports = project.ledger.reports(step)
    if not reports:
        raise NotFoundError(
            f"no run had a step '{step}'", hint=did_you_mean(step, project.ledger.steps()) or "`millstream show RUN` lists the steps of a run"
        )
    (run, now), before = reports[0], next((each for _, each in reports[1:] if each.status in ("ran", "cached")), None)
    changed = differences(before.causes, now.causes) if before else []
    diff = list(code_changes(before.causes, now.causes, project.ledger.code)) if before else []
    if as_json:
        print_json({"step": step, "run": run, "status": now.status, "why": now.why, "changed": changed, "diff": diff, "key": now.key})
        return
    say(f"{step} {'was reused' if now.status == 'cached' else now.status} in run {run}: {now.why}")
    for sentence in changed:
        if sentence != now.why:
            say(f"  {sentence}")
    for line in diff:
        say(f"    {line}")
    if not changed and before is not None:
        say("  everything that it depends on is as it was the time before")
