"""The methods that come with millstream: `ms.methods`. Any object with `fit` and `predict` is a method too.

`prepare`: a list of `ms.prepare` steps instead of the automatic preparation.
`class_weight="balanced"`: both classes weigh the same in the fit, so probabilities are too high for the rarer one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from millstream.kernel.declarations import expect, expect_choice, expect_number, refusal
from millstream.preparation.declare import Preparing, expect_preparation
from millstream.training.declare import Estimator, check_estimator
from millstream.training.presets import Baseline, Boosting, ClassWeight, Ensemble, Forest, Linear, Neighbours, Portfolio, Wrapped

__all__ = ["baseline", "boosting", "ensemble", "estimator", "forest", "linear", "neighbours", "portfolio"]


def boosting(
    *, rounds: int = 1000, leaves: int = 31, rate: float = 0.05, class_weight: ClassWeight | None = None, prepare: Sequence[Preparing] = ()
) -> Boosting:
    """Gradient-boosted trees (LightGBM).

    `rounds`: most trees; how many are kept is chosen on the folds. `leaves`: of each tree. `rate`: how much each tree adds.
    """
    expect_number(rounds, "methods.boosting: rounds", low=1, whole=True)
    expect_number(leaves, "methods.boosting: leaves", low=2, high=131072, whole=True)
    _expect_share(rate, "methods.boosting: rate")
    _expect_weight(class_weight, "methods.boosting")
    steps = expect_preparation(prepare, "methods.boosting: prepare")
    return Boosting(rounds=rounds, leaves=leaves, rate=rate, class_weight=class_weight, prepare=steps)


def linear(*, strength: float = 1.0, class_weight: ClassWeight | None = None, prepare: Sequence[Preparing] = ()) -> Linear:
    """Logistic regression for classes, ridge regression for numbers; `strength` of the penalty on squared weights."""
    expect_number(strength, "methods.linear: strength", low=0)
    _expect_weight(class_weight, "methods.linear")
    return Linear(strength=strength, class_weight=class_weight, prepare=expect_preparation(prepare, "methods.linear: prepare"))


def forest(
    *, trees: int = 100, leaf: int = 20, share: float = 0.3, class_weight: ClassWeight | None = None, prepare: Sequence[Preparing] = ()
) -> Forest:
    """A random forest (scikit-learn): `trees` trees, at least `leaf` rows in a leaf, each grown on a `share` of the rows."""
    expect_number(trees, "methods.forest: trees", low=1, whole=True)
    expect_number(leaf, "methods.forest: leaf", low=1, whole=True)
    _expect_share(share, "methods.forest: share")
    _expect_weight(class_weight, "methods.forest")
    steps = expect_preparation(prepare, "methods.forest: prepare")
    return Forest(trees=trees, leaf=leaf, share=share, class_weight=class_weight, prepare=steps)


def neighbours(*, k: int = 5, prepare: Sequence[Preparing] = ()) -> Neighbours:
    """The mean truth of the `k` rows that are nearest, by normal scores and one-hot levels.

    A version keeps all of its training rows, and each answer looks at all of them: for thousands of rows, not for millions.
    """
    expect_number(k, "methods.neighbours: k", low=1, whole=True)
    return Neighbours(k=k, prepare=expect_preparation(prepare, "methods.neighbours: prepare"))


def baseline(column: str | None = None, /) -> Baseline:
    """What every other method has to beat; one is always among the methods compared.

    Without a column the same answer for every row: the share of the positive class, or the mean. With one, its value: a number, a
    boolean, or a probability (kept within 0 and 1); where it is null, the share or the mean.
    """
    if column is not None and not expect(column, str, "methods.baseline: column", wanted="one column's name"):
        raise refusal("methods.baseline: the column's name is empty", hint="as in baseline('lag_7d')")
    return Baseline(column)


def portfolio() -> Portfolio:
    """A fixed list of methods that do well on most tables: boosting with default, large and small trees, linear and forest."""
    return Portfolio()


def ensemble() -> Ensemble:
    """A weighted mean of the other methods, chosen on the folds. It can be declared, and is not trained yet."""
    return Ensemble()


def estimator(wrapped: Estimator, /, *, prepare: Sequence[Preparing] = ()) -> Wrapped:
    """Somebody else's estimator with a preparation of its own; without `prepare` the same as the estimator itself."""
    check_estimator(wrapped, "methods.estimator")
    return Wrapped(wrapped, expect_preparation(prepare, "methods.estimator: prepare"))


def _expect_share(value: float, option: str) -> None:
    expect_number(value, option, low=0, high=1)
    if value == 0:
        raise refusal(f"{option} must be more than 0")


def _expect_weight(value: object, method: str) -> None:
    if value is not None:
        expect_choice(value, get_args(ClassWeight), f"{method}: class_weight")
