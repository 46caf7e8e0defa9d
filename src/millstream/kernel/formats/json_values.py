"""JSON values: dictionaries, lists, texts, numbers, booleans and None, and what plainly becomes them."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec

from millstream.errors import StepError

PLAIN = (dict, list, tuple, set, frozenset, str, int, float, bool, type(None), msgspec.Struct)


SCALAR = (str, int, float, type(None))


class JsonValues:
    """Values that JSON can say; dataclasses, named tuples, Structs, moments and numpy's numbers become them."""

    name = "json"

    def takes(self, value: object) -> bool:
        """Values of JSON, and records of them."""
        return isinstance(value, PLAIN) or dataclasses.is_dataclass(value) or _is_encodable(value)

    def encode(self, value: object) -> bytes:
        """The JSON of a value, always the same for the same; raises StepError for what JSON cannot say."""
        try:
            content = msgspec.json.encode(_without_sets(value), enc_hook=_plain)
        except (TypeError, ValueError, OverflowError) as error:
            raise StepError(f"returned a {type(value).__name__} that JSON cannot say: {error}", hint="return it alone, or leave it out") from None
        if b"null" in content:
            wrong = next(_not_finite(value, ""), None)
            if wrong is not None:
                raise StepError(f"returned {wrong[1]} at {wrong[0] or 'the top'}, which JSON cannot say", hint="return None, or the number as text")
        return content

    def decode(self, content: bytes) -> object:
        """What the JSON says."""
        return msgspec.json.decode(content)


def decode_as(content: bytes, wanted: object) -> object:
    """What the JSON says, as the type that an annotation asks for; raises ValidationError if it is something else."""
    try:
        decoder = msgspec.json.Decoder(cast("Any", wanted))
    except (TypeError, RuntimeError):  # a type that msgspec does not make: the value as JSON says it
        return msgspec.json.decode(content)
    return decoder.decode(content)


def pieces_of(content: bytes) -> list[bytes] | None:
    """The JSON of each item of a list; None if it is no list."""
    try:
        return [bytes(item) for item in msgspec.json.decode(content, type=list[msgspec.Raw])]
    except msgspec.ValidationError:
        return None


def _is_encodable(value: object) -> bool:
    try:
        msgspec.json.encode(value, enc_hook=_plain)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _plain(value: object) -> object:
    """A number of numpy as one of Python."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        return cast("Any", value).item()
    raise TypeError(f"it holds a {type(value).__module__}.{type(value).__qualname__}")


def _without_sets(value: object) -> object:
    """Lists in place of sets, which have no order of their own: else one set would have many texts."""
    if isinstance(value, set | frozenset):
        return sorted(cast("set[Any]", value), key=msgspec.json.encode)
    if isinstance(value, msgspec.Struct):
        return msgspec.Raw(msgspec.json.encode(value, enc_hook=_plain, order="deterministic"))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _without_sets(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _without_sets(item) for key, item in cast("dict[object, object]", value).items()}
    if isinstance(value, list | tuple):
        items = cast("list[object]", value)
        return items if all(isinstance(item, SCALAR) for item in items) else [_without_sets(item) for item in items]
    return value


def _not_finite(value: object, place: str) -> Iterator[tuple[str, str]]:
    """Where a float is not a number or infinite, and which."""
    if isinstance(value, float):
        if not math.isfinite(value):
            yield place, repr(float(value))
    elif isinstance(value, Mapping):
        for key, item in cast("Mapping[object, object]", value).items():
            yield from _not_finite(item, f"{place}[{key!r}]")
    elif isinstance(value, list | tuple | set | frozenset):
        for number, item in enumerate(cast("list[object]", value)):
            yield from _not_finite(item, f"{place}[{number}]")
    elif isinstance(value, msgspec.Struct) or dataclasses.is_dataclass(value):
        names = value.__struct_fields__ if isinstance(value, msgspec.Struct) else [field.name for field in dataclasses.fields(value)]
        for name in names:
            yield from _not_finite(getattr(value, name), f"{place}.{name}")
