"""`millstream diff`: what differs between two runs, from settings to scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from millstream.cli.figures import moment_text, status_text
from millstream.cli.options import as_json, in_file, open_project
from millstream.cli.output import print_json, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millstream.evaluation.records import Score
    from millstream.kernel.records import Circumstances
    from millstream.maintenance.run_difference import MetricDifference, Pair, RunDifference, StepDifference

SHOWN = 6


@click.command("diff", short_help="What differs between two runs.")
@click.argument("before", metavar="RUN")
@click.argument("now", metavar="RUN")
@in_file
@as_json
def command(before: str, now: str, file: str | None, *, as_json: bool) -> None:
    """Compare two runs: settings, code, libraries, what came in, what became of each step, and the scores of the models."""
    told = open_project(file).diff(before, now)
    if as_json:
        print_json(_record(told))
    else:
        say("\n".join(_lines(told)))


def _record(told: RunDifference) -> dict[str, object]:
    return {
        "before": _run_record(told.before),
        "now": _run_record(told.now),
        **{name: getattr(told, name) for name in ("settings", "environment", "code", "inputs", "steps", "equal", "metrics")},
    }


def _run_record(run: Circumstances) -> dict[str, object]:
    return {"run": run.run, "command": run.command, "status": run.status, "as_of": moment_text(run.as_of), "seconds": run.seconds}


def _lines(told: RunDifference) -> Iterator[str]:
    for run, mark in ((told.before, "-"), (told.now, "+")):
        yield f"{mark} run {run.run} ({run.command}) as of {moment_text(run.as_of)}: {run.status}, {run.seconds or 0:.1f} s"
    yield from _section("settings", [_pair(each) for each in told.settings])
    yield from _section("libraries and platform", [_pair(each) for each in told.environment])
    yield from _section("code", [line for each in told.code for line in (each.name, *(f"  {line}" for line in each.diff))])
    both = [each for each in told.steps if each.before and each.now]
    yield from _section("inputs", list(_steps([each for each in told.inputs if each.before and each.now])))
    yield from _section("steps", list(_steps(both)))
    for number, which in (("first", "now"), ("second", "before")):
        names = [each.name for each in (*told.inputs, *told.steps) if getattr(each, which) is None]
        yield from _section(f"only in the {number} run", [_listed(names)] if names else [])
    yield from _section("scores", [_metric(each) for each in told.metrics if _in_both(each, told.metrics)])
    yield f"{told.equal} {'step is' if told.equal == 1 else 'steps are'} the same in both"


def _section(name: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield name
        yield from (f"  {line}" for line in lines)


def _pair(pair: Pair) -> str:
    before, now = ("default" if value is None else value for value in (pair.before, pair.now))
    return f"{pair.name}: {before} -> {now}"


def _steps(steps: Sequence[StepDifference]) -> Iterator[str]:
    """Those together of which the same is said."""
    alike: dict[tuple[str, str], list[str]] = {}
    for step in steps:
        before, now = (status_text(each) if each else "" for each in (step.before, step.now))
        told = f"({before}, {now}): {step.why or 'the same code and inputs, but another result: not deterministic'}"
        alike.setdefault((told, step.result or "the same"), []).append(step.name)
    for (told, result), names in alike.items():
        yield f"{_listed(names)} {told}"
        yield f"  {'its result' if len(names) == 1 else 'their results'}: {result}"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:SHOWN])}{f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''}"


def _in_both(metric: MetricDifference, metrics: Sequence[MetricDifference]) -> bool:
    """Whether both runs made the model."""
    alike = [each for each in metrics if each.model == metric.model]
    return any(each.before for each in alike) and any(each.now for each in alike)


def _metric(metric: MetricDifference) -> str:
    before, now = metric.before, metric.now
    name = (now or before).metric if now or before else ""  # type: ignore[union-attr]
    moved = f"  ({now.value - before.value:+.4f})" if before and now and now.value != before.value else ""
    return f"{metric.model}: {metric.of}: {name} {_score(before)} -> {_score(now)}{moved}"


def _score(score: Score | None) -> str:
    return f"{score.value:.4f}" if score else "nothing"
