"""What a function means: itself and everything of the project that it refers to, transitively, by content.

Followed are functions, classes with their project bases, constants, closures, defaults, `functools.partial`, polars expressions and frames; of other
people's packages the version. What cannot be followed is a named blind spot.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import functools
import importlib.metadata
import importlib.util
import pkgutil
import sys
import sysconfig
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import msgspec

from millstream.kernel.content import Collection, content_of
from millstream.kernel.declarations import Declaration
from millstream.kernel.digest import digest_bytes
from millstream.kernel.records import Cause
from millstream.kernel.syntax import (
    Definition,
    annotations_of,
    chains_read,
    class_definition_of,
    class_level,
    definition_of,
    imports_inside,
    normalised,
    without_decorators,
)

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
    """Millstream's version and the code of its rooms, by content: what a step of the library means."""
    return Cause("millstream", f"{sys.modules['millstream'].__version__} {_own_digest(tuple(sorted({'kernel', *rooms})))}")


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
        self._objects: dict[int, object] = {}  # kept alive: an identity is given to one object only

    def visit(self, name: str, value: object) -> None:
        """Take in one object under the name by which the code refers to it."""
        plain = content_of(value)
        if plain is not None:
            self._tell(name, plain)
        elif isinstance(value, Declaration):
            self._declaration(name, value)
        elif isinstance(value, types.ModuleType):
            self._module(name, value)
        elif isinstance(value, types.FunctionType):
            self._function(name, value)
        elif isinstance(value, type):
            self._class(name, value)
        elif isinstance(value, types.MethodType):
            self.visit(name, value.__func__)
            self.visit(f"{name}.self", value.__self__)
        elif self._is_new(value):
            self._instance(name, value)
        if isinstance(value, enum.Enum):
            self._class(_name(type(value)), type(value))

    def _tell(self, name: str, content: str) -> None:
        """One name may stand for several things, as closures of one factory: all count, in their order."""
        known = self.seen.get(name, content)
        self.seen[name] = known if known == content else f"{known}, {content}"

    def _keep(self, name: str, tree: ast.AST, text: str) -> None:
        self._tell(name, digest_bytes(normalised(tree).encode())[:16])
        known = self.sources.get(name, text)
        self.sources[name] = known if known == text else known + text

    def _is_new(self, value: object) -> bool:
        if id(value) in self._objects:
            return False
        self._objects[id(value)] = value
        return True

    def _module(self, name: str, module: types.ModuleType) -> None:
        if _in_project(module.__name__):
            self.blind.add(f"{name}: a module is handed on, and what is read of it is not known")
        else:
            self._package(module.__name__)

    def _function(self, name: str, function: types.FunctionType) -> None:
        own = _name(function)
        if name != own:
            self._tell(name, own)
        if not self._is_new(function):
            return
        module, inside = _module_of(function), _closure(function)
        if _in_project(module):
            self._body(own, function)
            self._values(own, _defaults(function) | inside)
        else:
            self._package(module)
            self._values(own, {key: value for key, value in inside.items() if isinstance(value, types.FunctionType)})
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self.visit(f"{own}.wrapped", wrapped)

    def _body(self, name: str, function: types.FunctionType) -> None:
        found = definition_of(function.__code__)
        if found is None:
            self.blind.add(f"{name}: its source cannot be read")
            self._tell(name, _code_digest(function.__code__))
            return
        tree = without_decorators(found[0])
        self._keep(name, tree, found[1])
        self._names(tree, function)

    def _names(self, tree: Definition, function: types.FunctionType) -> None:
        """What a function's global names, and those that it imports itself, stand for."""
        names = set(_global_names(function.__code__)) - annotations_of(tree)
        scope = {name: value for name, value in function.__globals__.items() if name in names}
        self._chains(tree, _module_of(function), scope | self._imports(tree, function))

    def _imports(self, tree: Definition, function: types.FunctionType) -> dict[str, object]:
        found: dict[str, object] = {}
        for local, imported, meant in imports_inside(tree, str(function.__globals__.get("__package__") or "")):
            if not _in_project(imported.partition(".")[0]):
                self._package(imported)
                continue
            try:
                pkgutil.resolve_name(imported)
                found[local] = pkgutil.resolve_name(meant)
            except Exception as error:  # noqa: BLE001  whatever the user's module raises
                self.blind.add(f"{_name(function)}: {imported} cannot be imported ({type(error).__name__})")
        return found

    def _chains(self, tree: ast.AST, module: str, scope: Mapping[str, object]) -> None:
        """Follow names and, through the modules of the project, their attributes."""
        found: dict[str, object] = {}
        for first, *attributes in chains_read(tree):
            if first not in scope:
                continue
            name, value = f"{module}.{first}", scope[first]
            for attribute in attributes:
                if not (isinstance(value, types.ModuleType) and _in_project(value.__name__)):
                    break
                name, value = f"{value.__name__}.{attribute}", getattr(value, attribute, None)
            found[name] = value
        for name, value in found.items():
            self.visit(name, value)

    def _class(self, name: str, kind: type) -> None:
        own = _name(kind)
        if name != own:
            self._tell(name, own)
        if kind.__module__ == "builtins" or not self._is_new(kind):
            return
        module = sys.modules.get(kind.__module__)
        if module is None or not _in_project(kind.__module__):
            self._package(kind.__module__)
            return
        found = class_definition_of(kind, getattr(module, "__file__", "") or "")
        if found is None:
            self.blind.add(f"{own}: its source cannot be read")
            return
        self._keep(own, *found)
        for base in kind.__bases__:
            self._class(_name(base), base)
        self._chains(class_level(found[0]), kind.__module__, vars(module))
        for member in vars(kind).values():
            function = _plain_function(member)
            if function is not None and function.__module__ == kind.__module__:
                self._names(found[0], function)

    def _declaration(self, name: str, value: Declaration) -> None:
        function = getattr(value, "function", None)
        if isinstance(function, types.FunctionType):
            self._function(_name(function), function)
        else:
            self._tell(name, type(value).__name__)

    def _instance(self, name: str, value: object) -> None:
        kind = type(value)
        if isinstance(value, tuple | list | set | frozenset | dict):
            self._collection(name, cast("Collection", value))
            return
        if isinstance(value, functools.partial):
            self.visit(f"{name}.func", value.func)
            self._values(name, {"args": value.args, **value.keywords})
            return
        wrapped = getattr(value, "__wrapped__", None)
        if isinstance(wrapped, types.FunctionType):
            self.visit(f"{name}.wrapped", wrapped)
        self._class(_name(kind), kind)
        if callable(getattr(value, "get_params", None)):
            self._values(name, value.get_params(deep=False))  # type: ignore[attr-defined]
        elif dataclasses.is_dataclass(value):
            self._values(name, {field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
        elif _in_project(kind.__module__) and hasattr(value, "__dict__"):
            self._values(name, vars(value))
        elif kind.__module__.partition(".")[0] == "builtins" or callable(value):
            self._package(getattr(value, "__module__", None) or kind.__module__)
        else:
            self.blind.add(f"{name}: a {kind.__name__} has no content that can be compared")

    def _collection(self, name: str, value: Collection) -> None:
        """A collection of what is no plain data: what is in it, and in which order."""
        pairs = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
        if isinstance(value, set | frozenset):
            pairs = list(enumerate(sorted(value, key=_label)))
        self._tell(name, f"{type(value).__name__}[{', '.join(f'{key!r}: {_label(item)}' for key, item in pairs)}]")
        self._values(name, {repr(key): item for key, item in pairs})

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


def _global_names(code: types.CodeType) -> list[str]:
    names = dict.fromkeys(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= dict.fromkeys(_global_names(constant))
    return list(names)


def _code_digest(code: types.CodeType) -> str:
    """Digest of compiled code and of all code inside it: instructions, names and constants."""
    constants = [_code_digest(each) if isinstance(each, types.CodeType) else repr(each) for each in code.co_consts]
    return digest_bytes(code.co_code, repr((code.co_names, constants)).encode())[:16]


def _defaults(function: types.FunctionType) -> dict[str, object]:
    code, defaults = function.__code__, function.__defaults__ or ()
    positional = code.co_varnames[: code.co_argcount]
    return dict(zip(positional[len(positional) - len(defaults) :], defaults, strict=True)) | (function.__kwdefaults__ or {})


def _closure(function: types.FunctionType) -> dict[str, object]:
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
    return {name: cell.cell_contents for name, cell in cells.items() if _filled(cell)}


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018  asks whether the cell is filled
    except ValueError:
        return False
    return True


def _plain_function(member: object) -> types.FunctionType | None:
    """The function inside a method, property or cached function."""
    found = member
    for attribute in ("fget", "__func__", "func", "__wrapped__"):
        found = getattr(found, attribute, None) or found
    return found if isinstance(found, types.FunctionType) else None


def _module_of(function: types.FunctionType) -> str:
    """Where a function is written, which `functools.wraps` does not change."""
    return str(function.__globals__.get("__name__") or function.__module__)


def _name(value: Callable[..., object]) -> str:
    if isinstance(value, types.FunctionType):
        return f"{_module_of(value)}.{value.__code__.co_qualname}"
    return f"{getattr(value, '__module__', '?')}.{getattr(value, '__qualname__', type(value).__name__)}"


def _label(item: object) -> str:
    return content_of(item) or (_name(item) if callable(item) else type(item).__qualname__)


@functools.cache
def _in_project(module: str | None) -> bool:
    """Whether a module is the user's own: neither the standard library nor an installed package."""
    if not module or module.partition(".")[0] in ("millstream", *sys.builtin_module_names):
        return False
    place = _place(module)
    if place is None:
        return module == "__main__"
    installed = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return not any(Path(place).resolve().is_relative_to(Path(each).resolve()) for each in installed)


def _place(module: str) -> str | None:
    """The file or folder of a module that is loaded, or could be."""
    loaded = sys.modules.get(module)
    try:
        found = loaded.__spec__ if loaded is not None else importlib.util.find_spec(module)
    except (ImportError, ValueError):
        found = None
    folders = list(found.submodule_search_locations or ()) if found is not None else []
    return getattr(loaded, "__file__", None) or (found.origin if found is not None and found.has_location else None) or next(iter(folders), None)


@functools.cache
def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        owners = importlib.metadata.packages_distributions().get(distribution, ["?"])
        return importlib.metadata.version(owners[0]) if owners[0] != "?" else "unknown"
