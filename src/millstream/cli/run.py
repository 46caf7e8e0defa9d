"""`millstream run`: make what a file declares as of a moment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from millstream.cli.options import as_json, as_of, microseconds_as_of, open_project, set_options
from millstream.cli.output import print_json, say, tell

if TYPE_CHECKING:
    from millstream.maintenance.run import RunResult


@click.command("run", short_help="Make what a file declares, train, compare and register.")
@click.argument("names", nargs=-1, metavar="[FILE] [STEP]...")
@click.option("--from", "start", multiple=True, metavar="STEP", help="Run this step and all that follows from it again; may be repeated.")
@click.option("--backfill", nargs=2, metavar="DAY DAY", help="Make these days, both included, of steps that run day by day anew.")
@as_of
@set_options
@as_json
def command(
    names: tuple[str, ...], start: tuple[str, ...], backfill: tuple[str, str] | None, moment: str | None, settings: tuple[str, ...], *, as_json: bool
) -> None:
    """Run FILE (default: the only file of this folder that uses millstream), or only the STEPs named and what they need.

    The first argument is a file if there is one of that name, or if it ends in .py.
    """
    file, steps = _file_and_steps(names)
    project = open_project(file, settings)
    from millstream.cli.leaderboard import leaderboard_lines, leaderboard_records
    from millstream.cli.progress import Progress
    from millstream.maintenance.run import first_error, run_selection
    from millstream.maintenance.selection import BACKFILL, Selection, days_between

    selection = Selection(tuple(steps), start, days_between(*backfill) if backfill else None)
    progress = Progress(quiet=as_json)
    result = run_selection(project.workspace, project.names, project.lives, selection, as_of=microseconds_as_of(moment), listener=progress)
    progress.close()
    if as_json and not result.errors:
        print_json(run_record(result, [record for trained in result.trained for record in leaderboard_records(trained)]))
        return
    if not as_json:
        for note in () if result.errors else result.notes:
            tell(f"note: {note}")
        if backfill and not any(each.why == BACKFILL for each in result.report.steps):
            tell(f"note: no step has a day from {backfill[0]} to {backfill[1]}")
        for trained in result.trained:
            say("\n".join(leaderboard_lines(trained)))
        say(_closing(result))
    error = first_error(result)
    if error is not None:
        raise error


def _file_and_steps(names: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """The first name is a file if it is one, or looks like one."""
    if names and (names[0].endswith(".py") or Path(names[0]).is_file()):
        return names[0], names[1:]
    return None, names


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


def _closing(result: RunResult) -> str:
    from millstream.cli.progress import closing_words

    words = closing_words(result.report)
    if result.errors:
        return words
    waiting = next((each for each in result.trained if each.alias == "challenger"), None)
    if waiting:
        name = waiting.version.name
        return f"{words}\nnext: `millstream maintain` judges {name} on rows it has not seen, or `millstream promote {name}`"
    if not result.trained:
        return f"{words}\nnext: `millstream show {result.report.run}`, or `millstream why STEP`"
    return f"{words}\nnext: `millstream predict`, `millstream serve`, or `millstream show`"
