"""Promotion by hand: on record like every other, and never past a gate that has refused."""

from __future__ import annotations

from collections.abc import Callable

from millstream.errors import ConfigurationError, GateError
from millstream.registry.records import Event
from millstream.registry.workspace import Workspace
from millstream.serving.declare import Deployment


def promote(workspace: Workspace, written: str, deployment: Callable[[str], Deployment | None], *, moment: int, reason: str) -> Event:
    """Put the version written as `MODEL@N` in office; raises GateError if its last judgement was a refusal."""
    model, at, number = written.partition("@")
    if not at or not number.isdigit():
        raise ConfigurationError(f"'{written}' is not a version", hint="write MODEL@N, as in delays@2; `millstream show` lists them")
    version = workspace.registry.version(model, int(number))
    judged = [event for event in workspace.registry.history(model) if event.version == version.version and event.action in ("refused", "promoted")]
    declared = deployment(model)
    if declared is not None and declared.accept is not None and judged and judged[-1].action == "refused":
        raise GateError(f"{version.name} was refused: {judged[-1].reason}", hint="train a better one, or change accept= of ms.deploy")
    return workspace.registry.promote(version, moment=moment, reason=reason)
