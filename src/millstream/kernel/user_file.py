"""The user's file: found, imported, and the errors of its import told with their place."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import re
import sys
import tomllib
import traceback
from collections.abc import Iterable, Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import NoReturn, cast

from millstream.errors import ConfigurationError, MillstreamError, NotFoundError, did_you_mean
from millstream.kernel.declarations import Declaration, collecting
from millstream.kernel.extras import installing

_USES_MILLSTREAM = re.compile(r"^\s*(import|from)\s+millstream\b", re.MULTILINE)
_UNKNOWN_OPTION = re.compile(r"(?:.*\.)?(\w+)\(\) got an unexpected keyword argument '(\w+)'")


def find_file(path: Path | None) -> Path:
    """The user's file: the one named, else the only one of this folder that imports millstream."""
    if path is not None:
        if path.is_file():
            return path.resolve()
        near = [str(each) for each in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise ConfigurationError(f"there is no file '{path}'", hint=did_you_mean(str(path), near))
    modules = configuration_of(Path.cwd()).get("modules")
    if isinstance(modules, list) and modules:
        return find_file(Path(str(cast("list[object]", modules)[0]).replace(".", "/") + ".py"))
    found = [each for each in sorted(Path.cwd().glob("*.py")) if _USES_MILLSTREAM.search(each.read_text(encoding="utf-8", errors="replace"))]
    if len(found) == 1:
        return found[0].resolve()
    if not found:
        raise ConfigurationError(
            "no file of this folder uses millstream", hint="`millstream init` makes an example; `millstream run FILE` names another file"
        )
    raise ConfigurationError(
        f"{len(found)} files of this folder use millstream: {', '.join(each.name for each in found)}", hint="name one, as in `millstream run FILE`"
    )


class _AsWritten(SourceFileLoader):
    """Reads the file itself: compiled code kept beside it is told apart by second and size only, and an edit may change neither."""

    def path_stats(self, path: str) -> NoReturn:
        """There is no compiled code of it."""
        raise OSError(path)


def load_module(file: Path) -> tuple[ModuleType, list[Declaration]]:
    """The module of a file and everything declared by importing it."""
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    specification = importlib.util.spec_from_file_location(file.stem, file, loader=_AsWritten(file.stem, str(file)))
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[file.stem] = module
    with collecting() as made:
        try:
            specification.loader.exec_module(module)
        except MillstreamError:
            raise
        except SyntaxError as error:
            raise ConfigurationError(f"{file.name} is not Python: {error.msg}", where=f"{error.filename}:{error.lineno}") from error
        except Exception as error:
            hint = _suggestion(error, module)
            raise ConfigurationError(f"{file.name}: {type(error).__name__}: {error}", where=_place(error, file), hint=hint) from error
    return module, list(made)


def configuration_of(folder: Path) -> dict[str, object]:
    """`[tool.millstream]` of the nearest pyproject.toml, of the folder or above it."""
    for parent in (folder, *folder.parents):
        path = parent / "pyproject.toml"
        if path.is_file():
            try:
                found = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("millstream", {})
            except tomllib.TOMLDecodeError as error:
                raise ConfigurationError(f"{path} is not TOML: {error}") from error
            return dict(found)
    return {}


def _suggestion(error: Exception, module: ModuleType) -> str | None:
    """The nearest known word for a misspelt name, attribute or option."""
    if isinstance(error, ModuleNotFoundError):
        return installing(error.name or "")
    if isinstance(error, NameError):
        return did_you_mean(error.name or "", vars(module))
    if isinstance(error, AttributeError):
        return did_you_mean(error.name or "", dir(error.obj))
    unknown = _UNKNOWN_OPTION.fullmatch(str(error))
    return did_you_mean(unknown[2], _options(unknown[1])) if unknown else None


def _options(verb: str) -> set[str]:
    """The options of the functions of that name in what is loaded of millstream."""
    ours = [module for name, module in sys.modules.items() if name.startswith("millstream.")]
    found = [vars(module).get(verb) for module in ours]
    return {option for function in found if inspect.isfunction(function) for option in inspect.signature(function).parameters}


def _place(error: BaseException, file: Path) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if Path(frame.filename).resolve() == file]
    frame = inside[-1] if inside else frames[-1]
    return f"{frame.filename}:{frame.lineno}"


def module_of(value: Declaration) -> ModuleType:
    """The loaded module that declares a value; of one made elsewhere, as in a notebook, that of the first table that it reads."""
    own = _loaded(value)
    if own is not None and value in reachable(own):
        return own
    found: dict[Declaration, None] = {}
    _collect([value], found)
    return _loaded(next(iter(found))) or sys.modules["__main__"]


def _loaded(value: Declaration) -> ModuleType | None:
    """The module of the file where a value was made."""
    file = value.where.rpartition(":")[0]
    return next((each for each in list(sys.modules.values()) if getattr(each, "__file__", None) == file and each.__name__ != "__main__"), None)


def reachable(module: ModuleType, *values: Declaration) -> list[Declaration]:
    """Every declaration that the variables of a module hold, and some more, each behind those that it reads."""
    found: dict[Declaration, None] = {}
    _collect([*vars(module).values(), *values], found)
    return list(found)


def _collect(values: Iterable[object], found: dict[Declaration, None]) -> None:
    for value in values:
        if isinstance(value, dict):
            _collect(cast("dict[object, object]", value).values(), found)
        elif isinstance(value, list | tuple):
            _collect(cast("list[object]", value), found)
        elif isinstance(value, Declaration) and value not in found:
            _collect((getattr(value, field.name, None) for field in dataclasses.fields(value)), found)
            found[value] = None


def declared(value: Declaration, names: Mapping[Declaration, str]) -> Declaration:
    """The declaration itself, or the one that the same line of a file made when it was imported another time."""
    if value in names:
        return value
    alike = [each for each in names if each.where == value.where and each.title == value.title]
    if len(alike) == 1:
        return alike[0]
    hint = f"several are declared there: name one of {', '.join(names[each] for each in alike)}" if alike else "open the project of its file"
    raise NotFoundError(f"{value.title} is not declared in this project", where=value.where, hint=hint)
