"""The batch: open rows answered by the champion, each as of its own moment, exactly once by key and version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from millstream.errors import NotFoundError
from millstream.features.training_set import ASKED, TARGET
from millstream.kernel.digest import digest_bytes
from millstream.kernel.graph import Node
from millstream.kernel.locks import in_use, key_lock
from millstream.kernel.records import Artifact
from millstream.kernel.units import seen_of
from millstream.registry.records import Version
from millstream.registry.workspace import Workspace
from millstream.serving.answers import answered, fill_sink, keep_batch
from millstream.serving.batch import predict_rows
from millstream.serving.declare import Deployment
from millstream.serving.versions import open_version
from millstream.sources.sinks import folder_of
from millstream.training.lowering import ModelNodes
from millstream.training.operations import cut_of, truth_of_rows


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch answered. `rows` are the questions, as requests would ask them, in the order of `predictions`."""

    version: Version
    predictions: pl.DataFrame
    rows: pl.DataFrame
    target: Path | None


def champion_of(workspace: Workspace, model: str) -> Version:
    """The version in office."""
    champion = workspace.registry.champion(model)
    if champion is None:
        raise NotFoundError(f"{model} has no champion yet", hint="`millstream run` registers the first version")
    return champion


def questions(workspace: Workspace, nodes: ModelNodes, artifacts: Mapping[Node, Artifact], as_of: int) -> pl.DataFrame:
    """All rows asked by the moment, with `__target__` and `__known__` where the label is known by then."""
    seen = seen_of(workspace.store, [artifacts[node] for node in nodes.truth], as_of)
    return truth_of_rows(workspace.store, nodes.question, *(cut_of(each) for each in seen))


def predict_open(workspace: Workspace, model: str, rows: pl.DataFrame, deployment: Deployment | None, *, open_only: bool = True) -> Batch:
    """Answer the rows that are open (or all of `rows`) and were not answered by this version yet; one batch of a model at a time."""
    if deployment is not None and deployment.batch is not None:
        folder_of(deployment.batch, workspace.root)  # refused before anything is answered
    version = champion_of(workspace, model)
    with in_use(workspace.store.root):
        opened = open_version(workspace, version)
    open_rows = rows.filter(pl.col(TARGET).is_null()) if open_only else rows
    with key_lock(workspace.store.root, digest_bytes(f"batch {workspace.folder} {model}".encode())):
        asked = _unanswered(workspace, model, open_rows, opened.plan.facts.key, version)
        predictions = predict_rows(opened.plan, opened.candidate, asked, version.version)
        if predictions.height:
            keep_batch(workspace, model, predictions)
        target = None
        if deployment is not None and deployment.batch is not None:
            target = fill_sink(workspace, model, deployment.batch, [name for name in predictions.columns if name != ASKED])
    return Batch(version, predictions, asked.select(field.name for field in opened.plan.fields), target)


def _unanswered(workspace: Workspace, model: str, rows: pl.DataFrame, key: tuple[str, ...], version: Version) -> pl.DataFrame:
    before = answered(workspace, model)
    if before is None or not key:
        return rows
    done = before.filter(pl.col("version") == version.version).select(key)
    return rows.join(done, on=list(key), how="anti", maintain_order="left")
