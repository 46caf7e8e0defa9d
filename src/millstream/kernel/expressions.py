"""Polars expressions and plans as they are written, with the Python functions and the files in them."""

from __future__ import annotations

import io
import pickle
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polars import Expr, LazyFrame

_FUNCTION, _PICKLE, _LENGTH = b"PLPYFN", b"\x80\x05\x95", 5
"""How polars writes a Python function: up to five bytes of length, a mark, and a pickle."""
_FILES = re.compile(rb"\xa4Scan[\x80-\x8f]|PythonScan")
_FUNCTIONS = re.compile(rb"PLPYFN|OpaquePython")


def is_expression(value: object) -> bool:
    """Whether it is a polars expression."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(value, polars.Expr)


def is_plan(value: object) -> bool:
    """Whether it is a polars LazyFrame."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(value, polars.LazyFrame)


def written_expression(value: Expr) -> bytes | None:
    """An expression as bytes; None if it cannot be written."""
    try:
        return value.meta.serialize()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001  polars panics at what it cannot write, which is no Exception
        return None


def written_plan(value: LazyFrame) -> bytes | None:
    """A plan with its data as bytes; None if it cannot be written."""
    try:
        return value.serialize()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001  as above
        return None


def holds_functions(written: bytes) -> bool:
    """Whether Python functions are in what is written."""
    return _FUNCTIONS.search(written) is not None


def reads_files(written: bytes) -> bool:
    """Whether a written plan reads files when it runs."""
    return _FILES.search(written) is not None


def functions_in(written: bytes) -> tuple[list[object], bytes]:
    """The Python functions in a written expression, and the rest of it. They are of this process, so safe to load."""
    functions: list[object] = []
    rest: list[bytes] = []
    start = 0
    for begin, end, function in _pickled(written):
        functions.append(function)
        rest.append(written[start:begin])
        start = end
    return functions, b"".join([*rest, written[start:]])


def _pickled(written: bytes) -> Iterator[tuple[int, int, object]]:
    place = written.find(_FUNCTION)
    while place >= 0:
        stream = io.BytesIO(written)
        stream.seek(written.index(_PICKLE, place))
        function: object = pickle.Unpickler(stream).load()  # noqa: S301  polars has just pickled it
        yield place - _LENGTH, stream.tell(), function
        place = written.find(_FUNCTION, stream.tell())
