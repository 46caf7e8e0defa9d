"""What functions, classes and objects hold under names: defaults, captured variables, methods, attributes, slots."""

from __future__ import annotations

import abc
import enum
import functools
import re
import types
from collections.abc import Callable, Iterator
from typing import Any, cast

OF_CLASS = {
    *("__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__", "__dict__", "__doc__", "__firstlineno__", "__module__"),
    *("__orig_bases__", "__parameters__", "__qualname__", "__static_attributes__", "__type_params__", "__weakref__", "_abc_impl"),
}
"""What Python writes into a class, and what is for people and type checkers only."""
FOR_PEOPLE = {"__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "__type_params__"}
"""What `functools.wraps` copies."""
_OF_ENUM = re.compile(r"_[^_].*[^_]_")


def parts_of(function: types.FunctionType) -> dict[str, object]:
    """What a function holds besides its code: defaults, captured variables, attributes."""
    code, defaults = function.__code__, function.__defaults__ or ()
    positional = code.co_varnames[: code.co_argcount]
    found: dict[str, object] = dict(zip(positional[len(positional) - len(defaults) :], defaults, strict=True))
    found |= function.__kwdefaults__ or {}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            found[name] = "(not there yet)"
    return found | {name if name == "__wrapped__" else f".{name}": value for name, value in function.__dict__.items()}


def members_of(kind: type) -> dict[str, object]:
    """What a class holds: methods, descriptors, constants, fields, the members of an enumeration; not what Python writes into it."""
    found: dict[str, object] = {name: member for name, member in vars(kind).items() if name not in OF_CLASS}
    fields = found.pop("__dataclass_fields__", None)
    if isinstance(fields, dict):
        found |= {f"field {name}": each for name, each in cast("dict[str, object]", fields).items()}
    if isinstance(kind, enum.EnumMeta):
        members: dict[str, object] = dict(kind.__members__)
        return {name: member for name, member in found.items() if name not in members and not _OF_ENUM.fullmatch(name)} | members
    return found


def attributes_of(value: object) -> Iterator[tuple[str, object]]:
    """The attributes of an object, those in slots too; without what `cached_property` remembers."""
    kind = type(value)
    for name in slots_of(kind):
        if hasattr(value, name):
            yield name, getattr(value, name)
    for name, held in getattr(value, "__dict__", {}).items():
        if name not in FOR_PEOPLE and not is_remembered(kind, name):
            yield str(name), held


def slots_of(kind: type) -> list[str]:
    """The slots of a class and of its bases."""
    listed = ((name, member) for each in kind.__mro__ for name, member in vars(each).items())
    return [name for name, member in listed if isinstance(member, types.MemberDescriptorType) and not name.startswith("__")]


def is_remembered(kind: type, name: str) -> bool:
    """Whether an attribute is what a `cached_property` has computed."""
    return any(isinstance(vars(each).get(name), functools.cached_property) for each in kind.__mro__)


def has_fields(kind: type) -> bool:
    """Whether a class is a record: libraries, polars among them, read the types of its fields."""
    written = {name for each in kind.__mro__ for name in vars(each)}
    return not written.isdisjoint({"__dataclass_fields__", "__total__"}) or (tuple in kind.__mro__ and "_fields" in written)


def registered(kind: type) -> list[type]:
    """The classes that were registered with an abstract one."""
    if not isinstance(kind, abc.ABCMeta):
        return []
    found = cast("set[Callable[[], type | None]]", cast("Any", abc)._get_dump(kind)[0])  # noqa: SLF001  there is no other way to ask
    alive = [each for reference in found if (each := reference()) is not None]
    return sorted(alive, key=lambda each: (each.__module__, each.__qualname__))
