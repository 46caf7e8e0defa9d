"""GET over HTTP: retries with back-off, limits of time and size, and errors that name no secret."""

from __future__ import annotations

import email.utils
import gzip
import http.client
import ssl
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from functools import cached_property
from typing import IO
from urllib.parse import urljoin, urlsplit

from millstream.errors import SourceError

AGENT = "millstream"
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
MOVED = frozenset({301, 302, 303, 307, 308})
MOST_MOVES = 5
CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: its bytes, its headers, and the address that gave it in the end."""

    body: bytes
    headers: Message
    url: str


class _Again(Exception):  # noqa: N818  not an error yet
    """Worth another attempt, after so many seconds at least."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class _Unmoved(urllib.request.HTTPRedirectHandler):
    """Redirects are followed here, where it is known which headers are secret."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> None:
        """Nothing is followed."""
        del req, fp, code, msg, headers, newurl


@dataclass(frozen=True)
class Client:
    """Asks politely. `timeout`: seconds without a byte; `longest`: seconds for one answer, and of one wait; `limit`: bytes of one answer."""

    timeout: float = 30.0
    attempts: int = 5
    pause: float = 0.5
    longest: float = 300.0
    limit: int = 256 * 1024 * 1024
    sleep: Callable[[float], None] = time.sleep

    def get(self, url: str, *, secret: Mapping[str, str] | None = None, accept: str = "*/*") -> Answer:
        """The answer to a GET. `secret` headers go to the host of `url` only, also after a redirect.

        Raises SourceError if the service cannot be reached, does not answer in time, answers too much, or with another status than 200.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                return self._followed(url, secret or {}, accept)
            except _Again as again:
                wait = max(self.pause * 2 ** (attempt - 1), again.wait)
                if wait > self.longest:
                    raise SourceError(f"{again}, and asks to wait {wait:,.0f} s", hint="run again after that") from None
                if attempt == self.attempts:
                    raise SourceError(f"{again}, {self.attempts} times", hint="run again later: what was taken before is kept") from None
                self.sleep(wait)
        raise AssertionError

    @cached_property
    def _opener(self) -> urllib.request.OpenerDirector:
        return urllib.request.build_opener(_Unmoved)

    def _followed(self, url: str, secret: Mapping[str, str], accept: str) -> Answer:
        at = url
        for _ in range(MOST_MOVES + 1):
            headers = {"User-Agent": AGENT, "Accept": accept, "Accept-Encoding": "gzip", **(secret if origin(at) == origin(url) else {})}
            found = self._once(urllib.request.Request(at, headers=headers), at)  # noqa: S310  the scheme is http or https, here and below
            if isinstance(found, Answer):
                return found
            to = urljoin(at, found)
            if urlsplit(to).scheme not in {"https", urlsplit(at).scheme}:
                raise SourceError(f"{shown(at)} redirects to {shown(to)}, which is not secure", hint="ask there directly if that is meant")
            at = to
        raise SourceError(f"{shown(url)} redirects {MOST_MOVES + 1} times and more", hint="is the address right?")

    def _once(self, request: urllib.request.Request, url: str) -> Answer | str:
        """The answer, or where it has moved."""
        until = time.monotonic() + self.longest
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                return Answer(self._body(response, url, until), response.headers, url)
        except urllib.error.HTTPError as error:
            with error:
                location = error.headers.get("Location")
                if error.code in MOVED and location:
                    return str(location)
                message = f"{shown(url)} answers {error.code} {http.client.responses.get(error.code, '')}".rstrip()
                if error.code in AGAIN:
                    raise _Again(message, _retry_after(error.headers.get("Retry-After"))) from None
                raise SourceError(message, hint=_advice(error.code)) from None
        except urllib.error.URLError as error:
            raise _unreachable(url, error.reason) from None
        except (EOFError, OSError, http.client.HTTPException, zlib.error) as error:
            raise _unreachable(url, error) from None

    def _body(self, response: http.client.HTTPResponse, url: str, until: float) -> bytes:
        packed = (response.headers.get("Content-Encoding") or "identity").lower()
        if packed not in {"identity", "gzip", "x-gzip"}:
            raise SourceError(f"{shown(url)} answers in the encoding '{packed}', which was not asked for")
        stream = response if packed == "identity" else gzip.GzipFile(fileobj=response)
        pieces: list[bytes] = []
        size = 0
        while chunk := stream.read(CHUNK):
            pieces.append(chunk)
            size += len(chunk)
            if size > self.limit:
                hint = "ask for less at once, with params= or pages="
                raise SourceError(f"{shown(url)} answers more than {self.limit / 2**20:,.0f} MiB", hint=hint)
            if time.monotonic() > until:
                raise _Again(f"{shown(url)} has not answered to the end in {self.longest:,.0f} s")
        promised = response.headers.get("Content-Length")
        if packed == "identity" and promised is not None and promised.isdigit() and size < int(promised):
            raise _Again(f"{shown(url)} broke off after {size:,} of {int(promised):,} bytes")
        return b"".join(pieces)


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: what a secret is meant for."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def shown(url: str) -> str:
    """An address for people: without its query, which may hold what is nobody's business."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _unreachable(url: str, reason: object) -> Exception:
    """What is said of a connection that failed; certificates do not get better by asking again."""
    if isinstance(reason, ssl.SSLCertVerificationError):
        hint = "is the address right? a certificate of your own is named by the variable SSL_CERT_FILE"
        return SourceError(f"{shown(url)} is not who it says: {reason.verify_message}", hint=hint)
    if isinstance(reason, TimeoutError):
        return _Again(f"{shown(url)} does not answer in time")
    words = reason if isinstance(reason, str) else getattr(reason, "strerror", None) or type(reason).__name__
    return _Again(f"{shown(url)} cannot be reached ({words})")


def _retry_after(header: str | None) -> float:
    """Seconds until the moment, or for the seconds, that the header says."""
    if header is None:
        return 0.0
    if header.strip().isdigit():
        return float(header)
    try:
        return max(0.0, (email.utils.parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def _advice(status: int) -> str:
    if status in {401, 403}:
        return "is the connection given (auth=), and is what the environment holds for it still valid?"
    if status in {404, 410}:
        return "is the address right?"
    return "the service understood the question otherwise: look at the address and its params="
