"""What a server answers with: every model's champion over its views, as of a moment."""

from __future__ import annotations

from collections.abc import Sequence

from millstream.errors import NotFoundError
from millstream.features.feedback import FeedbackBook
from millstream.kernel.durations import microseconds
from millstream.kernel.locks import in_use
from millstream.maintenance.maintain import Life
from millstream.maintenance.run import execute_targets, first_error
from millstream.registry.workspace import Workspace
from millstream.serving.predictor import Retained
from millstream.serving.realtime import RealtimeAnswerer
from millstream.serving.versions import open_predictor, open_version
from millstream.training.lowering import lower_model


def answerers(workspace: Workspace, lives: Sequence[Life], *, as_of: int, clock: int | None, retention: str) -> dict[str, RealtimeAnswerer]:
    """An answerer for every model that has a champion; features are exact for the last `retention` before the moment."""
    book = FeedbackBook(workspace.store.root)
    retained = Retained(as_of - microseconds(retention), clock)
    found = {life.name: _answerer(workspace, life, book, as_of=as_of, retained=retained) for life in lives if workspace.registry.champion(life.name)}
    if not found:
        raise NotFoundError("no model has a champion yet", hint="`millstream run` registers the first version")
    return found


def _answerer(workspace: Workspace, life: Life, book: FeedbackBook, *, as_of: int, retained: Retained) -> RealtimeAnswerer:
    nodes = lower_model(life.name, life.model, workspace.lowering)
    champion = workspace.registry.champion(life.name)
    assert champion is not None
    _, tables = workspace.lowering.views(life.model.examples)
    with in_use(workspace.store.root):
        result, progress = execute_targets(workspace, tables, as_of=as_of, command="serve")
        error = first_error(result)
        if error is not None:
            raise error
        predictor = open_predictor(workspace, open_version(workspace, champion), nodes, progress.artifacts, as_of=as_of, retained=retained)
    return RealtimeAnswerer(life.name, predictor, book)
