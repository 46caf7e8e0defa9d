"""Looking at rows where they are declared: in a notebook, or at the prompt."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


class Previewed:
    """A declaration whose rows can be looked at."""

    def preview(self, n: int = 5) -> pl.DataFrame:
        """The first `n` rows as of now, made by the project of the module that declares it: what is not stored yet is run first."""
        surface: Any = sys.modules["millstream"]  # the lazy surface: what runs a declaration lies below it
        frame: pl.DataFrame = surface.Project.of(self).preview(self, rows=n)
        return frame
