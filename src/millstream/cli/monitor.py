"""`millstream monitor`: drift and performance since the last training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from millstream.cli.options import as_json, as_of, in_file, microseconds_as_of, open_project
from millstream.cli.output import print_json, say

if TYPE_CHECKING:
    from millstream.monitoring.watch import Watch


@click.command("monitor", short_help="Drift and performance since the last training.")
@click.argument("model", required=False)
@as_of
@in_file
@as_json
def command(model: str | None, moment: str | None, file: str | None, *, as_json: bool) -> None:
    """Compare the rows asked since MODEL's champion was trained with its training profile, and its answers with the truth."""
    project = open_project(file)
    from millstream.maintenance.maintain import look
    from millstream.monitoring.watch import watch_version
    from millstream.serving.predict import champion_of
    from millstream.serving.versions import open_version

    name, as_of_moment = project.model(model), microseconds_as_of(moment)
    monitor = project.monitor(name)
    present = look(project.workspace, project.life(name), as_of=as_of_moment)
    champion = open_version(project.workspace, champion_of(project.workspace, name))
    watch = watch_version(project.workspace, champion, present.rows, window=monitor.window if monitor else None, as_of=as_of_moment)
    if as_json:
        print_json(watch_record(watch))
    else:
        say("\n".join(watch_lines(watch)))


def watch_lines(watch: Watch) -> list[str]:
    """What a monitor saw, as text."""
    from millstream.kernel.availability import text_of

    since = f" since {text_of(watch.since)}" if watch.since is not None else ""
    lines = [f"{watch.version.name} as of {text_of(watch.as_of)}: {watch.rows:,} rows asked{since}"]
    features = sorted(watch.drift.features, key=lambda each: -each.divergence)
    for each in features[:8]:
        word = "drifted" if each.drifted else "steady"
        lines.append(f"  {word:<8} {each.name:<20} divergence {each.divergence:.3f} (noise {each.noise_floor:.4f})  {each.detail}")
    right = watch.performance
    lines.append(f"  {'worse' if right.worse else 'not worse'}: {right.reason}")
    lines.append(f"  labels known for {right.labelled:,} of {right.predicted:,} answers")
    return lines


def watch_record(watch: Watch) -> dict[str, object]:
    """What a monitor saw, as plain values."""
    from millstream.kernel.availability import text_of

    since = None if watch.since is None else text_of(watch.since)
    return {
        "version": watch.version.name,
        "as_of": text_of(watch.as_of),
        "since": since,
        "rows": watch.rows,
        "drifted": list(watch.drifted),
        "drift": watch.drift,
        "performance": watch.performance,
    }
