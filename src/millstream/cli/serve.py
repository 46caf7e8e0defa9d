"""`millstream serve`: answer requests over HTTP on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from millstream.cli.options import as_json, in_file, microseconds_as_of, open_project
from millstream.cli.output import print_json, say, tell

if TYPE_CHECKING:
    from millstream.serving.log import LogMode
    from millstream.serving.protocol import Answerer


@click.command("serve", short_help="Answer requests over HTTP on this machine.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Another host opens the server to a network.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65_535), help="0 takes a free one.")
@click.option("--as-of", "moment", metavar="MOMENT", help="Set the clock to this moment (tests, replays).")
@click.option("--retention", default="31d", show_default=True, metavar="DURATION", help="How far back a request may ask.")
@click.option(
    "--refresh", default=60, show_default=True, type=click.IntRange(min=1), metavar="SECONDS", help="How often views and champions are renewed."
)
@click.option(
    "--log",
    "log_mode",
    default="durable",
    show_default=True,
    type=click.Choice(["fast", "durable", "sync"]),
    help="When a logged prediction is on disk.",
)
@in_file
@as_json
def command(host: str, port: int, moment: str | None, file: str | None, *, retention: str, refresh: int, log_mode: LogMode, as_json: bool) -> None:
    """Answer at POST /predict/MODEL with every model's champion; labels come in at POST /feedback/MODEL."""
    project = open_project(file)
    from millstream.maintenance.answerers import answerers
    from millstream.serving.application import Application
    from millstream.serving.log import PredictionLog
    from millstream.serving.realtime import renew_every
    from millstream.serving.server import serve

    lives = [project.life(name) for name in project.models]
    clock = microseconds_as_of(moment) if moment is not None else None

    def fresh() -> dict[str, Answerer]:
        return dict(answerers(project.workspace, lives, as_of=microseconds_as_of(moment), clock=clock, retention=retention))

    answering = fresh()
    log = PredictionLog(project.folder / "predictions", mode=log_mode)
    application = Application(answering, log)
    if moment is None:
        renew_every(refresh, lambda: answering.update(fresh()), lambda error: tell(f"not renewed: {error}"))

    def ready(url: str) -> None:
        if as_json:
            print_json({"url": url, "models": {name: each.version for name, each in answering.items()}})
        else:
            say(f"POST {url}/predict/{next(iter(answering))}  (stop with Ctrl-C)")

    serve(application, host=host, port=port, on_ready=ready)
