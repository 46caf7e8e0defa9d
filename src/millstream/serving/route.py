"""One model behind its two paths: requests in, answers logged, labels handed on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from millstream.errors import RequestError
from millstream.serving.protocol import Answerer
from millstream.serving.records import Answer, Feedback, LoggedPrediction, Scalar, written_moment
from millstream.serving.request import Integer, compile_decoder, compile_list_decoder, parse_moment

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _FeedbackBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: msgspec.Raw
    label: bool | Integer | float | str
    known_at: str | None = None


class Route:
    """What is compiled once for one answerer."""

    def __init__(self, name: str, answerer: Answerer) -> None:
        """Compile the decoders of `answerer`; raises DeclarationError for fields that cannot be decoded."""
        fields = answerer.fields()
        keys = [field for field in fields if field.role == "key"]
        self.name, self.answerer = name, answerer
        self._decode, self._decode_list = compile_decoder(fields), compile_list_decoder(fields)
        self._keys = tuple(field.name for field in keys)
        self._decode_key = compile_decoder([msgspec.structs.replace(field, required=True, nullable=False) for field in keys])
        self._moments = tuple(field.name for field in fields if field.kind == "moment")
        self._time = next((field.name for field in fields if field.role == "time"), None)

    def decode(self, body: bytes) -> dict[str, Any]:
        """One request with its moment."""
        return self._dated(self._decode(body))

    def decode_list(self, body: bytes) -> list[dict[str, Any]]:
        """Several requests with their moments."""
        return [self._dated(request) for request in self._decode_list(body)]

    def logged(self, request: Mapping[str, Any], answer: Answer) -> LoggedPrediction:
        """The record of one answer."""
        asked = self.answerer.now() if self._time is None else request[self._time]
        written = self._written(request)
        return LoggedPrediction(
            id=answer.id,
            model=self.name,
            version=answer.version,
            key=tuple([written[name] for name in self._keys]),
            time=_microseconds(asked),
            request=written,
            prediction=answer.prediction,
            probability=answer.probability,
            watermarks=answer.watermarks,
            flags=answer.flags,
            predicted_at=time.time_ns() // 1000,
        )

    def feedback_of(self, body: bytes) -> Feedback:
        """The label in `{"key": {column: value, ...}, "label": value, "known_at": moment}`; known now unless it says when."""
        if not self._keys:
            raise RequestError(f"model '{self.name}' has no key, and feedback needs one", path="$.key")
        try:
            given = msgspec.json.decode(body, type=_FeedbackBody)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            detail, _, at = str(error).partition(" - at `")
            raise RequestError(f"feedback is {{key, label, known_at}}: {detail}", path=at.removesuffix("`") or "$") from None
        try:
            key = self._decode_key(bytes(given.key))
        except RequestError as error:
            raise RequestError(error.message, path="$.key" + error.path.removeprefix("$")) from None
        return Feedback(self.name, tuple(self._written(key).values()), given.label, _known_at(given.known_at))

    def _dated(self, request: dict[str, Any]) -> dict[str, Any]:
        """A question that names no moment is asked now."""
        if self._time is not None and request[self._time] is None:
            request[self._time] = self.answerer.now()
        return request

    def _written(self, request: Mapping[str, Any]) -> dict[str, Scalar]:
        """The request with its moments as ISO 8601 text in UTC."""
        written = dict(request)
        for name in self._moments:
            if (moment := written.get(name)) is not None:
                written[name] = written_moment(moment)
        return written


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _known_at(text: str | None) -> int:
    """Microseconds since 1970 of ISO 8601 text, or of now."""
    if text is None:
        return time.time_ns() // 1000
    try:
        return _microseconds(parse_moment(text))
    except (ValueError, OverflowError):
        raise RequestError(f"'known_at': expected an ISO 8601 moment, not {text[:40]!r}", path="$.known_at") from None
