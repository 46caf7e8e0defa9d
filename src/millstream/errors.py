"""Every error a user can meet.

MillstreamError                    exit code
├── DeclarationError               2   what the file says cannot be meant
├── ConfigurationError             2   a command, option, setting or file that does not exist
├── ColumnError                    2   a column that is missing, clashing or of the wrong type
├── SourceError                    4   outside data that cannot be read
├── NotFoundError                  4   a version, run or step that is not on record
├── ContractError                  3   rows that are not what they must be
├── GateError                      3   a promotion that a gate refuses
├── StepError                      1   a step whose function failed
├── StoreError                     1   a damaged, full or foreign store
│   └── DamagedError               1   stored content that is gone or not what was written
└── RequestError                   2   a prediction request that is not well formed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MillstreamError(Exception):
    """What went wrong, where, and what to do instead: at most eight lines."""

    exit_code = 1

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        """`where` is `file:line` of the culprit, `hint` what to do instead."""
        self.message, self.where, self.hint = message, where, hint
        super().__init__("\n".join(line for line in (message, where and f"  at {where}", hint and f"  {hint}") if line))


class DeclarationError(MillstreamError):
    """A declaration that cannot be meant."""

    exit_code = 2


class ConfigurationError(MillstreamError):
    """A command, option, setting or file that does not exist."""

    exit_code = 2


class ColumnError(MillstreamError):
    """A column that is missing, clashing or of the wrong type."""

    exit_code = 2


class SourceError(MillstreamError):
    """Outside data that cannot be read."""

    exit_code = 4


class NotFoundError(MillstreamError):
    """A version, run or step that is not on record."""

    exit_code = 4


class ContractError(MillstreamError):
    """Rows that are not what they must be."""

    exit_code = 3


class GateError(MillstreamError):
    """A promotion that a gate refuses."""

    exit_code = 3


class StepError(MillstreamError):
    """A step whose function failed."""


class StoreError(MillstreamError):
    """A damaged, full or foreign store."""


class DamagedError(StoreError):
    """Stored content that is gone or not what was written; `content` is the file's name, or the digest of what lies in a record."""

    def __init__(
        self, message: str, *, content: str = "", where: str | None = None, hint: str | None = "run again: what it held is made anew"
    ) -> None:
        """What is damaged is dropped, or can be: it is made anew."""
        super().__init__(message, where=where, hint=hint)
        self.content = content


class RequestError(MillstreamError):
    """A prediction request that is not well formed; `path` names the field."""

    exit_code = 2

    def __init__(self, message: str, *, path: str = "") -> None:
        """`path` is the field of the request, as in `$.distance`."""
        super().__init__(message)
        self.path = path


def first_line(error: BaseException) -> str:
    """The first line of what an error says; nothing if it says nothing."""
    return next(iter(str(error).splitlines()), "")


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The sentence that proposes the closest known word, if any is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else None
