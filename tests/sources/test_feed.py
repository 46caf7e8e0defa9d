"""Feeds: RSS and Atom as rows, and what they no longer show."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from rivers import run_river
from services import Reply, serving

from millstream.errors import SourceError
from millstream.sources.connectors.feed import SCHEMA, entries_of

RSS = """<?xml version="1.0"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>Charging</title>
<link>https://a.example</link>{}</channel></rss>"""
POST = """<item><guid isPermaLink="false">{id}</guid><title>Post {id}</title><description>short</description>
<content:encoded><![CDATA[<b>broken</b> & out]]></content:encoded><link>https://a.example/{id}</link><dc:creator>Ann</dc:creator>
<pubDate>Mon, 0{day} Jan 2024 10:00:00 +0100</pubDate></item>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Charging</title><author><name>Bob</name></author>
<entry><id>tag:1</id><title type="html">One &amp;amp; two</title><summary>s</summary><link rel="self" href="https://a.example/x"/>
<link href="https://a.example/1"/><author><name>Ann</name><uri>u</uri></author><updated>2024-01-02T03:04:05Z</updated></entry></feed>"""
RDF = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><title>x</title></channel><item><title>One</title><link>https://a.example/1</link><dc:date>2024-01-02</dc:date></item></rdf:RDF>"""


def rss(*days: int) -> bytes:
    """A feed that shows the posts of these days of January."""
    return RSS.format("".join(POST.format(id=f"p{day}", day=day) for day in days)).encode()


def test_rss() -> None:
    """The whole text before the short one; the moment in UTC."""
    (row,) = entries_of(rss(1), "a").rows()

    at = datetime(2024, 1, 1, 9, tzinfo=UTC)
    assert row == ("p1", "Post p1", "<b>broken</b> & out", "https://a.example/p1", "Ann", at, at)


def test_atom() -> None:
    """The entry's own author and the link to what it is about."""
    (row,) = entries_of(ATOM.encode(), "a").rows()

    at = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert row == ("tag:1", "One &amp; two", "s", "https://a.example/1", "Ann", at, at)


def test_rss_1() -> None:
    """Items beside the channel; without an id the link is one."""
    (row,) = entries_of(RDF.encode(), "a").rows()

    assert (row[0], row[5]) == ("https://a.example/1", datetime(2024, 1, 2, tzinfo=UTC))


def test_feed_in_another_encoding() -> None:
    """As its first line says."""
    text = '<?xml version="1.0" encoding="iso-8859-1"?><rss><channel><item><title>Säule</title><pubDate>soon</pubDate></item></channel></rss>'

    frame = entries_of(text.encode("latin-1"), "a")

    assert frame.row(0) == (None, "Säule", None, None, None, None, None)


def test_empty_feed() -> None:
    """Has its columns."""
    assert dict(entries_of(rss(), "a").schema) == {name: kind() if isinstance(kind, type) else kind for name, kind in SCHEMA.items()}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"<html><body/></html>", "answers 'html', which is no RSS or Atom feed"),
        (b"<rss><channel>", "answers what is not XML"),
        (b"{}", "answers what is not XML"),
        (
            b'<!DOCTYPE rss [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><rss><channel><item><title>&b;</title></item></channel></rss>',
            "declares entities",
        ),
        (
            b'<!DOCTYPE rss [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss><channel><item><title>&a;</title></item></channel></rss>',
            "declares entities",
        ),
    ],
)
def test_what_is_no_feed(document: bytes, said: str) -> None:
    """Is refused; so are entities, which can fill any memory or read files."""
    with pytest.raises(SourceError, match=said):
        entries_of(document, "https://a.example/feed")


def test_posts_that_a_feed_no_longer_shows_are_kept(tmp_path: Path) -> None:
    """New ones are added; the same ones again are nothing new."""
    river = 'posts = ms.source(ms.rest.feed("{}/feed.rss"), key="id", time="published")\n'

    with serving([Reply(rss(1, 2)), Reply(rss(2, 3)), Reply(rss(3))]) as service:
        run_river(tmp_path, river.format(service.url)).answer()
        ran = run_river(tmp_path).answer()
        assert run_river(tmp_path).answer().executed == ["posts"]

    assert ran.frame("posts").get_column("id").to_list() == ["p1", "p2", "p3"]
    assert ran.step("posts").rows == 1
