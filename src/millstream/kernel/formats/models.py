"""Fitted models: a pickle behind the signature of this user, and of nobody else."""

from __future__ import annotations

import inspect

from millstream.errors import StepError, StoreError
from millstream.kernel.signing import load_signed, sign_pickle


class Models:
    """Objects by scikit-learn's contract (`fit`, and `predict` or `transform`), and boosters."""

    name = "model"

    def takes(self, value: object) -> bool:
        """What was fitted, and can predict or transform."""
        if inspect.isclass(value) or inspect.ismodule(value):
            return False
        fit, update, predict, transform = (callable(getattr(value, name, None)) for name in ("fit", "update", "predict", "transform"))
        return (fit and (predict or transform)) or (update and predict)

    def encode(self, value: object) -> bytes:
        """The signed pickle."""
        try:
            return sign_pickle(value)
        except Exception as error:
            raise StepError(
                f"returned a {type(value).__qualname__} that cannot be pickled: {error}",
                hint="define its class at the top of a module, and keep functions and open files out of it",
            ) from error

    def decode(self, content: bytes) -> object:
        """The model, if this user pickled it; raises StoreError otherwise."""
        try:
            return load_signed(content)
        except (AttributeError, ImportError) as error:
            raise StoreError(f"a stored model cannot be read back: {error}", hint="its class was moved or renamed: make it again") from error
