"""Plain data as text that is equal only for equal content: numbers, texts, moments, collections, frames, expressions, arrays."""

from __future__ import annotations

import datetime
import decimal
import enum
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from millstream.kernel.digest import digest_bytes, digest_frame

if TYPE_CHECKING:
    from polars import DataFrame

MOMENTS = (datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo)
Collection = tuple[object, ...] | list[object] | set[object] | frozenset[object] | dict[object, object]
PLAIN = (bool, int, float, complex, str, bytes, type(None), decimal.Decimal, Path, range, *MOMENTS)


def content_of(value: object) -> str | None:
    """The content of plain data as text; None if it holds something else."""
    if isinstance(value, enum.Enum):
        held = content_of(value.value)
        return None if held is None else f"{type(value).__qualname__}.{value.name}={held}"
    if isinstance(value, PLAIN):
        return f"{type(value).__name__}:{value!r}"
    if isinstance(value, re.Pattern):
        return f"pattern:{value!r}:{value.flags}"
    if isinstance(value, tuple | list | set | frozenset | dict):
        return _collection(cast("Collection", value))
    return _table(value)


def _collection(value: Collection) -> str | None:
    name = type(value).__name__
    if isinstance(value, dict):
        pairs = _all((content_of(key), content_of(item)) for key, item in value.items())
        return None if pairs is None else f"{name}{{{','.join(f'{key}={item}' for key, item in pairs)}}}"
    items = _all((content_of(item),) for item in value)
    if items is None:
        return None
    texts = [text for (text,) in items]
    return f"{name}[{','.join(texts if isinstance(value, tuple | list) else sorted(texts))}]"


def _all(groups: Iterable[tuple[str | None, ...]]) -> list[tuple[str, ...]] | None:
    """The groups, None if anything in them is."""
    found: list[tuple[str, ...]] = []
    for group in groups:
        told = tuple(text for text in group if text is not None)
        if len(told) < len(group):
            return None
        found.append(told)
    return found


def _table(value: object) -> str | None:
    polars: Any = sys.modules.get("polars")
    numpy: Any = sys.modules.get("numpy")
    if polars is not None:
        if isinstance(value, polars.DataFrame):
            return f"frame:{digest_frame(cast('DataFrame', value))}"
        if isinstance(value, polars.Expr):
            return f"expression:{digest_bytes(cast('Any', value).meta.serialize())}"
        if isinstance(value, polars.DataType):
            return f"type:{value!r}"
    if numpy is not None and isinstance(value, numpy.ndarray):
        array = cast("Any", value)
        return None if array.dtype == object else f"array:{array.dtype}:{array.shape}:{digest_bytes(array.tobytes())}"
    return None
