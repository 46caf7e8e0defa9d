"""Plain data as text that is equal only for equal content: numbers, texts, moments, collections, frames, expressions, arrays.

Types are compared exactly: a class derived from one of them has a meaning of its own.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import io
import pickle
import re
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

from millstream.kernel.digest import digest_bytes, digest_column, digest_frame

if TYPE_CHECKING:
    from polars import DataFrame, Series

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
ORDERED = {tuple, list, collections.deque}
MAPPINGS = {dict, collections.OrderedDict, collections.Counter}
LONGEST = 200
_EDGE = 1 << 60
_FUNCTION, _PICKLE, _LENGTH = b"PLPYFN", b"\x80\x05\x95", 5
"""How polars writes a Python function: up to five bytes of length, a mark, and a pickle."""
_SCAN = re.compile(rb"\xa4Scan[\x80-\x8f]|PythonScan")
_OPAQUE = re.compile(rb"PLPYFN|OpaquePython")


def content_of(value: object) -> str | None:
    """The content of plain data as text; None if it holds something else, or itself."""
    try:
        return _content(value, ())
    except RecursionError:
        return None


def brief(text: str) -> str:
    """The text itself; if it is long its beginning and its digest."""
    return text if len(text) <= LONGEST else f"{text[:40]}… {digest_bytes(text.encode())[:16]}"


def is_fixed(value: object) -> bool:
    """Whether plain data can never have another content."""
    kind = type(value)
    if kind is tuple or kind is frozenset:
        return all(is_fixed(item) for item in cast("Collection", value))
    return kind in FIXED or _named(kind) in FIXED_NAMES or (kind.__module__.partition(".")[0] == "polars" and not _is_table(value))


def written_by_polars(value: Any) -> bytes | None:
    """A polars expression or plan as it is written; None if it is none, or cannot be written."""
    polars: Any = sys.modules.get("polars")
    if polars is None or not isinstance(value, polars.Expr | polars.LazyFrame):
        return None
    try:
        return cast("bytes", value.meta.serialize() if isinstance(value, polars.Expr) else cast("Any", value).serialize())
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return None  # polars panics at what it cannot write, which is no Exception


def pickled_functions(written: bytes) -> Iterator[tuple[int, int, object]]:
    """The Python functions in a written expression: where the bytes of each begin and end, and the function; of this process, so safe to load."""
    place = written.find(_FUNCTION)
    while place >= 0:
        stream = io.BytesIO(written)
        stream.seek(written.index(_PICKLE, place))
        function: object = pickle.Unpickler(stream).load()  # noqa: S301  polars has just pickled it
        yield place - _LENGTH, stream.tell(), function
        place = written.find(_FUNCTION, stream.tell())


def reads_files(written: bytes) -> bool:
    """Whether a written plan reads files when it runs."""
    return _SCAN.search(written) is not None


def holds_functions(written: bytes) -> bool:
    """Whether Python functions are in a written expression or plan."""
    return _OPAQUE.search(written) is not None


def _content(value: object, inside: tuple[int, ...]) -> str | None:
    kind = type(value)
    if kind in FIXED:
        return _fixed(value, kind)
    if kind in ORDERED or kind is set or kind is frozenset:
        items = _all(((item,) for item in cast("Collection", value)), value, inside)
        if items is None:
            return None
        texts = [text for (text,) in items]
        return f"{kind.__name__}[{','.join(texts if kind in ORDERED else sorted(texts))}]{_limit(value)}"
    if kind in MAPPINGS:
        pairs = _all(cast("dict[object, object]", value).items(), value, inside)
        return None if pairs is None else f"{kind.__name__}{{{','.join(f'{key}={item}' for key, item in pairs)}}}"
    if _named(kind) in FIXED_NAMES:
        return f"{kind.__name__}:{value!r}"
    return _table(value)


def _fixed(value: Any, kind: type) -> str | None:
    if kind is int and not -_EDGE < value < _EDGE:
        return f"int:{value:x}"  # decimal text of long numbers is refused
    if kind is re.Pattern:
        return f"pattern:{value.pattern!r}:{value.flags}"
    if kind is datetime.datetime or kind is datetime.time:
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


def _is_table(value: object) -> bool:
    polars: Any = sys.modules.get("polars")
    return polars is not None and isinstance(value, polars.DataFrame | polars.Series | polars.LazyFrame)


def _table(value: Any) -> str | None:
    polars: Any = sys.modules.get("polars")
    numpy: Any = sys.modules.get("numpy")
    kind = type(value)
    if polars is not None and kind.__module__.partition(".")[0] == "polars":
        if kind is polars.DataFrame:
            return None if _has_objects(polars, value.dtypes) else f"frame:{digest_frame(cast('DataFrame', value))}"
        if kind is polars.Series:
            return None if _has_objects(polars, [value.dtype]) else f"series:{value.name!r}:{digest_column(cast('Series', value))}"
        if isinstance(value, polars.Expr | polars.LazyFrame):
            written = written_by_polars(value)
            if written is None or holds_functions(written) or reads_files(written):
                return None
            return f"{'expression' if isinstance(value, polars.Expr) else 'plan'}:{digest_bytes(written)}"
        if isinstance(value, polars.DataType):
            return f"type:{value!r}"
    if numpy is not None and kind.__module__.partition(".")[0] == "numpy":
        if kind is numpy.ndarray:
            return None if value.dtype.hasobject else f"array:{value.dtype!r}:{value.shape}:{digest_bytes(value.tobytes())}"
        if isinstance(value, numpy.dtype):
            return None if cast("Any", value).hasobject else f"dtype:{value!r}"
        if isinstance(value, numpy.generic):
            return f"number:{value.dtype!r}:{digest_bytes(value.tobytes())}" if not value.dtype.hasobject else None
    return None


def _has_objects(polars: Any, kinds: Iterable[object]) -> bool:
    return any(kind == polars.Object for kind in kinds)
