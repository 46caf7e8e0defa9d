"""One turn of the loop as of a moment: batch, watch, decide whether to train again, judge, promote or refuse."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from millstream.evaluation.records import Verdict
from millstream.kernel.availability import moment_of, text_of
from millstream.kernel.durations import add
from millstream.kernel.engine import Listener, Progress
from millstream.kernel.graph import Node
from millstream.kernel.locks import in_use
from millstream.kernel.records import Artifact
from millstream.kernel.triggers import AllOf, AnyOf, Cron, Every, Trigger
from millstream.maintenance.declare import Retraining
from millstream.maintenance.judgement import Block, judge_on, newest_third, unseen_by_both
from millstream.maintenance.run import Made, evidence_from, evidence_of, execute_targets, first_error, register
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


@dataclass(frozen=True, slots=True)
class Loop:
    """One turn while it goes on: what it works with, and what it has seen."""

    workspace: Workspace
    life: Life
    as_of: int
    champion: OpenVersion
    watch: Watch
    listener: Listener | None

    def turn(self, trigger: str | None = None) -> Turn:
        """A turn that judged nothing."""
        return Turn(self.life.name, self.as_of, self.watch, trigger, None, None, self.champion.version, None, 0)


def maintain(workspace: Workspace, life: Life, *, as_of: int, listener: Listener | None = None) -> Turn:
    """Watch the champion; train and judge a challenger if the retraining's trigger says so, or judge the one that waits."""
    with in_use(workspace.store.root):
        rows = look(workspace, life, as_of=as_of, listener=listener).rows
        champion = open_version(workspace, champion_of(workspace, life.name))
        watch = watch_version(workspace, champion, rows, window=life.monitor.window if life.monitor else None, as_of=as_of)
        loop = Loop(workspace, life, as_of, champion, watch, listener)
        waiting = workspace.registry.challenger(life.name)
        if waiting is not None:
            return _judge_waiting(loop, rows, open_version(workspace, waiting))
        trigger = fired(life.retraining.when, watch, last_training(workspace, life.name), as_of) if life.retraining else None
        return _retrain(loop, rows, trigger) if trigger else loop.turn()


def look(workspace: Workspace, life: Life, *, as_of: int, listener: Listener | None = None) -> Present:
    """Bring the rows asked up to the moment."""
    nodes = lower_model(life.name, life.model, workspace.lowering)
    with in_use(workspace.store.root):
        made, _ = _made(workspace, nodes.truth, as_of=as_of, command="maintain", listener=listener)
        return Present(nodes, questions(workspace, nodes, made.artifacts, as_of), made.artifacts)


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
        case Cron():
            next_moment = trigger.next_after(moment_of(trained))
            told = f"{trigger.title}: last trained as of {text_of(trained)}"
            return told if next_moment is not None and next_moment <= moment_of(as_of) else None
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


def _retrain(loop: Loop, rows: pl.DataFrame, trigger: str) -> Turn:
    """Fit on everything before the block, judge on the block, and refit with it if accepted."""
    block = newest_third(rows, loop.champion, after=_decided_until(loop))
    if block is None:
        return loop.turn(trigger)
    return _decide(loop, open_version(loop.workspace, _train(loop, as_of=block.start - 1)), block, trigger)


def _judge_waiting(loop: Loop, rows: pl.DataFrame, challenger: OpenVersion) -> Turn:
    """Judge on the block of the first judgement, grown by the labels that have come since; without new ones nothing is judged."""
    history = loop.workspace.registry.history(loop.life.name)
    judged = [event.block for event in history if event.version == challenger.version.version and event.block is not None]
    after = judged[0][0] - 1 if judged else _decided_until(loop)
    block = unseen_by_both(rows, loop.champion, challenger, after=after)
    if block is None or (block.start, block.stop) in judged:
        return loop.turn()
    return _decide(loop, challenger, block, f"{challenger.version.name} waits")


def _decided_until(loop: Loop) -> int | None:
    """The end of the last block that has decided: one block decides once."""
    history = loop.workspace.registry.history(loop.life.name)
    return max((event.block[1] for event in history if event.block is not None and event.action in ("refused", "promoted")), default=None)


def _decide(loop: Loop, challenger: OpenVersion, block: Block, trigger: str) -> Turn:
    """What the gate says; what it accepts is refitted with the block and promoted. Without a gate it is left to `promote`."""
    registry, gate = loop.workspace.registry, loop.life.deployment.accept if loop.life.deployment else None
    verdict, bounds = judge_on(block, challenger, loop.champion, gate), (block.start, block.stop)
    office, version = loop.champion.version, challenger.version
    reason = f"{verdict.gate}: {verdict.reason}"
    if verdict.outcome != "accepted":
        registry.note(Event(loop.life.name, verdict.outcome, version.version, loop.as_of, _now(), reason, verdict.difference, bounds))
    elif gate is not None:
        office = version = _refit(loop, challenger)
        registry.promote(version, moment=loop.as_of, reason=reason, difference=verdict.difference, block=bounds)
    return Turn(loop.life.name, loop.as_of, loop.watch, trigger, verdict, version, office, bounds, block.rows.height)


def _train(loop: Loop, *, as_of: int) -> Version:
    """A whole new comparison on what was known when the block began."""
    nodes = lower_model(loop.life.name, loop.life.model, loop.workspace.lowering)
    made = _bundle(loop, nodes, nodes.targets, as_of=as_of, command="retrain")
    version, _ = register(loop.workspace, made, evidence_from(loop.workspace.store, made), origin="retrain", moment=loop.as_of)
    return version


def _refit(loop: Loop, challenger: OpenVersion) -> Version:
    """The judged challenger fitted again on all that is known by now, by the same fit record."""
    nodes = follow_record(lower_model(loop.life.name, loop.life.model, loop.workspace.lowering), challenger.version.record)
    made = _bundle(loop, nodes, (), as_of=loop.as_of, command="refit")
    version, _ = register(loop.workspace, made, evidence_of(challenger.version), origin="retrain", moment=loop.as_of)
    return version


def _bundle(loop: Loop, nodes: ModelNodes, more: Sequence[Node], *, as_of: int, command: str) -> Made:
    bundle = lower_bundle(nodes, loop.workspace.lowering)
    made, run = _made(loop.workspace, [*more, bundle], as_of=as_of, command=command, listener=loop.listener)
    return Made(nodes, bundle, made.artifacts, made.keys, run, as_of)


def _made(workspace: Workspace, targets: Sequence[Node], *, as_of: int, command: str, listener: Listener | None) -> tuple[Progress, str]:
    result, progress = execute_targets(workspace, targets, as_of=as_of, command=command, listener=listener)
    error = first_error(result)
    if error is not None:
        raise error
    return progress, result.report.run


def _now() -> int:
    return time.time_ns() // 1_000
