"""Services as sources: `ms.rest`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from millstream.kernel.declarations import describe, expect, expect_number, refusal
from millstream.sources.records import Api, Auth, Basic, Bearer, ByCursor, ByLink, ByNumber, Feed, Pages

__all__ = ["api", "basic", "bearer", "by_cursor", "by_link", "by_number", "feed"]

THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})


def api(
    url: str,
    /,
    *,
    records: str | None = None,
    params: Mapping[str, str | float] | None = None,
    auth: Auth | None = None,
    pages: Pages | None = None,
    since: str | None = None,
) -> Api:
    """A service that answers GET with JSON: `source(rest.api("https://weather.example/v1", records="data"), key="hour", time="issued")`.

    `records`: the dotted path to the list of objects in the answer; None: the answer is the list. `params`: of the query. `auth`:
    `bearer` or `basic`. `pages`: `by_cursor`, `by_number` or `by_link`; None: one answer holds all. `since`: the parameter that gets
    the newest time already taken, in UTC; then new rows are added to those taken before, else each reading replaces them.
    Raises DeclarationError if the address is none, holds a secret, or is not https where `auth` would be sent.
    """
    _check_url(url, "rest.api", secret=auth is not None)
    if auth is not None:
        expect(auth, (Bearer, Basic), "rest.api: auth", wanted="a connection", hint="as in ms.rest.bearer('weather')")
    if pages is not None:
        expect(pages, (ByCursor, ByNumber, ByLink), "rest.api: pages", wanted="a way to the next page", hint="as in ms.rest.by_link()")
    for option, value in (("records", records), ("since", since)):
        if value is not None:
            _word(value, f"rest.api: {option}")
    return Api(url, records, _params(params or {}), auth, pages, since)


def feed(url: str, /) -> Feed:
    """An RSS or Atom feed: rows of `id`, `title`, `text`, `link`, `author`, `published` and `updated`; texts as they are, moments in UTC.

    A feed shows its newest entries only, so new ones are added to those taken before.
    """
    _check_url(url, "rest.feed", secret=False)
    return Feed(url)


def bearer(connection: str, /) -> Bearer:
    """The token of a connection: `[tool.millstream.connections.weather]` with `token = "$WEATHER_TOKEN"`, a variable of the environment."""
    return Bearer(_word(connection, "rest.bearer: the connection"))


def basic(connection: str, /) -> Basic:
    """User and password of a connection: `user = "reader"` and `password = "$WEATHER_PASSWORD"`, a variable of the environment."""
    return Basic(_word(connection, "rest.basic: the connection"))


def by_cursor(path: str, /, *, parameter: str = "cursor") -> ByCursor:
    """The answer says at a dotted path where the next page begins; null or nothing there: it was the last.

    What it says is sent back as `parameter`, or followed if it is an address.
    """
    return ByCursor(_word(path, "rest.by_cursor: the path"), _word(parameter, "rest.by_cursor: parameter"))


def by_number(*, parameter: str = "page", first: int = 1) -> ByNumber:
    """Pages are counted in a parameter, from `first`; the first page without records is the end."""
    expect_number(first, "rest.by_number: first", low=0, whole=True)
    return ByNumber(_word(parameter, "rest.by_number: parameter"), first)


def by_link() -> ByLink:
    """The header `Link` of an answer names the next page: `<https://…>; rel="next"`, as GitHub and many others do."""
    return ByLink()


def _check_url(url: object, verb: str, *, secret: bool) -> None:
    """An address that may be written down: without a password, and not in the open where a secret would go with it."""
    parts = urlsplit(expect(url, str, f"{verb}: the address", wanted="a text"))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise refusal(f"{verb}: {describe(url)} is no web address", hint="as in 'https://weather.example/v1/forecasts'")
    if parts.username is not None or parts.password is not None:
        hint = "secrets come from the environment: say auth=ms.rest.basic('NAME'), and name the variables in pyproject.toml"
        raise refusal(f"{verb}: the address of {parts.hostname} holds a user or a password", hint=hint)
    if secret and parts.scheme == "http" and parts.hostname not in THIS_MACHINE:
        raise refusal(f"{verb}: http://{parts.hostname} would get the secret in the open", hint=f"say https://{parts.hostname}")


def _params(params: Mapping[str, str | float]) -> tuple[tuple[str, str], ...]:
    given = cast("Mapping[object, object]", expect(params, Mapping, "rest.api: params", wanted="a dictionary"))
    return tuple((_word(name, "rest.api: a parameter's name"), _param(value, f"rest.api: parameter {name!r}")) for name, value in given.items())


def _param(value: object, option: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(expect(value, (str, int, float), option, wanted="a text or a number"))


def _word(value: object, option: str) -> str:
    word = expect(value, str, option, wanted="a text")
    if not word:
        raise refusal(f"{option} is empty")
    return word
