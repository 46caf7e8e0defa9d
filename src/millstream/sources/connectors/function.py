"""A function of the user's that gives rows."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import FunctionType
from typing import cast

import polars as pl

from millstream.errors import MillstreamError, SourceError, first_line
from millstream.sources.protocol import Rows


@dataclass(frozen=True)
class FunctionConnector:
    """Calls the function with the newest time taken so far."""

    function: FunctionType
    appends: bool

    def read(self, since: datetime | None) -> Rows:
        """What the function returns: dictionaries, or a polars frame; None is no rows."""
        name = self.function.__name__
        try:
            rows: object = self.function(since)
            rows = rows.collect(engine="in-memory") if isinstance(rows, pl.LazyFrame) else rows
        except MillstreamError:
            raise
        except Exception as error:
            raise SourceError(f"{name}: {type(error).__name__}: {first_line(error)}", where=self._place(error)) from error
        if rows is None:
            return []
        if isinstance(rows, pl.DataFrame):
            return rows
        given = type(rows).__name__
        if isinstance(rows, list | tuple) and all(isinstance(row, Mapping) for row in cast("Sequence[object]", rows)):
            return cast("Sequence[Mapping[str, object]]", rows)
        raise SourceError(f"{name}: returned a {given}", where=self._place(), hint="return a list of dictionaries, or a polars frame")

    def _place(self, error: BaseException | None = None) -> str:
        code = self.function.__code__
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == code.co_filename] if error else []
        return f"{code.co_filename}:{lines[-1] if lines else code.co_firstlineno}"
