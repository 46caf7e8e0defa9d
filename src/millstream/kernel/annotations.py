"""What a function's annotations stand for, also where they are text, or imported for type checkers alone."""

from __future__ import annotations

import builtins
import inspect
import linecache
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

EMPTY = inspect.Parameter.empty
"""There is no annotation."""
UNIONS = {typing.Union, types.UnionType}
NO_CLASSES = {object, EMPTY, Any, *UNIONS}
"""They are classes to Python, and say nothing of a value."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """An annotation whose value is not there when the file runs; `library` and `name` are what it says it is."""

    text: str
    library: str = ""
    name: str = ""


def meant_by(function: Callable[..., object], parameter: str) -> object:
    """The value of a parameter's annotation (`return`: of the result); EMPTY without one, Unknown where it cannot be had."""
    written = function.__annotations__.get(parameter, EMPTY)
    if not isinstance(written, str):
        return written
    defined = cast("types.FunctionType", function)
    plain = _looked_up(defined, written)
    return plain if plain is not None else _evaluated(defined, written)


def hints_of(record: type) -> dict[str, object]:
    """What the annotations of a record's fields stand for."""
    try:
        return typing.get_type_hints(record)
    except Exception:  # noqa: BLE001  whatever a name that is not there raises: the fields are taken without annotation
        return dict.fromkeys(record.__annotations__, EMPTY)


def arguments(annotation: object) -> tuple[object, ...]:
    """The types in the brackets of an annotation: of `dict[str, int]`, two."""
    return typing.get_args(annotation)


def class_of(annotation: object) -> type | None:
    """The class of an annotation: of `dict[str, int]`, dict; None for Any, unions, type variables and what is unknown."""
    origin = typing.get_origin(annotation) or annotation
    return origin if isinstance(origin, type) and origin not in NO_CLASSES else None


def alternatives(annotation: object) -> tuple[object, ...]:
    """The members of a union; of anything else, itself."""
    return typing.get_args(annotation) if typing.get_origin(annotation) in UNIONS else (annotation,)


def names_of(annotation: object) -> list[tuple[str, str]]:
    """Library and name of an annotation's class and its bases, as `("polars", "DataFrame")`."""
    if isinstance(annotation, Unknown):
        return [(annotation.library, annotation.name)]
    found = class_of(annotation)
    return [] if found is None else [(each.__module__.partition(".")[0].removeprefix("_"), each.__name__) for each in found.__mro__]


def text_of_annotation(annotation: object) -> str:
    """An annotation as people write it."""
    if isinstance(annotation, Unknown):
        return annotation.text
    if isinstance(annotation, type) and not typing.get_args(annotation):
        library = annotation.__module__.partition(".")[0].removeprefix("_")
        return annotation.__name__ if library == "builtins" else f"{library}.{annotation.__name__}"
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", str(annotation))


def _looked_up(function: types.FunctionType, text: str) -> object | None:
    """The value of a plain dotted name."""
    first, *rest = text.split(".")
    value = function.__globals__.get(first, getattr(builtins, first, None))
    for name in rest:
        value = getattr(value, name, None)
    return cast("object", value)


def _evaluated(function: types.FunctionType, text: str) -> object:
    closure = dict(zip(function.__code__.co_freevars, (cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)), strict=False))
    carrier: Any = types.SimpleNamespace(__annotations__={"annotation": text})
    try:
        return typing.get_type_hints(carrier, globalns=function.__globals__, localns=closure)["annotation"]
    except Exception:  # noqa: BLE001  whatever a name that is not there raises
        return _from_imports(function, text)


def _from_imports(function: types.FunctionType, text: str) -> Unknown:
    """What the imports of the file say of a name that is imported for type checkers alone."""
    found = re.fullmatch(r"(\w+)(?:\.(\w+))*", text)
    if found is None:
        return Unknown(text)
    first, last = found[1], found[2]
    source = "".join(linecache.getlines(function.__code__.co_filename))
    if last is not None:
        module = re.search(rf"^\s*import\s+(\w+)[\w.]*\s+as\s+{first}\b", source, re.MULTILINE)
        return Unknown(text, module[1] if module else first, last)
    module = re.search(rf"^\s*from\s+(\w+)[\w.]*\s+import\s+(?:[^#\n(]*|\([^)]*)\b{first}\b", source, re.MULTILINE)
    if module is None:
        return Unknown(text, name=first)
    alias = re.search(rf"\b(\w+)\s+as\s+{first}$", module[0])
    return Unknown(text, module[1], alias[1] if alias else first)


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False
