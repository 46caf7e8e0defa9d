"""The command line as users have it: processes of their own, in folders of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rivers import python_environment

AS_OF = "2013-03-01"
COMMAND = [sys.executable, "-m", "millstream.cli.main"]


@dataclass(frozen=True)
class Finished:
    """What a command printed, and how it ended."""

    code: int
    output: str
    errors: str

    @property
    def record(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        found: dict[str, Any] = json.loads(self.output)
        return found

    @property
    def steps(self) -> dict[str, str]:
        """What became of each step."""
        return {step["name"]: step["status"] for step in self.record["steps"]}

    @property
    def executed(self) -> set[str]:
        """The steps that ran."""
        return {name for name, status in self.steps.items() if status == "ran"}


@dataclass(frozen=True)
class Folder:
    """A project of a user."""

    path: Path

    def call(self, *arguments: str, within: tuple[str, ...] = ()) -> Finished:
        """Run a command in the folder (`within` another command that starts it)."""
        done = subprocess.run(
            [*within, *COMMAND, *arguments], cwd=self.path, env=python_environment(), capture_output=True, text=True, timeout=300, check=False
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def run(self, *arguments: str) -> Finished:
        """`millstream run --json` as of the moment of these tests."""
        return self.call("run", "--as-of", AS_OF, "--json", *arguments)

    def edit(self, old: str, new: str, file: str = "flights.py") -> None:
        """Change a text that stands once in the user's file."""
        text = (self.path / file).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (self.path / file).write_text(text.replace(old, new), encoding="utf-8")

    def versions(self) -> list[str]:
        """The names of the registered versions."""
        found = self.call("show", "delays", "--json")
        return [] if found.code else [str(version["version"]) for version in found.record["versions"]]
