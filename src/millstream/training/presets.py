"""The methods that come with millstream, as frozen values: what to fit, not how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from millstream.preparation.declare import Preparing

ClassWeight = Literal["balanced"]
"""Each class weighs as much as the other in a fit, however many rows it has."""


@dataclass(frozen=True, slots=True)
class Boosting:
    """Gradient-boosted trees (LightGBM): at most `rounds` trees of `leaves` leaves, each shrunk by `rate`."""

    rounds: int = 1000
    leaves: int = 31
    rate: float = 0.05
    class_weight: ClassWeight | None = None
    prepare: tuple[Preparing, ...] = ()


@dataclass(frozen=True, slots=True)
class Linear:
    """Logistic or ridge regression; `strength` of the penalty on squared weights."""

    strength: float = 1.0
    class_weight: ClassWeight | None = None
    prepare: tuple[Preparing, ...] = ()


@dataclass(frozen=True, slots=True)
class Forest:
    """A random forest (scikit-learn): `trees` trees, at least `leaf` rows in a leaf, each grown on a `share` of the rows."""

    trees: int = 100
    leaf: int = 20
    share: float = 0.3
    class_weight: ClassWeight | None = None
    prepare: tuple[Preparing, ...] = ()


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The mean truth of the `k` rows that are nearest."""

    k: int = 5
    prepare: tuple[Preparing, ...] = ()


@dataclass(frozen=True, slots=True)
class Baseline:
    """The same answer for every row (the share of the positive class, or the mean), or the value of a column."""

    column: str | None = None


@dataclass(frozen=True, slots=True)
class Portfolio:
    """A fixed list of methods and settings that do well on most tables."""


@dataclass(frozen=True, slots=True)
class Ensemble:
    """A weighted mean of the other methods, chosen on the folds."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """Somebody else's estimator, with a preparation of its own."""

    estimator: object
    prepare: tuple[Preparing, ...] = ()


Fittable = Boosting | Linear | Forest | Neighbours | Baseline
"""A preset that is fitted itself."""

Preset = Fittable | Portfolio | Ensemble | Wrapped

PORTFOLIO: tuple[Fittable, ...] = (
    Boosting(),
    Boosting(leaves=128, rate=0.03),
    Boosting(leaves=7, rate=0.08),
    Linear(),
    Forest(),
)
"""Large and small trees beside the default ones: of fixed lists the best for five minutes and less."""
