"""Strict typed decoding of requests: JSON in, named Python values out.

Nothing is coerced: text is not a number, 1.0 is not an integer, and what JSON cannot say (NaN, Infinity, 1e400) is refused.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

import msgspec

from millstream.errors import DeclarationError, RequestError, did_you_mean
from millstream.serving.records import FieldKind, RequestField


class Moment(abc.ABC):  # noqa: B024  nothing to implement: datetime is registered below
    """Stands for datetime in decoders, so that our own reading of ISO 8601 is used."""


Moment.register(datetime)

Integer: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_TYPES: Mapping[FieldKind, Any] = {"number": float, "integer": Integer, "boolean": bool, "level": str, "moment": Moment}
_EXPECTED: Mapping[FieldKind, str] = {
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "level": "text",
    "moment": "an ISO 8601 moment such as 2013-06-01T09:15:00Z",
}
_FOUND = {
    "str": "text",
    "float": "a number with a fraction",
    "int": "an integer",
    "bool": "true or false",
    "null": "null",
    "NoneType": "null",
    "array": "a list",
    "list": "a list",
    "object": "an object",
    "dict": "an object",
}
_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def compile_decoder(fields: Sequence[RequestField]) -> Callable[[bytes], dict[str, object]]:
    """A function from the JSON of one request to its values, one for every field in their order.

    Numbers become float, moments aware datetimes in UTC (without an offset they are taken as UTC); a field that is not
    sent is None. The function raises RequestError whose `path` names the field, as in `$.distance`.
    """
    shape, names = _shape(fields), [field.name for field in fields]
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(shape, dec_hook=_read_custom)
    values_of = msgspec.structs.astuple

    def decode(body: bytes) -> dict[str, object]:
        try:
            return dict(zip(names, values_of(decoder.decode(body)), strict=True))
        except _REFUSALS as error:
            raise _refusal(error, fields, body) from None

    return decode


def compile_list_decoder(fields: Sequence[RequestField]) -> Callable[[bytes], list[dict[str, object]]]:
    """As `compile_decoder`, for a JSON list of requests; paths are as in `$[3].distance`."""
    shape, names = _shape(fields), [field.name for field in fields]
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[shape], dec_hook=_read_custom)  # type: ignore[valid-type]
    values_of = msgspec.structs.astuple

    def decode(body: bytes) -> list[dict[str, object]]:
        try:
            return [dict(zip(names, values_of(row), strict=True)) for row in decoder.decode(body)]
        except _REFUSALS as error:
            raise _refusal(error, fields, body) from None

    return decode


def parse_moment(text: str) -> datetime:
    """An aware datetime in UTC from ISO 8601 text; without an offset it is UTC; raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _shape(fields: Sequence[RequestField]) -> type[msgspec.Struct]:
    """A struct type for the fields; its attributes are numbered, so any column name will do."""
    rename = {f"f{number}": field.name for number, field in enumerate(fields)}
    if len(set(rename.values())) < len(fields):
        raise DeclarationError(f"two fields of a request have one name: {sorted(rename.values())}")
    columns = [_column(f"f{number}", field) for number, field in enumerate(fields)]
    try:
        return msgspec.defstruct("Request", columns, rename=rename, forbid_unknown_fields=True, frozen=True, kw_only=True, gc=False)
    except ValueError:
        odd = [name for name in rename.values() if re.search(r'["\\\x00-\x1f]', name)]
        raise DeclarationError(f"column {odd[0]!r} cannot be a field of a request: quotes, backslashes and control characters; rename it") from None


def _column(attribute: str, field: RequestField) -> tuple[str, Any] | tuple[str, Any, None]:
    """Name, type and, unless the field must be sent, the default of one attribute."""
    kind = _TYPES[field.kind]
    annotation = kind | None if field.nullable else kind
    return (attribute, annotation) if field.required else (attribute, annotation, None)


def _read_custom(_: type, value: object) -> datetime:
    """Called by msgspec for a moment, with whatever JSON value is there."""
    if not isinstance(value, str):
        raise ValueError(f"Expected moment, got `{type(value).__name__}`")  # noqa: TRY004  msgspec adds the path to a ValueError
    try:
        return parse_moment(value)
    except (ValueError, OverflowError):
        raise ValueError(f"Expected moment, got {value[:40]!r}") from None


def _refusal(error: Exception, fields: Sequence[RequestField], body: bytes) -> RequestError:
    """What was wrong with a body, in the words of its columns."""
    if isinstance(error, RecursionError):
        return RequestError("the body is nested too deeply: a request is one flat object", path="$")
    if not isinstance(error, msgspec.ValidationError):
        return RequestError(_not_json(str(error), body), path="$")
    detail, _, at = str(error).rpartition(" - at `") if " - at `" in str(error) else (str(error), "", "$`")
    path = at.removesuffix("`")
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", detail, re.DOTALL):
        return _unknown_field(unknown[1], path, fields)
    if missing := re.fullmatch(r"Object missing required field `(.*)`", detail, re.DOTALL):
        field = next(field for field in fields if field.name == missing[1])
        return RequestError(f"'{field.name}' is missing: expected {_expected(field)}", path=f"{path}.{field.name}")
    return _wrong_value(detail, path, fields)


def _unknown_field(name: str, path: str, fields: Sequence[RequestField]) -> RequestError:
    """The refusal of a column the model does not know."""
    known = [field.name for field in fields]
    hint = did_you_mean(name, known) or f"expected {', '.join(known[:20])}{', ...' if len(known) > 20 else ''}"
    return RequestError(f"'{name[:100]}' is not a column of this request: {hint}", path=f"{path}.{name[:100]}")


def _wrong_value(detail: str, path: str, fields: Sequence[RequestField]) -> RequestError:
    """The refusal of a value of the wrong type or beyond 64 bits."""
    field = next((field for field in fields if re.fullmatch(r"\$(\[\d+\])?\." + re.escape(field.name), path)), None)
    expected = _expected(field) if field else "a list of objects" if detail.startswith("Expected `array`") else "an object"
    found = detail.partition(", got ")[2].strip("`")
    culprit = f"'{field.name}'" if field else "the body"
    if not found:
        return RequestError(f"{culprit} is beyond 64 bits: expected {expected}", path=path)
    return RequestError(f"{culprit}: expected {expected}, not {_FOUND.get(found, found)}", path=path)


def _expected(field: RequestField) -> str:
    """What a field may hold, in words."""
    return _EXPECTED[field.kind] + (" or null" if field.nullable else "")


def _not_json(detail: str, body: bytes) -> str:
    """What is wrong with a body that is not JSON at all."""
    reason = detail.removeprefix("JSON is malformed: ")
    place = re.search(r"\(byte (\d+)\)", detail)
    if place and body[int(place[1]) :].startswith((b"N", b"I")):
        reason += "; JSON has no NaN and no Infinity: send null"
    return f"the body is not JSON: {reason}"
