"""Databases that can be declared, so that a graph builds, and are not read yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from millstream.errors import SourceError


@dataclass(frozen=True)
class UnbuiltConnector:
    """Refuses when it is read."""

    scheme: str

    @property
    def appends(self) -> bool:
        """Nothing is ever read."""
        return False

    def read(self, since: datetime | None) -> NoReturn:
        """One sentence."""
        del since
        hint = "until then give ms.source a function `since -> rows` that asks the database, or files that it exports"
        later = ", a later one will with the extra 'postgres'" if self.scheme == "postgresql" else ""
        raise SourceError(f"this version does not read {self.scheme}:// yet{later}", hint=hint)
