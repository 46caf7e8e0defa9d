"""The server that people write by hand: a Starlette endpoint, a table of one row, the booster.

    python -m benchmarks._plain_server FOLDER

FOLDER holds `booster.txt` and `levels.json`. A request brings all features ready: nothing is looked up, checked or logged.
Prints its port.
"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import polars as pl

from benchmarks._plain_flights import code_of

Levels = Mapping[str, Mapping[str, int]]


def scorer(booster: Any, levels: Levels, columns: list[str]) -> Callable[[Mapping[str, object]], float]:  # noqa: ANN401  LightGBM is not typed
    """One row as a table of one row, its levels as codes, through the booster."""
    kinds = {name: pl.String() if name in levels else pl.Float64() for name in columns}
    coded = [code_of(name, levels[name]) if name in levels else pl.col(name).cast(pl.Float32) for name in columns]

    def score(row: Mapping[str, object]) -> float:
        frame = pl.DataFrame({name: [row[name]] for name in columns}, schema=kinds, strict=False)
        return float(booster.predict(frame.select(coded).to_numpy())[0])

    return score


def main(folder: Path) -> None:
    """Serve until it is ended."""
    import lightgbm  # noqa: PLC0415
    import uvicorn  # noqa: PLC0415
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.requests import Request  # noqa: PLC0415
    from starlette.responses import JSONResponse  # noqa: PLC0415
    from starlette.routing import Route  # noqa: PLC0415

    known = json.loads((folder / "levels.json").read_text(encoding="utf-8"))
    score = scorer(cast("Any", lightgbm.Booster(model_file=str(folder / "booster.txt"))), known["levels"], known["columns"])

    async def predict(request: Request) -> JSONResponse:
        return JSONResponse({"probability": score(await request.json())})

    application = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        config = uvicorn.Config(application, loop="uvloop", http="httptools", log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
