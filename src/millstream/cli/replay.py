"""`millstream replay`: the whole life again on the past."""

from __future__ import annotations

import click

from millstream.cli.options import as_json, in_file, open_project, set_options
from millstream.cli.output import print_json, say, tell


@click.command("replay", short_help="Live the whole life again on the past.")
@click.argument("model", required=False)
@click.option("--from", "start", required=True, metavar="MOMENT", help="The first training.")
@click.option("--to", "stop", required=True, metavar="MOMENT", help="The last tick at the latest.")
@click.option("--every", default="1mo", show_default=True, help="From tick to tick.")
@in_file
@set_options
@as_json
def command(model: str | None, start: str, stop: str, every: str, file: str | None, settings: tuple[str, ...], *, as_json: bool) -> None:
    """Train MODEL as of --from, then at every tick answer, watch, retrain and judge, in a ledger of its own."""
    project = open_project(file, settings)
    from millstream.cli.leaderboard import leaderboard_lines, leaderboard_records
    from millstream.cli.maintain import turn_lines, turn_record
    from millstream.cli.progress import Progress
    from millstream.kernel.availability import parse_moment
    from millstream.maintenance.replay import Tick, replay
    from millstream.maintenance.run import Trained

    progress = Progress(quiet=as_json, settled=False)

    def on_tick(event: Trained | Tick) -> None:
        progress.close()
        if as_json:
            return
        if isinstance(event, Trained):
            say("\n".join(leaderboard_lines(event)))
        else:
            say(f"\n{event.batch.predictions.height:,} rows asked since then, answered by {event.batch.version.name}")
            say("\n".join(turn_lines(event.turn)))

    life = project.life(project.model(model))
    result = replay(project.workspace, life, start=parse_moment(start), stop=parse_moment(stop), every=every, on_tick=on_tick, listener=progress)
    progress.close()
    champion = result.ticks[-1].turn.champion
    if as_json:
        ticks = [{"answered": tick.batch.predictions.height, "by": tick.batch.version.name, **turn_record(tick.turn)} for tick in result.ticks]
        print_json(
            {
                "replay": result.name,
                "leaderboard": leaderboard_records(result.trained),
                "ticks": ticks,
                "champion": champion.name,
                "not_replayable": list(result.not_replayable),
            }
        )
        return
    say(f"\nat the end {champion.name} is champion; {progress.ran} steps ran, {progress.cached} reused (replay {result.name})")
    if result.not_replayable:
        tell(f"note: not replayable, since without a time: {', '.join(result.not_replayable)}")
