"""Linear models with scikit-learn: logistic regression, and least squares with a ridge penalty.

Newton's method with a Cholesky factorisation, since rows far outnumber columns: scikit-learn's `newton-cholesky`, `cholesky`.
scikit-learn is imported inside the function (1.3 CPU s), and only to fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from millstream.training.data import Fit, TrainingData, constant_fit
from millstream.training.records import Linear as Weights
from millstream.training.records import pack

if TYPE_CHECKING:
    from millstream.training.presets import Linear

MOST_COLUMNS_FACTORISED = 600
"""More columns are cheaper with `lbfgs`: the Hessian takes rows x columns^2 multiplications a step."""


def fit_linear(settings: Linear, data: TrainingData, *, seed: int) -> Fit:  # noqa: ARG001 - nothing is random here
    """Weights for the columns of a matrix prepared as "linear": no `nan`, alike in scale.

    The penalty is the squared length of the weights over twice `settings.strength`: a greater strength trusts the rows more
    (scikit-learn's `C`; for a number, `alpha = 1 / strength`). The intercept is not penalised.
    BLAS runs on one thread, so that the bits repeat.
    """
    if constant := constant_fit(data):
        return constant
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  # pyright: ignore[reportMissingTypeStubs]

    binary = data.task == "binary"
    model = _logistic(settings, data.matrix.shape[1]) if binary else _ridge(settings.strength)
    with threadpool_limits(limits=1, user_api="blas"):
        model.fit(data.matrix, data.target)
    weights, intercept = np.ravel(model.coef_), np.ravel(model.intercept_)
    return Fit(Weights(pack("d", weights.tolist()), float(intercept[0]), "logistic" if binary else "identity"))


def _logistic(settings: Linear, columns: int) -> Any:  # noqa: ANN401 - scikit-learn is not typed
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # pyright: ignore[reportMissingTypeStubs]

    solver = "newton-cholesky" if columns <= MOST_COLUMNS_FACTORISED else "lbfgs"
    return LogisticRegression(C=settings.strength, solver=solver, tol=1e-5, max_iter=500, class_weight=settings.class_weight)


def _ridge(strength: float) -> Any:  # noqa: ANN401 - scikit-learn is not typed
    from sklearn.linear_model import Ridge  # noqa: PLC0415  # pyright: ignore[reportMissingTypeStubs]

    return Ridge(alpha=1.0 / strength, solver="cholesky")
