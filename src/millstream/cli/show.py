"""`millstream show`: what was run, what is registered, what was decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from millstream.cli.figures import moment_text
from millstream.cli.options import as_json, in_file, open_project
from millstream.cli.output import print_json, say

if TYPE_CHECKING:
    from millstream.kernel.records import RunReport
    from millstream.project import Project


@click.command("show", short_help="What was run, what is registered, what was decided.")
@click.argument("what", required=False, metavar="[RUN|MODEL]")
@click.argument("step", required=False)
@in_file
@as_json
def command(what: str | None, step: str | None, file: str | None, *, as_json: bool) -> None:
    """Without an argument the newest runs and all models; else one RUN step by step, one STEP of it, or one MODEL's versions and history."""
    project = open_project(file)
    if what is None:
        record, lines = _overview(project)
    elif step is not None:
        from millstream.cli.steps import step_details, step_lines, step_of_run

        about = project.ledger.circumstances(what)
        found = step_of_run(project.ledger, about.run, step)
        log = project.ledger.log(about.run, step)
        record, lines = step_details(found, about.run, log), list(step_lines(found, about.run, log))
    elif what in project.models:
        record, lines = _model(project, what), _model_lines(project, what)
    else:
        from millstream.cli.steps import run_details, run_lines

        report = _report(project, what)
        about = project.ledger.circumstances(report.run)
        record, lines = run_details(report, about), list(run_lines(report, about))
    if as_json:
        print_json(record)
    else:
        say("\n".join(lines))


def _overview(project: Project) -> tuple[dict[str, object], list[str]]:
    runs = project.ledger.runs(10)
    size = project.store.size()
    record: dict[str, object] = {
        "runs": [{**each, "started": moment_text(int(each["started"] * 1e6)), "as_of": moment_text(each["as_of"])} for each in runs],
        "models": {name: _model(project, name) for name in project.models},
        "bytes": size,
    }
    lines = [
        "runs" if runs else "nothing has been run yet; `millstream run` begins",
        *(
            f"  {each['run']}  {each['status']:<11} {each['command']:<9} as of {moment_text(each['as_of'])}  {each['seconds'] or 0:.1f} s"
            for each in runs
        ),
        *(line for name in project.models for line in _model_lines(project, name)),
        f"{project.folder}: {size / 1e6:.0f} MB",
    ]
    return record, lines


def _report(project: Project, what: str) -> RunReport:
    from millstream.errors import NotFoundError, did_you_mean

    try:
        return project.ledger.run(what)
    except NotFoundError as error:
        raise NotFoundError(f"there is no run and no model '{what}'", hint=did_you_mean(what, project.models) or error.hint) from error


def _model(project: Project, name: str) -> dict[str, object]:
    registry = project.registry
    versions = [
        {
            "version": each.name,
            "alias": registry.alias(each),
            "method": each.record.method,
            "test": each.test,
            "as_of": moment_text(each.lineage.as_of),
            "rows": each.lineage.rows,
        }
        for each in registry.versions(name)
    ]
    history = [
        {
            "action": event.action,
            "version": f"{name}@{event.version}",
            "as_of": moment_text(event.moment),
            "reason": event.reason,
            "difference": event.difference,
        }
        for event in registry.history(name)
    ]
    return {"model": name, "versions": versions, "history": history}


def _model_lines(project: Project, name: str) -> list[str]:
    registry = project.registry
    lines = [f"model {name}" if registry.versions(name) else f"model {name}: no version yet"]
    for each in registry.versions(name)[-8:]:
        alias = registry.alias(each) or ""
        test = f"{each.test.metric} {each.test.value:.4f} ({each.test.low:.4f} – {each.test.high:.4f})"
        made = f"as of {moment_text(each.lineage.as_of)}, {each.lineage.rows:,} rows"
        lines.append(f"  {each.name:<12} {alias:<10} {each.record.method:<12} {test}  {made}")
    history = registry.history(name)[-8:]
    return [
        *lines,
        *(f"    {moment_text(event.moment)}  {event.action.replace('_', ' ')} {name}@{event.version}: {event.reason}" for event in history),
    ]
