"""One step tried alone on its real inputs, and two versions of a step side by side on the same."""

from __future__ import annotations

import msgspec
import polars as pl

from millstream.errors import ConfigurationError
from millstream.kernel.compared import Compared, compare_tables
from millstream.kernel.engine import Listener
from millstream.kernel.function import FunctionOperation
from millstream.kernel.graph import Node
from millstream.kernel.locks import in_use
from millstream.kernel.records import Artifact
from millstream.kernel.trial import Trial, look_inside, try_step
from millstream.maintenance.run import execute_targets, first_error
from millstream.registry.workspace import Workspace


class Versions(msgspec.Struct, frozen=True):
    """Two versions of a step on the same inputs: what each takes, and how their tables differ (None: they give no tables).

    `same` says whether both gave the same.
    """

    first: Trial
    second: Trial
    same: bool
    tables: Compared | None


def profile_step(workspace: Workspace, node: Node, *, as_of: int, listener: Listener | None = None) -> Trial:
    """What a step takes on its real inputs; they are made first if need be, and that is on record."""
    with in_use(workspace.store.root):
        inputs = _inputs(workspace, node, as_of, listener)
        trial, _ = try_step(node, workspace.store, inputs, as_of)
        plan, spent = look_inside(node, workspace.store, inputs, as_of)
    return msgspec.structs.replace(trial, plan=plan, spent=spent)


def compare_steps(workspace: Workspace, first: Node, second: Node, *, as_of: int, listener: Listener | None = None) -> Versions:
    """Two steps on the inputs of the first one."""
    if len(first.inputs) != len(second.inputs):
        raise ConfigurationError(
            f"{first.name} reads {len(first.inputs)} tables, {second.name} {len(second.inputs)}: they cannot be tried on the same",
            hint="compare two versions of one step, as one made by .with_settings(…)",
        )
    with in_use(workspace.store.root):
        inputs = _inputs(workspace, first, as_of, listener)
        (one, gave), (other, gave_too) = (try_step(node, workspace.store, inputs, as_of) for node in (first, second))
    frames, frames_too = _frames(gave), _frames(gave_too)
    if frames is None or frames_too is None:
        return Versions(one, other, frames is None and frames_too is None and gave == gave_too, None)
    key = first.operation.facts.key if isinstance(first.operation, FunctionOperation) else ()
    time = first.operation.facts.time if isinstance(first.operation, FunctionOperation) else None
    tables = compare_tables(frames, frames_too, key=key)
    if key and not tables.key and time is not None:
        tables = compare_tables(frames, frames_too, key=(*key, time))
    return Versions(one, other, tables.same, tables)


def _inputs(workspace: Workspace, node: Node, as_of: int, listener: Listener | None) -> list[Artifact]:
    if not node.inputs:
        return []
    result, progress = execute_targets(workspace, node.inputs, as_of=as_of, command="profile", listener=listener)
    error = first_error(result)
    if error is not None:
        raise error
    return [progress.artifacts[each] for each in node.inputs]


def _frames(results: list[object]) -> pl.DataFrame | None:
    frames = [each for each in results if isinstance(each, pl.DataFrame)]
    return pl.concat(frames) if frames and len(frames) == len(results) else None
