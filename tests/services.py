"""A service of this machine: a real HTTP server in a thread, which remembers what it was asked."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """What it answers: JSON unless it is bytes. `broken` after so many bytes."""

    body: object = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    broken: int | None = None


Answer = Callable[[Asked], Reply]


@dataclass
class Service:
    """Where it is, what it was asked, and what it answers from now on."""

    url: str
    answer: Answer
    asked: list[Asked] = field(default_factory=list[Asked])

    def queries(self) -> list[Mapping[str, str]]:
        """The parameters of all requests."""
        return [each.query for each in self.asked]


@contextmanager
def serving(answer: Answer | Sequence[Reply], *, secure: ssl.SSLContext | None = None) -> Generator[Service]:
    """A service that answers so, or with one reply after another and the last one for ever."""
    told = answer if callable(answer) else _in_turns(answer)
    service = Service("", told)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = Asked(parts.path, dict(parse_qsl(parts.query)), {name.lower(): value for name, value in self.headers.items()})
            service.asked.append(asked)
            _send(self, service.answer(asked))

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the server's own name for it
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if secure is not None:
        server.socket = secure.wrap_socket(server.socket, server_side=True)
    service.url = f"http{'s' if secure else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()


def _in_turns(replies: Sequence[Reply]) -> Answer:
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
    handler.send_response(reply.status)
    for name, value in {"Content-Length": str(len(body)), **reply.headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body[: reply.broken])
