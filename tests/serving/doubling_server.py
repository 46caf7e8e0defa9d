"""Serves the doubler on a free port: `python doubling_server.py DIRECTORY MODE`."""

from __future__ import annotations

import sys

from conftest import Doubler  # pyright: ignore[reportMissingImports, reportUnknownVariableType]

from millstream.serving.application import Application
from millstream.serving.log import PredictionLog
from millstream.serving.server import serve


def announce(url: str) -> None:
    """Tell the test where the server is."""
    print(url, flush=True)  # noqa: T201  this is how the test learns the port


if __name__ == "__main__":
    log = PredictionLog(sys.argv[1], mode=sys.argv[2])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    application = Application({"delays": Doubler()}, log)  # pyright: ignore[reportUnknownArgumentType]
    serve(application, port=0, on_ready=announce)
    print("ended", flush=True)  # noqa: T201  proves that `serve` returned
