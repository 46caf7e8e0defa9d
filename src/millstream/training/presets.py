"""The methods that come with millstream, as frozen values: what to fit, not how."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Boosting:
    """Gradient-boosted trees (LightGBM): at most `rounds` trees of `leaves` leaves, each shrunk by `rate`."""

    rounds: int = 1000
    leaves: int = 31
    rate: float = 0.05


@dataclass(frozen=True, slots=True)
class Linear:
    """Logistic or ridge regression; `strength` of the penalty on squared weights."""

    strength: float = 1.0


@dataclass(frozen=True, slots=True)
class Forest:
    """A random forest (scikit-learn): `trees` trees, at least `leaf` rows in a leaf, each grown on a `share` of the rows."""

    trees: int = 100
    leaf: int = 20
    share: float = 0.3


@dataclass(frozen=True, slots=True)
class Baseline:
    """The same answer for every row: the share of the positive class, or the mean."""


Preset = Boosting | Linear | Forest | Baseline
