"""The methods that come with millstream: `ms.methods`. Any object with `fit` and `predict` is a method too."""

from __future__ import annotations

from millstream.kernel.declarations import expect_number, refusal
from millstream.training.presets import Baseline, Boosting, Forest, Linear

__all__ = ["baseline", "boosting", "forest", "linear"]


def boosting(*, rounds: int = 1000, leaves: int = 31, rate: float = 0.05) -> Boosting:
    """Gradient-boosted trees (LightGBM).

    `rounds`: most trees; how many are kept is chosen on the folds. `leaves`: of each tree. `rate`: how much each tree adds.
    """
    expect_number(rounds, "methods.boosting: rounds", low=1, whole=True)
    expect_number(leaves, "methods.boosting: leaves", low=2, high=131072, whole=True)
    _expect_share(rate, "methods.boosting: rate")
    return Boosting(rounds=rounds, leaves=leaves, rate=rate)


def linear(*, strength: float = 1.0) -> Linear:
    """Logistic regression for classes, ridge regression for numbers; `strength` of the penalty on squared weights."""
    expect_number(strength, "methods.linear: strength", low=0)
    return Linear(strength=strength)


def forest(*, trees: int = 100, leaf: int = 20, share: float = 0.3) -> Forest:
    """A random forest (scikit-learn): `trees` trees, at least `leaf` rows in a leaf, each grown on a `share` of the rows."""
    expect_number(trees, "methods.forest: trees", low=1, whole=True)
    expect_number(leaf, "methods.forest: leaf", low=1, whole=True)
    _expect_share(share, "methods.forest: share")
    return Forest(trees=trees, leaf=leaf, share=share)


def baseline() -> Baseline:
    """The same answer for every row: the share of the positive class, or the mean. Always among the methods compared."""
    return Baseline()


def _expect_share(value: float, option: str) -> None:
    expect_number(value, option, low=0, high=1)
    if value == 0:
        raise refusal(f"{option} must be more than 0")
