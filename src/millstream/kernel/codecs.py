"""The socket for results that are no tables: a codec makes bytes of them, and them of bytes.

Known are JSON values, bytes, numpy arrays, models and figures; files and folders are stored by `formats.paths`. Any other type needs a codec
of your own, made known by `register_codec`.
"""

from __future__ import annotations

from typing import Any, Protocol

from millstream.errors import StepError, StoreError
from millstream.kernel.formats.arrays import Arrays
from millstream.kernel.formats.figures import Figures
from millstream.kernel.formats.json_values import JsonValues
from millstream.kernel.formats.models import Models


class Codec(Protocol):
    """How one type of result is stored.

    `name` stands in the record of each result, so a codec whose bytes change gets another one. Equal values should become equal bytes: readers
    are run again when the bytes are others.
    """

    @property
    def name(self) -> str:
        """The name under which results are stored, as `geojson`."""
        ...

    def takes(self, value: object, /) -> bool:
        """Whether this codec stores this value."""
        ...

    def encode(self, value: Any, /) -> bytes:  # noqa: ANN401  what `takes` said yes to
        """The bytes of a value."""
        ...

    def decode(self, content: bytes, /) -> object:
        """The value of some bytes."""
        ...


class Bytes:
    """Bytes as they are."""

    name = "bytes"

    def takes(self, value: object) -> bool:
        """Bytes, and what can be changed like them."""
        return isinstance(value, bytes | bytearray | memoryview)

    def encode(self, value: bytes | bytearray | memoryview) -> bytes:
        """The bytes."""
        return bytes(value)

    def decode(self, content: bytes) -> bytes:
        """The bytes."""
        return content


_known: dict[str, Codec] = {codec.name: codec for codec in (Bytes(), Arrays(), Models(), Figures(), JsonValues())}


def register_codec(codec: Codec) -> None:
    """Make a codec known, before those that are there; one of the same name is replaced. To be called where the user's file is imported."""
    others = {name: each for name, each in _known.items() if name != codec.name}
    _known.clear()
    _known.update({codec.name: codec, **others})


def codec_for(value: object) -> Codec:
    """The first codec that takes a value; raises StepError if none does."""
    found = next((codec for codec in _known.values() if codec.takes(value)), None)
    if found is None:
        kind = type(value)
        raise StepError(
            f"returned a {kind.__module__}.{kind.__qualname__}, which nothing knows how to store",
            hint="return a table, JSON values, bytes, a path, an array, a model or a figure; or write a codec for it (docs/howto/steps.md)",
        )
    return found


def codec_named(name: str) -> Codec:
    """The codec of a stored result; raises StoreError if it is not known here."""
    if name not in _known:
        raise StoreError(f"a result was stored by the codec '{name}', which is not known here", hint="call register_codec(…) in your file")
    return _known[name]
