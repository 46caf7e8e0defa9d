"""What `_project_run` says of a run, as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Told:
    """What a run said: the reports of its steps, and at its end the digests of what is stored, its CPU seconds and its seconds."""

    steps: Mapping[str, Mapping[str, Any]]
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    cpu: float = 0.0
    seconds: float = 0.0

    @property
    def ran(self) -> list[str]:
        """The steps that ran, in the order in which they finished."""
        return [name for name, report in self.steps.items() if report["status"] == "ran"]

    def parts(self, step: str) -> int:
        """How many parts of a step this run computed."""
        return int(self.steps[step]["parts"]) if step in self.ran else 0


def parse(output: str) -> list[Told]:
    """What the runs of one process said, also one that was killed: it has no digests, and what stands behind the last line's end was not said."""
    told: list[Told] = []
    steps: dict[str, Mapping[str, Any]] = {}
    for line in output.split("\n")[:-1]:
        if line == "ready":
            steps = {}
            told.append(Told(steps))
            continue
        record: dict[str, Any] = json.loads(line)
        if "step" in record:
            steps[record["step"]] = record
        else:
            told[-1] = Told(steps, record["digests"], record["cpu"], record["seconds"])
    return told
