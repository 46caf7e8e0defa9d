"""What a user writes about judging: metrics, splits and gates, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NoReturn, get_args

from millstream.kernel.declarations import describe, expect_choice, refusal

Metric = Literal["roc_auc", "average_precision", "log_loss", "brier", "accuracy", "rmse", "mae"]
"""A metric by scikit-learn's name and meaning; errors are not negated."""


@dataclass(frozen=True, slots=True)
class TimeSplit:
    """Train before a moment, test from it on.

    `test`: a duration counted back from the newest labelled row, a moment, or None for the newest 20 % of rows.
    `folds`: blocks inside the training period.
    """

    test: str | datetime | None = None
    folds: int = 4


@dataclass(frozen=True, slots=True)
class RandomSplit:
    """Test on a share `test` of the rows drawn at random, with `folds` inside the others."""

    test: float = 0.2
    folds: int = 4


@dataclass(frozen=True, slots=True)
class GroupSplit:
    """Rows with the same values in `columns` stay together: about a share `test` of the rows tests, with `folds` inside the others."""

    columns: tuple[str, ...]
    test: float = 0.2
    folds: int = 4


Split = TimeSplit | RandomSplit | GroupSplit


class _Joinable:
    """What gates have in common: they are joined by `&`."""

    __slots__ = ()

    def __and__(self, other: Gate) -> AllGates:
        """Pass both."""
        return AllGates(gates=(*_gates(self), *_gates(other)))

    def __bool__(self) -> NoReturn:
        """Refused: `and` and `or` would silently drop a gate."""
        raise refusal("a gate is true or false only when judged", hint="join gates by '&', not by 'and' or 'or'")


@dataclass(frozen=True, slots=True)
class Better(_Joinable):
    """The challenger is better than the champion by more than `by`, in the metric's unit (None: the model's metric)."""

    by: float = 0.0
    metric: Metric | None = None


@dataclass(frozen=True, slots=True)
class NotWorse(_Joinable):
    """The challenger is not worse than the champion by `by` or more, in the metric's unit (None: the model's metric)."""

    by: float
    metric: Metric | None = None


@dataclass(frozen=True, slots=True)
class AtLeast(_Joinable):
    """The challenger's metric (None: the model's) reaches `value`; for an error: it is at most that."""

    value: float
    metric: Metric | None = None


@dataclass(frozen=True, slots=True)
class AllGates(_Joinable):
    """The challenger passes each of several gates."""

    gates: tuple[Better | NotWorse | AtLeast, ...]


Gate = Better | NotWorse | AtLeast | AllGates


def check_metric(metric: object, option: str) -> None:
    """Refuse a metric that does not exist; None is the default one."""
    if metric is not None:
        expect_choice(metric, get_args(Metric), option)


def _gates(gate: object) -> tuple[Better | NotWorse | AtLeast, ...]:
    match gate:
        case AllGates(gates=gates):
            return gates
        case Better() | NotWorse() | AtLeast():
            return (gate,)
        case _:
            raise refusal(f"what is joined by '&' must be a gate, not {describe(gate)}", hint="make one with ms.gate")
