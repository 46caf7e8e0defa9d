"""Why a step ran in a run, or was reused: the first thing that differs from the time before, and what followed from it."""

from __future__ import annotations

from typing import Literal

import msgspec

from millstream.errors import NotFoundError, did_you_mean
from millstream.kernel.changes import change_in_words
from millstream.kernel.past import Past
from millstream.kernel.reasons import code_changes, differences
from millstream.kernel.records import StepReport

Foreseen = Literal["would run", "would be reused", "would fail", "depends"]
Status = Literal["ran", "cached", "failed", "skipped"] | Foreseen


class Explanation(msgspec.Struct, frozen=True):
    """What became of a step in a run, and why.

    `before` is the run that it is compared with, `changed` are all differences in words, `diff` are the lines of code that are others;
    `made` is the run that computed what was reused. `result` says how what it gave differs from what it gave before. Of a step that was in no
    run yet it says what would become of it; `needs` are the steps that would run first, and why.
    """

    step: str
    run: str | None
    status: Status
    why: str
    before: str | None = None
    changed: tuple[str, ...] = ()
    diff: tuple[str, ...] = ()
    made: str | None = None
    saved: float = 0.0
    result: str | None = None
    notes: tuple[str, ...] = ()
    key: str = ""
    needs: tuple[tuple[str, str], ...] = ()


def why(past: Past, step: str, run: str | None = None) -> Explanation:
    """The explanation of a step in the newest run that had it, or in the run named; raises NotFoundError if it was not there."""
    ledger = past.ledger
    identity, now = _report(past, step, run)
    if now.status not in ("ran", "cached"):
        return Explanation(step, identity, now.status, now.why)
    previous = ledger.previous(step, identity)
    before = previous[1] if previous else None
    cached = now.status == "cached"
    return Explanation(
        step,
        identity,
        now.status,
        now.why,
        previous[0] if previous else None,
        tuple(differences(before.causes, now.causes, past)) if before else (),
        tuple(code_changes(before.causes, now.causes, ledger.code)) if before else (),
        ledger.made(step, now.key, before=identity) if cached else None,
        now.seconds if cached else 0.0,
        _result(past, step, before, now) if before else None,
        now.notes,
        now.key,
    )


def _report(past: Past, step: str, run: str | None) -> tuple[str, StepReport]:
    ledger = past.ledger
    if run is None:
        newest = ledger.reports(step, limit=1)
        if newest:
            return newest[0]
        raise NotFoundError(
            f"no run had a step '{step}'", hint=did_you_mean(step, ledger.steps()) or "`millstream show RUN` lists the steps of a run"
        )
    identity = ledger.circumstances(run).run
    found = ledger.report(identity, step)
    if found is None:
        near = did_you_mean(step, [each.name for each in ledger.run(identity).steps])
        raise NotFoundError(f"run {identity} had no step '{step}'", hint=near or f"`millstream show {identity}` lists its steps")
    return identity, found


def _result(past: Past, step: str, before: StepReport, now: StepReport) -> str | None:
    """How the results of a step in two runs differ; None where it is not on record."""
    if not before.digest or not now.digest:
        return None
    if before.digest == now.digest:
        return "the same as before"
    return table_change(past, step, before.digest, now.digest) or "another one"


def table_change(past: Past, step: str, before: str, now: str) -> str | None:
    """How two tables that a step gave differ, by their digests; None if they are no tables, or no longer stored."""
    seen = [past.seen(step, digest) for digest in (before, now)]
    if seen[0] is None or seen[1] is None:
        return None
    return change_in_words(seen[0], seen[1], past.parts(step, before), past.parts(step, now))
