"""What an object is made of: its parts under names, so that two objects of a class with equal parts mean the same.

Objects of the user's classes are their attributes and items; objects of other people's classes what they would be rebuilt from (as `copy` and `pickle` do).
"""

from __future__ import annotations

import _abc
import abc
import copyreg
import dataclasses
import enum
import functools
import re
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, cast

from millstream.kernel.content import content_of, pickled_functions, reads_files, written_by_polars
from millstream.kernel.declarations import Declaration
from millstream.kernel.digest import digest_bytes
from millstream.kernel.distributions import in_project

WITHOUT_MEANING = {
    "logging.Logger",
    "logging.RootLogger",
    "_thread.lock",
    "_thread.RLock",
    "threading.Condition",
    "threading.Event",
    "_thread._local",
}
"""Types whose objects say nothing about a result."""
HIDES = "is made by other people's code, and not all that it holds can be compared"
FIELD = ("name", "default", "default_factory", "init", "repr", "hash", "compare", "kw_only", "metadata", "_field_type")
_TOLD = {"__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "__type_params__"}
"""What `functools.wraps` copies, for people only."""
_TRANSPARENT = {"abc", "typing", "enum", "collections.abc", "_collections_abc"}
"""Modules whose classes hide nothing in objects of derived classes."""
OF_CLASS = {
    *("__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__", "__dict__", "__doc__", "__firstlineno__", "__module__"),
    *("__orig_bases__", "__parameters__", "__qualname__", "__static_attributes__", "__type_params__", "__weakref__", "_abc_impl"),
}
"""What Python writes into a class, and what is for people and type checkers only."""
_CACHED = type(functools.cache(len))
_WRAPPERS = (property, staticmethod, classmethod, types.MethodType, types.BuiltinFunctionType, _CACHED)
_ALL = slice(None)
_EXACT: dict[type, Callable[[Any], object]] = {
    int: int.__pos__,
    float: float.__pos__,
    complex: complex.__pos__,
    str: lambda value: str.__getitem__(value, _ALL),
    bytes: lambda value: bytes.__getitem__(value, _ALL),
    tuple: lambda value: tuple.__getitem__(value, _ALL),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    set: lambda value: set(set.__iter__(value)),
    list: lambda value: list.__getitem__(value, _ALL),
    dict: lambda value: dict(dict.items(value)),
}
"""From an object of a derived class to the built-in value in it."""

Changes = Literal["never", "items", "attributes", "somehow"]


class State(NamedTuple):
    """What an object is made of. `what` says what no part says, `changes` how it can become another, `blind` what more there is and cannot be known."""

    parts: Mapping[str, object]
    what: str = ""
    changes: Changes = "somehow"
    blind: str = ""


def state_of(value: object, *, own: bool) -> State | None:
    """The state of an object of the user's `own` class or of another; None if it cannot be known."""
    kind = type(value)
    if f"{kind.__module__}.{kind.__qualname__}" in WITHOUT_MEANING:
        return State({}, changes="never")
    if kind in (list, tuple, set, frozenset, dict, types.MappingProxyType):
        return State(_items(value), changes="never" if kind in (tuple, frozenset) else "items")
    if isinstance(value, Declaration):
        return _declared_state(value)
    return _wrapper_state(value) or _descriptor_state(value) or _expression_state(value) or (_own_state(value) if own else _rebuilt_state(value))


def is_wrapper(value: object) -> bool:
    """Whether it adds so little to a function that it needs no name of its own."""
    return isinstance(value, _WRAPPERS) or (isinstance(value, Declaration) and hasattr(value, "function"))


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
    """What a class holds: methods, descriptors, constants, the members of an enumeration; not what Python writes into it."""
    found = {name: member for name, member in vars(kind).items() if name not in OF_CLASS}
    if isinstance(kind, enum.EnumMeta):
        members = dict(kind.__members__)
        return {name: member for name, member in found.items() if name not in members and not re.fullmatch(r"_[^_].*[^_]_", name)} | members
    return found


def attributes_of(value: object) -> Iterator[tuple[str, object]]:
    """The attributes of an object, those in slots too; without what `cached_property` remembers."""
    kind = type(value)
    for name in slots_of(kind):
        if hasattr(value, name):
            yield name, getattr(value, name)
    for name, held in getattr(value, "__dict__", {}).items():
        if name not in _TOLD and not _is_remembered(kind, name):
            yield str(name), held


def slots_of(kind: type) -> list[str]:
    """The slots of a class and of its bases."""
    listed = ((name, member) for each in kind.__mro__ for name, member in vars(each).items())
    return [name for name, member in listed if isinstance(member, types.MemberDescriptorType) and not name.startswith("__")]


def registered(kind: type) -> list[type]:
    """The classes that were registered with an abstract one."""
    if not isinstance(kind, abc.ABCMeta):
        return []
    found: set[Callable[[], type | None]] = _abc._get_dump(kind)[0]  # noqa: SLF001  there is no other way to ask
    alive = [each for reference in found if (each := reference()) is not None]
    return sorted(alive, key=lambda each: (each.__module__, each.__qualname__))


def _items(value: object) -> dict[str, object]:
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        named = all(content_of(key) is not None for key in value)
        return {repr(key) if named else str(place): item if named else (key, item) for place, (key, item) in enumerate(pairs)}
    items = list(cast("list[object]", value))
    if isinstance(value, set | frozenset):
        items.sort(key=lambda each: content_of(each) or str(getattr(each, "__qualname__", type(each).__qualname__)))
    return {str(place): item for place, item in enumerate(items)}


def _wrapper_state(value: Any) -> State | None:
    """The parts of what wraps functions."""
    what = ""
    if isinstance(value, functools.partial):
        parts: dict[str, object] = {"func": value.func, "args": value.args, "keywords": value.keywords}
    elif isinstance(value, types.MethodType):
        return State({"function": value.__func__, "self": value.__self__}, changes="never")
    elif isinstance(value, types.BuiltinFunctionType | types.MethodWrapperType):
        return State({"self": value.__self__}, value.__name__, "never")
    elif isinstance(value, property):
        parts = {"fget": value.fget, "fset": value.fset, "fdel": value.fdel}
    elif isinstance(value, staticmethod | classmethod):
        parts = {"function": cast("Any", value).__func__}
    elif isinstance(value, functools.cached_property):
        parts = {"function": cast("Any", value).func}
    elif isinstance(value, _CACHED):
        parts, what = {"function": value.__wrapped__}, repr(value.cache_parameters())
    else:
        return None
    more = {
        name: held for name, held in attributes_of(value) if not any(held is part for part in parts.values()) and name not in ("lock", "attrname")
    }
    return State(parts | more, what, "attributes" if more else "never")


def _descriptor_state(value: Any) -> State | None:
    """The parts of what describes others: fields of data classes, members of enumerations, slots."""
    if isinstance(value, dataclasses.Field):
        return State({name.strip("_"): getattr(cast("Any", value), name, None) for name in FIELD}, changes="never")
    if isinstance(value, enum.Enum):
        mine = {name: held for name, held in attributes_of(value) if name not in ("_name_", "_sort_order_", "__objclass__")}
        return State(mine, value.name, "attributes")
    if isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType | types.WrapperDescriptorType | types.MethodDescriptorType):
        return State({}, value.__qualname__, "never")
    return None


def _declared_state(value: Declaration) -> State:
    """What a declaration says, but for the line where it stands."""
    function: Any = getattr(value, "function", None)
    if function is not None:
        return State({"function": function, "settings": dict(getattr(value, "settings", {}))}, changes="never")
    return State({each.name: getattr(value, each.name) for each in dataclasses.fields(value) if each.name != "where"}, changes="never")


def _expression_state(value: Any) -> State | None:
    """The Python functions in a polars expression, and the rest of it as it is written. In a plan they are not found again."""
    written = written_by_polars(value)
    if written is None:
        return None
    if type(value).__name__ == "LazyFrame":
        blind = "is a plan that reads files when it runs" if reads_files(written) else "is a plan with Python functions in it"
        return State({}, digest_bytes(written)[:16], "somehow", blind)
    functions: dict[str, object] = {}
    rest: list[bytes] = []
    start = 0
    try:
        for place, (begin, end, function) in enumerate(pickled_functions(written)):
            functions[str(place)] = function
            rest.append(written[start:begin])
            start = end
    except Exception:  # noqa: BLE001  whatever a user's object raises that cannot be unpickled
        return State({}, digest_bytes(written)[:16], "somehow", "is an expression with Python functions in it")
    return State(functions, digest_bytes(*rest, written[start:])[:16])


def _own_state(value: object) -> State:
    """Attributes and the built-in value inside; what classes of other people have put into it, as it would be rebuilt."""
    parts: dict[str, object] = dict(attributes_of(value))
    base = next((each for each in _EXACT if isinstance(value, each)), None)
    if base is not None:
        parts["value"] = _EXACT[base](value)
    if not any(_hides(each) for each in type(value).__mro__):
        return State(parts, changes="somehow" if base in (set, list, dict) else "attributes")
    rebuilt = _rebuilt_state(value)
    return State(parts, blind=HIDES) if rebuilt is None else State({**rebuilt.parts, **parts}, rebuilt.what)


def _hides(kind: type) -> bool:
    if kind.__module__ == "builtins":
        return kind is not object and kind not in _EXACT
    return kind.__module__ not in _TRANSPARENT and not in_project(kind.__module__)


def _rebuilt_state(value: Any) -> State | None:
    kind = type(value)
    reduce = copyreg.dispatch_table.get(kind)
    if reduce is None and all(getattr(kind, name) is getattr(object, name) for name in ("__reduce_ex__", "__reduce__", "__getstate__")):
        return _plain_state(value)
    try:
        reduced: Any = reduce(value) if reduce is not None else value.__reduce_ex__(4)
    except Exception:  # noqa: BLE001  whatever an object raises that cannot be rebuilt
        return None
    if isinstance(reduced, str):
        return State({}, reduced)
    make, made_from, state, items, pairs = (*reduced, None, None, None)[:5]
    parts = {str(place): each for place, each in enumerate(made_from) if each is not kind}
    for held in state if isinstance(state, tuple) and len(cast("tuple[object, ...]", state)) == 2 else (state,):
        if isinstance(held, dict):
            attributes = cast("dict[object, object]", held)
            parts |= {str(name): each for name, each in attributes.items() if name not in _TOLD and not _is_remembered(kind, str(name))}
        elif held is not None:
            parts["state"] = held
    if items is not None:
        parts["items"] = list(items)
    if pairs is not None:
        parts["pairs"] = list(pairs)
    return State(parts, f"{make.__module__}.{getattr(make, '__qualname__', make)}")


def _plain_state(value: Any) -> State | None:
    """Attributes, where nothing says otherwise; Python itself knows whether an object holds more."""
    try:
        made_from, items, pairs = value.__reduce_ex__(4)[1], *value.__reduce_ex__(4)[3:5]
    except Exception:  # noqa: BLE001  as above
        return None
    parts = dict(attributes_of(value))
    if len(made_from) > 1:
        parts["value"] = made_from[1:]
    if items is not None or pairs is not None:
        return State(parts | {"items": list(items or ()), "pairs": list(pairs or ())})
    return State(parts, changes="attributes")


def _is_remembered(kind: type, name: str) -> bool:
    return any(isinstance(vars(each).get(name), functools.cached_property) for each in kind.__mro__)
