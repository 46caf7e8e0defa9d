"""numpy arrays as `.npy`: type, shape and values, in C order."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from millstream.errors import StepError


class Arrays:
    """Arrays of numbers, booleans, moments or texts of one width."""

    name = "array"

    def takes(self, value: object) -> bool:
        """Arrays of numpy."""
        return isinstance(value, np.ndarray)

    def encode(self, value: np.ndarray[Any, Any]) -> bytes:
        """The array as `.npy` bytes: equal for equal arrays, however they lie in memory."""
        if value.dtype.hasobject:
            raise StepError(f"returned an array of Python objects ({value.dtype})", hint="give it a type: array.astype(…), or return a list")
        if isinstance(value, np.ma.MaskedArray):
            raise StepError("returned a masked array, which would lose its mask", hint="return the values and the mask in a dictionary of arrays")
        target = io.BytesIO()
        np.lib.format.write_array(target, np.asarray(value, order="C"), allow_pickle=False)
        return target.getvalue()

    def decode(self, content: bytes) -> np.ndarray[Any, Any]:
        """A new array."""
        return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
