"""The champion of a model behind the real-time endpoint, and how it is renewed while it serves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from millstream.features.feedback import FeedbackBook
from millstream.kernel.availability import moment_of
from millstream.serving.predictor import Predictor
from millstream.serving.records import Answer, Feedback, RequestField
from millstream.serving.truth import checked_label


@dataclass(frozen=True, slots=True)
class RealtimeAnswerer:
    """Answers with one version, and writes down what it is told."""

    name: str
    predictor: Predictor
    book: FeedbackBook

    @property
    def version(self) -> str:
        """The version that answers."""
        return self.predictor.version

    def now(self) -> datetime:
        """The clock of the retained views."""
        return moment_of(self.predictor.retained.now())

    def fields(self) -> Sequence[RequestField]:
        """The columns of a request."""
        return self.predictor.fields()

    def answer(self, request: Mapping[str, object], request_id: str) -> Answer:
        """Score one request."""
        return self.predictor.answer(request, request_id)

    def feedback(self, entry: Feedback) -> None:
        """Keep a label; raises RequestError for one that training does not know."""
        self.book.put(self.name, [(entry.key, checked_label(self.predictor.plan, entry.label), entry.known_at)])


def renew_every(seconds: float, renew: Callable[[], None], on_error: Callable[[Exception], None]) -> threading.Thread:
    """Call `renew` again and again in the background; an error leaves the answers as they are and is told."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(seconds):
            try:
                renew()
            except Exception as error:  # noqa: BLE001  whatever it is, the server goes on with what it has
                on_error(error)

    thread = threading.Thread(target=loop, name="renewal", daemon=True)
    thread.start()
    return thread
