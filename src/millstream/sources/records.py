"""Where a source's rows come from if not from files: services, feeds and the clock, as frozen values."""

from __future__ import annotations

import msgspec


class Snapshot(msgspec.Struct, frozen=True):
    """What a source was at one moment: its files by path and content. `taken` is in microseconds."""

    taken: int
    files: tuple[tuple[str, str], ...]


class Bearer(msgspec.Struct, frozen=True, tag=True):
    """The token of a connection, sent as `Authorization: Bearer`."""

    connection: str


class Basic(msgspec.Struct, frozen=True, tag=True):
    """User and password of a connection."""

    connection: str


Auth = Bearer | Basic


class ByCursor(msgspec.Struct, frozen=True, tag=True):
    """The answer says at `path` where the next page begins: a cursor, sent back as `parameter`, or the page's address."""

    path: str
    parameter: str = "cursor"


class ByNumber(msgspec.Struct, frozen=True, tag=True):
    """Pages are counted from `first`; the first one without records is the end."""

    parameter: str = "page"
    first: int = 1


class ByLink(msgspec.Struct, frozen=True, tag=True):
    """The header `Link` of an answer names the next page (RFC 8288, `rel="next"`)."""


Pages = ByCursor | ByNumber | ByLink


class Api(msgspec.Struct, frozen=True, tag=True):
    """A service that answers with JSON. `records`: where in the answer its list is; `since`: the parameter for the newest time known."""

    url: str
    records: str | None = None
    params: tuple[tuple[str, str], ...] = ()
    auth: Auth | None = None
    pages: Pages | None = None
    since: str | None = None


class Feed(msgspec.Struct, frozen=True, tag=True):
    """An RSS or Atom feed."""

    url: str


class Spine(msgspec.Struct, frozen=True, tag=True):
    """One row per period, counted from `start` (microseconds)."""

    every: str
    start: int
