"""A project: finds what the user's file declares, gives it names, and opens the stores beside it."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import inspect
import re
import sys
import time
import tomllib
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import polars as pl

from millstream.errors import ConfigurationError, MillstreamError, NotFoundError, did_you_mean
from millstream.features.lowering import Lowering, Reading
from millstream.kernel.availability import parse_moment
from millstream.kernel.declarations import Declaration, collecting
from millstream.kernel.declared_functions import Function
from millstream.kernel.extras import installing
from millstream.kernel.ledger import Ledger
from millstream.kernel.records import Table
from millstream.kernel.store import Store
from millstream.maintenance.declare import Retraining
from millstream.maintenance.maintain import Life
from millstream.maintenance.run import execute_targets, first_error
from millstream.monitoring.declare import Monitor
from millstream.registry.versions import Registry
from millstream.registry.workspace import Workspace
from millstream.serving.declare import Deployment
from millstream.serving.reading import read_model
from millstream.training.declare import Model

D = TypeVar("D", bound=Declaration)
STORE = ".millstream"
_USES_MILLSTREAM = re.compile(r"^\s*(import|from)\s+millstream\b", re.MULTILINE)
_UNKNOWN_OPTION = re.compile(r"(?:.*\.)?(\w+)\(\) got an unexpected keyword argument '(\w+)'")


class Project:
    """One user's file and what it declares.

    `settings` are those of the command line, as `late.minutes` to its text. Nothing is run by opening a project.
    """

    def __init__(self, path: str | Path | None = None, *, settings: Mapping[str, str] | None = None) -> None:
        """Import the file at `path`; without one, the only file of this folder that uses millstream."""
        self.file = find_file(Path(path) if path is not None else None)
        self.root = self.file.parent
        self.configuration = _configuration(self.root)
        self.names = name_declarations(*load_module(self.file))
        self.settings = self._settings(settings or {})

    @cached_property
    def folder(self) -> Path:
        """Where artifacts, ledger and logs lie."""
        return self.root / str(self.configuration.get("store", STORE))

    @cached_property
    def store(self) -> Store:
        """The artifact store."""
        return Store(self.folder)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger of runs."""
        return Ledger(self.folder / "ledger.sqlite")

    @cached_property
    def registry(self) -> Registry:
        """The registered versions."""
        return Registry(self.folder / "ledger.sqlite")

    @cached_property
    def lowering(self) -> Lowering:
        """From declarations to the steps of the graph."""
        return Lowering(self.names, self.settings, self.root, readers={Model: self._read_model})

    @cached_property
    def workspace(self) -> Workspace:
        """The opened parts, as verbs take them."""
        unpickle = self.configuration.get("unpickle") is True
        return Workspace(self.store, self.ledger, self.registry, self.lowering, self.folder, self.root, unpickle)

    @cached_property
    def models(self) -> dict[str, Model]:
        """The models by name."""
        return {name: self._with_options(name, model) for name, model in self._named(Model).items()}

    def model(self, name: str | None) -> str:
        """The name of the model that is meant: the only one if none is named."""
        models = self._named(Model)
        if name is None:
            if len(models) != 1:
                raise ConfigurationError(
                    f"{self.file.name} declares {len(models)} models",
                    hint=f"name one of: {', '.join(models)}" if models else "declare one with ms.train(…)",
                )
            return next(iter(models))
        if name not in models:
            raise NotFoundError(
                f"there is no model '{name}' in {self.file.name}", hint=did_you_mean(name, models) or f"there are: {', '.join(models)}"
            )
        return name

    def deployment(self, name: str) -> Deployment | None:
        """The deployment of a model."""
        return self._of_model(Deployment, name, lambda each: each.model)

    def monitor(self, name: str) -> Monitor | None:
        """The monitor of a model's deployment."""
        return self._of_model(Monitor, name, lambda each: each.deployment.model)

    def retraining(self, name: str) -> Retraining | None:
        """When a model is trained again."""
        return self._of_model(Retraining, name, lambda each: each.model)

    def life(self, name: str) -> Life:
        """What the file says about the life of a model."""
        return Life(name, self.models[name], self.deployment(name), self.monitor(name), self.retraining(name))

    def value(self, name: str) -> Declaration:
        """The declaration of that name, as the file calls it."""
        found = {known: declaration for declaration, known in self.names.items()}
        if name not in found:
            raise NotFoundError(
                f"there is nothing called '{name}' in {self.file.name}", hint=did_you_mean(name, found) or f"there are: {', '.join(sorted(found))}"
            )
        return found[name]

    def load(self, name: str, *, as_of: str | None = None) -> pl.DataFrame:
        """The rows of a source, step, view, label or training set as of a moment (ISO, UTC; default: now).

        What it needs and what is not made yet is run first. Errors are those of `millstream run`; a step that gives no table is refused.
        """
        moment = time.time_ns() // 1_000 if as_of is None else parse_moment(as_of)
        node = self.lowering.node(self.value(name))
        result, progress = execute_targets(self.workspace, [node], as_of=moment, command="load")
        error = first_error(result)
        if error is not None:
            raise error
        artifact = progress.artifacts[node]
        if not isinstance(artifact, Table):
            raise ConfigurationError(f"'{name}' gives a value, not a table", where=node.where)
        return self.store.read(self.store.visible(artifact, moment))

    def _read_model(self, model: Model) -> Reading:
        name = self.names[model]
        return read_model(name, self.models[name], self.lowering)

    def _named(self, kind: type[D]) -> dict[str, D]:
        return {name: declaration for declaration, name in self.names.items() if isinstance(declaration, kind)}

    def _of_model(self, kind: type[D], name: str, model: Callable[[D], Model]) -> D | None:
        declared = self._named(Model)[name]
        return next((each for each in self.names if isinstance(each, kind) and model(each) is declared), None)

    def _settings(self, given: Mapping[str, str]) -> dict[str, dict[str, object]]:
        settings: dict[str, dict[str, object]] = {}
        for path, text in given.items():
            owner, _, setting = path.rpartition(".")
            declaration = self._owner(owner, path)
            known = cast("Function[Any]", declaration).defaults if isinstance(declaration, Function) else {"budget": "", "seed": 0}
            if setting not in known:
                hint = did_you_mean(setting, known) or f"it has: {', '.join(known) or 'no settings'}"
                raise ConfigurationError(f"--set {path}: {owner} has no setting '{setting}'", where=declaration.where, hint=hint)
            settings.setdefault(owner, {})[setting] = _value(path, text, known[setting])
        return settings

    def _owner(self, owner: str, path: str) -> Declaration:
        owners: dict[str, Declaration] = {name: each for each, name in self.names.items() if isinstance(each, Function | Model)}
        if owner not in owners:
            hint = did_you_mean(owner, owners) or f"settings belong to: {', '.join(sorted(owners))}"
            raise ConfigurationError(f"--set {path}: there is no step '{owner}'" if owner else f"--set {path}: write STEP.SETTING=VALUE", hint=hint)
        return owners[owner]

    def _with_options(self, name: str, model: Model) -> Model:
        options = self.settings.get(name)
        return dataclasses.replace(model, **options) if options else model  # type: ignore[arg-type]


def find_file(path: Path | None) -> Path:
    """The user's file: the one named, else the only one of this folder that imports millstream."""
    if path is not None:
        if path.is_file():
            return path.resolve()
        near = [str(each) for each in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise ConfigurationError(f"there is no file '{path}'", hint=did_you_mean(str(path), near))
    modules = _configuration(Path.cwd()).get("modules")
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


def load_module(file: Path) -> tuple[ModuleType, list[Declaration]]:
    """The module of a file and everything declared by importing it."""
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    specification = importlib.util.spec_from_file_location(file.stem, file)
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


def name_declarations(module: ModuleType, made: Sequence[Declaration]) -> dict[Declaration, str]:
    """What each declaration is called: its variable, `variable.key` in a dictionary, else its first reader and itself."""
    names: dict[Declaration, str] = {}
    for variable, value in vars(module).items():
        if isinstance(value, Declaration):
            names.setdefault(value, variable)
        elif isinstance(value, dict):
            for key, inner in cast("dict[object, object]", value).items():
                if isinstance(inner, Declaration):
                    names.setdefault(inner, f"{variable}.{key}")
    for declaration in made:
        if declaration not in names:
            names[declaration] = _unbound_name(declaration, made, names)
    return names


def _unbound_name(declaration: Declaration, made: Sequence[Declaration], names: Mapping[Declaration, str]) -> str:
    if isinstance(declaration, Deployment):
        return f"{names.get(declaration.model, 'model')}:deployment"
    own = getattr(declaration, "__name__", None) or declaration.noun.replace(" ", "_")
    reader = next((each for each in made if _reads(each, declaration)), None)
    called = names.get(reader) if reader is not None else None
    name = f"{called}/{own}" if called else own
    taken = set(names.values())
    return name if name not in taken else next(f"{name}_{number}" for number in range(2, len(taken) + 3) if f"{name}_{number}" not in taken)


def _reads(reader: Declaration, read: Declaration) -> bool:
    held = [getattr(reader, field.name, None) for field in dataclasses.fields(reader)]
    return any(value is read or (isinstance(value, tuple) and any(each is read for each in cast("tuple[object, ...]", value))) for value in held)


def _configuration(folder: Path) -> dict[str, object]:
    for parent in (folder, *folder.parents):
        path = parent / "pyproject.toml"
        if path.is_file():
            try:
                found = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("millstream", {})
            except tomllib.TOMLDecodeError as error:
                raise ConfigurationError(f"{path} is not TOML: {error}") from error
            return dict(found)
    return {}


def _value(path: str, text: str, default: object) -> object:
    if isinstance(default, str):
        return text
    try:
        value = ast.literal_eval({"true": "True", "false": "False", "null": "None"}.get(text, text))
    except (ValueError, SyntaxError):
        value = text
    if default is not None and type(value) is not type(default) and not (isinstance(default, float) and isinstance(value, int)):
        raise ConfigurationError(f"--set {path}: '{text}' is not of type {type(default).__name__}", hint=f"its default is {default!r}")
    return value


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
