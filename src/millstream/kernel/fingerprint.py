"""What a function means: itself and everything of the project that it refers to, transitively, by content.

Followed are functions, classes with their project bases, constants, closures, defaults, `functools.partial`, polars expressions and frames; of other
people's packages the version. What cannot be followed is a named blind spot.
"""

from __future__ import annotations

import builtins
import dataclasses
import functools
import importlib.metadata
import sys
import sysconfig
import types
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from millstream.kernel.content import content_of
from millstream.kernel.declarations import Declaration
from millstream.kernel.digest import digest_bytes
from millstream.kernel.records import Cause
from millstream.kernel.syntax import annotations_of, attributes_read, class_definition_of, definition_of, normalised, without_decorators

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
DISTRIBUTIONS = {"polars": ("polars-runtime-32", "polars"), "sklearn": ("scikit-learn",)}


class Fingerprint(msgspec.Struct, frozen=True):
    """The digest of what a function means, its causes by name, the sources they were read from, and what could not be followed."""

    digest: str
    causes: tuple[Cause, ...]
    sources: tuple[tuple[str, str], ...]
    blind: tuple[str, ...]


def fingerprint(function: Callable[..., object]) -> Fingerprint:
    """Fingerprint of a function of the project."""
    walk = _Walk()
    walk.visit(_name(function), function)
    causes = tuple(Cause(name, walk.seen[name]) for name in sorted(walk.seen))
    digest = digest_bytes(*(f"{cause.name}={cause.value}".encode() for cause in causes))
    return Fingerprint(digest, causes, tuple(sorted(walk.sources.items())), tuple(sorted(walk.blind)))


def fingerprint_value(name: str, value: object) -> tuple[Cause, ...]:
    """What an object means: its class by content or version, and what it holds."""
    walk = _Walk()
    walk.visit(name, value)
    return (*(Cause(each, walk.seen[each]) for each in sorted(walk.seen)), *(Cause(f"blind {each}", each) for each in sorted(walk.blind)))


def versions(*distributions: str) -> tuple[Cause, ...]:
    """The installed versions of some distributions."""
    return tuple(Cause(each, _version(each)) for each in distributions)


def own_code(*rooms: str) -> Cause:
    """The code of millstream's own rooms, by content: what a step of the library means."""
    return Cause("millstream", _own_digest(tuple(sorted({"kernel", *rooms}))))


@functools.cache
def _own_digest(rooms: tuple[str, ...]) -> str:
    package = Path(__file__).parent.parent
    files = sorted(file for room in rooms for file in (package / room).rglob("*.py"))
    return digest_bytes(*(piece for file in files for piece in (str(file.relative_to(package)).encode(), file.read_bytes())))[:16]


class _Walk:
    def __init__(self) -> None:
        self.seen: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self.blind: set[str] = set()
        self._objects: set[int] = set()

    def visit(self, name: str, value: object) -> None:
        """Take in one object under the name by which the code refers to it."""
        plain = content_of(value)
        if plain is not None:
            self.seen[name] = plain
        elif isinstance(value, Declaration):
            self._declaration(name, value)
        elif isinstance(value, types.ModuleType):
            self._package(value.__name__)
        elif isinstance(value, functools.partial):
            self.visit(f"{name}.func", value.func)
            self._values(name, {"args": value.args, **value.keywords})
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, types.MethodType):
            self.visit(name, value.__func__)
        else:
            self._instance(name, value)

    def _function(self, function: types.FunctionType) -> None:
        if id(function) in self._objects:
            return
        self._objects.add(id(function))
        if not _in_project(function.__module__):
            self._package(function.__module__)
            return
        name = _name(function)
        found = definition_of(function.__code__)
        if found is None:
            self.blind.add(f"{name}: its source cannot be read")
            self.seen[name] = digest_bytes(function.__code__.co_code, repr(function.__code__.co_consts).encode())
            return
        tree, text = found
        tree = without_decorators(tree)
        self._keep(name, digest_bytes(normalised(tree).encode())[:16], text)
        self._defaults(name, function)
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
        self._values(name, {key: cell.cell_contents for key, cell in cells.items() if _filled(cell)})
        self._globals(tree, function)
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self.visit(_name(wrapped), wrapped)

    def _globals(self, tree: object, function: types.FunctionType) -> None:
        only_annotations = annotations_of(tree)  # type: ignore[arg-type]
        for name in _global_names(function.__code__):
            if name in only_annotations or name not in function.__globals__:
                continue
            value = function.__globals__[name]
            if isinstance(value, types.ModuleType) and _in_project(value.__name__):
                for attribute in attributes_read(tree, name):  # type: ignore[arg-type]
                    self.visit(f"{value.__name__}.{attribute}", getattr(value, attribute, None))
            else:
                self.visit(f"{function.__module__}.{name}", value)

    def _defaults(self, name: str, function: types.FunctionType) -> None:
        code = function.__code__
        positional = code.co_varnames[: code.co_argcount]
        defaults = function.__defaults__ or ()
        self._values(name, dict(zip(positional[len(positional) - len(defaults) :], defaults, strict=True)))

    def _class(self, kind: type) -> None:
        if id(kind) in self._objects or kind.__module__ == "builtins":
            return
        self._objects.add(id(kind))
        if not _in_project(kind.__module__):
            self._package(kind.__module__)
            return
        name = f"{kind.__module__}.{kind.__qualname__}"
        found = class_definition_of(kind, getattr(sys.modules[kind.__module__], "__file__", "") or "")
        if found is None:
            self.blind.add(f"{name}: its source cannot be read")
            return
        self._keep(name, digest_bytes(normalised(found[0]).encode())[:16], found[1])
        for base in kind.__bases__:
            self._class(base)
        for member in vars(kind).values():
            function = getattr(member, "fget", None) or getattr(member, "__func__", None) or member
            if isinstance(function, types.FunctionType) and function.__module__ == kind.__module__:
                self._globals(found[0], function)

    def _declaration(self, name: str, value: Declaration) -> None:
        function = getattr(value, "function", None)
        if isinstance(function, types.FunctionType):
            self._function(function)
        else:
            self.seen[name] = type(value).__name__

    def _instance(self, name: str, value: object) -> None:
        kind = type(value)
        self._class(kind)
        if callable(getattr(value, "get_params", None)):
            self._values(name, value.get_params(deep=False))  # type: ignore[attr-defined]
        elif dataclasses.is_dataclass(value):
            self._values(name, {field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
        elif kind.__module__.partition(".")[0] == "builtins" or callable(value):
            self._package(getattr(value, "__module__", None) or kind.__module__)
        else:
            self._contents(name, value)

    def _contents(self, name: str, value: object) -> None:
        held = getattr(value, "__dict__", None)
        if held is not None and _in_project(type(value).__module__):
            self._values(name, held)
        else:
            self.blind.add(f"{name}: a {type(value).__name__} has no content that can be compared")

    def _values(self, name: str, values: Mapping[str, object]) -> None:
        for key, value in values.items():
            self.visit(f"{name}:{key}", value)

    def _package(self, module: str) -> None:
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or top == "builtins":
            self.seen["python"] = PYTHON
        elif top == "millstream":
            self.seen["millstream"] = _version("millstream")
        else:
            for distribution in DISTRIBUTIONS.get(top, (top,)):
                self.seen[distribution] = _version(distribution)

    def _keep(self, name: str, digest: str, text: str) -> None:
        self.seen[name] = digest
        self.sources[name] = text


def _global_names(code: types.CodeType) -> list[str]:
    names = dict.fromkeys(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= dict.fromkeys(_global_names(constant))
    return [name for name in names if not hasattr(builtins, name)]


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018  asks whether the cell is filled
    except ValueError:
        return False
    return True


def _name(function: Callable[..., object]) -> str:
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', type(function).__name__)}"


@functools.cache
def _in_project(module: str | None) -> bool:
    """Whether a module is the user's own: neither the standard library nor an installed package."""
    if not module or module.partition(".")[0] in ("millstream", "builtins"):
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return module == "__main__"
    places = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return not any(Path(file).resolve().is_relative_to(Path(place).resolve()) for place in places)


@functools.cache
def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        owners = importlib.metadata.packages_distributions().get(distribution, ["?"])
        return importlib.metadata.version(owners[0]) if owners[0] != "?" else "unknown"
