"""The socket of a source that is asked for its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import polars as pl

Rows = pl.DataFrame | Sequence[Mapping[str, object]]
"""A frame, or objects as JSON knows them: their ISO dates and times are parsed."""


class Connector(Protocol):
    """Asks for rows. What it gives is checked, stored and cut by others."""

    @property
    def appends(self) -> bool:
        """Whether rows are added to those taken before, instead of replacing them."""
        ...

    def read(self, since: datetime | None) -> Rows:
        """The rows, or those newer than the newest one taken (None: nothing was taken yet). Raises SourceError if it cannot."""
        ...
