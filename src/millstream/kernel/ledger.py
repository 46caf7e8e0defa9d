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
from millstream.kernel.digest import digest_bytes
from millstream.kernel.locks import hold, is_held, let_go
from millstream.kernel.records import Cause, Circumstances, RunReport, StepReport

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
CREATE TABLE run_files (run TEXT NOT NULL, file TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (run, file)) WITHOUT ROWID;
ALTER TABLE runs ADD COLUMN process INTEGER NOT NULL DEFAULT 0;
CREATE INDEX running ON runs (run) WHERE status = 'running';
CREATE TABLE results (name TEXT NOT NULL, digest TEXT NOT NULL, keys BLOB NOT NULL, PRIMARY KEY (name, digest)) WITHOUT ROWID;
CREATE TABLE logs (run TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (run, name)) WITHOUT ROWID
""",
]
"""What a step's key is made of is kept once, however many runs find it again. `process` is the one that made a run.

A result of a step is found in the store by the cache keys of its units. `logs` is what the steps of a run said.
"""

Sources = Sequence[tuple[str, str]]
KEY = 32
"""Bytes of a cache key."""

_report = msgspec.msgpack.Decoder(StepReport)
_causes = msgspec.msgpack.Decoder(tuple[Cause, ...])


class Ledger:
    """What happened, in one SQLite file; rooms keep their own tables in it."""

    def __init__(self, path: Path) -> None:
        """Open the ledger, making it if need be."""
        self.database = Database(path, FORMATS)
        self._running: dict[str, int] = {}

    def begin(self, *, as_of: int, command: str, environment: Mapping[str, object], settings: Mapping[str, object]) -> str:
        """Open a run and give it an identity that sorts by its start, also within one second."""
        seconds, rest = divmod(time.time_ns(), 10**9)
        run = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(seconds))}-{rest // 1_000:05x}{secrets.token_hex(1)}"
        values = (run, seconds + rest / 1e9, as_of, command, "running", msgspec.json.encode(environment), msgspec.json.encode(settings), os.getpid())
        columns = "run, started, as_of, command, status, environment, settings, process"
        handle = hold(self._sign(run))
        try:
            self.database.execute(f"INSERT INTO runs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608  only names are put in
        except BaseException:
            let_go(self._sign(run), handle)
            raise
        self._running[run] = handle
        return run

    def keep_files(self, run: str, files: Mapping[str, str]) -> None:
        """Record the texts of the project's files that a run was made of, by their relative paths."""
        with self.database.transaction() as connection:
            for file, text in files.items():
                digest = digest_bytes(text.encode())
                connection.execute("INSERT OR IGNORE INTO code VALUES (?, ?, ?)", (digest, file, text))
                connection.execute("INSERT OR REPLACE INTO run_files VALUES (?, ?, ?)", (run, file, digest))

    def files(self, run: str) -> dict[str, str]:
        """The texts of the project's files that a run was made of."""
        query = (
            "SELECT run_files.file, source FROM run_files JOIN code ON code.digest = run_files.digest AND code.name = run_files.file WHERE run = ?"
        )
        return dict(self.database.rows(query, (run,)))

    def add_environment(self, run: str, more: Mapping[str, str]) -> None:
        """Record more of what a run was made with."""
        environment = msgspec.json.encode(self.circumstances(run).environment | dict(more))
        self.database.execute("UPDATE runs SET environment = ? WHERE run = ?", (environment, run))

    def keep(
        self,
        run: str,
        reports: Sequence[StepReport],
        sources: Sequence[tuple[StepReport, Sources]] = (),
        results: Sequence[tuple[StepReport, Sequence[str]]] = (),
        logs: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Record what became of some steps, the source texts of the code that they ran, the cache keys of what they gave, and what they said."""
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
            made = [(report.name, report.digest, b"".join(map(bytes.fromhex, keys))) for report, keys in results]
            connection.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", made)
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
        if run in self._running:
            let_go(self._sign(run), self._running.pop(run))

    def killed(self) -> list[str]:
        """The runs that did not come to an end, but whose process is gone."""
        running = self.database.rows("SELECT run FROM runs WHERE status = 'running'")
        return [run for (run,) in running if self._is_killed(run)]

    def settle(self, run: str) -> None:
        """Write down that a run was killed."""
        self.database.execute("UPDATE runs SET status = 'killed' WHERE run = ? AND status = 'running'", (run,))

    def newest_key(self, name: str) -> str:
        """The cache key of a step in the newest run that had it; empty if there is none, or it did not finish there."""
        row = self.database.row("SELECT report FROM run_steps WHERE name = ? ORDER BY run DESC LIMIT 1", (name,))
        return _report.decode(row[0]).key if row else ""

    def last(self, name: str, *, before: str | None = None) -> StepReport | None:
        """The newest report of a step that finished, before a run if one is given."""
        found = self.previous(name, before or "~")
        return found[1] if found else None

    def previous(self, name: str, run: str) -> tuple[str, StepReport] | None:
        """The newest run before another one in which a step finished, and what became of it there."""
        query = "SELECT run, report FROM run_steps WHERE name = ? AND run < ? ORDER BY run DESC LIMIT 20"
        for earlier, blob in self.database.rows(query, (name, run)):
            report = _report.decode(blob)
            if report.status in ("ran", "cached"):
                return earlier, self._whole(report)
        return None

    def made(self, name: str, key: str, *, before: str) -> str | None:
        """The newest run before another one in which a step was computed whose cache key this is."""
        query = "SELECT run, report FROM run_steps WHERE name = ? AND run < ? ORDER BY run DESC"
        reports = ((run, _report.decode(blob)) for run, blob in self.database.rows(query, (name, before)))
        return next((run for run, report in reports if report.status == "ran" and report.key == key), None)

    def keys(self, name: str, digest: str) -> list[str]:
        """The cache keys of the units that gave a result, by the beginning of its digest."""
        query = "SELECT keys FROM results WHERE name = ? AND digest >= ? AND digest < ? LIMIT 1"
        row = self.database.row(query, (name, digest, f"{digest}g"))
        return [row[0][start : start + KEY].hex() for start in range(0, len(row[0]), KEY)] if row else []

    def report(self, run: str, name: str) -> StepReport | None:
        """What became of a step in a run."""
        row = self.database.row("SELECT report FROM run_steps WHERE run = ? AND name = ?", (run, name))
        return self._whole(_report.decode(row[0])) if row else None

    def circumstances(self, run: str | None = None) -> Circumstances:
        """Under what a run was made, the newest one if none is named."""
        identity = self._row(run)[0]
        columns = "started, as_of, command, status, seconds, environment, settings"
        row = self.database.row(f"SELECT {columns} FROM runs WHERE run = ?", (identity,))  # noqa: S608  only names are put in
        assert row is not None
        started, as_of, command, status, seconds, environment, settings = row
        return Circumstances(identity, started, as_of, command, status, seconds, msgspec.json.decode(environment), msgspec.json.decode(settings))

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
        """The newest runs; one that did not come to an end, and whose process is gone, was killed."""
        names = ("run", "started", "as_of", "command", "status", "seconds")
        query = f"SELECT {', '.join(names)} FROM runs ORDER BY run DESC LIMIT ?"  # noqa: S608  only names are put in
        found: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in self.database.rows(query, (limit,))]
        for each in found:
            if each["status"] == "running" and self._is_killed(each["run"]):
                each["status"] = "killed"
        return found

    def code(self, cause: Cause) -> str | None:
        """The source text behind a cause, None if it is not one of code."""
        row = self.database.row("SELECT source FROM code WHERE digest = ? AND name = ?", (cause.value, cause.name))
        return str(row[0]) if row else None

    def _whole(self, report: StepReport) -> StepReport:
        """The report with what its key is made of."""
        row = self.database.row("SELECT causes FROM causes WHERE name = ? AND key = ?", (report.name, report.key))
        return msgspec.structs.replace(report, causes=_causes.decode(row[0])) if row else report

    def _sign(self, run: str) -> Path:
        """The file that is locked as long as a run goes on, by whatever process on whatever machine."""
        return self.database.path.parent / "running" / run

    def _is_killed(self, run: str) -> bool:
        return not is_held(self._sign(run)) and self.database.row("SELECT 1 FROM runs WHERE run = ? AND status = 'running'", (run,)) is not None

    def _row(self, run: str | None) -> Row:
        query = "SELECT run, as_of, seconds FROM runs WHERE run >= ? AND run < ? ORDER BY run DESC LIMIT 1"
        row = self.database.row(query, (run or "", f"{run or ''}~"))
        if row is None:
            raise NotFoundError(
                f"there is no run '{run}'" if run else "nothing has been run yet", hint="`millstream run` makes one; `millstream show` lists them"
            )
        return row
