"""What an object means: the graph of everything of the project that it refers to, each thing under a name, by content.

Names of a namespace stand for objects, and each object has one label; both are causes. So two programs have equal causes only if their
graphs are equal.
"""

from __future__ import annotations

import functools
import importlib.machinery
import sys
import types
from collections import deque
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple, cast

from millstream.kernel.content import brief, content_of, is_fixed
from millstream.kernel.digest import digest_bytes
from millstream.kernel.distributions import PYTHON, in_project, versions_behind
from millstream.kernel.extensions import extensions
from millstream.kernel.guards import Guards
from millstream.kernel.members import has_fields, members_of, parts_of, registered
from millstream.kernel.names import Names, Resolved, foreign_name, has_parts, is_own_function, module_of
from millstream.kernel.normal_form import class_form
from millstream.kernel.reading import Reading, first_name, reading_of
from millstream.kernel.state import State, is_wrapper, state_of
from millstream.kernel.syntax import class_definitions_of

_COMPILED = tuple(importlib.machinery.EXTENSION_SUFFIXES)
OF_MODULE = {"__builtins__", "__cached__", "__doc__", "__file__", "__loader__", "__name__", "__package__", "__path__", "__spec__", "__annotations__"}
"""What the import system writes into a module."""
READ_NO_ANNOTATIONS = {
    *("polars", "numpy", "scipy", "pandas", "pyarrow", "duckdb", "sklearn", "lightgbm", "xgboost", "catboost", "joblib", "statsmodels"),
    *("matplotlib", "tqdm", "dateutil", "pytz", "yaml", "requests", "httpx"),
}
"""Packages for which the annotations of the user's functions mean nothing. (Fields of data classes and named tuples count always.)"""


class BlindSpot(NamedTuple):
    """What a cache key does not see: of which object, what, and where that is written."""

    owner: str
    what: str
    place: str = ""
    path: str | None = None
    is_file: bool = False

    def __str__(self) -> str:
        """One sentence."""
        return f"{self.owner}: {self.what}" + (f", at {self.place}" if self.place else "")


class Meaning:
    """The causes, sources and blind spots of what was taken in, and what guards them."""

    def __init__(self) -> None:
        """Nothing is taken in yet."""
        self.causes: dict[str, str] = {"python": PYTHON}
        self.sources: dict[str, str] = {}
        self.blind: set[BlindSpot] = set()
        self.guards = Guards()
        self._names = Names(self.guards)
        self._labels: dict[int, tuple[str, object]] = {}  # objects kept alive: an identity is given to one object only
        self._taken: dict[str, int] = {}
        self._waiting: deque[tuple[str, object]] = deque()
        self._code: dict[str, tuple[Reading, str]] = {}
        self._annotated: set[str] = set()
        self._readers: set[str] = set()

    def take_in(self, name: str, value: object) -> None:
        """Take in an object, and everything that it refers to."""
        self._tell(name, value)
        while self._waiting:
            label, each = self._waiting.popleft()
            self._look_into(label, each)
        looks_at_code = bool(self._readers) or any(reading.form.looks_at_code for reading, _ in self._code.values())
        for label, (reading, told) in self._code.items():
            form = reading.whole if looks_at_code else reading.form.digest
            self._say(label, digest_bytes(form.encode(), told.encode())[:16])
        if looks_at_code and self._annotated:
            self._say("annotations", digest_bytes(*(each.encode() for each in sorted(self._annotated)))[:16])

    def _say(self, name: str, value: str) -> None:
        known = self.causes.get(name, value)
        self.causes[name] = known if known == value else f"{known}, {value}"

    def _tell(self, name: str, value: object) -> None:
        """A name stands for a value: plain data by content, all else by its label."""
        plain = self._plain(value)
        if plain is not None:
            self._say(name, plain)
            return
        label = self._reference(name, value)
        if label != name:
            self._say(f"what {name} stands for", label)

    def _plain(self, value: object) -> str | None:
        content = content_of(value)
        if content is not None and not is_fixed(value):
            self.guards.content(value, content)
        return None if content is None else brief(content)

    def _reference(self, name: str, value: object) -> str:
        """The words for what is no plain data; what is to be looked into waits for it."""
        full = foreign_name(value)
        if full is not None and not has_parts(value):
            self._package(module_of(value, full))
            return full
        if is_wrapper(value):
            return self._inside(name, value)
        self._compiled(value)
        known = self._labels.get(id(value))
        if known is None:
            known = self._labels[id(value)] = (self._unique(full or _wanted(name, value, self._names)), value)
            self._waiting.append(known)
        return known[0]

    def _inside(self, name: str, value: object) -> str:
        """The words for what wraps a function: the function's label, and what the wrapper adds."""
        state = state_of(value, own=False)
        assert state is not None
        self._guard(value, state)
        parts = [self._plain(part) or self._reference(name if key == "function" else f"{name}:{key}", part) for key, part in state.parts.items()]
        return f"{type(value).__name__}{state.what}({', '.join(parts)})"

    def _made(self, name: str, function: types.FunctionType) -> str:
        """The words for a method that `dataclass` has made from the fields."""
        self.guards.function(function)
        reading = reading_of(function)
        told = sorted(self._follow(self._names.resolve(reading.form.uses, function.__globals__, names=reading.names)))
        parts = [self._plain(part) or self._reference(f"{name}:{key}", part) for key, part in parts_of(function).items()]
        return brief(f"made {reading.form.digest}({', '.join(parts + told)})")

    def _unique(self, label: str) -> str:
        self._taken[label] = self._taken.get(label, 0) + 1
        return label if self._taken[label] == 1 else self._unique(f"{label}#{self._taken[label]}")

    def _look_into(self, label: str, value: object) -> None:
        if isinstance(value, types.FunctionType):
            if is_own_function(value):
                self._function(label, value)
            else:
                self._foreign_function(label, value)
        elif isinstance(value, types.ModuleType):
            self._module(label, value)
        elif isinstance(value, type):
            self._class(label, value)
        else:
            self._instance(label, value)

    def _function(self, label: str, function: types.FunctionType) -> None:
        reading = reading_of(function)
        self.guards.function(function)
        namespace = function.__globals__
        resolved = self._names.resolve(reading.form.uses, namespace, names=reading.names, imports=reading.form.imports)
        self._notice(label, reading, resolved)
        told = self._follow(resolved)
        for first, form in reading.decorators:
            if not _is_ours(namespace.get(first)):
                told |= {form.digest} | self._follow(self._names.resolve(form.uses, namespace))
        for name, value in extensions(reading.attributes, self.guards):
            self._tell(name, value)
        for name, value in parts_of(function).items():
            self._tell(f"{label}:{name}", value)
        self._code[label] = (reading, "\n".join(sorted(told)))
        if reading.text:
            self.sources[label] = reading.text

    def _foreign_function(self, label: str, function: types.FunctionType) -> None:
        """A function that somebody else's decorator or factory has made: what it has captured may be the user's."""
        self.guards.function(function)
        self._package(module_of(function, label))
        self._say(label, function.__code__.co_qualname)
        registry: object = getattr(function, "registry", None)  # of functools.singledispatch, which captures what it remembers too
        captured: dict[str, object] = {"registry": registry} if isinstance(registry, types.MappingProxyType) else parts_of(function)
        for name, value in captured.items():
            self._tell(f"{label}:{name}", value)

    def _notice(self, label: str, reading: Reading, resolved: Resolved) -> None:
        for hidden, line in resolved.seen():
            self.blind.add(BlindSpot(label, hidden.what, reading.place(line) if line else "", hidden.path, hidden.is_file))

    def _follow(self, resolved: Resolved) -> set[str]:
        for package in resolved.packages:
            self._package(package)
        for name, value in resolved.objects.items():
            self._tell(name, value)
        return resolved.told

    def _module(self, label: str, module: types.ModuleType) -> None:
        """A module that is handed on as a value: all that it holds."""
        self.guards.members(vars(module))
        held = {name: value for name, value in vars(module).items() if name not in OF_MODULE}
        self._say(label, brief(", ".join(sorted(held))))
        for name, value in held.items():
            self._tell(f"{self._names.called(vars(module))}.{name}", value)

    def _class(self, label: str, kind: type) -> None:
        """A class as Python has made it: its bases and members; of classes that other people's code has made also what is written."""
        self.guards.members(vars(kind))
        self.guards.attribute(kind, "__bases__", kind.__bases__)
        above = [self._reference(label, each) for each in (*kind.__bases__, *(() if type(kind) is type else (type(kind),)))]
        told: set[str] = set()
        for name, member in members_of(kind).items():
            plain = self._plain(member)
            if plain is not None:
                self._say(f"{label}.{name}", plain)
                continue
            if isinstance(member, types.FunctionType) and _is_made(kind, member):
                reference = self._made(f"{label}.{name}", member)
            else:
                reference = self._reference(f"{label}.{name}", member)
            told.add(name if reference == f"{label}.{name}" else f"{name}={reference}")
        told |= {f"registered {self._reference(label, each)}" for each in registered(kind)} | self._written(label, kind)
        self.guards.registered()
        self._say(label, digest_bytes(*(each.encode() for each in (*above, "", *sorted(told))))[:16])

    def _written(self, label: str, kind: type) -> set[str]:
        """The text of a class is kept; it is part of the meaning where other people's code reads it: annotations, options, fields."""
        module = sys.modules.get(kind.__module__)
        namespace = vars(module) if module is not None else {}
        definitions = class_definitions_of(kind, str(namespace.get("__file__", "")), namespace)
        if definitions:
            self.sources[label] = "".join(text for _, text in definitions)
        told: set[str] = set()
        for node, _ in definitions:
            form = class_form(node)
            decorators = [foreign_name(namespace.get(first_name(each))) for each in node.decorator_list]
            made_by = [*(foreign_name(each) for each in (*kind.__mro__, type(kind))), *decorators]
            if has_fields(kind) or any(_is_third_party(each) for each in made_by):
                told |= {form.digest} | self._follow(self._names.resolve(form.uses, namespace))
            self._annotated.add(f"{label}={form.digest}")
        if not definitions and has_fields(kind):
            for name, each in vars(kind).get("__annotations__", {}).items():
                told.add(f"{name}: {self._plain(each) or self._reference(f'{label}.{name}', each)}")
        return told

    def _instance(self, label: str, value: object) -> None:
        kind = type(value)
        name = self._reference(f"{label}'s class", kind)
        state = state_of(value, own=in_project(kind.__module__))
        if state is None:
            self._say(label, name)
            self.blind.add(BlindSpot(label, f"a {kind.__name__} has no content that can be compared"))
            self.guards.never()
            return
        if state.blind:
            self.blind.add(BlindSpot(label, state.blind))
        self._guard(value, state)
        self._say(label, brief(f"{name} {state.what}({', '.join(sorted(state.parts))})"))
        for part, held in state.parts.items():
            self._tell(f"{label}:{part}", held)

    def _guard(self, value: object, state: State) -> None:
        if state.changes == "items":
            self.guards.items(cast("Collection[object]", value))
        elif state.changes == "attributes":
            self.guards.own(value)
        elif state.changes == "somehow":
            self.guards.never()

    def _compiled(self, value: object) -> None:
        """What is written in C in the project is known by the file that it was loaded from."""
        module = sys.modules.get(str(getattr(value, "__module__", None)))
        file = str(getattr(module, "__file__", None) or "")
        if module is not None and file.endswith(_COMPILED) and in_project(module.__name__):
            self._say(f"module {module.__name__}", digest_bytes(Path(file).read_bytes())[:16])

    def _package(self, module: str) -> None:
        """The version of what other people have written, and of what that requires."""
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names:
            return
        if top == "millstream":
            self.causes["millstream"] = str(getattr(sys.modules[top], "__version__", "unknown"))
            return
        if top not in READ_NO_ANNOTATIONS:
            self._readers.add(top)
        found = versions_behind(module)
        self.causes |= found
        if not found:
            self.causes[top] = "unknown"
            self.blind.add(BlindSpot(top, "its version is not known, so changes of it are not seen"))


def _wanted(name: str, value: object, names: Names) -> str:
    """What an object would like to be called: a function or class after itself, all else after the name by which it was reached."""
    if isinstance(value, types.FunctionType):
        code = value.__code__
        own = value.__qualname__ if code.co_filename.startswith("<") else code.co_qualname
        return name if code.co_name == "<lambda>" else f"{names.called(value.__globals__)}.{own}"
    if isinstance(value, types.ModuleType):
        return f"module {value.__name__}"
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    return f"{name} (wrapper)" if "__wrapped__" in getattr(value, "__dict__", {}) else name


def _is_made(kind: type, member: types.FunctionType) -> bool:
    """Whether `dataclass` has made a method."""
    return "__dataclass_params__" in vars(kind) and member.__code__.co_filename == "<string>"


def _is_ours(decorator: object) -> bool:
    """Whether a decorator is millstream's: it makes a declaration, and leaves the function as it is."""
    full = foreign_name(decorator.func if isinstance(decorator, functools.partial) else decorator)
    return full is not None and full.partition(".")[0] == "millstream"


def _is_third_party(full: str | None) -> bool:
    return full is not None and full.partition(".")[0] not in {"millstream", *sys.stdlib_module_names}
