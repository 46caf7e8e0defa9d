"""Edits of a small project: what ran again and what should have; no wrong reuse, no needless run, and the cause is named.

Each edit begins at the project as it was, in a process of its own. What must run again is written beside the edit; that nothing was reused wrongly is
shown by a second run of the edited project with an empty store, which must give the same tables.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import _peer_edits
from benchmarks._edited_project import EDITS, QUICK, Edit, files
from benchmarks._measure import Case, Finding, Options, read_options, run_python, tell
from benchmarks._peers import NEEDED, Peer, installed
from benchmarks._told import Told, parse


@dataclass(frozen=True, slots=True)
class Observed:
    """One edit: the run after it, a run of everything, and how many steps Hamilton reused wrongly or ran needlessly, if it is here."""

    edit: Edit
    run: Told
    anew: Told
    hamilton: _peer_edits.Reused | None

    @property
    def wrong(self) -> list[str]:
        """Steps that were to run and did not, or whose stored result is not what a run of everything gives."""
        missing = {name for name in self.edit.again if name not in self.run.ran}
        return sorted(missing | {name for name, digest in self.anew.digests.items() if self.run.digests.get(name) != digest})

    @property
    def needless(self) -> list[str]:
        """Steps that ran and had no need to, or made more days than changed."""
        more = {name for name, parts in self.edit.parts.items() if self.run.parts(name) > parts}
        return sorted(more | {name for name in self.run.ran if name not in self.edit.again})

    @property
    def why(self) -> str:
        """What was told at the first step that ran."""
        return f"{self.run.ran[0]}: {self.run.steps[self.run.ran[0]]['why']}" if self.run.ran else "-"

    @property
    def named(self) -> bool:
        """Whether the reason at the first step that had to run says what was edited."""
        first = next((name for name in self.edit.again if name in self.run.ran), None)
        return first is None or self.edit.cause in self.run.steps[first]["why"]

    def row(self, *, beside: bool) -> dict[str, object]:
        """What is told of it; `beside` says whether Hamilton is here."""
        counts = {"ran": len(self.run.ran), "should": len(self.edit.again), "wrong": len(self.wrong), "needless": len(self.needless)}
        other = {f"{_peer_edits.NAME} {kind}": getattr(self.hamilton, kind, "-") for kind in ("wrong", "needless") if beside}
        return {"edit": self.edit.name, **counts, **other, "named": "yes" if self.named else "NO", "why": self.why}


def run_project(folder: Path, *arguments: str) -> list[Told]:
    """The project of a folder, run in a process of its own."""
    return parse(run_python("-m", "benchmarks._project_run", str(folder / "river.py"), *arguments, folder=folder).output)


def apply(edit: Edit, folder: Path) -> None:
    """Make the change; an edit without a new text touches its file."""
    path = folder / edit.file
    text = path.read_text(encoding="utf-8")
    if edit.settings or edit.versions:
        return
    if not edit.old:
        path.write_text(text + edit.new, encoding="utf-8")
        status = path.stat()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))
        return
    if text.count(edit.old) != 1:
        raise RuntimeError(f"{edit.name}: {edit.file} does not have this text once: {edit.old}")
    path.write_text(text.replace(edit.old, edit.new), encoding="utf-8")


def observe(edit: Edit, base: Path, folder: Path, hamilton: Peer | None, python: str) -> Observed:
    """The edit of a copy of the project that was run before, run again, and run anew."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder)
    apply(edit, folder)
    run, anew = run_project(folder, "--anew", "--settings", json.dumps(edit.settings), "--versions", json.dumps(edit.versions))
    other = _peer_edits.observe(hamilton, python, edit, folder) if hamilton and not edit.versions else None
    return Observed(edit, run, anew, other)


def observe_all(options: Options, hamilton: Peer | None) -> list[Observed]:
    """One edit after the other."""
    edits = [edit for edit in EDITS if not options.quick or edit.name in QUICK]
    with tempfile.TemporaryDirectory(prefix="millstream-benchmark.") as name:
        base, folder, python = Path(name).resolve() / "base", Path(name).resolve() / "project", options.peers or ""
        base.mkdir()
        for file, text in files().items():
            (base / file).write_text(text, encoding="utf-8")
        run_project(base)
        if hamilton:
            _peer_edits.prepare(hamilton, python, base)
        return [observe(edit, base, folder, hamilton, python) for _ in range(options.repeats) for edit in edits]


def measure(options: Options) -> Finding:
    """All edits, and what they come to."""
    peers, versions = installed(options.peers)
    observed = observe_all(options, next((peer for peer in peers if peer.name == _peer_edits.NAME), None))
    wrong, needless = sum(len(each.wrong) for each in observed), sum(len(each.needless) for each in observed)
    unnamed = sum(not each.named for each in observed)
    others = [each.hamilton for each in observed if each.hamilton]
    ran, had = sum(len(each.run.ran) for each in observed), sum(len(each.edit.again) for each in observed)
    everything = sum(len(each.anew.ran) for each in observed)
    cases = [
        Case("steps that ran / that had to", "steps", [ran], [had]),
        Case("steps that ran / by plain calls", "steps", [ran], [everything]),
        Case("run after an edit / everything anew", "CPU s", [each.run.cpu for each in observed], [each.anew.cpu for each in observed]),
    ]
    facts: dict[str, object] = {"wrong reuses": wrong, "needless runs": needless, "edits whose cause is not named": unnamed}
    facts |= {f"{each.edit.name}, wrong": each.wrong for each in observed if each.wrong}
    facts |= {f"{each.edit.name}, needless": each.needless for each in observed if each.needless}
    told = f": {sum(each.wrong for each in others)} wrong reuses, {sum(each.needless for each in others)} needless runs, in {len(others)} edits"
    facts[_peer_edits.NAME] = f"{versions[_peer_edits.NAME]}{told if others else ''}"
    claim = f"of {len(observed)} edits none is reused wrongly, none runs a step needlessly, and each is named as the cause"
    return Finding(claim, not (wrong or needless or unnamed), cases, facts, [each.row(beside=bool(others)) for each in observed])


def main() -> None:
    """Measure and tell."""
    options = read_options(__doc__, repeats=1, sizes=True, peers=NEEDED)
    tell(measure(options), options)


if __name__ == "__main__":
    main()
