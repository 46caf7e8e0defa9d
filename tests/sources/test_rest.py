"""Services with JSON: their pages, their secrets, and only what is new."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import pytest
from services import Reply, Service, serving

import millstream as ms
from millstream.errors import ConfigurationError, SourceError
from millstream.sources.client import Client
from millstream.sources.connections import Connections
from millstream.sources.connectors import rest
from millstream.sources.connectors.rest import RestConnector
from millstream.sources.records import Auth, Pages

Records = list[dict[str, object]]


def read(service: Service, *, records: str | None = None, pages: Pages | None = None, auth: Auth | None = None) -> Sequence[Mapping[str, object]]:
    """What a connector reads of a service."""
    api = ms.rest.api(f"{service.url}/rows?fixed=1", records=records, params={"size": 2}, pages=pages, auth=auth)
    connections = Connections({"shop": {"token": "$SHOP_TOKEN", "user": "reader", "password": "$SHOP_PASSWORD"}})
    return RestConnector(api, connections, Client(sleep=lambda _: None)).read(None)


# where the rows are


@pytest.mark.parametrize(("records", "answer"), [(None, [{"k": 1}]), ("data", {"data": [{"k": 1}]}), ("data.items", {"data": {"items": [{"k": 1}]}})])
def test_records_stand_at_a_path(records: str | None, answer: object) -> None:
    """Or are the answer itself; parameters are sent beside those of the address."""
    with serving([Reply(answer)]) as service:
        assert read(service, records=records) == [{"k": 1}]

    assert service.queries() == [{"fixed": "1", "size": "2"}]


@pytest.mark.parametrize(
    ("records", "answer", "said"),
    [
        ("date", {"data": []}, "the answer has no 'date' (records='date')\n  did you mean 'data'?"),
        ("data.items", {"data": {"rows": []}}, "'data' has no 'items' (records='data.items')\n  it has rows"),
        (None, {"data": [], "next": 1}, "the answer is no list\n  it has data, next: say which holds the rows, as in records='data'"),
        (None, [{"k": 1}, 7], "record 1 is a int, not an object with columns"),
    ],
)
def test_records_that_are_not_there(records: str | None, answer: object, said: str) -> None:
    """The error says what is."""
    with serving([Reply(answer)]) as service, pytest.raises(SourceError) as caught:
        read(service, records=records)

    assert said in str(caught.value)


def test_what_is_not_json() -> None:
    """As what it calls itself."""
    with serving([Reply(b"<html>", headers={"Content-Type": "text/html"})]) as service, pytest.raises(SourceError, match="is not JSON") as caught:
        read(service)

    assert "it calls it text/html" in str(caught.value)


# pages


def test_pages_by_cursor() -> None:
    """The cursor is sent back until there is none; the other parameters stay."""
    with serving([Reply({"data": [{"k": 1}], "next": "b+ /"}), Reply({"data": [{"k": 2}], "next": None})]) as service:
        assert read(service, records="data", pages=ms.rest.by_cursor("next", parameter="after")) == [{"k": 1}, {"k": 2}]

    assert service.queries() == [{"fixed": "1", "size": "2"}, {"fixed": "1", "size": "2", "after": "b+ /"}]


def test_pages_by_the_address_of_the_next() -> None:
    """A cursor may be an address, whole or of this host."""
    with serving([Reply({"data": [{"k": 1}], "meta": {"next": "/more?at=2"}}), Reply({"data": [{"k": 2}], "meta": {}})]) as service:
        assert read(service, records="data", pages=ms.rest.by_cursor("meta.next")) == [{"k": 1}, {"k": 2}]

    assert [(each.path, each.query) for each in service.asked][1:] == [("/more", {"at": "2"})]


def test_pages_by_number() -> None:
    """Until one is empty."""
    with serving([Reply([{"k": 1}, {"k": 2}]), Reply([{"k": 3}]), Reply([])]) as service:
        assert read(service, pages=ms.rest.by_number(parameter="p", first=0)) == [{"k": 1}, {"k": 2}, {"k": 3}]

    assert [query["p"] for query in service.queries()] == ["0", "1", "2"]


def test_service_that_does_not_know_its_number() -> None:
    """It would answer for ever."""
    with serving([Reply([{"k": 1}])]) as service, pytest.raises(SourceError, match="two pages with the same records") as caught:
        read(service, pages=ms.rest.by_number())

    assert caught.value.hint == "does it know the parameter 'page'?"


def test_pages_by_link() -> None:
    """In the words of RFC 8288, whatever else the header holds."""
    links = '</first?a=1,2>; rel="first", </rows?at=2>; title="a, b; rel=next"; rel="prefetch next", </last>; rel=last'

    with serving([Reply([{"k": 1}], headers={"Link": links}), Reply([{"k": 2}], headers={"Link": '</first>; rel="first"'})]) as service:
        assert read(service, pages=ms.rest.by_link()) == [{"k": 1}, {"k": 2}]

    assert [each.query for each in service.asked][1:] == [{"at": "2"}]


def test_pages_that_go_round() -> None:
    """End."""
    with serving([Reply({"data": [], "next": "/rows?fixed=1&size=2"})]) as service, pytest.raises(SourceError, match="leads back"):
        read(service, records="data", pages=ms.rest.by_cursor("next"))


def test_pages_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all pages together."""
    monkeypatch.setattr(rest, "MOST_PAGES", 3)
    numbers = iter(range(100))

    with serving(lambda _: Reply({"data": [{}], "next": next(numbers)})) as service, pytest.raises(SourceError, match="more than 3 pages"):
        read(service, records="data", pages=ms.rest.by_cursor("next"))


def test_page_of_another_host_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would get the secret."""
    monkeypatch.setenv("SHOP_TOKEN", "hush")
    with serving([Reply([])]) as other:
        links = {"Link": f'<{other.url}/rows>; rel="next"'}
        with serving([Reply([{"k": 1}], headers=links)]) as service, pytest.raises(SourceError, match="at another host"):
            read(service, pages=ms.rest.by_link(), auth=ms.rest.bearer("shop"))

    assert other.asked == []


# secrets


def test_token_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the connection that is named, from the environment, on every page."""
    monkeypatch.setenv("SHOP_TOKEN", "hush\n")

    with serving([Reply({"data": [{"k": 1}], "next": 2}), Reply({"data": []})]) as service:
        read(service, records="data", pages=ms.rest.by_cursor("next"), auth=ms.rest.bearer("shop"))

    assert [each.headers["authorization"] for each in service.asked] == ["Bearer hush"] * 2


def test_user_and_password_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """As RFC 7617 writes them."""
    monkeypatch.setenv("SHOP_PASSWORD", "pä:ss")

    with serving([Reply([])]) as service:
        read(service, auth=ms.rest.basic("shop"))

    assert base64.b64decode(service.asked[0].headers["authorization"].removeprefix("Basic ")).decode() == "reader:pä:ss"


@pytest.mark.parametrize("token", [None, "", "hush\nX-Other: 1"])
def test_token_that_cannot_be_sent(token: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked, and nothing of it is told."""
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    if token is not None:
        monkeypatch.setenv("SHOP_TOKEN", token)

    with serving([Reply([])]) as service, pytest.raises(ConfigurationError, match="SHOP_TOKEN") as caught:
        read(service, auth=ms.rest.bearer("shop"))

    assert service.asked == []
    assert "hush" not in str(caught.value)
