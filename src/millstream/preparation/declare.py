"""How columns are made fit for a method, step by step: `ms.prepare`. Each step is on the columns it is made for unless `columns` says which."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from millstream.errors import did_you_mean
from millstream.kernel.declarations import Columns, describe, expect, expect_choice, expect_each, expect_number, names, refusal

__all__ = ["calendar", "impute", "log", "one_hot", "quantile_normal", "scale", "target_encode", "tf_idf"]

Filling = Literal["median", "mean", "most_frequent", "zero"]
"""What stands for a missing value: the median, mean or most frequent value of the training rows, or 0."""

MOST_TERMS = 100_000


@dataclass(frozen=True, slots=True)
class Impute:
    """Missing values become `filling`; a number that was missing among the training rows gets a second column that says where."""

    filling: Filling = "median"
    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """Numbers become sign(x) * log(1 + |x|)."""

    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class QuantileNormal:
    """Numbers become the normal score of their rank among the training rows."""

    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers lose their mean and are divided by their standard deviation."""

    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class OneHot:
    """Each text that is found in at least `min_share` of the training rows becomes a column of 0 and 1."""

    min_share: float = 0.001
    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class TargetEncode:
    """Each text becomes the mean of the truth where it stands, drawn to the mean of all rows as by `smoothing` rows more."""

    smoothing: float = 20.0
    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """Moments become hour, weekday, day and month, in the time zone `tz`."""

    tz: str = "UTC"
    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class TfIdf:
    """Texts become the weights of their words, of the `terms` most frequent ones."""

    terms: int = 1000
    columns: tuple[str, ...] | None = None


PreparationStep = Impute | Log | QuantileNormal | Scale | OneHot | TargetEncode | Calendar | TfIdf


@runtime_checkable
class Transformer(Protocol):
    """Any object that learns from columns and then makes others of them, by scikit-learn's contract."""

    def fit(self, X: Any, y: Any = None, /) -> Any:  # noqa: ANN401, N803 (scikit-learn's contract)
        """Learn from columns X of shape (rows, columns)."""

    def transform(self, X: Any, /) -> Any:  # noqa: ANN401, N803
        """Other columns for the same rows."""


Preparing = PreparationStep | Transformer
"""One item of a method's `prepare`: a step of `ms.prepare`, or a transformer of scikit-learn's contract."""


def impute(filling: Filling = "median", /, *, columns: Columns | None = None) -> Impute:
    """Fill in missing values, and say in a second column where a number was missing: `impute("median")`.

    `filling`: the median, mean or most frequent value of the training rows, or zero. `columns`: only these; default: all numbers, and
    with the most frequent value all texts too.
    """
    expect_choice(filling, get_args(Filling), "prepare.impute: filling")
    return Impute(filling, _columns(columns, "impute"))


def log(*, columns: Columns | None = None) -> Log:
    """Shorten long tails: a number x becomes sign(x) times the logarithm of 1 + abs(x). `columns`: only these; default: all numbers."""
    return Log(_columns(columns, "log"))


def quantile_normal(*, columns: Columns | None = None) -> QuantileNormal:
    """Make normal scores of numbers, by their rank among the training rows. `columns`: only these; default: all numbers."""
    return QuantileNormal(_columns(columns, "quantile_normal"))


def scale(*, columns: Columns | None = None) -> Scale:
    """Take off the mean of the training rows and divide by their standard deviation. `columns`: only these; default: all numbers."""
    return Scale(_columns(columns, "scale"))


def one_hot(*, min_share: float = 0.001, columns: Columns | None = None) -> OneHot:
    """Make a column of 0 and 1 of each text that is found in at least `min_share` of the training rows.

    `columns`: only these; default: all texts that are texts still.
    """
    expect_number(min_share, "prepare.one_hot: min_share", low=0, high=1)
    return OneHot(min_share, _columns(columns, "one_hot"))


def target_encode(*, smoothing: float = 20.0, columns: Columns | None = None) -> TargetEncode:
    """Make of each text the mean of the truth where it stands, out of fold on the rows that are learnt from.

    `smoothing`: as many rows of the overall mean are added, so that rare texts do not speak too loudly.
    `columns`: only these; default: all texts.
    """
    expect_number(smoothing, "prepare.target_encode: smoothing", low=0)
    return TargetEncode(smoothing, _columns(columns, "target_encode"))


def calendar(*, tz: str = "UTC", columns: Columns | None = None) -> Calendar:
    """Make hour, weekday, day and month of moments, in the time zone `tz`. `columns`: only these; default: all moments."""
    expect(tz, str, "prepare.calendar: tz", wanted="a time zone's name")
    if tz not in zoneinfo.available_timezones():
        hint = did_you_mean(tz, zoneinfo.available_timezones()) or "write it as in 'America/New_York'"
        raise refusal(f"prepare.calendar: there is no time zone '{tz}'", hint=hint)
    return Calendar(tz, _columns(columns, "calendar"))


def tf_idf(*, terms: int = 1000, columns: Columns) -> TfIdf:
    """Make of texts the weights of their words: how often in this text, by how rare in all. `terms`: the most frequent words only."""
    expect_number(terms, "prepare.tf_idf: terms", low=1, high=MOST_TERMS, whole=True)
    return TfIdf(terms, _columns(columns, "tf_idf"))


def expect_preparation(steps: object, option: str) -> tuple[Preparing, ...]:
    """The steps of a `prepare` option as a tuple, or a refusal."""
    return tuple(_expect_step(step, option) for step in expect_each(steps, object, option, wanted="a step"))


def _expect_step(step: object, option: str) -> Preparing:
    if isinstance(step, PreparationStep):
        return step
    if isinstance(step, type) or not isinstance(step, Transformer):
        hint = "each is one of ms.prepare, or an object with `fit` and `transform`"
        raise refusal(f"{option}: {describe(step)} is no step", hint=hint)
    return step


def _columns(columns: Columns | None, step: str) -> tuple[str, ...] | None:
    listed = names(columns, f"prepare.{step}: columns")
    if listed == ():
        raise refusal(f"prepare.{step}: columns is empty", hint="leave it out for all columns that it is made for")
    return listed
