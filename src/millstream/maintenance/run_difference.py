"""What differs between two runs: settings, code, libraries, inputs, what became of each step, and the scores of the models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from millstream.evaluation.records import Score
from millstream.kernel.past import Past
from millstream.kernel.reasons import code_change, explain, input_of, is_code
from millstream.kernel.records import Cause, Circumstances, RunReport, StepReport
from millstream.kernel.why import table_change
from millstream.maintenance.run_metrics import metrics_of


class Pair(msgspec.Struct, frozen=True):
    """One thing that is another in the two runs; None where there is nothing."""

    name: str
    before: object
    now: object


class CodeDifference(msgspec.Struct, frozen=True):
    """A function or class that is another: the lines of its diff, none if one of the texts is not on record."""

    name: str
    diff: tuple[str, ...]


class StepDifference(msgspec.Struct, frozen=True):
    """A step in both runs: what became of it, why it is not the same, and how its results differ (None: they are equal)."""

    name: str
    before: str | None
    now: str | None
    why: str | None
    result: str | None


class MetricDifference(msgspec.Struct, frozen=True):
    """A score in both runs."""

    model: str
    of: str
    before: Score | None
    now: Score | None


class RunDifference(msgspec.Struct, frozen=True):
    """Two runs side by side, the earlier named first. `inputs` are the steps that read from outside; `steps` are those that differ."""

    before: Circumstances
    now: Circumstances
    settings: tuple[Pair, ...]
    environment: tuple[Pair, ...]
    code: tuple[CodeDifference, ...]
    inputs: tuple[StepDifference, ...]
    steps: tuple[StepDifference, ...]
    equal: int
    metrics: tuple[MetricDifference, ...]


def difference(past: Past, before: str, now: str) -> RunDifference:
    """What differs between two runs; a run is named by its identity or the beginning of it."""
    ledger = past.ledger
    old, new = ledger.circumstances(before), ledger.circumstances(now)
    was, is_now = ledger.run(old.run), ledger.run(new.run)
    reports = ({step.name: step for step in was.steps}, {step.name: step for step in is_now.steps})
    names = _in_order({**reports[0], **reports[1]})
    steps = [_step(past, name, reports[0].get(name), reports[1].get(name)) for name in names]
    differing = [each for each in steps if each.why is not None or each.result is not None]
    outside = {name for name in names if _reads_outside(reports[1].get(name) or reports[0][name], names)}
    return RunDifference(
        old,
        new,
        tuple(pairs(_flat(old.settings), _flat(new.settings))),
        tuple(pairs(old.environment, new.environment)),
        tuple(_code(past, was, is_now)),
        tuple(each for each in differing if each.name in outside),
        tuple(each for each in differing if each.name not in outside),
        len(steps) - len(differing),
        tuple(_metrics(past, was, is_now)),
    )


def _in_order(reports: Mapping[str, StepReport]) -> list[str]:
    """The steps, each behind those that it reads, else by name: not as they happened to finish."""
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in depths:
            depths[name] = 0
            read = [each for cause in reports[name].causes if (each := input_of(cause)) is not None and each in reports]
            depths[name] = 1 + max((depth(each) for each in read), default=0)
        return depths[name]

    return sorted(reports, key=lambda name: (depth(name), name))


def _flat(settings: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    return {f"{owner}.{name}": value for owner, each in settings.items() for name, value in each.items()}


def pairs(before: Mapping[str, object], now: Mapping[str, object]) -> Iterator[Pair]:
    """What is another in two mappings, by name."""
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            yield Pair(name, before.get(name), now.get(name))


def _code(past: Past, before: RunReport, now: RunReport) -> Iterator[CodeDifference]:
    """The functions and classes that differ, each once, whatever steps refer to them."""
    old, new = _code_of(before), _code_of(now)
    for name in sorted(old.keys() & new.keys()):
        if old[name] != new[name]:
            yield CodeDifference(name, tuple(code_change(name, past.ledger.code(old[name]), past.ledger.code(new[name]))))


def _code_of(report: RunReport) -> dict[str, Cause]:
    return {cause.name: cause for step in report.steps for cause in step.causes if is_code(cause)}


def _reads_outside(step: StepReport, names: Sequence[str]) -> bool:
    """Whether a step reads nothing that other steps gave."""
    return bool(step.causes) and all(input_of(cause) not in names for cause in step.causes)


def _step(past: Past, name: str, before: StepReport | None, now: StepReport | None) -> StepDifference:
    was, is_now = (each.status if each else None for each in (before, now))
    if before is None or now is None:
        return StepDifference(name, was, is_now, "only in the second run" if now else "only in the first run", None)
    unfinished = next((each.why for each in (now, before) if each.status not in ("ran", "cached")), None)
    if unfinished is not None:
        return StepDifference(name, was, is_now, unfinished, None)
    why = explain(before.causes, now.causes, past) if before.key != now.key else None
    return StepDifference(name, was, is_now, why, _result(past, before, now))


def _result(past: Past, before: StepReport, now: StepReport) -> str | None:
    if before.digest == now.digest:
        return None
    return (table_change(past, now.name, before.digest, now.digest) if before.digest and now.digest else None) or "another one"


def _metrics(past: Past, before: RunReport, now: RunReport) -> Iterator[MetricDifference]:
    old, new = ({(each.model, each.of): each.score for each in metrics_of(past, report)} for report in (before, now))
    for model, of in dict.fromkeys([*new, *old]):
        yield MetricDifference(model, of, old.get((model, of)), new.get((model, of)))
