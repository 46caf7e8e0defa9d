"""The scores that a run gave, read from what it made: of each method on the folds, of the winner on the test block."""

from __future__ import annotations

import msgspec

from millstream.evaluation.records import Score
from millstream.kernel.past import Past
from millstream.kernel.records import RunReport, StepReport, Value
from millstream.training.results import Comparison, Scored


class Metric(msgspec.Struct, frozen=True):
    """A score and what it is of: the model, and the method on the folds, or `test block` and its baseline."""

    model: str
    of: str
    score: Score


def metrics_of(past: Past, report: RunReport) -> list[Metric]:
    """The scores of all models that a run made or found made; what is no longer stored is left out."""
    found: list[Metric] = []
    for step in report.steps:
        model, _, part = step.name.rpartition("/")
        if model and part == "comparison" and (content := _content(past, step)) is not None:
            found += [Metric(model, f"{each.method} on the folds", each.score) for each in msgspec.msgpack.decode(content, type=Comparison).entries]
        elif model and part == "scored" and (content := _content(past, step)) is not None:
            scored = msgspec.msgpack.decode(content, type=Scored)
            found += [Metric(model, "winner on the test block", scored.winner), Metric(model, "baseline on the test block", scored.baseline)]
    return found


def _content(past: Past, step: StepReport) -> bytes | None:
    artifacts = past.artifacts(step.name, step.digest) if step.digest else []
    return past.store.read_value(artifacts[0]) if len(artifacts) == 1 and isinstance(artifacts[0], Value) else None
