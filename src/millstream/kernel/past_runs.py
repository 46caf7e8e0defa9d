"""Runs that are so old that nobody asks for them: they are forgotten whole, with what only they referred to."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from millstream.kernel.ledger import Ledger
from millstream.kernel.records import Cause, StepReport

_report = msgspec.msgpack.Decoder(StepReport)
_causes = msgspec.msgpack.Decoder(tuple[Cause, ...])


def runs_before(ledger: Ledger, moment: float, keep: Collection[str] = ()) -> list[str]:
    """The runs that began before a moment (seconds since 1970), but for those to keep and the last one in which a step finished.

    By that one it can be told why the step runs when it does so again.
    """
    going_on = {run for (run,) in ledger.database.rows("SELECT run FROM runs WHERE status = 'running'")} - set(ledger.killed())
    last = {run for name in ledger.steps() if (run := _finished(ledger, name)) is not None}
    old = ledger.database.rows("SELECT run FROM runs WHERE started < ? ORDER BY run", (moment,))
    return [run for (run,) in old if run not in last | going_on | set(keep)]


def forget_runs(ledger: Ledger, runs: Collection[str]) -> None:
    """Forget runs, and what no other run refers to: causes, keys of results, source texts."""
    with ledger.database.transaction() as connection:
        for table in ("run_steps", "run_files", "logs", "runs"):
            connection.executemany(f"DELETE FROM {table} WHERE run = ?", [(run,) for run in runs])  # noqa: S608  only names are put in
        reports = [_report.decode(blob) for (blob,) in connection.execute("SELECT report FROM run_steps")]
        kept, given = {(report.name, report.key) for report in reports}, {(report.name, report.digest) for report in reports}
        causes = connection.execute("SELECT name, key, causes FROM causes").fetchall()
        connection.executemany("DELETE FROM causes WHERE name = ? AND key = ?", [(name, key) for name, key, _ in causes if (name, key) not in kept])
        results = connection.execute("SELECT name, digest FROM results").fetchall()
        connection.executemany("DELETE FROM results WHERE name = ? AND digest = ?", [each for each in results if each not in given])
        told = [*(report.causes for report in reports), *(_causes.decode(blob) for name, key, blob in causes if (name, key) in kept)]
        code = {(cause.value, cause.name) for each in told for cause in each} | set(connection.execute("SELECT digest, file FROM run_files"))
        texts = connection.execute("SELECT digest, name FROM code").fetchall()
        connection.executemany("DELETE FROM code WHERE digest = ? AND name = ?", [each for each in texts if each not in code])
    ledger.database.compact()


def _finished(ledger: Ledger, name: str) -> str | None:
    rows = ledger.database.rows("SELECT run, report FROM run_steps WHERE name = ? ORDER BY run DESC LIMIT 20", (name,))
    return next((run for run, blob in rows if _report.decode(blob).status in ("ran", "cached")), None)
