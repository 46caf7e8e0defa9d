"""The application answers, logs before it answers, and refuses in words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millstream.serving.application import Application
from millstream.serving.log import PredictionLog, read_log

PATH = "/predict/delays"
FLIGHT = {"flight": "UA1545", "scheduled": "2013-06-01T09:15:00Z", "distance": 1400, "carrier": "UA"}
LABEL = {"key": {"flight": "UA1545"}, "label": True, "known_at": "2013-06-01T12:00:00Z"}
Call = Callable[..., Any]


def test_an_object_is_answered_with_an_object(call: Call) -> None:
    """The answer holds the prediction, its version and how far the views had come."""
    reply = call("POST", PATH, FLIGHT, x_request_id="mine")
    assert reply.status == 200
    assert reply.body == {
        "id": "mine",
        "prediction": 2800.0,
        "probability": None,
        "version": "delays@1",
        "watermarks": {"weather": "2013-06-01T09:00:00Z", "planes": None},
        "flags": [],
    }


def test_a_list_is_answered_with_a_list(call: Call) -> None:
    """Every row has its answer, in order, and an id of its own."""
    reply = call("POST", PATH, [FLIGHT, FLIGHT | {"distance": 1}], x_request_id="mine")
    assert [(row["id"], row["prediction"]) for row in reply.body] == [("mine-0", 2800.0), ("mine-1", 2.0)]


def test_an_unknown_level_is_answered_with_a_flag(call: Call) -> None:
    """A level never seen is no error."""
    reply = call("POST", PATH, FLIGHT | {"carrier": "ZZ"})
    assert (reply.status, reply.body["flags"]) == (200, ["unknown level: carrier"])


def test_every_answer_is_in_the_log(call: Call, directory: Path) -> None:
    """What is logged: the key, the moment asked and the request as JSON."""
    call("POST", PATH, FLIGHT, x_request_id="mine")
    (logged,) = read_log(directory)
    assert (logged.id, logged.model, logged.version, logged.prediction) == ("mine", "delays", "delays@1", 2800.0)
    assert (logged.key, logged.time) == (("UA1545",), 1_370_078_100_000_000)
    assert logged.request == FLIGHT | {"seats": None, "domestic": None}
    assert logged.predicted_at > logged.time


def test_a_question_without_moment_is_asked_now(call: Call, directory: Path) -> None:
    """`time` is optional: the moment of the answerer's clock is used and logged."""
    call("POST", PATH, FLIGHT | {"scheduled": None})
    (logged,) = read_log(directory)
    assert (logged.time, logged.request["scheduled"]) == (1_370_078_100_000_000, "2013-06-01T09:15:00Z")


@pytest.mark.parametrize(
    ("change", "path"),
    [({"distance": "1400"}, "$.distance"), ({"distanse": 1}, "$.distanse"), ({"scheduled": "1999-01-01"}, "$.scheduled")],
)
def test_a_bad_request_is_422_with_its_path(call: Call, directory: Path, change: dict[str, object], path: str) -> None:
    """A field of the wrong type or name, or a moment out of reach, is refused and not logged."""
    reply = call("POST", PATH, FLIGHT | change)
    assert (reply.status, reply.body["path"], list(reply.body)) == (422, path, ["error", "path"])
    assert list(read_log(directory)) == []


@pytest.mark.parametrize("body", [b'{"distance":NaN}', b'{"distance":1e400}', b"", b'{"flight":' + b"[" * 100_000, b"[" * 100_000])
def test_bodies_that_are_no_request_are_422(call: Call, body: bytes) -> None:
    """NaN, 1e400, nothing and deep nesting."""
    assert call("POST", PATH, body).status == 422


def test_one_bad_row_refuses_the_list(call: Call, directory: Path) -> None:
    """All rows or none, whether decoding or the answerer refuses."""
    rows = [FLIGHT, FLIGHT | {"scheduled": "1999-01-01"}]
    assert call("POST", PATH, rows).body["path"] == "$[1].scheduled"
    assert call("POST", PATH, [FLIGHT, 7]).body["path"] == "$[1]"
    assert list(read_log(directory)) == []


def test_a_body_beyond_8_mib_is_413(call: Call) -> None:
    """By its announced length, or when more arrives than is allowed."""
    large = b'{"flight":"' + b"x" * (9 << 20) + b'"}'
    assert call("POST", PATH, large, content_length=str(len(large))).status == 413
    assert call("POST", PATH, large, chunks=10).status == 413


def test_a_body_in_pieces_is_put_together(call: Call) -> None:
    """Chunks are one body."""
    assert call("POST", PATH, FLIGHT, chunks=7).body["prediction"] == 2800.0


@pytest.mark.parametrize("kind", ["text/csv", "application/x-www-form-urlencoded"])
def test_another_content_type_is_415(call: Call, kind: str) -> None:
    """Only JSON is read here; a browser's form is not mistaken for it."""
    assert call("POST", PATH, FLIGHT, content_type=kind).status == 415


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_is_read(call: Call, kind: str) -> None:
    """Parameters and case of the content type do not matter."""
    assert call("POST", PATH, FLIGHT, content_type=kind).status == 200


def test_an_unknown_model_is_404_with_a_proposal(call: Call) -> None:
    """A misspelt model is proposed rightly."""
    reply = call("POST", "/predict/delay", FLIGHT)
    assert (reply.status, reply.body) == (404, {"error": "no model is called 'delay': did you mean 'delays'?"})


def test_an_unknown_path_is_404_with_a_proposal(call: Call) -> None:
    """A misspelt path too."""
    reply = call("POST", "/predct/delays", FLIGHT)
    assert (reply.status, reply.body) == (404, {"error": "nothing is at '/predct/delays': did you mean '/predict/delays'?"})


@pytest.mark.parametrize(("method", "path", "allowed"), [("GET", PATH, "POST"), ("POST", "/health", "GET, HEAD")])
def test_a_wrong_method_is_405(call: Call, method: str, path: str, allowed: str) -> None:
    """The answer says which method is right."""
    reply = call(method, path)
    assert (reply.status, reply.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/health", "/ping"])
def test_health_is_200(call: Call, path: str) -> None:
    """Both names that load balancers use."""
    assert (call("GET", path).status, call("HEAD", path).status) == (200, 200)


def test_version_lists_the_models(call: Call) -> None:
    """Which version of every model answers, and which millstream."""
    body = call("GET", "/version").body
    assert (sorted(body), body["models"]) == (["millstream", "models"], {"delays": "delays@1"})


def test_an_inner_error_shows_nothing_of_the_inside(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    """500 with an id; the traceback is in the server's own log under that id."""
    with caplog.at_level(logging.ERROR):
        reply = call("POST", PATH, FLIGHT | {"distance": -1}, x_request_id="mine")
    assert (reply.status, reply.body) == (500, {"error": "internal error", "id": "mine"})
    assert "mine" in caplog.text
    assert "secret detail of the inside" in caplog.text


def test_a_log_that_cannot_be_written_is_503(answerers: dict[str, Any], tmp_path: Path) -> None:
    """No prediction is given that is not recorded, and no path of the server is told."""
    log = PredictionLog(tmp_path / "closed", mode="fast")
    log.close()
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b'{"flight":"UA1","distance":1,"carrier":null}'}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": PATH, "headers": []}
    asyncio.run(Application(answerers, log)(scope, receive, send))
    assert sent[0]["status"] == 503
    assert str(tmp_path).encode() not in sent[1]["body"]


@pytest.mark.parametrize(("given", "kept"), [("abc 1", True), ("x" * 200, True), ("x" * 201, False), ("é", False), ("a\tb", False)])
def test_a_printable_request_id_is_kept(call: Call, given: str, *, kept: bool) -> None:
    """Others are replaced; every response has one."""
    assert (call("GET", "/nothing", x_request_id=given).headers["x-request-id"] == given) is kept


def test_a_new_answerer_takes_over(call: Call, answerers: dict[str, Any]) -> None:
    """Replacing a value of the mapping is how a version is swapped."""
    before = call("POST", PATH, FLIGHT).body["version"]
    answerers["delays"] = type(answerers["delays"])(version="delays@2")
    assert (before, call("POST", PATH, FLIGHT).body["version"]) == ("delays@1", "delays@2")


def test_feedback_reaches_the_answerer(call: Call, answerers: dict[str, Any]) -> None:
    """A label with its key and the moment it was known is accepted."""
    assert call("POST", "/feedback/delays", LABEL).status == 202
    (entry,) = answerers["delays"].received
    assert (entry.model, entry.key, entry.label, entry.known_at) == ("delays", ("UA1545",), True, 1_370_088_000_000_000)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"key": {"flight": 7}}, "$.key.flight"),
        ({"key": {}}, "$.key.flight"),
        ({"key": "UA1545"}, "$.key"),
        ({"label": None}, "$.label"),
        ({"known_at": "soon"}, "$.known_at"),
        ({"flight": "UA1545"}, "$"),
    ],
)
def test_bad_feedback_is_422_with_its_path(call: Call, answerers: dict[str, Any], change: dict[str, object], path: str) -> None:
    """A label that is null, or a key that is not the model's, is refused."""
    reply = call("POST", "/feedback/delays", LABEL | change)
    assert (reply.status, reply.body["path"], answerers["delays"].received) == (422, path, [])


def test_the_log_is_closed_with_the_server(answerers: dict[str, Any], directory: Path) -> None:
    """The lifespan protocol is followed, and an unused log leaves no segment."""
    incoming = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(Application(answerers, PredictionLog(directory))({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert list(directory.glob("*.segment")) == []
