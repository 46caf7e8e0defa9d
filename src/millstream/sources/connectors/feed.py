"""RSS 0.9x, 1.0 and 2.0 and Atom feeds as rows."""

from __future__ import annotations

import email.utils
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import polars as pl

from millstream.errors import SourceError
from millstream.sources.client import Client, shown
from millstream.sources.records import Feed

MOMENT = pl.Datetime("us", "UTC")
SCHEMA: dict[str, type[pl.String] | pl.Datetime] = {
    "id": pl.String,
    "title": pl.String,
    "text": pl.String,
    "link": pl.String,
    "author": pl.String,
    "published": MOMENT,
    "updated": MOMENT,
}
ENTRIES = ("item", "entry")


@dataclass(frozen=True)
class FeedConnector:
    """Reads the entries that a feed shows now."""

    feed: Feed
    client: Client

    @property
    def appends(self) -> bool:
        """What it no longer shows is kept."""
        return True

    def read(self, since: datetime | None) -> pl.DataFrame:
        """All entries, oldest last as feeds have them; those taken before are told apart by their content."""
        del since
        answer = self.client.get(self.feed.url, accept="application/atom+xml, application/rss+xml, application/xml, text/xml")
        return entries_of(answer.body, shown(self.feed.url))


def entries_of(document: bytes, name: str) -> pl.DataFrame:
    """The entries of a feed. Raises SourceError if it is not well formed, declares entities, or is no feed."""
    root = _tree(document, name)
    if _local(root) not in {"rss", "RDF", "feed"}:
        raise SourceError(f"{name} answers '{_local(root)}', which is no RSS or Atom feed", hint="a service with JSON is ms.rest.api(…)")
    rows = [_row(entry) for entry in root.iter() if _local(entry) in ENTRIES]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _row(entry: Element) -> tuple[object, ...]:
    link = _link(entry)
    published = _moment(_first(entry, "pubDate", "published", "issued", "date"))
    updated = _moment(_first(entry, "updated", "modified"))
    return (
        _first(entry, "guid", "id") or link,
        _first(entry, "title"),
        _first(entry, "encoded", "content", "description", "summary"),
        link,
        _first(entry, "author", "creator"),
        published or updated,
        updated or published,
    )


def _tree(document: bytes, name: str) -> Element:
    """The document as a tree; entities of its own are refused, since a few of them can fill any memory."""
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = _refusing(name)
    try:
        parser.Parse(document, True)  # noqa: FBT003  expat's own signature
    except expat.ExpatError as error:
        raise SourceError(f"{name} answers what is not XML: {error}", hint="is the address that of the feed itself?") from None
    return builder.close()


def _refusing(name: str) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise SourceError(f"{name}: the feed declares entities of its own, which is not read")

    return refuse


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _named(entry: Element, name: str) -> Iterator[Element]:
    return (child for child in entry if _local(child) == name)


def _first(entry: Element, *names: str) -> str | None:
    """The text of the first child of these names that has any; an Atom author's is that of its name."""
    for name in names:
        for child in _named(entry, name):
            inner: Sequence[Element] = [*_named(child, "name")] if name == "author" else []
            text = "".join((inner[0] if inner else child).itertext()).strip()
            if text:
                return text
    return None


def _link(entry: Element) -> str | None:
    """RSS writes it as text, Atom as an attribute of the link that is no other relation's."""
    for link in _named(entry, "link"):
        if link.get("href") and link.get("rel", "alternate") == "alternate":
            return link.get("href")
        if link.text and link.text.strip():
            return link.text.strip()
    return None


def _moment(text: str | None) -> datetime | None:
    """A moment as RFC 822 (RSS) or ISO 8601 (Atom, Dublin Core) writes it, in UTC; None if it is neither."""
    if text is None:
        return None
    for parse in (datetime.fromisoformat, email.utils.parsedate_to_datetime):
        try:
            moment = parse(text)
        except (TypeError, ValueError):
            continue
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return None
