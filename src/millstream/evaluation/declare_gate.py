"""What a challenger must pass to become champion: `ms.gate`. Gates are joined by `&`."""

from __future__ import annotations

from millstream.evaluation.declare import AtLeast, Better, Metric, NotWorse, check_metric
from millstream.kernel.declarations import expect_number

__all__ = ["at_least", "better", "not_worse"]


def better(*, by: float = 0.0, metric: Metric | None = None) -> Better:
    """Better than the champion: the 95 % lower bound of the paired difference is above `by`, in the metric's unit.

    `metric`: the model's unless said otherwise.
    """
    expect_number(by, "gate.better: by", low=0)
    check_metric(metric, "gate.better: metric")
    return Better(by=by, metric=metric)


def not_worse(*, by: float, metric: Metric | None = None) -> NotWorse:
    """Not worse than the champion: the 95 % lower bound of the paired difference is above `-by`, in the metric's unit.

    `metric`: the model's unless said otherwise.
    """
    expect_number(by, "gate.not_worse: by", low=0)
    check_metric(metric, "gate.not_worse: metric")
    return NotWorse(by=by, metric=metric)


def at_least(value: float, /, *, metric: Metric | None = None) -> AtLeast:
    """The challenger's metric reaches `value`; for an error such as `rmse`: it is at most `value`."""
    expect_number(value, "gate.at_least: value", low=0)
    check_metric(metric, "gate.at_least: metric")
    return AtLeast(value=value, metric=metric)
