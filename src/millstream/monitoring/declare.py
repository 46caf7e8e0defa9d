"""What a user writes about watching: a monitor, and the conditions it gives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

from millstream.kernel.declarations import Declaration, calendar_duration, expect
from millstream.kernel.triggers import Trigger
from millstream.serving.declare import Deployment


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Monitor(Declaration):
    """Watches a deployment's inputs and predictions, and its quality when labels come, over the last `window`."""

    noun: ClassVar[str] = "monitor"
    deployment: Deployment
    window: str | None = None

    @cached_property
    def drifted(self) -> Condition:
        """True when a feature has drifted from the training profile since the last training."""
        return Condition(monitor=self, kind="drifted")

    @cached_property
    def worse(self) -> Condition:
        """True when the metric is significantly worse than at the last training."""
        return Condition(monitor=self, kind="worse")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Condition(Trigger):
    """A trigger that a monitor pulls."""

    noun: ClassVar[str] = "condition"
    monitor: Monitor
    kind: Literal["drifted", "worse"]

    @property
    def title(self) -> str:
        """A condition and what it says."""
        return f"condition {self.kind}"


def monitor(deployment: Deployment, /, *, window: str | None = None) -> Monitor:
    """Watch a deployment. `window`: how far back, counted from the newest row asked; default: since the champion's last training row."""
    hint = "deploy it first: ms.monitor(ms.deploy(model))"
    return Monitor(
        deployment=expect(deployment, Deployment, "monitor: what is watched", wanted="a deployment", hint=hint),
        window=None if window is None else calendar_duration(window, "monitor: window"),
    )
