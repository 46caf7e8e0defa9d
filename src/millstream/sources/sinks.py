"""Where results go."""

from __future__ import annotations

from pathlib import Path

from millstream.errors import SourceError
from millstream.sources.declare import Sink, scheme_of


def folder_of(sink: Sink, root: Path) -> Path:
    """The folder that a sink means; relative ones count from `root`. Raises SourceError for a database: this version writes folders."""
    if scheme_of(sink.address) is not None:
        hint = 'name a folder, as in ms.sink("data/out"), and load its Parquet files into the table'
        raise SourceError(f"{sink.title}: this version does not write into databases yet", where=sink.where, hint=hint)
    return root / sink.address
