"""A small real answerer, an application over it, and a way to call it in process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

import millstream.serving.records
from millstream.errors import RequestError
from millstream.serving.application import Application
from millstream.serving.log import PredictionLog
from millstream.serving.records import Answer, Feedback, LoggedPrediction, RequestField

FIELDS = (
    RequestField("flight", "level", required=True, nullable=False, role="key"),
    RequestField("scheduled", "moment", required=False, nullable=True, role="time"),
    RequestField("distance", "number", required=True, nullable=False),
    RequestField("carrier", "level", required=True, nullable=True),
    RequestField("seats", "integer", required=False, nullable=True),
    RequestField("domestic", "boolean", required=False, nullable=False),
)
NOW = datetime(2013, 6, 1, 9, 15, tzinfo=UTC)
RETENTION_START = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass
class Doubler:
    """Answers with twice the distance; fails on a negative one, and knows the carriers UA and AA only."""

    name: str = "delays"
    version: str = "delays@1"
    labels: Path | None = None
    received: list[Feedback] = field(default_factory=list[Feedback])

    def now(self) -> datetime:
        """A clock that stands still."""
        return NOW

    def fields(self) -> Sequence[RequestField]:
        """The columns of a flight."""
        return FIELDS

    def answer(self, request: Mapping[str, Any], request_id: str) -> Answer:
        """Twice the distance."""
        if request["scheduled"] is not None and request["scheduled"] < RETENTION_START:
            raise RequestError("'scheduled' is older than the retention time", path="$.scheduled")
        if request["distance"] < 0:
            raise ValueError("secret detail of the inside")
        flags = () if request["carrier"] in ("UA", "AA", None) else ("unknown level: carrier",)
        watermarks = {"weather": "2013-06-01T09:00:00Z", "planes": None}
        return Answer(request_id, request["distance"] * 2, None, self.version, watermarks, flags)

    def feedback(self, entry: Feedback) -> None:
        """Keep a label in memory."""
        self.received.append(entry)


@dataclass(frozen=True)
class Reply:
    """What came back from one call."""

    status: int
    headers: dict[str, str]
    body: Any


Call = Callable[..., Reply]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the prediction log is."""
    return tmp_path / "predictions"


@pytest.fixture
def doubler() -> Doubler:
    """The answerer behind `/predict/delays`."""
    return Doubler()


@pytest.fixture
def answerers(doubler: Doubler) -> dict[str, Any]:
    """What the application reads: a test may change it while it serves."""
    return {"delays": doubler}


@pytest.fixture
def call(answerers: dict[str, Any], directory: Path) -> Iterator[Call]:
    """Call the application in process: `call("POST", "/predict/delays", body, header=value)`."""
    with contextlib.closing(PredictionLog(directory, mode="fast")) as log:
        application = Application(answerers, log)

        def send(method: str, path: str, body: object = b"", chunks: int = 1, **headers: str) -> Reply:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            return asyncio.run(_exchange(application, method, path, data, chunks, headers))

        yield send


async def _exchange(application: Application, method: str, path: str, body: bytes, chunks: int, headers: Mapping[str, str]) -> Reply:
    """One request and its response by the ASGI protocol."""
    size = -(-len(body) // chunks) or 1
    pieces = [body[start : start + size] for start in range(0, len(body) or 1, size)]
    incoming = [{"type": "http.request", "body": piece, "more_body": piece is not pieces[-1]} for piece in pieces]
    named = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    sent: list[Any] = []

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await application({"type": "http", "method": method, "path": path, "headers": named}, receive, send)
    start, end = sent
    read = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Reply(start["status"], read, msgspec.json.decode(end["body"]))


@pytest.fixture
def prediction() -> Callable[..., LoggedPrediction]:
    """Make a prediction to log: `prediction(3)`, `prediction(3, model="prices")`."""

    def make(number: int, **changes: Any) -> LoggedPrediction:
        usual = LoggedPrediction(
            id=f"id-{number}",
            model="delays",
            version="delays@1",
            key=(f"UA{number}",),
            time=1_370_077_200_000_000 + number,
            request={"flight": f"UA{number}", "distance": number / 3, "carrier": None},
            prediction=number / 7,
            probability=None,
            watermarks={"weather": "2013-06-01T09:00:00Z", "planes": None},
            flags=(),
            predicted_at=1_370_077_260_000_000 + number,
        )
        return msgspec.structs.replace(usual, **changes)

    return make


@pytest.fixture
def start_server(directory: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], int]]]:
    """Start `doubling_server.py` in a process of its own; gives the process and its port."""
    begun: list[subprocess.Popen[str]] = []

    def start(mode: str = "fast") -> tuple[subprocess.Popen[str], int]:
        source = Path(millstream.serving.records.__file__).parents[2]
        path = os.pathsep.join([str(source), *(entry for entry in sys.path if entry)])
        command = [sys.executable, str(Path(__file__).with_name("doubling_server.py")), str(directory), mode]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path})
        begun.append(process)
        assert process.stdout is not None
        return process, int(process.stdout.readline().rpartition(":")[2])

    yield start
    for process in begun:
        process.kill()
        process.communicate()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until something holds, at most ten seconds."""

    def wait(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return wait
