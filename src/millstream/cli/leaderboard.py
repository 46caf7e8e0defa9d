"""The leaderboard: methods side by side, with intervals, against the baseline."""

from __future__ import annotations

import math

from millstream.kernel.availability import text_of
from millstream.maintenance.run import Trained


def leaderboard_records(trained: Trained) -> list[dict[str, object]]:
    """The rows of the leaderboard as plain values, the best first."""
    rows: list[dict[str, object]] = []
    for entry in trained.comparison.entries:
        cost = trained.costs[entry.method]
        rows.append(
            {
                "model": trained.version.model,
                "method": entry.method,
                "metric": entry.score.metric,
                "score": _told(entry.score.value),
                "low": _told(entry.score.low),
                "high": _told(entry.score.high),
                "fit_seconds": _told(cost.seconds),
                "row_micros": _told(cost.row_micros),
                "size": cost.size,
            }
        )
    return rows


def leaderboard_lines(trained: Trained) -> list[str]:
    """The leaderboard as text, under 25 lines."""
    comparison, version = trained.comparison, trained.version
    young = trained.asked - trained.rows
    head = f"\n{version.model}: {trained.rows:,} training rows of {trained.asked:,} asked ({young:,} too young to know their label)"
    lines = [head, f"  {'':<24} {comparison.metric:>9} {'95 % interval':>17} {'fit s':>7} {'µs/row':>7} {'size':>9}"]
    for entry in comparison.entries[:15]:
        cost, score = trained.costs[entry.method], entry.score
        mark = "*" if entry.method == comparison.record.method else " "
        between = f"{score.low:.4f} – {score.high:.4f}"
        lines.append(
            f"{mark} {entry.method:<24} {score.value:>9.4f} {between:>17} {cost.seconds:>7.2f} {cost.row_micros:>7.1f} {_size(cost.size):>9}"
        )
    lines.append(f"  chosen on {comparison.folds} folds{_before(comparison.test_start)}; the test block was opened once:")
    test, base = trained.scored.winner, trained.scored.baseline
    between = f"({test.low:.4f} – {test.high:.4f})"
    lines.append(f"  {comparison.record.method} {test.metric} {test.value:.4f} {between} on {test.n:,} rows, baseline {base.value:.4f}")
    worst = [(column, slices) for column, slices in trained.scored.slices if slices]
    for column, slices in worst[:2]:
        least = min(slices, key=lambda each: each.value)
        lines.append(f"  lowest by {column}: {least.name} {least.value:.4f} ({least.low:.4f} – {least.high:.4f}) on {least.n:,} rows")
    state = f"is {trained.alias}" if trained.alias else "is registered"
    lines.append(f"  {version.name} {state}{'' if trained.fresh else ' (unchanged)'}")
    return lines


def _before(test_start: int | None) -> str:
    return f" before {text_of(test_start)}" if test_start is not None else ""


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def _told(value: float) -> float | None:
    return value if math.isfinite(value) else None
