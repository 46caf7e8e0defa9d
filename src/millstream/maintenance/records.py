"""What the room hands on: findings of a check."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """Something found: about what, how much, and what to do. `where` is the line of the user's file, if it is one."""

    subject: str
    message: str
    serious: bool
    hint: str = ""
    where: str = ""
