"""What serving hands on: the fields of a request, answers, logged predictions and feedback."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

Scalar: TypeAlias = bool | int | float | str | None
"""One JSON value; moments travel as ISO 8601 text in UTC."""


def written_moment(moment: datetime) -> str:
    """A moment in UTC as it travels."""
    return moment.isoformat().replace("+00:00", "Z")


FieldKind: TypeAlias = Literal["number", "integer", "boolean", "level", "moment"]


class RequestField(msgspec.Struct, frozen=True):
    """One column of a request.

    `required`: must be sent; `nullable`: may be null. A field that is not sent reads as null.
    `role` says whether feedback refers to it (`key`) or it is the moment of the question (`time`).
    """

    name: str
    kind: FieldKind
    required: bool
    nullable: bool
    doc: str = ""
    role: Literal["input", "key", "time"] = "input"


class Answer(msgspec.Struct, frozen=True):
    """What the client gets; `watermarks` says how far every view read had come (ISO 8601, or null: empty)."""

    id: str
    prediction: bool | float | int | str
    probability: float | None
    version: str
    watermarks: Mapping[str, str | None]
    flags: tuple[str, ...]


class LoggedPrediction(msgspec.Struct, frozen=True):
    """One answered request as it is kept; `time` and `predicted_at` are microseconds since 1970 in UTC."""

    id: str
    model: str
    version: str
    key: tuple[Scalar, ...]
    time: int
    request: Mapping[str, Scalar]
    prediction: bool | float | int | str
    probability: float | None
    watermarks: Mapping[str, str | None]
    flags: tuple[str, ...]
    predicted_at: int


class Feedback(msgspec.Struct, frozen=True):
    """The label of one key, `known_at` microseconds since 1970 in UTC; `key` is ordered as in `LoggedPrediction`."""

    model: str
    key: tuple[Scalar, ...]
    label: bool | float | int | str
    known_at: int
