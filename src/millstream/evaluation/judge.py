"""What a gate says: is a challenger good enough, is a model worse than it was.

Pure functions on scores of the same rows; the rows are ones that neither model has seen.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from millstream.errors import ConfigurationError, ContractError
from millstream.evaluation.declare import AllGates, AtLeast, Better, Gate, NotWorse
from millstream.evaluation.intervals import interval, normal_quantile
from millstream.evaluation.metrics import metric_named
from millstream.evaluation.paired import paired_difference
from millstream.evaluation.records import Outcome, PairedDifference, Score, Verdict

MOST_NEEDED = 10_000_000
"""The most labels a verdict asks for."""

_STRICTEST_FIRST: tuple[Outcome, ...] = ("refused", "needs_labels", "accepted")

FIRST_BLOCK = 100
"""Labels asked for, at least, where there are too few to tell an interval."""


def judge(
    gate: Gate,
    truth: NDArray[np.float64],
    challenger: NDArray[np.float64],
    champion: NDArray[np.float64] | None,
    *,
    metric: str,
) -> Verdict:
    """What the gate says of the challenger, on rows of shape (rows,); `metric` where the gate names none.

    Accepted: the 95 % interval lies wholly above the margin. Refused: the point estimate is not above it, whatever the
    interval, since one block decides once. Else it needs labels: as many more as would shrink the interval enough if
    the point estimate holds (width falls with the root of the rows). A relative gate passes without a champion. Of
    several gates the strictest verdict counts. A challenger whose scores are not all finite is refused.

    Raises:
        ContractError: The lengths differ, or the truth or the champion's scores are not finite.
        ConfigurationError: There is no such metric.
    """
    _check_rows(truth, challenger, champion)
    broken = int((~np.isfinite(challenger)).sum())
    if broken:
        reason = f"{broken:,} of {truth.size:,} scores of the challenger are not numbers"
        return Verdict("refused", gate_text(gate), None, None, reason)
    if isinstance(gate, AllGates):
        return _strictest(gate, [judge(part, truth, challenger, champion, metric=metric) for part in gate.gates])
    name = gate.metric or metric
    if isinstance(gate, AtLeast):
        return _judge_level(gate, interval(name, truth, challenger))
    if champion is None:
        return Verdict("accepted", gate_text(gate), None, None, "there is no champion")
    return _judge_difference(gate, paired_difference(name, truth, challenger, champion))


def gate_text(gate: Gate) -> str:
    """The gate as its user would write it."""
    if isinstance(gate, AllGates):
        return " & ".join(gate_text(part) for part in gate.gates)
    metric = f', metric="{gate.metric}"' if gate.metric else ""
    if isinstance(gate, AtLeast):
        return f"at_least({gate.value:g}{metric})"
    return f"{'better' if isinstance(gate, Better) else 'not_worse'}(by={gate.by:g}{metric})"


def is_worse(reference: Score, current: Score, *, by: float = 0.0) -> tuple[bool, str]:
    """Whether a metric is worse than it was, with two keys: significant at 95 %, and by more than `by`.

    An unpaired z-test: other rows now than then. The standard errors are read off the two 95 % intervals. Scores that
    cannot be told are not worse. Returns the answer and its reason in one sentence.

    Raises:
        ConfigurationError: The two are of different metrics.
    """
    if reference.metric != current.metric:
        raise ConfigurationError(f"{reference.metric} cannot be compared with {current.metric}", hint="score both with one metric")
    direction = metric_named(reference.metric).direction
    loss = direction * (reference.value - current.value)
    error = math.hypot(_error_of(reference), _error_of(current))
    compared = f"{current.metric} {current.value:.4g} on {current.n:,} rows against {reference.value:.4g} on {reference.n:,}"
    if not math.isfinite(loss) or not math.isfinite(error):
        return False, f"{compared}: too few rows to tell"
    noise = normal_quantile(0.95) * error
    if loss <= noise:
        return False, f"{compared}: not worse beyond noise ({loss:+.4g}, noise {noise:.4g})"
    if loss <= by:
        return False, f"{compared}: worse by {loss:.4g}, within the margin of {by:g}"
    return True, f"{compared}: worse by {loss:.4g}, above the noise of {noise:.4g} and the margin of {by:g}"


def _error_of(score: Score) -> float:
    return (score.high - score.low) / (2.0 * normal_quantile(0.95))


def _check_rows(truth: NDArray[np.float64], challenger: NDArray[np.float64], champion: NDArray[np.float64] | None) -> None:
    scores = [challenger] if champion is None else [challenger, champion]
    if any(score.shape != truth.shape for score in scores):
        lengths = " and ".join(f"{score.size:,}" for score in scores)
        raise ContractError(f"the gate got {lengths} scores for {truth.size:,} labels", hint="score the same rows once each")
    if not np.isfinite(truth).all():
        raise ContractError("the gate got labels that are not numbers", hint="judge rows whose label is known")
    if champion is not None and not np.isfinite(champion).all():
        raise ContractError("the champion gave scores that are not numbers", hint="roll back to a version that answers every row")


def _strictest(gate: AllGates, verdicts: list[Verdict]) -> Verdict:
    """Refused before needs_labels before accepted; the difference is that of the first gate that decides."""
    outcome = min(verdicts, key=lambda verdict: _STRICTEST_FIRST.index(verdict.outcome)).outcome
    deciding = [verdict for verdict in verdicts if verdict.outcome == outcome]
    difference = next((verdict.difference for verdict in deciding if verdict.difference is not None), None)
    needed = max((verdict.needed for verdict in deciding if verdict.needed is not None), default=None)
    return Verdict(outcome, gate_text(gate), difference, needed, "; ".join(verdict.reason for verdict in deciding))


def _judge_difference(gate: Better | NotWorse, paired: PairedDifference) -> Verdict:
    margin = gate.by if isinstance(gate, Better) else -gate.by
    change = f"{'better' if paired.difference >= 0 else 'worse'} by {abs(paired.difference):.4g}"
    between = f"95 % between {paired.low:+.4g} and {paired.high:+.4g}, margin {margin:+.4g}"
    told = f"{paired.metric} is {change} on {paired.n:,} rows ({between})"
    return _decide(gate, told, (paired.difference - margin, paired.low - margin), paired.n, paired)


def _judge_level(gate: AtLeast, score: Score) -> Verdict:
    """The same rule for a level: for an error, at least as good is at most as large."""
    gain = metric_named(score.metric).larger_is_better
    distance = score.value - gate.value if gain else gate.value - score.value
    bound = score.low - gate.value if gain else gate.value - score.high
    between = f"95 % between {score.low:.4g} and {score.high:.4g}, wanted {gate.value:g}"
    told = f"{score.metric} is {score.value:.4g} on {score.n:,} rows ({between})"
    return _decide(gate, told, (distance, bound), score.n, None)


def _decide(gate: Better | NotWorse | AtLeast, told: str, beyond: tuple[float, float], rows: int, difference: PairedDifference | None) -> Verdict:
    """The rule of `judge` on how far the point estimate and the lower bound lie beyond the margin."""
    text, (point, bound) = gate_text(gate), beyond
    if math.isnan(bound):
        needed = max(FIRST_BLOCK, rows)
        reason = f"{rows:,} rows are too few, or of one class, to tell: needs about {needed:,} more labels"
        return Verdict("needs_labels", text, difference, needed, reason)
    if bound > 0.0:
        return Verdict("accepted", text, difference, None, f"{told}: the whole interval is beyond the margin")
    if point <= 0.0:
        return Verdict("refused", text, difference, None, f"{told}: not beyond the margin")
    needed = _more_rows(rows, point, point - bound)
    return Verdict("needs_labels", text, difference, needed, f"{told}: needs about {needed:,} more labels")


def _more_rows(rows: int, point: float, half_width: float) -> int:
    """Rows to add until the half width, which falls with the root of the rows, is the point's distance."""
    total = rows * (half_width / point) ** 2
    return int(min(MOST_NEEDED, max(1.0, math.ceil(total - rows)))) if math.isfinite(total) else MOST_NEEDED
