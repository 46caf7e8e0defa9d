"""`millstream why`: why a step ran, or why it would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import msgspec

from millstream.cli.options import as_json, in_file, open_project
from millstream.cli.output import print_json, say

if TYPE_CHECKING:
    from millstream.kernel.why import Explanation


@click.command("why", short_help="Why a step ran, or why it did not.")
@click.argument("step")
@click.option("--run", "run", metavar="RUN", help="The run to explain; default: the newest one that had the step.")
@in_file
@as_json
def command(step: str, run: str | None, file: str | None, *, as_json: bool) -> None:
    """Say why STEP ran, or was reused, and what changed since the time before; of a step that never ran, what would become of it."""
    told = open_project(file).why(step, run=run)
    if as_json:
        print_json({**msgspec.structs.asdict(told), "needs": [{"step": name, "why": reason} for name, reason in told.needs]})
    else:
        say("\n".join(_lines(told)))


def _lines(told: Explanation) -> Iterator[str]:
    if told.run is None:
        verb = "it depends on what comes first" if told.status == "depends" else f"it {told.status}"
        yield f"{told.step} was in no run yet; now {verb}: {told.why}"
        yield from (f"  before it: {name}: {reason}" for name, reason in told.needs)
        return
    yield f"{told.step} {'was reused' if told.status == 'cached' else told.status} in run {told.run}: {told.why}"
    if told.status not in ("ran", "cached"):
        return
    if told.status == "cached":
        made = f"computed in run {told.made}, " if told.made else ""
        yield f"  {made}{told.saved:.2f} s saved"
    yield from (f"  {sentence}" for sentence in told.changed if not told.why.startswith(sentence))
    yield from (f"    {line}" for line in told.diff)
    if not told.changed and told.before is not None:
        yield f"  everything that it depends on is as it was in run {told.before}"
    if told.result is not None and told.status == "ran":
        yield f"  its result: {told.result}"
    yield from (f"  note: {note}" for note in told.notes)
