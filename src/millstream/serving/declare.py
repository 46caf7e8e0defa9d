"""What a user writes about answering: which model, to where, and who may become champion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

from millstream.evaluation.declare import Gate
from millstream.kernel.declarations import Declaration, describe, expect, refusal
from millstream.kernel.triggers import Trigger
from millstream.sources.declare import Sink
from millstream.training.declare import Model


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Deployment(Declaration):
    """A model that answers with its champion; `accept` says who becomes champion, `when` when the batch should be written."""

    noun: ClassVar[str] = "deployment"
    model: Model
    batch: Sink | None = None
    when: Trigger | None = None
    accept: Gate | None = None

    def __post_init__(self) -> None:
        """Check the options that need each other."""
        if self.when is not None and self.batch is None:
            raise refusal("deploy: when needs a batch", hint="say batch=ms.sink(...) too: when the batch runs")
        super().__post_init__()


def deploy(model: Model, /, *, batch: Sink | None = None, when: Trigger | None = None, accept: Gate | None = None) -> Deployment:
    """Answer with a model's champion. Declaring moves nothing: a run registers versions.

    `batch`: where `millstream predict` writes its answers to open rows. `when`: when it should; nothing starts it by itself yet.
    `accept`: the gate that makes a later version champion; without it the first version is champion and later ones wait for `promote`.
    """
    if accept is not None and not isinstance(accept, get_args(Gate)):
        raise refusal(f"deploy: accept must be a gate, not {describe(accept)}", hint="as in ms.gate.not_worse(by=0.002)")
    return Deployment(
        model=expect(model, Model, "deploy: what is deployed", wanted="a model"),
        batch=None if batch is None else expect(batch, Sink, "deploy: batch", wanted="a sink", hint="as in ms.sink('data/out')"),
        when=None if when is None else expect(when, Trigger, "deploy: when", wanted="a trigger", hint="as in ms.every('10m')"),
        accept=accept,
    )
