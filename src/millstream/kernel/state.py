"""What an object is made of: its parts under names, so that two objects of a class with equal parts mean the same.

Objects of the user's classes are their attributes and items; objects of other people's classes what they would be rebuilt from,
as `copy` and `pickle` do.
"""

from __future__ import annotations

import copyreg
import dataclasses
import enum
import functools
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple, cast

from millstream.kernel.content import content_of
from millstream.kernel.declarations import Declaration
from millstream.kernel.digest import digest_bytes
from millstream.kernel.distributions import in_project
from millstream.kernel.expressions import functions_in, is_expression, is_plan, reads_files, written_expression, written_plan
from millstream.kernel.members import FOR_PEOPLE, attributes_of, is_remembered

WITHOUT_MEANING = {
    *("logging.Logger", "logging.RootLogger", "threading.Condition", "threading.Event"),
    *("_thread.lock", "_thread.RLock", "_thread._local"),
}
"""Types whose objects say nothing about a result."""
_FIELD = ("name", "default", "default_factory", "init", "repr", "hash", "compare", "kw_only", "metadata", "_field_type")
_TRANSPARENT = {"abc", "typing", "enum", "collections.abc", "_collections_abc"}
"""Modules whose classes hide nothing in objects of derived classes."""
_DESCRIPTORS = (types.MemberDescriptorType, types.GetSetDescriptorType, types.WrapperDescriptorType, types.MethodDescriptorType)
_CACHED = type(functools.cache(len))
_WRAPPERS: set[type] = {property, staticmethod, classmethod, types.MethodType, types.BuiltinFunctionType, dataclasses.Field, _CACHED}
_BUILT_IN: set[type] = {int, float, complex, str, bytes, tuple, frozenset, set, list, dict}
_HIDDEN = "is of a class made by other people, and not all that it holds can be compared"

Changes = Literal["never", "items", "attributes", "somehow"]


class State(NamedTuple):
    """What an object is made of.

    `what` says what no part says, `changes` how it can become another, `blind` what more there is and cannot be known.
    """

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
    known = _wrapper_state(value) or _descriptor_state(value) or _written_state(value)
    return known or (_own_state(value) if own else _rebuilt_state(value))


def is_wrapper(value: object) -> bool:
    """Whether it adds so little to a function that it needs no name of its own."""
    return type(value) in _WRAPPERS or (isinstance(value, Declaration) and hasattr(value, "function"))


def _items(value: object) -> dict[str, object]:
    if isinstance(value, Mapping):
        pairs = list(cast("Mapping[object, object]", value).items())
        if all(content_of(key) is not None for key, _ in pairs):
            return {repr(key) if isinstance(key, str | int | float) else str(content_of(key)): item for key, item in pairs}
        return {str(place): pair for place, pair in enumerate(pairs)}
    items = list(cast("Iterable[object]", value))
    if isinstance(value, set | frozenset):
        items.sort(key=lambda each: content_of(each) or str(getattr(each, "__qualname__", type(each).__qualname__)))
    return {str(place): item for place, item in enumerate(items)}


def _wrapper_state(value: object) -> State | None:
    """The parts of what wraps functions."""
    wrapper, what = cast("Any", value), ""
    parts: dict[str, object]
    if isinstance(value, types.MethodType):
        return State({"function": value.__func__, "self": value.__self__}, changes="never")
    if isinstance(value, types.BuiltinFunctionType | types.MethodWrapperType):
        return State({"self": value.__self__}, value.__name__, "never")
    if isinstance(value, functools.partial):
        parts = {"func": wrapper.func, "args": wrapper.args, "keywords": wrapper.keywords}
    elif isinstance(value, property):
        parts = {"fget": value.fget, "fset": value.fset, "fdel": value.fdel}
    elif isinstance(value, staticmethod | classmethod):
        parts = {"function": wrapper.__func__}
    elif isinstance(value, functools.cached_property):
        parts = {"function": wrapper.func}
    elif isinstance(value, _CACHED):
        parts, what = {"function": wrapper.__wrapped__}, repr(wrapper.cache_parameters())
    else:
        return None
    known = [id(part) for part in parts.values()]
    more = {name: held for name, held in attributes_of(wrapper) if id(held) not in known and name not in ("lock", "attrname")}
    return State(parts | more, what, "attributes" if more else "never")


def _descriptor_state(value: object) -> State | None:
    """The parts of what describes others: fields of data classes, members of enumerations, slots."""
    if isinstance(value, dataclasses.Field):
        return State({name.strip("_"): getattr(cast("Any", value), name, None) for name in _FIELD}, changes="never")
    if isinstance(value, enum.Enum):
        mine = {name: held for name, held in attributes_of(value) if name not in ("_name_", "_sort_order_", "__objclass__")}
        return State(mine, value.name, "attributes")
    return State({}, value.__qualname__, "never") if isinstance(value, _DESCRIPTORS) else None


def _declared_state(value: Declaration) -> State:
    """What a declaration says, but for the line where it stands."""
    function: object = getattr(value, "function", None)
    if function is not None:
        return State({"function": function, "settings": dict(getattr(value, "settings", {}))}, changes="never")
    return State({each.name: getattr(value, each.name) for each in dataclasses.fields(value) if each.name != "where"}, changes="never")


def _written_state(value: object) -> State | None:
    """The Python functions in a polars expression, and the rest of it as it is written. In a plan they are not found again."""
    if is_plan(value):
        plan = written_plan(cast("Any", value))
        if plan is None:
            return None
        blind = "is a plan that reads files when it runs" if reads_files(plan) else "is a plan with Python functions in it"
        return State({}, digest_bytes(plan)[:16], blind=blind)
    written = written_expression(cast("Any", value)) if is_expression(value) else None
    if written is None:
        return None
    try:
        functions, rest = functions_in(written)
    except Exception:  # noqa: BLE001  whatever a user's object raises that cannot be unpickled
        return State({}, digest_bytes(written)[:16], blind="is an expression with Python functions in it")
    return State({str(place): each for place, each in enumerate(functions)}, digest_bytes(rest)[:16])


def _own_state(value: object) -> State:
    """Attributes and the built-in value inside; what classes of other people have put into it, as it would be rebuilt."""
    parts: dict[str, object] = dict(attributes_of(value))
    base = next((each for each in type(value).__mro__ if each in _BUILT_IN), None)
    if base is not None:
        parts["value"] = _value_inside(value, base)
    if not any(_hides(each) for each in type(value).__mro__):
        return State(parts, changes="somehow" if base in (set, list, dict) else "attributes")
    rebuilt = _rebuilt_state(value)
    return State(parts, blind=_HIDDEN) if rebuilt is None else State({**rebuilt.parts, **parts}, rebuilt.what, rebuilt.changes)


def _value_inside(value: object, base: type) -> object:
    """From an object of a derived class to the built-in value in it, whatever its methods do."""
    kind = cast("Any", base)
    if base in (int, float, complex):
        return kind.__pos__(value)
    if base in (set, frozenset):
        return kind(kind.__iter__(value))
    return dict(kind.items(value)) if base is dict else kind.__getitem__(value, slice(None))


def _hides(kind: type) -> bool:
    """Whether a class may have put something into an object that is no attribute."""
    if kind.__module__ == "builtins":
        return kind is not object and kind not in _BUILT_IN
    return kind.__module__ not in _TRANSPARENT and not in_project(kind.__module__)


def _rebuilt_state(value: object) -> State | None:
    """What `copy` would make a copy from."""
    kind: type = type(value)
    reduce = cast("Callable[[object], Any] | None", copyreg.dispatch_table.get(kind))
    if reduce is None and all(getattr(kind, name) is getattr(object, name) for name in ("__reduce_ex__", "__reduce__", "__getstate__")):
        return _plain_state(value)
    try:
        reduced: Any = reduce(value) if reduce is not None else value.__reduce_ex__(4)
    except Exception:  # noqa: BLE001  whatever an object raises that cannot be rebuilt
        return None
    if isinstance(reduced, str):
        return State({}, reduced) if _is_called(value, reduced) else None
    make, made_from, held, items, pairs = cast("tuple[Any, ...]", (*reduced, None, None, None))[:5]
    parts: dict[str, object] = {str(place): each for place, each in enumerate(cast("tuple[object, ...]", made_from)) if each is not kind}
    parts |= _attributes_in(kind, held)
    if items is not None:
        parts["items"] = list(items)
    if pairs is not None:
        parts["pairs"] = list(pairs)
    return State(parts, f"{make.__module__}.{getattr(make, '__qualname__', make)}")


def _attributes_in(kind: type, held: object) -> dict[str, object]:
    """The attributes in what an object gives as its state: a dictionary, two of them, or something of its own."""
    found: dict[str, object] = {}
    pair = cast("tuple[object, ...]", held if isinstance(held, tuple) else (held,))
    if len(pair) > 2 or not all(each is None or isinstance(each, dict) for each in pair):
        return {"state": held}
    for each in pair:
        for name, attribute in cast("dict[object, object]", each or {}).items():
            if name not in FOR_PEOPLE and not is_remembered(kind, str(name)):
                found[str(name)] = attribute
    return found


def _plain_state(value: object) -> State | None:
    """Attributes, where no class says otherwise; Python itself knows whether an object holds more."""
    try:
        _, made_from, _, items, pairs = cast("tuple[Any, ...]", value.__reduce_ex__(4))
    except Exception:  # noqa: BLE001  as above
        return None
    parts: dict[str, object] = dict(attributes_of(value))
    if len(made_from) > 1:
        parts["value"] = made_from[1:]
    if items is not None or pairs is not None:
        return State(parts | {"items": list(items or ()), "pairs": list(pairs or ())})
    return State(parts, changes="attributes")


def _is_called(value: object, name: str) -> bool:
    """Whether a module holds the object under a name, so that its code is the module's."""
    module = sys.modules.get(str(getattr(value, "__module__", None) or type(value).__module__))
    return module is not None and vars(module).get(name) is value
