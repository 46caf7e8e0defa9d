"""The socket of real-time serving: what answers the requests of one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from millstream.serving.records import Answer, Feedback, RequestField


class Answerer(Protocol):
    """Answers for one model; a new version is a new answerer in the mapping the application reads."""

    @property
    def name(self) -> str:
        """The model's name, as in `/predict/NAME`."""
        ...

    @property
    def version(self) -> str:
        """The version that answers now."""
        ...

    def now(self) -> datetime:
        """The clock of this answerer: the moment of a question that names none."""
        ...

    def fields(self) -> Sequence[RequestField]:
        """The columns of a request; constant over the life of the answerer."""
        ...

    def answer(self, request: Mapping[str, object], request_id: str) -> Answer:
        """Score one decoded request, which holds every field; raises RequestError for one it cannot answer."""
        ...

    def feedback(self, entry: Feedback) -> None:
        """Keep a label: it is durable when this returns."""
        ...
