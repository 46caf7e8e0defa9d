"""What the names in a piece of code stand for: things of the project to be followed, and things of other people, known by their names."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import pkgutil
import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from millstream.kernel.distributions import in_project, is_own_file
from millstream.kernel.guards import ABSENT, Guards
from millstream.kernel.hidden_inputs import HiddenInput, hidden_input, hidden_method, is_seed
from millstream.kernel.normal_form import Import, Use

Namespace = Mapping[str, object]
_BUILT_IN = dict(vars(builtins))
_HEAP_TYPE = 1 << 9
"""Of CPython's flags of types: made while the program runs."""
_IMPORTERS = {"importlib.import_module", "builtins.__import__"}


@dataclass(frozen=True, slots=True)
class Foreign:
    """Something of other people that is not loaded, by its full name."""

    name: str


@dataclass
class Resolved:
    """What names stand for: objects of the project under their names, the rest as words, and what is read besides.

    `told` are the words that make two pieces of code with equal text different, `packages` the modules of other people.
    """

    objects: dict[str, object] = field(default_factory=dict[str, object])
    told: set[str] = field(default_factory=set[str])
    packages: set[str] = field(default_factory=set[str])
    hidden: list[tuple[HiddenInput, int]] = field(default_factory=list[tuple[HiddenInput, int]])
    seeded: set[str] = field(default_factory=set[str])

    def seen(self) -> list[tuple[HiddenInput, int]]:
        """What is read besides, without the chance whose seed is set."""
        return [(hidden, line) for hidden, line in self.hidden if not any(f"({library}." in hidden.what for library in self.seeded)]


class Names:
    """Looks names up, and guards what it has found. `called` gives each namespace one name, whatever others are called."""

    def __init__(self, guards: Guards) -> None:
        """Nothing is looked up yet."""
        self._guards = guards
        self._called: dict[int, tuple[str, Namespace]] = {}

    def called(self, namespace: Namespace) -> str:
        """The name of a namespace: that of its module."""
        known = self._called.get(id(namespace))
        if known is None:
            name = str(namespace.get("__name__") or "?")
            alike = sum(1 for other, _ in self._called.values() if other.partition("#")[0] == name)
            known = self._called[id(namespace)] = (f"{name}#{alike + 1}" if alike else name, namespace)
        return known[0]

    def resolve(self, uses: Sequence[Use], namespace: Namespace, *, names: Iterable[str] | None = None, imports: Sequence[Import] = ()) -> Resolved:
        """What the uses stand for, where `names` (default: all) are looked up in the namespace and `imports` are local names."""
        found = Resolved()
        local: dict[str, list[tuple[str, object]]] = {}
        for each in imports:
            local.setdefault(each.local, []).append(self._import(each, namespace, found))
        wanted = {use.root for use in uses} if names is None else set(names)
        targets = {root: self._global(root, namespace) for root in wanted if root}
        for use in uses:
            meant = [*([targets[use.root]] if use.root in targets else ()), *(local.get(use.root, ()) if use.root else ())]
            for name, value in meant:
                self._follow(use, name, value, namespace, found)
            if not meant:
                _notice(found, hidden_method(use, namespace.get), use)
        used = {use.root for use in uses}
        for name, value in [target for root, meant in local.items() if root not in used for target in meant]:
            self._follow(Use((name,), 0, None), name, value, namespace, found)
        return found

    def _follow(self, use: Use, name: str, value: object, namespace: Namespace, found: Resolved) -> None:
        """From a name through the attributes of modules to what is meant."""
        rest = list(use.names[1:])
        while rest and isinstance(value, types.ModuleType) and in_project(value.__name__):
            name, value = self._attribute(value, rest.pop(0))
        if len(rest) + 1 < len(use.names):
            found.told.add(f"{'.'.join(use.names)}={name}")
        if value is ABSENT:
            found.told.add(f"{'.'.join(use.names)} is not there")
            _notice(found, hidden_input(".".join((name.removeprefix("module "), *rest)), use, namespace.get), use)
            return
        full = f"builtins.{use.root}" if _BUILT_IN.get(use.root, ABSENT) is value else foreign_name(value)
        if full is None:
            found.objects[name] = value
            if rest:
                _notice(found, hidden_method(use, namespace.get), use)
            return
        called = ".".join((full, *rest))
        if not self._by_name(called, use, namespace, found):
            _notice(found, hidden_input(called, use, namespace.get), use)
            if is_seed(called, use):
                found.seeded.add(called.rpartition(".")[0])
        if not name.startswith("builtins."):
            found.told.add(f"{'.'.join(use.names[: len(use.names) - len(rest)])}={full}")
            found.packages.add(module_of(value, full))
            if has_parts(value):
                found.objects[name] = value

    def _by_name(self, called: str, use: Use, namespace: Namespace, found: Resolved) -> bool:
        """What is reached by its name as a text: a module that is imported so, or the whole namespace."""
        if called == "builtins.globals":
            module = sys.modules.get(str(namespace.get("__name__")))
            if module is None or vars(module) is not namespace:
                return False
            found.objects[f"module {module.__name__}"] = module
            return True
        first = use.call.args[0] if called in _IMPORTERS and use.call is not None and len(use.call.args) == 1 else None
        if not isinstance(first, ast.Constant) or not isinstance(first.value, str) or first.value.startswith("."):
            return False
        name, value = self._import(Import("", first.value, 0, None), namespace, found)
        self._follow(Use((first.value,), use.line, None), name, value, namespace, found)
        return True

    def _global(self, name: str, namespace: Namespace) -> tuple[str, object]:
        """What a name stands for in a module, or among the builtins."""
        value = namespace.get(name, ABSENT)
        self._guards.name(namespace, name, value)
        if value is not ABSENT:
            return f"{self.called(namespace)}.{name}", value
        built_in = namespace.get("__builtins__", {})
        found = vars(built_in) if isinstance(built_in, types.ModuleType) else cast("dict[str, object]", built_in)
        value = found.get(name, ABSENT)
        self._guards.name(found, name, value)
        return f"builtins.{name}", value

    def _attribute(self, module: types.ModuleType, name: str) -> tuple[str, object]:
        namespace = vars(module)
        value = namespace.get(name, ABSENT)
        self._guards.name(namespace, name, value)
        if value is ABSENT and "__getattr__" in namespace:
            value = getattr(module, name, ABSENT)
            self._guards.never()
        return f"{self.called(namespace)}.{name}", value

    def _import(self, each: Import, namespace: Namespace, found: Resolved) -> tuple[str, object]:
        """What an import inside a function binds, under its name; modules of other people are not loaded for that."""
        try:
            package = str(namespace.get("__package__") or "")
            module = importlib.util.resolve_name("." * each.level + each.module, package) if each.level else each.module
            top = module.partition(".")[0]
            if not in_project(module if module in sys.modules else top):
                return each.local, Foreign(f"{module}.{each.name}" if each.name else top if each.local else module)
            loaded = self._loaded(module)
            if each.name is None:
                bound = loaded if not each.local or each.local != top else self._loaded(top)
                return f"module {bound.__name__}", bound
            name, value = self._attribute(loaded, each.name)
            return (name, value) if value is not ABSENT else (name, self._loaded(f"{module}.{each.name}"))
        except ImportError:
            self._guards.never()
            return f"module {each.module}", ABSENT
        except Exception as error:  # noqa: BLE001  whatever the user's module raises
            self._guards.never()
            found.hidden.append((HiddenInput(f"imports {each.module}, which fails ({type(error).__name__})"), 0))
            return f"module {each.module}", ABSENT

    def _loaded(self, module: str) -> types.ModuleType:
        loaded: types.ModuleType = pkgutil.resolve_name(f"{module}:")
        self._guards.name(sys.modules, module, sys.modules.get(module))
        return loaded


def foreign_name(value: object) -> str | None:
    """The full name of something of other people, by which it is known; None for what is to be followed."""
    if isinstance(value, Foreign):
        return value.name
    if isinstance(value, types.ModuleType):
        return None if in_project(value.__name__) else value.__name__
    if isinstance(value, types.FunctionType):
        return None if is_own_function(value) else _global_name(value) or f"{module_of(value, '?')}.{value.__code__.co_qualname}"
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}" if not in_project(value.__module__) and _is_by_name(value) else None
    return _global_name(value)


def _is_by_name(kind: type) -> bool:
    """Whether a class of other people is what its name says: written in C, or found in its module, not made for somebody's data."""
    if not kind.__flags__ & _HEAP_TYPE:
        return True
    found: object = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = vars(found).get(name) if isinstance(found, types.ModuleType | type) else None
    return found is kind


def module_of(value: object, full: str) -> str:
    """The module of something of other people whose full name is known, whatever `functools.wraps` has told about it."""
    if isinstance(value, types.FunctionType):
        return str(value.__globals__.get("__name__", full))
    return full if isinstance(value, Foreign | types.ModuleType) else str(getattr(value, "__module__", None) or full)


def _global_name(value: object) -> str | None:
    """The full name of an object that a module of other people holds under its own name, as numpy's functions."""
    try:
        module, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
        if isinstance(value, types.BuiltinFunctionType) and module is None:
            module = type(value.__self__).__module__
    except Exception:  # noqa: BLE001  whatever a user's object does when it is asked for an attribute
        return None
    if not isinstance(module, str) or not isinstance(name, str) or module not in sys.modules or in_project(module):
        return None
    return f"{module}.{name}" if vars(sys.modules[module]).get(name) is value else None


def is_own_function(function: types.FunctionType) -> bool:
    """Whether a function is written in the project, whatever `functools.wraps` has told about it."""
    name = function.__globals__.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    if module is not None and vars(module) is function.__globals__:
        return in_project(module.__name__)
    file = function.__code__.co_filename
    return file.startswith("<") or is_own_file(file)


def has_parts(value: object) -> bool:
    """Whether something of other people may hold something of the project, as a function that their decorator has made."""
    return isinstance(value, types.FunctionType) and bool(value.__closure__ or value.__dict__) and _global_name(value) is None


def _notice(found: Resolved, hidden: HiddenInput | None, use: Use) -> None:
    if hidden is not None:
        found.hidden.append((hidden, use.line))
