"""A run step by step, and one step of it, as `millstream show` tells them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from millstream.cli.figures import moment_text, shape_text, size_text, status_text
from millstream.errors import NotFoundError, did_you_mean
from millstream.kernel.ledger import Ledger
from millstream.kernel.reasons import cause_in_words
from millstream.kernel.records import Circumstances, RunReport, StepReport


def run_details(report: RunReport, about: Circumstances) -> dict[str, object]:
    """A run as plain values."""
    return {
        "run": report.run,
        "command": about.command,
        "status": about.status,
        "as_of": moment_text(report.as_of),
        "seconds": report.seconds,
        "saved": _saved(report.steps),
        "settings": about.settings,
        "environment": about.environment,
        "steps": [_record(each) for each in report.steps],
    }


def run_lines(report: RunReport, about: Circumstances) -> Iterator[str]:
    """A run as a table of its steps: those that were reused with the seconds that this saved, in brackets."""
    settings = "".join(f" {owner}.{name}={value}" for owner, each in about.settings.items() for name, value in each.items())
    yield f"run {report.run} ({about.command}{settings}) as of {moment_text(report.as_of)}: {about.status}"
    width = max((len(each.name) for each in report.steps), default=4)
    yield f"  {'':<7} {'step':<{width}} {'seconds':>8} {'cpu s':>7} {'memory':>9} {'written':>9} {'rows × columns':>17}  why"
    for each in report.steps:
        figures = f"{each.cpu:>7.2f} {size_text(each.peak):>9} {size_text(each.size):>9}" if each.status == "ran" else " " * 27
        seconds = {"ran": f"{each.seconds:.2f}", "cached": f"({each.seconds:.2f})"}.get(each.status, "")
        yield f"  {status_text(each.status):<7} {each.name:<{width}} {seconds:>8} {figures} {shape_text(each.shape):>17}  {each.why}"
    ran = [each for each in report.steps if each.status == "ran"]
    reused = sum(each.status == "cached" for each in report.steps)
    cost = f"{sum(each.cpu for each in ran):.1f} CPU s, {size_text(sum(each.size for each in ran))} written"
    yield f"{len(ran)} ran: {report.seconds:.1f} s, {cost}; {reused} reused: {_saved(report.steps):.1f} s saved"


def step_of_run(ledger: Ledger, run: str, name: str) -> StepReport:
    """What became of a step in a run; raises NotFoundError if it was not there."""
    step = ledger.report(run, name)
    if step is None:
        hint = did_you_mean(name, [each.name for each in ledger.run(run).steps]) or f"`millstream show {run}` lists its steps"
        raise NotFoundError(f"run {run} had no step '{name}'", hint=hint)
    return step


def step_details(step: StepReport, run: str, log: str) -> dict[str, object]:
    """One step of a run as plain values, with what it said."""
    causes = [cause_in_words(each) for each in step.causes]
    return {**_record(step), "run": run, "parts": step.parts, "causes": causes, "notes": step.notes, "log": log}


def step_lines(step: StepReport, run: str, log: str) -> Iterator[str]:
    """One step of a run: what it took, what it gave, all that it depends on, and what it said."""
    yield f"{step.name} {status_text(step.status)} in run {run}: {step.why}"
    if step.status == "ran":
        yield f"  {step.seconds:.2f} s, {step.cpu:.2f} CPU s, {size_text(step.peak)} of memory at most, {size_text(step.size)} written"
        yield f"  read {step.rows:,} rows, computed {step.parts:,} {'piece' if step.parts == 1 else 'pieces'}"
    elif step.status == "cached":
        yield f"  {step.seconds:.2f} s saved"
    if step.shape:
        yield f"  its result: {shape_text(step.shape)}"
    yield from (f"  note: {note}" for note in step.notes)
    if step.causes:
        yield "  it depends on"
        yield from (f"    {cause_in_words(cause)}" for cause in step.causes)
    if log:
        yield "  it said"
        yield from (f"    {line}" for line in log.splitlines())


def _record(step: StepReport) -> dict[str, object]:
    rows, columns = step.shape or (None, None)
    return {
        "name": step.name,
        "status": step.status,
        "seconds": step.seconds,
        "rows": step.rows,
        "why": step.why,
        "cpu": step.cpu,
        "peak": step.peak,
        "size": step.size,
        "result": {"rows": rows, "columns": columns, "digest": step.digest},
    }


def _saved(steps: Sequence[StepReport]) -> float:
    return sum(each.seconds for each in steps if each.status == "cached")
