"""The scoring path: one raw ASGI callable that decodes, asks the answerer, logs and answers."""

from __future__ import annotations

import asyncio
import functools
import importlib.metadata
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from millstream.errors import RequestError, StoreError, did_you_mean
from millstream.serving.log import PredictionLog
from millstream.serving.protocol import Answerer
from millstream.serving.records import Answer
from millstream.serving.route import Route

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Header: TypeAlias = tuple[bytes, bytes]

BODY_LIMIT = 8 * 1024 * 1024
TURN_SECONDS = 0.01
_VERBS = ("predict", "feedback")
_LOGGER = logging.getLogger("millstream.serving")
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    body: bytes
    headers: tuple[Header, ...] = ()


class _ProtocolError(Exception):
    """A request refused before any model sees it."""

    def __init__(self, status: int, message: str, *headers: Header) -> None:
        super().__init__(message)
        self.response = _Response(status, _encode({"error": message}), headers)


class _ClientGoneError(Exception):
    """The client closed the connection before its request was whole."""


class Application:
    """The ASGI application over a mapping of answerers, which may change while it serves.

    POST /predict/NAME (an object, or a list of objects), POST /feedback/NAME, GET /health, /ping, /version. Every prediction
    is in the log before it is answered. Every response carries `X-Request-ID`. Errors are `{"error", ...}`: 404, 405, 413, 415,
    422 (with `path`), 500 (with `id`; the traceback goes to the logger `millstream.serving`), 503 (nothing could be recorded).
    """

    def __init__(self, answerers: Mapping[str, Answerer], log: PredictionLog) -> None:
        """`log` is closed when the server shuts down."""
        self._answerers, self._log = answerers, log
        self._routes = {name: Route(name, answerer) for name, answerer in answerers.items()}
        self._pages: dict[str, Callable[[], object]] = {"/health": _healthy, "/ping": _healthy, "/version": self._versions}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the lifespan of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        if scope["type"] != "http":
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = _request_id(headers.get(b"x-request-id", b""))
        try:
            response = await self._respond(scope, headers, receive, request_id)
        except _ClientGoneError:
            return
        except Exception as error:  # noqa: BLE001  the one place where errors become answers
            response = _error_response(error, request_id)
        fixed = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(response.body)))
        named = (*fixed, (b"x-request-id", request_id.encode()), *response.headers)
        await send({"type": "http.response.start", "status": response.status, "headers": named})
        await send({"type": "http.response.body", "body": response.body})

    async def _live(self, receive: Receive, send: Send) -> None:
        """The lifespan protocol: close the log when the server stops."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._log.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})

    async def _respond(self, scope: Message, headers: Mapping[bytes, bytes], receive: Receive, request_id: str) -> _Response:
        """Find what a path means; raises _ProtocolError for what it cannot."""
        path = scope["path"]
        if path in self._pages:
            _allow(scope["method"], "GET", "HEAD")
            return _Response(200, _encode(self._pages[path]()))
        verb, _, name = path[1:].partition("/")
        if verb not in _VERBS or name not in self._answerers:
            raise self._not_found(path, verb, name)
        _allow(scope["method"], "POST")
        _check_headers(headers)
        body = await _read_body(receive)
        route = self._route(name)
        if verb == "feedback":
            route.answerer.feedback(route.feedback_of(body))
            return _Response(202, _encode({"id": request_id}))
        return await self._predict(route, body, request_id)

    async def _predict(self, route: Route, body: bytes, request_id: str) -> _Response:
        """One answer for an object, a list of answers for a list: logged, then given."""
        if body.lstrip(b" \t\r\n")[:1] == b"[":
            return await self._predict_list(route, body, request_id)
        request = route.decode(body)
        answer = route.answerer.answer(request, request_id)
        encoded = _encode(answer)
        self._log.append(route.logged(request, answer))
        return _Response(200, encoded)

    async def _predict_list(self, route: Route, body: bytes, request_id: str) -> _Response:
        """All rows or none; other requests get their turn in between."""
        requests, answers = route.decode_list(body), list[Answer]()
        turn = time.perf_counter()
        for number, request in enumerate(requests):
            try:
                answers.append(route.answerer.answer(request, f"{request_id}-{number}"))
            except RequestError as error:
                raise RequestError(error.message, path=f"$[{number}]{error.path.removeprefix('$')}") from None
            if time.perf_counter() - turn > TURN_SECONDS:
                await asyncio.sleep(0)
                turn = time.perf_counter()
        encoded = _encode(answers)
        self._log.append_all([route.logged(request, answer) for request, answer in zip(requests, answers, strict=True)])
        return _Response(200, encoded)

    def _route(self, name: str) -> Route:
        """The compiled route of the answerer that is there now."""
        answerer, route = self._answerers[name], self._routes.get(name)
        if route is None or route.answerer is not answerer:
            route = self._routes[name] = Route(name, answerer)
        return route

    def _versions(self) -> object:
        models = {name: answerer.version for name, answerer in self._answerers.items()}
        return {"millstream": _own_version(), "models": models}

    def _not_found(self, path: str, verb: str, name: str) -> _ProtocolError:
        """The refusal of an unknown path, with the closest known one."""
        if verb in _VERBS and name:
            hint = did_you_mean(name[:100], self._answerers) or f"there is {', '.join(self._answerers) or 'none'}"
            return _ProtocolError(404, f"no model is called '{name[:100]}': {hint}")
        known = [*self._pages, *(f"/{verb}/{name}" for verb in _VERBS for name in self._answerers)]
        hint = did_you_mean(path[:100], known) or f"there is {', '.join(known)}"
        return _ProtocolError(404, f"nothing is at '{path[:100]}': {hint}")


def _healthy() -> object:
    return {"status": "ok"}


@functools.cache
def _own_version() -> str:
    """The installed version of millstream."""
    try:
        return importlib.metadata.version("millstream")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _request_id(given: bytes) -> str:
    """The client's id when it is 1 to 200 printable ASCII characters, else a new one."""
    if 0 < len(given) <= 200 and given.isascii() and (text := given.decode()).isprintable():
        return text
    return secrets.token_hex(16)


def _allow(method: str, *allowed: str) -> None:
    if method not in allowed:
        listed = ", ".join(allowed)
        raise _ProtocolError(405, f"{method} is not allowed here: use {listed}", (b"allow", listed.encode()))


def _check_headers(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a body by its headers, before it is read."""
    content_type = headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if content_type != b"application/json" or headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise _ProtocolError(415, "the body must be uncompressed JSON: send Content-Type: application/json")
    if headers.get(b"content-length", b"0").isdigit() and int(headers.get(b"content-length", b"0")) > BODY_LIMIT:
        raise _too_large()


async def _read_body(receive: Receive) -> bytes:
    """The whole body, as long as it is within the limit."""
    chunks, size = list[bytes](), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGoneError
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > BODY_LIMIT:
            raise _too_large()
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large() -> _ProtocolError:
    return _ProtocolError(413, f"the body is larger than {BODY_LIMIT >> 20} MiB: send fewer rows at a time")


def _error_response(error: Exception, request_id: str) -> _Response:
    """What the client may know of an error; the rest is for our own log."""
    if isinstance(error, _ProtocolError):
        return error.response
    if isinstance(error, RequestError):
        return _Response(422, _encode({"error": error.message, "path": error.path or "$"}))
    _LOGGER.error("request %s failed", request_id, exc_info=error)
    if isinstance(error, StoreError):
        reply = {"error": "nothing can be recorded at present: try again later", "id": request_id}
        return _Response(503, _encode(reply), ((b"retry-after", b"1"),))
    return _Response(500, _encode({"error": "internal error", "id": request_id}))
