"""A project: finds what the user's file declares, gives it names, and opens the stores beside it."""

from __future__ import annotations

import ast
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import polars as pl

from millstream.errors import ConfigurationError, NotFoundError, did_you_mean
from millstream.features.lowering import Lowering, Reading
from millstream.features.previews import columns_of, reader_of, without_table
from millstream.kernel.availability import parse_moment
from millstream.kernel.declarations import Declaration
from millstream.kernel.declared_functions import Function
from millstream.kernel.dry_run import foresee
from millstream.kernel.graph import Node
from millstream.kernel.ledger import Ledger
from millstream.kernel.locks import in_use
from millstream.kernel.past import Past
from millstream.kernel.records import Table
from millstream.kernel.store import Store
from millstream.kernel.trial import Trial
from millstream.kernel.user_file import configuration_of, declared, find_file, load_module, module_of, reachable
from millstream.kernel.why import Explanation, why
from millstream.maintenance.check import check
from millstream.maintenance.declare import Retraining
from millstream.maintenance.maintain import Life
from millstream.maintenance.records import Finding
from millstream.maintenance.run import RunResult, execute_targets, first_error, run_selection
from millstream.maintenance.run_difference import RunDifference, difference
from millstream.maintenance.selection import Selection, days_between, has_step, node_named
from millstream.maintenance.trials import Versions, compare_steps, profile_step
from millstream.monitoring.declare import Monitor
from millstream.registry.versions import Registry
from millstream.registry.workspace import Workspace
from millstream.serving.declare import Deployment
from millstream.serving.reading import read_model
from millstream.sources.connections import connections_of
from millstream.training.declare import Model

D = TypeVar("D", bound=Declaration)
STORE = ".millstream"


class Project:
    """One user's file and what it declares.

    `settings` are those of the command line, as `late.minutes` to its text; `home` is where relative addresses count from and where the
    store lies, if that is not the file's own folder. Nothing is run by opening a project.
    """

    def __init__(self, path: str | Path | None = None, *, settings: Mapping[str, str] | None = None, home: Path | None = None) -> None:
        """Import the file at `path`; without one, the only file of this folder that uses millstream."""
        self.file = find_file(Path(path) if path is not None else None)
        self.root = home or self.file.parent
        self.configuration = configuration_of(self.root)
        self.names = name_declarations(*load_module(self.file))
        self.settings = self._settings(settings or {})

    @classmethod
    def of(cls, value: Declaration) -> Project:
        """The project of the module that declares a value, as that module is loaded now: for notebooks and the prompt."""
        project = cls.__new__(cls)
        module = module_of(value)
        project.file = Path(getattr(module, "__file__", None) or Path.cwd() / "notebook").resolve()
        project.root = project.file.parent
        project.configuration = configuration_of(project.root)
        project.names = name_declarations(module, reachable(module, value))
        project.settings = {}
        return project

    @cached_property
    def folder(self) -> Path:
        """Where artifacts, ledger and logs lie."""
        return folder_of(self.root)

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
        return Lowering(self.names, self.settings, self.root, connections_of(self.configuration), readers={Model: self._read_model})

    @cached_property
    def workspace(self) -> Workspace:
        """The opened parts, as verbs take them."""
        unpickle = self.configuration.get("unpickle") is True
        opening = partial(open_nodes, self.file, self.settings)
        return Workspace(self.store, self.ledger, self.registry, self.lowering, self.folder, self.root, unpickle, opening)

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

    @property
    def past(self) -> Past:
        """What earlier runs made."""
        return Past(self.ledger, self.store)

    def value(self, name: str) -> Declaration:
        """The declaration of that name, as the file calls it."""
        found = {known: declaration for declaration, known in self.names.items()}
        if name not in found:
            raise NotFoundError(
                f"there is nothing called '{name}' in {self.file.name}", hint=did_you_mean(name, found) or f"there are: {', '.join(sorted(found))}"
            )
        return found[name]

    def node(self, step: str | Declaration) -> Node:
        """A step by its name or its declaration; those that make a model are called `delays/rows`, `delays/linear/fold_1`."""
        return node_named(self.workspace, self.names, self.models, self._name(step))

    def load(self, value: str | Declaration, *, as_of: str | None = None) -> pl.DataFrame:
        """The rows of a source, step, view, label or training set as of a moment (ISO, UTC; default: now).

        What it needs and what is not made yet is run first. Errors are those of `millstream run`; a step that gives no table is refused.
        """
        return self._rows(self.node(value), moment_in(as_of), "load")

    def preview(self, value: str | Declaration, *, rows: int = 5, as_of: str | None = None) -> pl.DataFrame:
        """The first rows of what `load` gives; of an aggregate or an on-demand view, with the first rows of a training set that has it."""
        wanted = self.value(value) if isinstance(value, str) else declared(value, self.names)
        view = without_table(wanted)
        if view is not None:
            examples = reader_of(view, self.names)
            frame = self._rows(self.lowering.node(examples), moment_in(as_of), "preview").head(rows)
            return columns_of(view, examples, self.lowering, frame)
        return self._rows(self.node(wanted), moment_in(as_of), "preview").head(rows)

    @property
    def lives(self) -> dict[str, tuple[Model, Deployment | None]]:
        """The models and their deployments, by name."""
        return {name: (model, self.deployment(name)) for name, model in self.models.items()}

    def run(
        self, *steps: str | Declaration, as_of: str | None = None, from_steps: Sequence[str] = (), backfill: tuple[str, str] | None = None
    ) -> RunResult:
        """Make all of the file, or only some steps or models and what they need, as of a moment (ISO, UTC; default: now).

        `from_steps` are run again with all that follows from them although their results are stored; `backfill` names the first and the last
        day of which steps that run day by day are made anew. Raises the first error, after all that does not need what failed was done.
        """
        selection = Selection(tuple(self._name(each) for each in steps), tuple(from_steps), days_between(*backfill) if backfill else None)
        result = run_selection(self.workspace, self.names, self.lives, selection, as_of=moment_in(as_of))
        error = first_error(result)
        if error is not None:
            raise error
        return result

    def why(self, step: str | Declaration, *, run: str | None = None) -> Explanation:
        """Why a step ran, or was reused, in the newest run that had it or in the run named; of one that never ran, what would become of it."""
        name = self._name(step)
        if run is None and not self.ledger.reports(name, limit=1) and has_step(self.names, self.models, name):
            newest = self.ledger.runs(1)
            return foresee(self.node(name), self.past, as_of=newest[0]["as_of"] if newest else moment_in(None))
        return why(self.past, name, run)

    def diff(self, before: str, now: str) -> RunDifference:
        """What differs between two runs: settings, code, libraries, inputs, steps, and the scores of the models."""
        return difference(self.past, before, now)

    def check(self, *, as_of: str | None = None) -> list[Finding]:
        """What would leak, skew or surprise, found before anything is trained."""
        return check(self.workspace, self.names, self.models, as_of=moment_in(as_of))

    def profile(self, step: str | Declaration, *, as_of: str | None = None) -> Trial:
        """What a step takes alone on its real inputs: time, memory, and where they go. Nothing of it is stored."""
        return profile_step(self.workspace, self.node(step), as_of=moment_in(as_of))

    def compare(self, step: str | Declaration, other: str | Declaration, *, as_of: str | None = None) -> Versions:
        """Two versions of a step on the inputs of the first: what each takes, and how their tables differ. Nothing of it is stored."""
        return compare_steps(self.workspace, self.node(step), self.node(other), as_of=moment_in(as_of))

    def _name(self, step: str | Declaration) -> str:
        return step if isinstance(step, str) else self.names[declared(step, self.names)]

    def _rows(self, node: Node, as_of: int, command: str) -> pl.DataFrame:
        with in_use(self.store.root):
            result, progress = execute_targets(self.workspace, [node], as_of=as_of, command=command)
            error = first_error(result)
            if error is not None:
                raise error
            artifact = progress.artifacts[node]
            if not isinstance(artifact, Table):
                raise ConfigurationError(f"'{node.name}' gives a value, not a table", where=node.where)
            return self.store.read(self.store.visible(artifact, as_of))

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


def folder_of(root: Path) -> Path:
    """Where artifacts, ledger and logs of the file in a folder lie."""
    return root / str(configuration_of(root).get("store", STORE))


def moment_in(as_of: str | None) -> int:
    """Microseconds of an ISO moment; now, if none is given."""
    return time.time_ns() // 1_000 if as_of is None else parse_moment(as_of)


def open_nodes(file: Path, settings: Mapping[str, Mapping[str, object]]) -> Callable[[str], Node]:
    """Import a file in a process of its own, and nothing else: gives the nodes of what it declares, by name."""
    names = name_declarations(*load_module(file))
    lowering, named = Lowering(names, settings, file.parent), {name: declaration for declaration, name in names.items()}
    return lambda name: lowering.node(named[name])


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
    own = getattr(declaration, "__name__", None) or declaration.noun.replace(" ", "_")
    model = _model_of(declaration)
    called = names.get(model, "model") if model else _bound_reader(declaration, made, names)
    name = f"{called}{':' if model else '/'}{own}" if called else own
    taken = set(names.values())
    return name if name not in taken else next(f"{name}_{number}" for number in range(2, len(taken) + 3) if f"{name}_{number}" not in taken)


def _model_of(declaration: Declaration) -> Model | None:
    """The model that a deployment, a monitor or a retraining is of."""
    match declaration:
        case Deployment(model=model) | Retraining(model=model):
            return model
        case Monitor(deployment=deployment):
            return deployment.model
        case _:
            return None


def _bound_reader(declaration: Declaration, made: Sequence[Declaration], names: Mapping[Declaration, str]) -> str | None:
    """The name of the first bound declaration that reads it, itself or through others that are bound to nothing."""
    reading = [declaration]
    for read in reading:
        for reader in made:
            if _reads(reader, read) and reader not in reading:
                if reader in names and "/" not in names[reader]:
                    return names[reader]
                reading.append(reader)
    return None


def _reads(reader: Declaration, read: Declaration) -> bool:
    held = [getattr(reader, field.name, None) for field in dataclasses.fields(reader)]
    return any(value is read or (isinstance(value, tuple) and any(each is read for each in cast("tuple[object, ...]", value))) for value in held)


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
