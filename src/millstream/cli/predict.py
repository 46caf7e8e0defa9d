"""`millstream predict`: the open rows, answered by the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from millstream.cli.options import as_json, as_of, in_file, microseconds_as_of, open_project
from millstream.cli.output import print_json, say

if TYPE_CHECKING:
    from millstream.serving.predict import Batch

SHOWN = 20


@click.command("predict", short_help="Answer the open rows with the champion.")
@click.argument("model", required=False)
@as_of
@in_file
@as_json
@click.option("--show", "shown", type=click.IntRange(min=0), default=SHOWN, help="Predictions to print with --json.")
def command(model: str | None, moment: str | None, file: str | None, shown: int, *, as_json: bool) -> None:
    """Answer the open rows of MODEL that its champion has not answered yet, each as of its own moment."""
    project = open_project(file)
    from millstream.cli.progress import Progress
    from millstream.maintenance.maintain import look
    from millstream.serving.predict import champion_of, predict_open

    name, as_of_moment = project.model(model), microseconds_as_of(moment)
    champion_of(project.workspace, name)
    progress = Progress(quiet=as_json)
    present = look(project.workspace, project.life(name), as_of=as_of_moment, listener=progress)
    progress.close()
    batch = predict_open(project.workspace, name, present.rows, project.deployment(name))
    if as_json:
        print_json(_record(batch, shown))
        return
    where = f" in {batch.target}" if batch.target else ""
    say(f"{batch.version.name}: {batch.predictions.height:,} open rows answered{where}")
    if batch.predictions.height:
        say(str(batch.predictions.drop("__asked__").head(5)))
    else:
        say("nothing is open that was not answered before; `--as-of` looks at another moment")


def _record(batch: Batch, shown: int) -> dict[str, object]:
    from millstream.features.training_set import ASKED

    answers = batch.predictions.head(shown).drop(ASKED).to_dicts()
    questions = batch.rows.head(shown).to_dicts()
    rows = [{**answer, "request": request} for answer, request in zip(answers, questions, strict=True)]
    return {
        "model": batch.version.model,
        "version": batch.version.version,
        "rows": batch.predictions.height,
        "target": batch.target,
        "predictions": rows,
    }
