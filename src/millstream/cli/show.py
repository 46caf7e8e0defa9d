"""`millstream show`: what was run, what is registered, what was decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from millstream.cli.options import as_json, in_file, open_project
from millstream.cli.output import print_json, say

if TYPE_CHECKING:
    from millstream.kernel.records import RunReport
    from millstream.project import Project


@click.command("show", short_help="What was run, what is registered, what was decided.")
@click.argument("what", required=False, metavar="[RUN|MODEL]")
@in_file
@as_json
def command(what: str | None, file: str | None, *, as_json: bool) -> None:
    """Without an argument the newest runs and all models; else one RUN step by step, or one MODEL's versions and history."""
    project = open_project(file)
    if what is None:
        record: dict[str, object] = {
            "runs": [{**each, "started": _told(int(each["started"] * 1e6)), "as_of": _told(each["as_of"])} for each in project.ledger.runs(10)],
            "models": {name: _model(project, name) for name in project.models},
            "bytes": project.store.size(),
        }
        lines = [
            *_run_lines(project),
            *(line for name in project.models for line in _model_lines(project, name)),
            f"{project.folder}: {project.store.size() / 1e6:.0f} MB",
        ]
    elif what in project.models:
        record, lines = _model(project, what), _model_lines(project, what)
    else:
        report = _report(project, what)
        steps = [{"name": each.name, "status": each.status, "seconds": each.seconds, "rows": each.rows, "why": each.why} for each in report.steps]
        record = {"run": report.run, "as_of": _told(report.as_of), "seconds": report.seconds, "steps": steps}
        lines = [
            f"run {report.run} as of {_told(report.as_of)}",
            *(f"  {each.status:<7} {each.name:<32} {each.seconds:>7.2f} s {each.rows:>10,} rows  {each.why}" for each in report.steps),
        ]
    if as_json:
        print_json(record)
    else:
        say("\n".join(lines))


def _report(project: Project, what: str) -> RunReport:
    from millstream.errors import NotFoundError, did_you_mean

    try:
        return project.ledger.run(what)
    except NotFoundError as error:
        raise NotFoundError(f"there is no run and no model '{what}'", hint=did_you_mean(what, project.models) or error.hint) from error


def _run_lines(project: Project) -> list[str]:
    runs = project.ledger.runs(10)
    if not runs:
        return ["nothing has been run yet; `millstream run` begins"]
    return [
        "runs",
        *(f"  {each['run']}  {each['status']:<11} {each['command']:<9} as of {_told(each['as_of'])}  {each['seconds'] or 0:.1f} s" for each in runs),
    ]


def _model(project: Project, name: str) -> dict[str, object]:
    registry = project.registry
    versions = [
        {
            "version": each.name,
            "alias": registry.alias(each),
            "method": each.record.method,
            "test": each.test,
            "as_of": _told(each.lineage.as_of),
            "rows": each.lineage.rows,
        }
        for each in registry.versions(name)
    ]
    history = [
        {
            "action": event.action,
            "version": f"{name}@{event.version}",
            "as_of": _told(event.moment),
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
        made = f"as of {_told(each.lineage.as_of)}, {each.lineage.rows:,} rows"
        lines.append(f"  {each.name:<12} {alias:<10} {each.record.method:<12} {test}  {made}")
    history = registry.history(name)[-8:]
    return [*lines, *(f"    {_told(event.moment)}  {event.action.replace('_', ' ')} {name}@{event.version}: {event.reason}" for event in history)]


def _told(moment: int) -> str:
    from millstream.kernel.availability import text_of

    return text_of(moment - moment % 1_000_000)
