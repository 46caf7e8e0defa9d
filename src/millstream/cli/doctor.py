"""`millstream doctor`: whether the store is whole, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from millstream.cli.options import as_json, in_file, store_of
from millstream.cli.output import print_json, say

if TYPE_CHECKING:
    from millstream.kernel.doctor import Finding


@click.command("doctor", short_help="Look whether the store is whole, and mend it.")
@click.option("--fix", is_flag=True, help="Drop what is damaged, so that the next run makes it anew.")
@in_file
@as_json
def command(file: str | None, *, fix: bool, as_json: bool) -> None:
    """Read all that is stored and look at disk, databases, versions and runs; exit code 3 if something is wrong."""
    from millstream.maintenance.doctor import doctor

    folder = store_of(file)
    findings = doctor(folder, fix=fix)
    wrong = sum(each.serious and not each.mended for each in findings)
    if as_json:
        print_json({"folder": folder, "findings": findings, "ok": not wrong})
    else:
        for each in findings:
            say(_told(each))
        mended = sum(each.mended for each in findings)
        notes = sum(not each.serious for each in findings)
        say(f"{folder}: {wrong} wrong, {mended} mended, {notes} notes" if findings else f"{folder}: all is well")
    if wrong:
        raise click.exceptions.Exit(3)


def _told(finding: Finding) -> str:
    word = "mended" if finding.mended else "wrong " if finding.serious else "note  "
    hint = f"\n       {finding.hint}" if finding.hint and not finding.mended else ""
    return f"{word} {finding.subject}: {finding.message}{hint}"
