"""The ledger: which runs there were, and what became of each of their steps."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import msgspec.structs

from millstream.errors import NotFoundError
from millstream.kernel.database import Database, Row
from millstream.kernel.records import Cause, RunReport, StepReport

FORMATS = [
    """
CREATE TABLE IF NOT EXISTS runs (run TEXT PRIMARY KEY, started REAL NOT NULL, as_of INTEGER NOT NULL, command TEXT NOT NULL, status TEXT NOT NULL,
    seconds REAL, environment BLOB NOT NULL, settings BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS run_steps (run TEXT NOT NULL, name TEXT NOT NULL, report BLOB NOT NULL, PRIMARY KEY (run, name));
CREATE INDEX IF NOT EXISTS step_runs ON run_steps (name, run);
CREATE TABLE IF NOT EXISTS code (digest TEXT NOT NULL, name TEXT NOT NULL, source TEXT NOT NULL, PRIMARY KEY (digest, name))
""",
    """
CREATE TABLE causes (name TEXT NOT NULL, key TEXT NOT NULL, causes BLOB NOT NULL, PRIMARY KEY (name, key)) WITHOUT ROWID;
ALTER TABLE runs ADD COLUMN process INTEGER NOT NULL DEFAULT 0
""",
    """
CREATE TABLE logs (run TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (run, name)) WITHOUT ROWID
""",
]
"""What a step's key is made of is kept once, however many runs find it again. `process` is the one that made a run. `logs` is what its steps said."""

Sources = Sequence[tuple[str, str]]

_report = msgspec.msgpack.Decoder(StepReport)
_causes = msgspec.msgpack.Decoder(tuple[Cause, ...])


class Ledger:
    """What happened, in one SQLite file; rooms keep their own tables in it."""

    def __init__(self, path: Path) -> None:
        """Open the ledger, making it if need be."""
        self.database = Database(path, FORMATS)

    def begin(self, *, as_of: int, command: str, environment: Mapping[str, object], settings: Mapping[str, object]) -> str:
        """Open a run and give it an identity that sorts by its start, also within one second."""
        seconds, rest = divmod(time.time_ns(), 10**9)
        run = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(seconds))}-{rest // 1_000:05x}{secrets.token_hex(1)}"
        values = (run, seconds + rest / 1e9, as_of, command, "running", msgspec.json.encode(environment), msgspec.json.encode(settings), os.getpid())
        columns = "run, started, as_of, command, status, environment, settings, process"
        self.database.execute(f"INSERT INTO runs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608  only names are put in
        return run

    def keep(
        self,
        run: str,
        reports: Sequence[StepReport],
        sources: Sequence[tuple[StepReport, Sources]] = (),
        logs: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Record what became of some steps, the source texts of the code that they ran, and what they said."""
        with self.database.transaction() as connection:
            for report in reports:
                if report.causes:
                    connection.execute(
                        "INSERT OR IGNORE INTO causes VALUES (?, ?, ?)", (report.name, report.key, msgspec.msgpack.encode(report.causes))
                    )
                kept = msgspec.structs.replace(report, causes=())
                connection.execute("INSERT OR REPLACE INTO run_steps VALUES (?, ?, ?)", (run, report.name, msgspec.msgpack.encode(kept)))
            for report, texts in sources:
                digests = {cause.name: cause.value for cause in report.causes}
                rows = [(digests[name], name, text) for name, text in texts if name in digests]
                connection.executemany("INSERT OR IGNORE INTO code VALUES (?, ?, ?)", rows)
            connection.executemany("INSERT OR REPLACE INTO logs VALUES (?, ?, ?)", [(run, name, text) for name, text in logs.items()])

    def log(self, run: str, step: str) -> str:
        """What a step printed, logged and warned in a run, and where it failed; nothing if it said nothing."""
        row = self.database.row("SELECT text FROM logs WHERE run = ? AND name = ?", (run, step))
        return str(row[0]) if row else ""

    def knows(self, name: str, key: str) -> bool:
        """Whether it is on record what a step's key is made of."""
        return self.database.row("SELECT 1 FROM causes WHERE name = ? AND key = ?", (name, key)) is not None

    def finish(self, run: str, status: str, seconds: float) -> None:
        """Close a run."""
        self.database.execute("UPDATE runs SET status = ?, seconds = ? WHERE run = ?", (status, seconds, run))

    def last(self, name: str, *, before: str | None = None) -> StepReport | None:
        """The newest report of a step that finished, before a run if one is given."""
        query = "SELECT report FROM run_steps WHERE name = ? AND run < ? ORDER BY run DESC LIMIT 20"
        for (blob,) in self.database.rows(query, (name, before or "~")):
            report = _report.decode(blob)
            if report.status in ("ran", "cached"):
                return self._whole(report)
        return None

    def reports(self, name: str, limit: int = 20) -> list[tuple[str, StepReport]]:
        """The newest runs that had a step, and what became of it in each."""
        rows = self.database.rows("SELECT run, report FROM run_steps WHERE name = ? ORDER BY run DESC LIMIT ?", (name, limit))
        return [(run, self._whole(_report.decode(blob))) for run, blob in rows]

    def steps(self) -> list[str]:
        """The names of all steps on record."""
        return [name for (name,) in self.database.rows("SELECT DISTINCT name FROM run_steps ORDER BY name")]

    def run(self, run: str | None = None) -> RunReport:
        """The report of a run, the newest one if none is named."""
        row = self._row(run)
        steps = self.database.rows("SELECT report FROM run_steps WHERE run = ? ORDER BY rowid", (row[0],))
        return RunReport(row[0], row[1], row[2] or 0.0, tuple(self._whole(_report.decode(blob)) for (blob,) in steps))

    def runs(self, limit: int = 20) -> list[dict[str, Any]]:
        """The newest runs."""
        query = "SELECT run, started, as_of, command, status, seconds FROM runs ORDER BY run DESC LIMIT ?"
        return [
            dict(zip(("run", "started", "as_of", "command", "status", "seconds"), row, strict=True)) for row in self.database.rows(query, (limit,))
        ]

    def code(self, cause: Cause) -> str | None:
        """The source text behind a cause, None if it is not one of code."""
        row = self.database.row("SELECT source FROM code WHERE digest = ? AND name = ?", (cause.value, cause.name))
        return str(row[0]) if row else None

    def _whole(self, report: StepReport) -> StepReport:
        """The report with what its key is made of."""
        row = self.database.row("SELECT causes FROM causes WHERE name = ? AND key = ?", (report.name, report.key))
        return msgspec.structs.replace(report, causes=_causes.decode(row[0])) if row else report

    def _row(self, run: str | None) -> Row:
        query = "SELECT run, as_of, seconds FROM runs WHERE run LIKE ? ORDER BY run DESC LIMIT 1"
        row = self.database.row(query, (f"{run}%" if run else "%",))
        if row is None:
            raise NotFoundError(
                f"there is no run '{run}'" if run else "nothing has been run yet", hint="`millstream run` makes one; `millstream show` lists them"
            )
        return row
