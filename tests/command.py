"""The command line as a user meets it: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rivers import python_environment

PARCELS_AS_OF, FLIGHTS_AS_OF = "2024-02-05", "2013-06-01"
"""The moments of which the projects in cli/conftest.py are tested."""
SNAPSHOTS = Path(__file__).parent / "cli" / "snapshots"
PROGRAM = (sys.executable, "-m", "millstream.cli.main")
NOT_INHERITED = ("CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")
"""What of this process' environment would change what a command says."""


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit code."""

    code: int
    stdout: str
    stderr: str

    @property
    def record(self) -> Any:
        """The one JSON object on stdout."""
        return json.loads(self.stdout)

    @property
    def executed(self) -> set[str]:
        """The steps that ran, after `run --json`."""
        return {step["name"] for step in self.record["steps"] if step["status"] == "ran"}

    def well(self) -> Answer:
        """Itself, if all went well."""
        assert self.code == 0, self.stdout + self.stderr
        return self


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a command: this one's, with the configuration of a user who has none yet."""
    kept = {name: value for name, value in python_environment().items() if name not in NOT_INHERITED}
    return {**kept, "XDG_CONFIG_HOME": str(folder / ".config"), **(more or {})}


def millstream(folder: Path, *words: str, within: Sequence[str] = (), more: Mapping[str, str] | None = None) -> Answer:
    """What `millstream WORDS` says in a folder; `within` is a program that starts it, `more` belongs to its environment."""
    done = subprocess.run(
        [*within, *PROGRAM, *words], cwd=folder, env=environment(folder, more), capture_output=True, text=True, timeout=300, check=False
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def start(folder: Path, *words: str, stderr: int = subprocess.PIPE, more: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """`millstream WORDS` in a folder while it runs, in a process group of its own."""
    return subprocess.Popen(
        [*PROGRAM, *words],
        cwd=folder,
        env=environment(folder, more),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )


def edit(file: Path, old: str, new: str) -> None:
    """Put a text of a file, which stands there once, into other words."""
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    file.write_text(text.replace(old, new), encoding="utf-8")


def masked(text: str, folder: Path) -> str:
    """A text without what differs from run to run: folders, identities, moments and figures."""
    text = text.replace(str(folder), "FOLDER")
    text = re.sub(r"\d{8}-\d{6}-[0-9a-f]{7}", "RUN", text)
    text = re.sub(r"\d{4}-\d\d-\d\d(T[\d:.]+Z)?", "MOMENT", text)
    return re.sub(r" *(?<!@)\b\d[\d,.]*", " #", text)


def snapshot(name: str) -> str:
    """The text that is on record under a name."""
    return (SNAPSHOTS / f"{name}.txt").read_text(encoding="utf-8")


def check_snapshot(name: str, text: str) -> None:
    """A text is what is on record; `WRITE_SNAPSHOTS=1` puts it on record, to be read before it is committed."""
    if os.environ.get("WRITE_SNAPSHOTS") == "1":
        (SNAPSHOTS / f"{name}.txt").write_text(text, encoding="utf-8")
    assert text == snapshot(name)
