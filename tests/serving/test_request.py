"""Requests are decoded strictly, and refusals name the field."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.errors import DeclarationError, RequestError
from millstream.serving.records import RequestField
from millstream.serving.request import compile_decoder, compile_list_decoder

FIELDS = [
    RequestField("distance", "number", required=True, nullable=False),
    RequestField("seats", "integer", required=False, nullable=True),
    RequestField("domestic", "boolean", required=False, nullable=True),
    RequestField("carrier", "level", required=False, nullable=True),
    RequestField("scheduled", "moment", required=False, nullable=True),
]
decode = compile_decoder(FIELDS)
ABSENT: dict[str, object] = {"seats": None, "domestic": None, "carrier": None, "scheduled": None}


def refused(body: str | bytes) -> RequestError:
    """The error of a body that must be refused."""
    with pytest.raises(RequestError) as caught:
        decode(body if isinstance(body, bytes) else body.encode())
    return caught.value


def test_every_field_is_there_in_declared_order() -> None:
    """Fields that are not sent read as null, and the order is that of the declaration."""
    assert list(decode(b'{"seats":2,"distance":1400}').items()) == list(({"distance": 1400.0} | ABSENT | {"seats": 2}).items())


def test_whole_numbers_become_floats() -> None:
    """A number is a float whether or not it is written with a fraction."""
    assert [type(decode(body)["distance"]) for body in (b'{"distance":1}', b'{"distance":1.0}')] == [float, float]


@pytest.mark.parametrize("text", ["2013-06-01T09:15:00Z", "2013-06-01T09:15:00", "2013-06-01T11:15:00+02:00", "2013-06-01 09:15", "20130601T091500Z"])
def test_moments_become_aware_utc(text: str) -> None:
    """ISO 8601 with or without an offset is read; without one it is UTC."""
    read = decode(json.dumps({"distance": 1, "scheduled": text}).encode())["scheduled"]
    assert isinstance(read, datetime)
    assert (read, read.tzinfo) == (datetime(2013, 6, 1, 9, 15, tzinfo=UTC), UTC)


def test_a_date_is_its_midnight() -> None:
    """A date alone is the moment it begins."""
    assert decode(b'{"distance":1,"scheduled":"2013-06-01"}')["scheduled"] == datetime(2013, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        ('{"distance":"1400"}', "$.distance", "'distance': expected a number, not text"),
        ('{"distance":true}', "$.distance", "expected a number, not true or false"),
        ('{"distance":[1]}', "$.distance", "expected a number, not a list"),
        ('{"distance":null}', "$.distance", "expected a number, not null"),
        ('{"distance":1e400}', "$.distance", "'distance' is beyond 64 bits: expected a number"),
        ('{"distance":1,"seats":1.0}', "$.seats", "expected an integer or null, not a number with a fraction"),
        ('{"distance":1,"seats":9223372036854775808}', "$.seats", "'seats' is beyond 64 bits"),
        ('{"distance":1,"domestic":1}', "$.domestic", "expected true or false or null, not an integer"),
        ('{"distance":1,"carrier":7}', "$.carrier", "expected text or null, not an integer"),
        ('{"distance":1,"scheduled":1370077200}', "$.scheduled", "expected an ISO 8601 moment"),
        ('{"distance":1,"scheduled":"soon"}', "$.scheduled", "not 'soon'"),
        ('{"distance":1,"scheduled":"0001-01-01T00:00:00+10:00"}', "$.scheduled", "expected an ISO 8601 moment"),
        ('{"seats":1}', "$.distance", "'distance' is missing: expected a number"),
        ('{"distanse":1}', "$.distanse", "did you mean 'distance'?"),
        ('{"distance":1,"zzz":1}', "$.zzz", "expected distance, seats, domestic, carrier, scheduled"),
        ("[]", "$", "the body: expected an object, not a list"),
        ("7", "$", "the body: expected an object, not an integer"),
    ],
)
def test_refusals_say_where_and_what_was_expected(body: str, path: str, words: str) -> None:
    """The path leads to the field, the message says what belongs there."""
    error = refused(body)
    assert error.path == path
    assert words in error.message


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_json_cannot_say_is_refused(number: str) -> None:
    """NaN and the infinities are no JSON."""
    assert "the body is not JSON" in refused(f'{{"distance":{number}}}').message


@pytest.mark.parametrize("body", [b"", b"{", b'{"distance":1} x', b"\xff", b'{"\xff":1}', b'{"carrier":"\\ud800","distance":1}'])
def test_broken_bodies_are_refused(body: bytes) -> None:
    """Truncated, trailing or badly encoded text never gets through."""
    assert refused(body).path == "$"


@pytest.mark.parametrize("name", ["distance", "scheduled"])
def test_deep_nesting_is_refused(name: str) -> None:
    """A hundred thousand brackets cost an answer of 422, not the process."""
    assert refused(f'{{"distance":1,"{name}":' + "[" * 100_000).path in ("$", f"$.{name}")


@pytest.mark.parametrize("name", ["air time", "1st", "class", "größe", "a.b", "a`b", "__init__", "f0", ""])
def test_any_column_name_will_do(name: str) -> None:
    """Names that are no Python identifiers decode, and are named in refusals."""
    odd = compile_decoder([RequestField(name, "number", required=True, nullable=False)])
    assert odd(json.dumps({name: 2}).encode()) == {name: 2.0}
    with pytest.raises(RequestError) as caught:
        odd(json.dumps({name: "2"}).encode())
    assert (caught.value.path, f"'{name}'" in caught.value.message) == (f"$.{name}", True)


def test_names_json_must_escape_are_refused_at_once() -> None:
    """A quote in a column name is refused when the decoder is compiled."""
    with pytest.raises(DeclarationError, match="rename it"):
        compile_decoder([RequestField('height 5"', "number", required=True, nullable=False)])


def test_lists_name_the_row() -> None:
    """In a list the path starts with the place of the row."""
    with pytest.raises(RequestError) as caught:
        compile_list_decoder(FIELDS)(b'[{"distance":1},{"distance":"x"}]')
    assert caught.value.path == "$[1].distance"


def belongs(name: str, value: object) -> bool:
    """Whether a value may stand in a field of FIELDS."""
    if name == "distance":
        return type(value) in (int, float)
    if name == "seats":
        return value is None or (type(value) is int and -(2**63) <= value < 2**63)
    return value is None if name == "scheduled" else value is None or type(value) is {"domestic": bool, "carrier": str}.get(name)


numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
plain = st.none() | st.booleans() | numbers | st.text(max_size=5)
names = st.sampled_from([field.name for field in FIELDS]) | st.text(max_size=3)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(names, plain | st.lists(plain, max_size=2), max_size=3), numbers)
def test_a_body_is_decoded_as_declared_or_refused(body: dict[str, Any], distance: float) -> None:
    """Values that all belong are read, anything else is a RequestError with a path."""
    body = {"distance": distance} | body
    if all(name in decode(b'{"distance":1}') and belongs(name, value) for name, value in body.items()):
        expected = {"distance": None} | ABSENT | body
        assert decode(json.dumps(body).encode()) == expected | {"distance": float(body["distance"])}
    else:
        assert refused(json.dumps(body)).path.startswith("$")
