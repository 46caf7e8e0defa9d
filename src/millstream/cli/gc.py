"""`millstream gc`: remove what nothing recent needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from millstream.cli.options import as_json, in_file, store_of
from millstream.cli.output import print_json, say

if TYPE_CHECKING:
    from pathlib import Path

    from millstream.maintenance.gc import Collection


@click.command("gc", short_help="Remove what nothing recent needs.")
@click.option("--keep-last", type=click.IntRange(min=0), metavar="N", help="Keep what the newest N runs used; default, with --older-than 30d: 10.")
@click.option("--older-than", metavar="DURATION", help="Keep what was used more recently than so long ago.")
@click.option("--runs", "forget", is_flag=True, help="Forget runs from before that, too.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@in_file
@as_json
def command(keep_last: int | None, older_than: str | None, file: str | None, *, forget: bool, dry_run: bool, as_json: bool) -> None:
    """Remove results that the newest runs have not used, and their files; what a version needs is always kept."""
    from millstream.maintenance.gc import collect

    folder = store_of(file)
    collection = collect(folder, keep_last=keep_last, older_than=older_than, forget=forget, dry_run=dry_run)
    if as_json:
        print_json(_record(folder, collection))
    else:
        say(_told(folder, collection))


def _record(folder: Path, collection: Collection) -> dict[str, object]:
    from millstream.kernel.availability import text_of

    garbage = collection.garbage
    return {
        "folder": folder,
        "dry_run": collection.dry_run,
        "before": None if collection.until is None else text_of(collection.until),
        "results": garbage.results,
        "files": garbage.files,
        "notes": garbage.notes,
        "runs": collection.runs,
        "bytes": garbage.bytes,
        "out_of": garbage.out_of,
    }


def _told(folder: Path, collection: Collection) -> str:
    from millstream.kernel.availability import text_of

    garbage, until = collection.garbage, collection.until
    if not (garbage.results or garbage.files or garbage.notes or collection.runs):
        return f"{folder}: nothing to remove of {garbage.out_of / 1e6:,.1f} MB"
    since = "" if until is None else f" last used before {text_of(until - until % 1_000_000)}"
    what = f"{garbage.results:,} results and {garbage.files:,} files{since}"
    runs = f", {collection.runs:,} runs" if collection.runs else ""
    size = f"{garbage.bytes / 1e6:,.1f} of {garbage.out_of / 1e6:,.1f} MB"
    return f"{folder}: {what}{runs} {'would be ' if collection.dry_run else ''}removed, {size}"
