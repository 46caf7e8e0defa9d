"""Which digit is this? Arrays in, a network of one's own."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

import millstream as ms


class Perceptron(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A small network with scikit-learn's contract: `fit`, `predict_proba`, `classes_`."""

    def __init__(self, *, hidden: int = 64, epochs: int = 20, rate: float = 0.1, seed: int = 0) -> None:
        self.hidden, self.epochs, self.rate, self.seed = hidden, epochs, rate, seed

    def fit(self, X: Any, y: Any) -> Self:
        images = np.asarray(X, dtype=np.float64) / 16
        self.classes_, codes = np.unique(np.asarray(y), return_inverse=True)
        random = np.random.default_rng(self.seed)
        self.into = random.normal(0, 0.1, (images.shape[1], self.hidden))
        self.out = random.normal(0, 0.1, (self.hidden, len(self.classes_)))
        truth = np.eye(len(self.classes_))[codes]
        for _ in range(self.epochs):
            hidden = np.tanh(images @ self.into)
            error = self._softmax(hidden @ self.out) - truth
            back = (error @ self.out.T) * (1 - hidden**2)
            self.out -= self.rate * hidden.T @ error / len(images)
            self.into -= self.rate * images.T @ back / len(images)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        hidden = np.tanh(np.asarray(X, dtype=np.float64) / 16 @ self.into)
        return self._softmax(hidden @ self.out)

    def predict(self, X: Any) -> Any:
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    @staticmethod
    def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return shares


scans = ms.source("data/optdigits.parquet")

examples = ms.training_set(scans, label="digit")

digits = ms.train(
    examples,
    methods=[Perceptron(hidden=32), Perceptron(hidden=128), ms.methods.boosting(), ms.methods.neighbours(k=3)],
    split=ms.split.random(folds=4),
    metric="accuracy",
)
