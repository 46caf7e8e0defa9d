"""How a step's result that is not a table becomes bytes."""

from __future__ import annotations

import msgspec

from millstream.errors import StepError
from millstream.kernel.records import ValueKind


def encode_value(value: object) -> tuple[bytes, ValueKind]:
    """The bytes of a result and their kind: bytes as they are, everything else as JSON."""
    if isinstance(value, bytes):
        return value, "bytes"
    try:
        return msgspec.json.encode(value, order="deterministic"), "json"
    except (TypeError, ValueError):
        raise StepError(
            f"a step returned a {type(value).__name__}, which cannot be stored", hint="return a polars frame, or plain JSON values"
        ) from None
