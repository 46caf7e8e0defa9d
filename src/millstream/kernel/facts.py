"""What is said once about a table: what its rows are about, and when."""

from __future__ import annotations

import msgspec


class Facts(msgspec.Struct, frozen=True):
    """Key, time and knowledge of a table's rows.

    `key`: the columns that say what a row is about. `time`: the column that says when it happened, or is asked.
    `known_at`: the column that says when it could be known (None: at `time`). `delay`: microseconds that pass after that.
    """

    key: tuple[str, ...] = ()
    time: str | None = None
    known_at: str | None = None
    delay: int = 0
