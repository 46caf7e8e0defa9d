"""One turn of the loop as of a moment: batch, watch, decide whether to train again, judge, promote or refuse."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from millstream.evaluation.records import Verdict
from millstream.kernel.availability import moment_of, text_of
from millstream.kernel.durations import add
from millstream.kernel.engine import Listener
from millstream.kernel.graph import Node
from millstream.kernel.records import Artifact
from millstream.kernel.triggers import AllOf, AnyOf, Every, Trigger
from millstream.maintenance.declare import Retraining
from millstream.maintenance.judgement import Block, judge_on, newest_third, unseen_by_both
from millstream.maintenance.run import evidence_from, evidence_of, execute_targets, first_error, register
from millstream.monitoring.declare import Condition, Monitor
from millstream.monitoring.watch import Watch, watch_version
from millstream.registry.records import Event, Version
from millstream.registry.workspace import Workspace
from millstream.serving.declare import Deployment
from millstream.serving.predict import champion_of, questions
from millstream.serving.release import lower_bundle
from millstream.serving.versions import OpenVersion, open_version
from millstream.training.declare import Model
from millstream.training.lowering import ModelNodes, follow_record, lower_model


@dataclass(frozen=True, slots=True)
class Life:
    """What a file declares about the life of one model."""

    name: str
    model: Model
    deployment: Deployment | None
    monitor: Monitor | None
    retraining: Retraining | None


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of the loop did. `trigger` says why a challenger was trained, None if it was not."""

    model: str
    as_of: int
    watch: Watch
    trigger: str | None
    verdict: Verdict | None
    judged: Version | None
    champion: Version
    block: tuple[int, int] | None
    block_rows: int


@dataclass(frozen=True, slots=True)
class Present:
    """The rows asked by a moment, with their features and what is known of the truth."""

    nodes: ModelNodes
    rows: pl.DataFrame
    artifacts: Mapping[Node, Artifact]


def maintain(workspace: Workspace, life: Life, *, as_of: int, listener: Listener | None = None) -> Turn:
    """Watch the champion; train and judge a challenger if the retraining's trigger says so, or judge the one that waits."""
    present = look(workspace, life, as_of=as_of, listener=listener)
    champion = open_version(workspace, champion_of(workspace, life.name))
    watch = watch_version(workspace, champion, present.rows, window=life.monitor.window if life.monitor else None, as_of=as_of)
    waiting = workspace.registry.challenger(life.name)
    if waiting is not None:
        return _judge_waiting(workspace, life, present, champion, open_version(workspace, waiting), watch, listener)
    trigger = life.retraining and fired(life.retraining.when, watch, last_training(workspace, life.name), as_of)
    if not trigger:
        return Turn(life.name, as_of, watch, None, None, None, champion.version, None, 0)
    return _retrain(workspace, life, present, champion, watch, trigger, listener)


def look(workspace: Workspace, life: Life, *, as_of: int, listener: Listener | None = None) -> Present:
    """Bring the rows asked up to the moment."""
    nodes = lower_model(life.name, life.model, workspace.lowering)
    artifacts, _ = _made(workspace, nodes.truth, as_of=as_of, command="maintain", listener=listener)
    return Present(nodes, questions(workspace, nodes, artifacts, as_of), artifacts)


def fired(trigger: Trigger, watch: Watch, trained: int, as_of: int) -> str | None:
    """Why the trigger is true, None if it is not."""
    match trigger:
        case Condition(kind="drifted"):
            return f"drifted: {', '.join(watch.drifted[:3])}" if watch.drifted else None
        case Condition():
            return f"worse: {watch.performance.reason}" if watch.performance.worse else None
        case Every():
            due = add(moment_of(trained), trigger.duration)
            return f"every {trigger.duration}: last trained as of {text_of(trained)}" if due <= moment_of(as_of) else None
        case AnyOf():
            return next((reason for part in trigger.parts if (reason := fired(part, watch, trained, as_of))), None)
        case AllOf():
            reasons = [fired(part, watch, trained, as_of) for part in trigger.parts]
            return " and ".join(reason or "" for reason in reasons) if all(reasons) else None
        case _:
            raise TypeError(f"{trigger!r} is no trigger")


def last_training(workspace: Workspace, model: str) -> int:
    """The as-of moment of the newest training, whatever became of it."""
    return max(event.moment for event in workspace.registry.history(model) if event.action == "registered")


def _retrain(workspace: Workspace, life: Life, present: Present, champion: OpenVersion, watch: Watch, trigger: str, listener: Listener | None) -> Turn:
    """Fit on everything before the block, judge on the block, and refit with it if accepted."""
    block = newest_third(present.rows, champion)
    if block is None:
        return Turn(life.name, watch.as_of, watch, trigger, None, None, champion.version, None, 0)
    version = _train(workspace, life, as_of=block.start, moment=watch.as_of, listener=listener)
    return _decide(workspace, life, champion, open_version(workspace, version), watch, trigger, block, listener)


def _judge_waiting(workspace: Workspace, life: Life, present: Present, champion: OpenVersion, challenger: OpenVersion, watch: Watch, listener: Listener | None) -> Turn:
    block = unseen_by_both(present.rows, champion, challenger)
    if block is None:
        return Turn(life.name, watch.as_of, watch, None, None, challenger.version, champion.version, None, 0)
    return _decide(workspace, life, champion, challenger, watch, "a challenger waits", block, listener)


def _decide(workspace: Workspace, life: Life, champion: OpenVersion, challenger: OpenVersion, watch: Watch, trigger: str, block: Block, listener: Listener | None) -> Turn:
    gate = life.deployment.accept if life.deployment else None
    verdict = judge_on(block, challenger, champion, gate)
    bounds = (block.start, block.stop)
    office, version = champion.version, challenger.version
    if verdict.outcome == "accepted" and gate is not None:
        version = _refit(workspace, life, challenger, as_of=watch.as_of, listener=listener)
        workspace.registry.promote(version, moment=watch.as_of, reason=f"{verdict.gate}: {verdict.reason}", difference=verdict.difference, block=bounds)
        office = version
    elif verdict.outcome != "accepted":
        action = "refused" if verdict.outcome == "refused" else "needs_labels"
        workspace.registry.note(Event(life.name, action, version.version, watch.as_of, _now(), f"{verdict.gate}: {verdict.reason}", verdict.difference, bounds))
    return Turn(life.name, watch.as_of, watch, trigger, verdict, version, office, bounds, block.rows.height)


def _train(workspace: Workspace, life: Life, *, as_of: int, moment: int, listener: Listener | None) -> Version:
    nodes = lower_model(life.name, life.model, workspace.lowering)
    bundle = lower_bundle(nodes, workspace.lowering)
    artifacts, run = _made(workspace, [*nodes.targets, bundle], as_of=as_of, command="retrain", listener=listener)
    evidence = evidence_from(workspace.store, nodes, artifacts)
    version, _ = register(workspace, nodes, bundle, artifacts, evidence, run=run, as_of=as_of, origin="retrain", moment=moment)
    return version


def _refit(workspace: Workspace, life: Life, challenger: OpenVersion, *, as_of: int, listener: Listener | None) -> Version:
    """The judged challenger fitted again on all that is known by now, by the same fit record."""
    nodes = follow_record(lower_model(life.name, life.model, workspace.lowering), challenger.version.record)
    bundle = lower_bundle(nodes, workspace.lowering)
    progress, run = _made(workspace, [bundle], as_of=as_of, command="refit", listener=listener)
    version, _ = register(workspace, nodes, bundle, progress, evidence_of(challenger.version), run=run, as_of=as_of, origin="retrain")
    return version


def _made(workspace: Workspace, targets: Sequence[Node], *, as_of: int, command: str, listener: Listener | None) -> tuple[Mapping[Node, Artifact], str]:
    result, progress = execute_targets(workspace, targets, as_of=as_of, command=command, listener=listener)
    error = first_error(result)
    if error is not None:
        raise error
    return progress.artifacts, result.report.run


def _now() -> int:
    return time.time_ns() // 1_000
