"""One process that serves an application over HTTP until it is told to stop."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import uvicorn

from millstream.errors import ConfigurationError

if TYPE_CHECKING:
    from types import FrameType

    from millstream.serving.application import Application

SHUTDOWN_SECONDS = 10
_BACKLOG = 2048


def serve(
    application: Application,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests begun and return.

    Port 0 takes a free one; `on_ready` gets the real URL once connections are accepted. Raises ConfigurationError when the
    port is taken or the host is not this machine's.
    """
    listener = _listen(host, port)
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    with listener, _stop_quietly():
        _Server(config, on_ready, _url(listener)).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Uvicorn that tells when it accepts connections."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[str], None] | None, url: str) -> None:
        super().__init__(config)
        self._on_ready, self._url = on_ready, url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._on_ready is not None:
            self._on_ready(self._url)


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises ConfigurationError with what to choose instead."""
    if not 0 <= port <= 65535:
        raise ConfigurationError(f"port {port} does not exist: choose one from 0 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise ConfigurationError(f"host '{host}' cannot be found: serve on 127.0.0.1, or on an address of this machine") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigurationError(_refusal(host, port, error)) from None
    return listener


def _refusal(host: str, port: int, error: OSError) -> str:
    """Why a socket cannot listen, in one sentence."""
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use: stop what listens there, or choose another port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"host '{host}' is no address of this machine: serve on 127.0.0.1, or on one that is"
    return f"port {port} on {host} cannot be opened ({error.strerror}): choose another port"


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"


@contextlib.contextmanager
def _stop_quietly() -> Generator[None]:
    """Uvicorn raises the signal that stopped it once more when it has stopped: let it pass, so that the caller goes on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _ignore) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """A signal that has done its work."""
