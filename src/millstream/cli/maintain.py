"""`millstream maintain`: one turn of the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from millstream.cli.options import as_json, as_of, in_file, microseconds_as_of, open_project
from millstream.cli.output import print_json, say

if TYPE_CHECKING:
    from millstream.maintenance.maintain import Turn


@click.command("maintain", short_help="One turn of the loop: watch, retrain, judge, promote.")
@click.argument("model", required=False)
@as_of
@in_file
@as_json
def command(model: str | None, moment: str | None, file: str | None, *, as_json: bool) -> None:
    """Watch MODEL; if its retraining says so, train a challenger, judge it, and promote what the gate accepts."""
    project = open_project(file)
    from millstream.cli.progress import Progress
    from millstream.maintenance.maintain import maintain

    name = project.model(model)
    progress = Progress(quiet=as_json)
    turn = maintain(project.workspace, project.life(name), as_of=microseconds_as_of(moment), listener=progress)
    progress.close()
    if as_json:
        print_json(turn_record(turn))
    else:
        say("\n".join(turn_lines(turn)))


def turn_lines(turn: Turn) -> list[str]:
    """One turn of the loop, as text."""
    from millstream.kernel.availability import text_of

    drifted = ", ".join(turn.watch.drifted[:4]) or "nothing"
    more = f" and {len(turn.watch.drifted) - 4} more" if len(turn.watch.drifted) > 4 else ""
    lines = [f"{turn.model} as of {text_of(turn.as_of)}", f"  drifted: {drifted}{more}", f"  {turn.watch.performance.reason}"]
    if turn.trigger is None:
        lines.append("  not trained again: no trigger is true")
    elif turn.verdict is None:
        lines.append(f"  {turn.trigger}; but no row that the champion has not seen has its label yet")
    else:
        lines += _verdict_lines(turn)
    lines.append(f"  champion: {turn.champion.name}")
    return lines


def turn_record(turn: Turn) -> dict[str, object]:
    """One turn of the loop, as plain values."""
    from millstream.cli.monitor import watch_record
    from millstream.kernel.availability import text_of

    block = None if turn.block is None else {"from": text_of(turn.block[0]), "to": text_of(turn.block[1]), "rows": turn.block_rows}
    judged = turn.judged.name if turn.judged else None
    return {
        "model": turn.model,
        "as_of": text_of(turn.as_of),
        "watch": watch_record(turn.watch),
        "trigger": turn.trigger,
        "block": block,
        "verdict": turn.verdict,
        "judged": judged,
        "champion": turn.champion.name,
    }


def _verdict_lines(turn: Turn) -> list[str]:
    from millstream.kernel.availability import text_of

    verdict = turn.verdict
    assert verdict is not None
    word = {
        "accepted": "promoted",
        "refused": "refused",
        "needs_labels": f"needs about {verdict.needed:,} more labels" if verdict.needed else "needs more labels",
    }[verdict.outcome]
    lines = [f"  trained again: {turn.trigger}"]
    if turn.block is not None:
        lines.append(f"  judged on {turn.block_rows:,} rows that neither has seen, {text_of(turn.block[0])} to {text_of(turn.block[1])}")
    if verdict.difference is not None:
        paired = verdict.difference
        lines.append(f"  {paired.metric}: challenger better by {paired.difference:+.4f} ({paired.low:+.4f} to {paired.high:+.4f})")
    lines.append(f"  {turn.judged.name if turn.judged else ''} {word}: {verdict.gate}, {verdict.reason}")
    return lines
