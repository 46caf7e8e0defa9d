"""A file at a web address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import polars as pl

from millstream.sources.client import Client, shown
from millstream.sources.files import read_table


@dataclass(frozen=True)
class DownloadConnector:
    """Fetches the whole file at every reading."""

    url: str
    client: Client

    @property
    def appends(self) -> bool:
        """The file as it is now is all there is."""
        return False

    def read(self, since: datetime | None) -> pl.DataFrame:
        """The table in the file, whose kind is that of its ending."""
        del since
        answer = self.client.get(self.url)
        return read_table(BytesIO(answer.body), PurePosixPath(urlsplit(self.url).path).suffix, shown(self.url))
