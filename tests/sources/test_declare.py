"""Sources, services and sinks as declared values: what cannot be meant is refused where it is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rivers import run_river
from services import Reply, serving

import millstream as ms
from millstream.errors import DeclarationError, SourceError
from millstream.sources.records import Api, ByCursor, Feed


def fetch(since: datetime | None) -> list[dict[str, object]]:
    """No rows."""
    return []


def nothing() -> list[dict[str, object]]:
    """Takes no moment."""
    return []


def refused(declare: Callable[[], object]) -> str:
    """What is said of a declaration; the error names a line of this file."""
    with pytest.raises(DeclarationError) as caught:
        declare()
    assert str(caught.value.where).startswith(__file__)
    assert str(caught.value).count("\n") < 8
    return str(caught.value)


def test_services_are_values() -> None:
    """Two that say the same are the same."""
    pages = ms.rest.by_cursor("next")

    assert ms.rest.api("https://a.example", params={"n": 1, "all": True}, pages=pages) == Api(
        "https://a.example", None, (("n", "1"), ("all", "true")), None, ByCursor("next", "cursor")
    )
    assert ms.rest.feed("https://a.example/feed") == Feed("https://a.example/feed")


def test_sources_are_called_after_their_address() -> None:
    """Without its query, which may hold what is nobody's business."""
    assert repr(ms.source(ms.rest.api("https://a.example/rows?key=1"))) == "<source https://a.example/rows: declared, not run>"
    assert repr(ms.source("https://a.example/rows.csv?key=1")) == "<source https://a.example/rows.csv: declared, not run>"
    assert repr(ms.source("days/?.csv")) == "<source days/?.csv: declared, not run>"
    assert repr(ms.source("sqlite:///shop.db", table="rows")) == "<source sqlite:///shop.db rows: declared, not run>"
    assert repr(ms.source(fetch)) == "<source fetch: declared, not run>"
    assert repr(ms.time_spine("1h", start="2024-01-01", column="at")) == "<source of every 1h: declared, not run>"


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "no web address": (lambda: ms.rest.api("weather.example"), "is no web address"),
    "a file": (lambda: ms.rest.feed("file:///etc/passwd"), "is no web address"),
    "a password": (lambda: ms.rest.api("https://ann:hush@a.example"), "the address of a.example holds a user or a password"),
    "a token in the open": (lambda: ms.rest.api("http://a.example", auth=ms.rest.bearer("a")), "would get the secret in the open"),
    "a token itself": (lambda: ms.rest.api("https://a.example", auth=7), "rest.api: auth must be a connection"),  # type: ignore[arg-type]
    "pages by a word": (lambda: ms.rest.api("https://a.example", pages="link"), "must be a way to the next page"),  # type: ignore[arg-type]
    "parameters in a list": (lambda: ms.rest.api("https://a.example", params=[("a", 1)]), "must be a dictionary"),  # type: ignore[arg-type]
    "a parameter that is a list": (lambda: ms.rest.api("https://a.example", params={"a": [1]}), "must be a text or a number"),  # type: ignore[dict-item]
    "no path": (lambda: ms.rest.by_cursor(""), "the path is empty"),
    "a negative page": (lambda: ms.rest.by_number(first=-1), "must be a whole number"),
    "since without a time": (lambda: ms.source(ms.rest.api("https://a.example", since="after")), "since needs a time"),
    "a service with a table": (lambda: ms.source(ms.rest.feed("https://a.example"), table="a"), "only a database has a table"),
    "a function of nothing": (lambda: ms.source(nothing), "source: nothing takes 0 parameters"),  # type: ignore[arg-type]
    "a partial function": (lambda: ms.source(partial(fetch)), "must be a text, a service of ms.rest or a function"),
    "a frame": (lambda: ms.source(pl.DataFrame()), "must be a text, a service of ms.rest or a function"),  # type: ignore[arg-type]
    "an unknown scheme": (lambda: ms.source("ftp://a.example/rows.csv"), "nothing is known of ftp://"),
    "a sink on the web": (lambda: ms.sink("https://a.example"), "nothing is known of https://"),
}


@pytest.mark.parametrize(("declare", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_meant(declare: Callable[[], object], said: str) -> None:
    """Is refused with line and reason; a secret is not repeated."""
    told = refused(declare)

    assert said in told
    assert "hush" not in told


def test_services_of_this_machine_may_be_in_the_open() -> None:
    """What they are told leaves it not."""
    assert ms.rest.api("http://localhost:8000", auth=ms.rest.bearer("a")).url == "http://localhost:8000"


def test_file_of_a_web_address(tmp_path: Path) -> None:
    """Is read by its ending, and again at every run: it may have changed."""
    river = 'planes = ms.source("{}/planes.csv?v=1", key="tailnum")'

    with serving([Reply(b"tailnum,seats\nN1,2\n"), Reply(b"tailnum,seats\nN1,2\n"), Reply(b"tailnum,seats\nN1,3\n")]) as service:
        assert run_river(tmp_path, river.format(service.url)).answer().frame("planes").rows() == [("N1", 2)]
        assert run_river(tmp_path).answer().step("planes").rows == 0
        assert run_river(tmp_path).answer().frame("planes").rows() == [("N1", 3)]


def test_file_of_a_web_address_that_is_no_table(tmp_path: Path) -> None:
    """The same sentence as for a file."""
    with serving([Reply(b"")]) as service, pytest.raises(SourceError, match=r"files of the kind '\.html' cannot be read") as caught:
        run_river(tmp_path, f'planes = ms.source("{service.url}/planes.html")').answer()

    assert caught.value.where == f"{tmp_path / 'river.py'}:5"
