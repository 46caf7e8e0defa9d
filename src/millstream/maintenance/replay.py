"""The whole life again on the past: train, answer, learn the truth, watch, renew, tick by tick, in a ledger of its own."""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from millstream.errors import ConfigurationError
from millstream.features.training_set import ASKED
from millstream.kernel.availability import microseconds_of, moment_of, text_of
from millstream.kernel.durations import add
from millstream.kernel.engine import Listener
from millstream.kernel.graph import Node, ordered
from millstream.kernel.ledger import Ledger
from millstream.maintenance.maintain import Life, Present, Turn, look, maintain
from millstream.maintenance.run import Trained, first_error, run
from millstream.registry.versions import Registry
from millstream.registry.workspace import Workspace
from millstream.serving.answers import answered
from millstream.serving.predict import Batch, predict_open
from millstream.sources.lowering import Reading


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick of a replay: what was answered since the last one, and the turn of the loop."""

    moment: int
    batch: Batch
    turn: Turn


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay: its identity, the first training, and every tick."""

    name: str
    trained: Trained
    ticks: tuple[Tick, ...]
    not_replayable: tuple[str, ...]


def ticks_between(start: int, stop: int, every: str) -> Iterator[int]:
    """The moments `start + n * every` up to `stop`, the start itself left out."""
    number = 1
    while (moment := microseconds_of(add(moment_of(start), every, times=number))) <= stop:
        yield moment
        number += 1


def replay(
    workspace: Workspace,
    life: Life,
    *,
    start: int,
    stop: int,
    every: str,
    on_tick: Callable[[Trained | Tick], None] | None = None,
    listener: Listener | None = None,
) -> Replay:
    """Live the life of a model again between two moments; its decisions touch nothing outside the replay's own ledger."""
    moments = list(ticks_between(start, stop, every))
    if not moments:
        raise ConfigurationError(f"there is no tick between {text_of(start)} and {text_of(stop)}", hint="say --to later, or --every shorter")
    tell = on_tick or _nobody
    name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
    own = _of_its_own(workspace, name)
    deployments = {life.name: life.deployment} if life.deployment else {}
    result = run(own, {life.name: life.model}, deployments, as_of=start, command="replay", listener=listener)
    error = first_error(result)
    if error is not None:
        raise error
    trained = result.trained[0]
    tell(trained)
    keyed = bool(trained.nodes.question.key)
    ticks: list[Tick] = []
    for before, moment in pairwise([start, *moments]):
        tick = _tick(own, life, start if keyed else before, moment, listener)
        ticks.append(tick)
        tell(tick)
    return Replay(name, trained, tuple(ticks), not_replayable(trained.nodes.truth))


def _nobody(_: Trained | Tick) -> None:
    """Listens to nothing."""


def not_replayable(targets: Sequence[Node]) -> tuple[str, ...]:
    """Sources without a time: whatever the moment, they are as they are now."""
    return tuple(node.name for node in ordered(targets) if isinstance(node.operation, Reading) and node.operation.source.facts.time is None)


def _tick(workspace: Workspace, life: Life, since: int, moment: int, listener: Listener | None) -> Tick:
    """Every row asked since then is answered once, by the champion in office since the last tick; then the loop turns."""
    asked = _unanswered(workspace, look(workspace, life, as_of=moment, listener=listener), since)
    sinkless = dataclasses.replace(life.deployment, batch=None, when=None) if life.deployment else None
    batch = predict_open(workspace, life.name, asked, sinkless, open_only=False)
    return Tick(moment, batch, maintain(workspace, life, as_of=moment, listener=listener))


def _unanswered(workspace: Workspace, present: Present, since: int) -> pl.DataFrame:
    """Rows asked since then that no version has answered: one that came to be known late was asked before the last tick."""
    key, given = present.nodes.question.key, answered(workspace, present.nodes.name)
    asked = present.rows.filter(pl.col(ASKED) > since)
    return asked.join(given, on=key, how="anti", maintain_order="left") if key and given is not None else asked


def _of_its_own(workspace: Workspace, name: str) -> Workspace:
    folder = workspace.folder / "replays" / name
    return dataclasses.replace(workspace, ledger=Ledger(folder / "ledger.sqlite"), registry=Registry(folder / "ledger.sqlite"), folder=folder)
