"""Plain data as text that is equal only for equal content: numbers, texts, moments, collections, frames, expressions, arrays.

Types are compared exactly: a class derived from one of them has a meaning of its own.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import re
import sys
from collections.abc import Iterable
from typing import Any, cast

from millstream.kernel.digest import digest_bytes, digest_column, digest_frame
from millstream.kernel.expressions import holds_functions, is_expression, is_plan, reads_files, written_expression, written_plan

Collection = tuple[object, ...] | list[object] | set[object] | frozenset[object] | dict[object, object]
FIXED = {
    *(bool, int, float, complex, str, bytes, type(None), type(Ellipsis), type(NotImplemented), range, decimal.Decimal, re.Pattern),
    *(datetime.date, datetime.time, datetime.datetime, datetime.timedelta, datetime.timezone),
}
FIXED_NAMES = {
    *("pathlib.PosixPath", "pathlib.PurePosixPath", "pathlib._local.PosixPath", "pathlib._local.PurePosixPath"),
    *("fractions.Fraction", "uuid.UUID", "zoneinfo.ZoneInfo"),
}
"""Types that say their content by `repr`, known by name so that they need not be loaded."""
_ORDERED: set[type] = {tuple, list, collections.deque}
_MAPPINGS: set[type] = {dict, collections.OrderedDict, collections.Counter}
_LONGEST = 200
_WIDEST = 1 << 60


def content_of(value: object) -> str | None:
    """The content of plain data as text; None if it holds something else, or itself."""
    try:
        return _content(value, ())
    except RecursionError:
        return None


def brief(text: str) -> str:
    """The text itself; if it is long its beginning and its digest."""
    return text if len(text) <= _LONGEST else f"{text[:40]}… {digest_bytes(text.encode(errors='surrogatepass'))[:16]}"


def is_fixed(value: object) -> bool:
    """Whether plain data can never have another content."""
    kind = type(value)
    if kind is tuple or kind is frozenset:
        return all(is_fixed(item) for item in cast("Collection", value))
    return kind in FIXED or _named(kind) in FIXED_NAMES or is_expression(value) or kind.__module__.startswith("polars.datatypes")


def _content(value: object, inside: tuple[int, ...]) -> str | None:
    kind = type(value)
    if kind in FIXED:
        return _fixed(value, kind)
    if kind in _ORDERED or kind is set or kind is frozenset:
        items = _all(((item,) for item in cast("Collection", value)), value, inside)
        texts = None if items is None else [text for (text,) in items]
        return None if texts is None else f"{kind.__name__}[{','.join(texts if kind in _ORDERED else sorted(texts))}]{_limit(value)}"
    if kind in _MAPPINGS:
        pairs = _all(cast("dict[object, object]", value).items(), value, inside)
        return None if pairs is None else f"{kind.__name__}{{{','.join(f'{key}={item}' for key, item in pairs)}}}"
    if _named(kind) in FIXED_NAMES:
        return f"{kind.__name__}:{value!r}"
    library = kind.__module__.partition(".")[0]
    return _of_polars(value) if library == "polars" else _of_numpy(value) if library == "numpy" else None


def _fixed(value: object, kind: type) -> str | None:
    if kind is int and not -_WIDEST < cast("int", value) < _WIDEST:
        return f"int:{value:x}"  # decimal text of long numbers is refused
    if kind is re.Pattern:
        pattern = cast("re.Pattern[str]", value)
        return f"pattern:{pattern.pattern!r}:{pattern.flags}"
    if isinstance(value, datetime.datetime | datetime.time):
        zone = value.tzinfo
        if zone is not None and type(zone) is not datetime.timezone and _named(type(zone)) not in FIXED_NAMES:
            return None
    return f"{kind.__name__}:{value!r}"


def _limit(value: object) -> str:
    return f"<={value.maxlen}" if isinstance(value, collections.deque) and value.maxlen is not None else ""


def _all(groups: Iterable[tuple[object, ...]], holder: object, inside: tuple[int, ...]) -> list[tuple[str, ...]] | None:
    """The contents of the groups; None if anything in them has none, or is the collection that holds it."""
    if id(holder) in inside:
        return None
    within = (*inside, id(holder))
    found: list[tuple[str, ...]] = []
    for group in groups:
        told = tuple(text for each in group if (text := _content(each, within)) is not None)
        if len(told) < len(group):
            return None
        found.append(told)
    return found


def _named(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _of_polars(value: object) -> str | None:
    polars = sys.modules.get("polars")
    if polars is None:
        return None
    if is_expression(value):
        return _written("expression", written_expression(cast("Any", value)))
    if is_plan(value):
        return _written("plan", written_plan(cast("Any", value)))
    if type(value) is polars.DataFrame:
        frame = cast("Any", value)
        return None if _holds_objects(frame.dtypes) else f"frame:{digest_frame(frame)}"
    if type(value) is polars.Series:
        series = cast("Any", value)
        return None if _holds_objects([series.dtype]) else f"series:{series.name!r}:{digest_column(series)}"
    return f"type:{value!r}" if isinstance(value, polars.DataType) else None


def _written(what: str, written: bytes | None) -> str | None:
    plain = written is not None and not holds_functions(written) and not reads_files(written)
    return f"{what}:{digest_bytes(written)}" if written is not None and plain else None


def _holds_objects(kinds: Iterable[object]) -> bool:
    return any(str(kind) == "Object" for kind in kinds)


def _of_numpy(value: object) -> str | None:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if isinstance(value, numpy.dtype):
        kind = cast("Any", value)
        return None if kind.hasobject else f"dtype:{kind!r}"
    if type(value) is not numpy.ndarray and not isinstance(value, numpy.generic):
        return None
    array = cast("Any", value)
    return None if array.dtype.hasobject else f"array:{array.dtype!r}:{array.shape}:{digest_bytes(array.tobytes())}"
