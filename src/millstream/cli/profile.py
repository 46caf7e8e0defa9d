"""`millstream profile`: what a step takes alone, and two versions of it side by side."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import click

from millstream.cli.figures import shape_text
from millstream.cli.options import as_json, as_of, in_file, microseconds_as_of, open_project, set_options
from millstream.cli.output import print_json, say

if TYPE_CHECKING:
    from millstream.kernel.compared import Compared
    from millstream.kernel.trial import Trial
    from millstream.maintenance.trials import Versions


@click.command("profile", short_help="What a step takes alone, and where its time goes.")
@click.argument("step")
@click.option("--against", metavar="STEP", help="Another version of it, tried on the same inputs.")
@as_of
@set_options
@in_file
@as_json
def command(step: str, against: str | None, moment: str | None, settings: tuple[str, ...], file: str | None, *, as_json: bool) -> None:
    """Run STEP alone on its real inputs: time, memory, rows, and where the time goes. What it gives is not stored."""
    project = open_project(file, settings)
    from millstream.cli.progress import Progress
    from millstream.maintenance.trials import compare_steps, profile_step

    progress, when = Progress(quiet=as_json), microseconds_as_of(moment)
    told: Trial | Versions
    if against is None:
        told = profile_step(project.workspace, project.node(step), as_of=when, listener=progress)
        lines = _inside(told)
    else:
        told = compare_steps(project.workspace, project.node(step), project.node(against), as_of=when, listener=progress)
        lines = _side_by_side(told)
    progress.close()
    if as_json:
        print_json(told)
    else:
        say("\n".join(lines))


def _inside(trial: Trial) -> Iterator[str]:
    yield _taken(trial)
    if trial.plan is not None:
        yield "the query, as polars runs it"
        yield from (f"  {line}" for line in trial.plan.splitlines())
    elif trial.spent:
        yield f"{'seconds':>9} {'of its own':>10} {'calls':>9}  where the time goes, under Python's profiler"
        yield from (f"{each.seconds:>9.3f} {each.own:>10.3f} {each.calls:>9,}  {each.function}" for each in trial.spent)


def _taken(trial: Trial) -> str:
    gives = shape_text((trial.rows, trial.columns)) if trial.rows is not None and trial.columns is not None else "no table"
    pieces = f" in {trial.calls:,} pieces" if trial.calls > 1 else ""
    memory = f"{trial.peak / 1e6:,.0f} MB of memory at most, {trial.grown / 1e6:,.1f} MB more than before"
    taken = f"{trial.seconds:.3f} s and {trial.cpu:.3f} CPU s{pieces}, after {trial.reading:.3f} s of reading"
    return f"{trial.step}: {trial.rows_in:,} rows in, {gives} out\n  {taken}\n  {memory}"


def _side_by_side(versions: Versions) -> Iterator[str]:
    yield _taken(versions.first)
    yield _taken(versions.second)
    first, second = versions.first.step, versions.second.step
    if versions.same:
        yield f"{first} and {second} give the same"
    elif versions.tables is None:
        yield f"{first} and {second} do not give the same"
    else:
        yield from _differences(versions.tables, first, second)


def _differences(tables: Compared, first: str, second: str) -> Iterator[str]:
    matched = f"by {', '.join(tables.key)}" if tables.key else "by their place" if tables.rows_first == tables.rows_second else "as a whole"
    yield f"rows matched {matched}: {tables.only_first:,} only in {first}, {tables.only_second:,} only in {second}"
    if tables.reordered:
        yield "  the same rows in another order"
    for name, columns in ((first, tables.columns_first), (second, tables.columns_second)):
        if columns:
            yield f"  only {name} has {', '.join(columns)}"
    yield from (f"  {name} is {before} in {first}, {after} in {second}" for name, before, after in tables.types)
    for each in tables.differing:
        largest = f", by at most {each.largest:.6g}" if each.largest is not None else ""
        yield f"  {each.name} differs in {each.rows:,} rows{largest}: {_value(each.example[0])} and {_value(each.example[1])}"


def _value(value: object) -> str:
    from millstream.kernel.availability import microseconds_of, text_of

    return text_of(microseconds_of(value)) if isinstance(value, datetime) else repr(value)
