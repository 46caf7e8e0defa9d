"""What a user writes about renewal: when a model is trained again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from millstream.kernel.declarations import Declaration, expect
from millstream.kernel.triggers import Trigger
from millstream.training.declare import Model


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Retraining(Declaration):
    """Starts a challenger for a model each time `when` is true."""

    noun: ClassVar[str] = "retraining"
    model: Model
    when: Trigger


def retrain(model: Model, /, *, when: Trigger) -> Retraining:
    """Start a challenger when the trigger is true: `retrain(delays, when=watch.drifted | ms.every("30d"))`.

    Who becomes champion is said by `deploy`.
    """
    hint = "join conditions and clocks by '|' and '&'"
    return Retraining(
        model=expect(model, Model, "retrain: what is trained again", wanted="a model"),
        when=expect(when, Trigger, "retrain: when", wanted="a trigger", hint=hint),
    )
