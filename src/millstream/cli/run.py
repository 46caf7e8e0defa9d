"""`millstream run`: make what a file declares as of a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from millstream.cli.options import as_json, as_of, microseconds_as_of, open_project, set_options
from millstream.cli.output import print_json, say, tell

if TYPE_CHECKING:
    from millstream.kernel.engine import Listener
    from millstream.maintenance.run import RunResult
    from millstream.project import Project


@click.command("run", short_help="Make what a file declares, train, compare and register.")
@click.argument("file", required=False, type=click.Path())
@as_of
@set_options
@as_json
def command(file: str | None, moment: str | None, settings: tuple[str, ...], *, as_json: bool) -> None:
    """Run FILE (default: the only file of this folder that uses millstream)."""
    project = open_project(file, settings)
    from millstream.cli.leaderboard import leaderboard_lines, leaderboard_records
    from millstream.cli.progress import Progress
    from millstream.maintenance.run import first_error

    progress = Progress(quiet=as_json)
    result = run_project(project, microseconds_as_of(moment), progress)
    progress.close()
    if as_json and not result.errors:
        print_json(run_record(result, [record for trained in result.trained for record in leaderboard_records(trained)]))
        return
    if not as_json:
        for note in () if result.errors else result.notes:
            tell(f"note: {note}")
        for trained in result.trained:
            say("\n".join(leaderboard_lines(trained)))
        say(_closing(result, progress.cached))
    error = first_error(result)
    if error is not None:
        raise error


def run_project(project: Project, as_of: int, listener: Listener) -> RunResult:
    """Make all models of a project and what is made with them; a project without one makes all its tables."""
    from millstream.features.lowering import is_read, needs_model
    from millstream.maintenance.run import run

    more = [project.lowering.node(each) for each in project.names if is_read(each) and (needs_model(each) or not project.models)]
    deployments = {name: deployment for name in project.models if (deployment := project.deployment(name))}
    return run(project.workspace, project.models, deployments, as_of=as_of, more=more, listener=listener)


def run_record(result: RunResult, leaderboard: list[dict[str, object]]) -> dict[str, object]:
    """What `run --json` prints; its schema is docs/run.schema.json."""
    from millstream.kernel.availability import text_of

    steps = [{"name": each.name, "status": each.status, "seconds": each.seconds, "rows": each.rows, "why": each.why} for each in result.report.steps]
    models = [
        {
            "name": each.version.model,
            "version": each.version.version,
            "alias": each.alias,
            "new": each.fresh,
            "test": each.scored.winner,
            "baseline": each.scored.baseline,
        }
        for each in result.trained
    ]
    return {
        "run": result.report.run,
        "as_of": text_of(result.report.as_of),
        "seconds": result.report.seconds,
        "steps": steps,
        "leaderboard": leaderboard,
        "model": models[0] if models else None,
        "models": models,
        "notes": list(result.notes),
    }


def _closing(result: RunResult, cached: int) -> str:
    ran = sum(each.status == "ran" for each in result.report.steps)
    words = f"{ran} steps ran, {cached} reused, {result.report.seconds:.1f} s (run {result.report.run})"
    if result.errors:
        skipped = sum(each.status == "skipped" for each in result.report.steps)
        return f"{words}; {len(result.errors)} failed, {skipped} skipped"
    waiting = next((each for each in result.trained if each.alias == "challenger"), None)
    if waiting:
        name = waiting.version.name
        return f"{words}\nnext: `millstream maintain` judges {name} on rows it has not seen, or `millstream promote {name}`"
    return f"{words}\nnext: `millstream predict`, `millstream serve`, or `millstream show`"
