"""Services that answer with JSON, page by page."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import msgspec

from millstream.errors import SourceError, did_you_mean
from millstream.sources.client import Answer, Client, origin, shown
from millstream.sources.connections import Connections
from millstream.sources.records import Api, Auth, Bearer, ByCursor, ByLink, ByNumber

Record = Mapping[str, object]
MOST_PAGES = 10_000
_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*[\w!#$&+.^`|~*-]+\s*=\s*(?:"[^"]*"|[^\s;,"]*))*)')
_NEXT = re.compile(r';\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next\b)', re.IGNORECASE)


@dataclass(frozen=True)
class RestConnector:
    """Reads all pages of a service; a secret goes to the host of its address only."""

    api: Api
    connections: Connections
    client: Client

    @property
    def appends(self) -> bool:
        """With `since` only what is new is asked for."""
        return self.api.since is not None

    def read(self, since: datetime | None) -> Sequence[Record]:
        """The records of all pages, in their order."""
        secret = headers_of(self.api.auth, self.connections) if self.api.auth else {}
        asked = dict(self.api.params)
        if self.api.since is not None and since is not None:
            asked[self.api.since] = since.astimezone(UTC).isoformat().replace("+00:00", "Z")
        if isinstance(self.api.pages, ByNumber):
            asked[self.api.pages.parameter] = str(self.api.pages.first)
        url: str | None = _with_query(self.api.url, asked)
        found: list[Record] = []
        before: set[str] = set()
        page: Sequence[Record] = ()
        while url is not None:
            self._check_page(url, before)
            before.add(url)
            answer = self.client.get(url, secret=secret, accept="application/json")
            previous, decoded = page, _decode(answer)
            page = records_of(decoded, self.api.records, answer.url)
            if page and page == previous and isinstance(self.api.pages, ByNumber):
                hint = f"does it know the parameter '{self.api.pages.parameter}'?"
                raise SourceError(f"{shown(url)} answers two pages with the same records", hint=hint)
            found += page
            url = self._next(url, answer, decoded, page)
        return found

    def _next(self, url: str, answer: Answer, decoded: object, page: Sequence[Record]) -> str | None:
        match self.api.pages:
            case ByCursor(path, parameter):
                return _by_cursor(url, answer.url, value_at(decoded, path), parameter)
            case ByNumber(parameter, first):
                number = int(dict(_query(url)).get(parameter, first))
                return _with_query(url, {parameter: str(number + 1)}) if page else None
            case ByLink():
                link = next_link(answer.headers.get_all("Link") or [])
                return None if link is None else urljoin(answer.url, link)
            case None:
                return None

    def _check_page(self, url: str, before: set[str]) -> None:
        if origin(url) != origin(self.api.url):
            hint = "a service that spreads its pages needs a function `since -> rows` of your own"
            raise SourceError(f"{shown(self.api.url)}: the next page is at another host, {shown(url)}", hint=hint)
        if url in before:
            raise SourceError(f"{shown(self.api.url)}: page {len(before)} leads back to an earlier one", hint="is it the right way to the next page?")
        if len(before) == MOST_PAGES:
            raise SourceError(f"{shown(self.api.url)} has more than {MOST_PAGES:,} pages", hint="ask for larger pages, with params=")


def headers_of(auth: Auth, connections: Connections) -> dict[str, str]:
    """The header that says who asks."""
    if isinstance(auth, Bearer):
        return {"Authorization": f"Bearer {connections.value(auth.connection, 'token')}"}
    user, password = (connections.value(auth.connection, option) for option in ("user", "password"))
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def records_of(decoded: object, path: str | None, url: str) -> list[Record]:
    """The list of objects that stands at a dotted path of an answer."""
    at, walked = decoded, "the answer"
    for name in path.split(".") if path else ():
        if not isinstance(at, dict) or name not in at:
            known = list(cast("dict[str, object]", at)) if isinstance(at, dict) else []
            hint = did_you_mean(name, known) or (f"it has {', '.join(known[:8])}" if known else "look at what the service answers")
            raise SourceError(f"{shown(url)}: {walked} has no '{name}' (records='{path}')", hint=hint)
        at, walked = cast("dict[str, object]", at)[name], f"'{name}'"
    if at is None:
        return []
    if not isinstance(at, list):
        has = f"it has {', '.join(list(cast('dict[str, object]', at))[:8])}" if isinstance(at, dict) else "a list of objects is wanted"
        raise SourceError(f"{shown(url)}: {walked} is no list", hint=f"{has}: say which holds the rows, as in records='data'")
    for place, record in enumerate(cast("list[object]", at)):
        if not isinstance(record, dict):
            raise SourceError(f"{shown(url)}: record {place} is a {type(record).__name__}, not an object with columns")
    return cast("list[Record]", at)


def value_at(decoded: object, path: str) -> object:
    """What stands at a dotted path; None if nothing does."""
    at = decoded
    for name in path.split("."):
        at = cast("dict[str, object]", at).get(name) if isinstance(at, dict) else None
    return at


def next_link(headers: Sequence[str]) -> str | None:
    """The target of the link whose relation is `next`, as RFC 8288 writes it."""
    links = (link for header in headers for link in _LINK.finditer(header))
    return next((link[1] for link in links if _NEXT.search(link[2])), None)


def _decode(answer: Answer) -> object:
    try:
        return msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        kind = answer.headers.get("Content-Type", "of no kind")
        raise SourceError(f"{shown(answer.url)} answers what is not JSON ({error})", hint=f"it calls it {kind}: is the address right?") from None


def _by_cursor(url: str, at: str, cursor: object, parameter: str) -> str | None:
    if cursor is None or cursor is False or cursor == "":
        return None
    if isinstance(cursor, str) and cursor.startswith(("/", "http://", "https://", "?")):
        return urljoin(at, cursor)
    if not isinstance(cursor, str | int):
        raise SourceError(f"{shown(url)}: the cursor is a {type(cursor).__name__}, not a text or a number")
    return _with_query(url, {parameter: str(cursor)})


def _query(url: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


def _with_query(url: str, changes: Mapping[str, str]) -> str:
    """The address with these parameters, instead of those of the same name."""
    parts = urlsplit(url)
    kept = [(name, value) for name, value in _query(url) if name not in changes]
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode([*kept, *changes.items()]), ""))
