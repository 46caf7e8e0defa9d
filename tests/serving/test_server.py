"""A real server process: nothing acknowledged is lost, whatever ends it."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millstream.errors import ConfigurationError
from millstream.serving.application import Application
from millstream.serving.log import PredictionLog, read_log
from millstream.serving.server import serve

Start = Callable[..., tuple[subprocess.Popen[str], int]]


def ask(connection: http.client.HTTPConnection, number: int) -> tuple[int, Any]:
    """One request for a prediction."""
    body = json.dumps({"flight": f"UA{number}", "distance": number, "carrier": None})
    connection.request("POST", "/predict/delays", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def load(port: int, acknowledged: set[str]) -> None:
    """Ask until the server is gone, and remember every answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        for number in range(1_000_000):
            acknowledged.add(ask(connection, number)[1]["id"])
    except (OSError, http.client.HTTPException, ValueError):
        connection.close()


def test_kill_under_load_loses_no_acknowledged_prediction(start_server: Start, directory: Path) -> None:
    """Kill -9 with four clients asking, twice: every answer that arrived is in the log."""
    acknowledged: set[str] = set()
    for _ in range(2):
        process, port = start_server("durable")
        clients = [threading.Thread(target=load, args=(port, acknowledged)) for _ in range(4)]
        for client in clients:
            client.start()
        time.sleep(1.0)
        process.send_signal(signal.SIGKILL)
        for client in clients:
            client.join()
    logged = [prediction.id for prediction in read_log(directory)]
    assert len(acknowledged) > 500
    assert acknowledged <= set(logged)
    assert len(logged) == len(set(logged))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_in_good_order(start_server: Start, directory: Path, number: signal.Signals) -> None:
    """The log is closed, `serve` returns and the process ends with 0, even with a connection open."""
    process, port = start_server()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    ask(connection, 1)
    process.send_signal(number)
    printed, _ = process.communicate(timeout=10)
    assert (process.returncode, printed) == (0, "ended\n")
    assert [prediction.key for prediction in read_log(directory)] == [("UA1",)]


def test_a_full_disk_is_503_until_there_is_room(start_server: Start, directory: Path) -> None:
    """What was answered with 200 is in the log, what was answered with 503 is not."""
    process, port = start_server("durable")
    limits = resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
    connection = http.client.HTTPConnection("127.0.0.1", port)
    replies = [ask(connection, number) for number in range(50)]
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
    replies.append(ask(connection, 50))
    assert [replies[0][0], replies[-2][0], replies[-1][0]] == [200, 503, 200]
    assert [prediction.id for prediction in read_log(directory)] == [body["id"] for status, body in replies if status == 200]


def test_nine_mebibytes_are_413_and_the_server_goes_on(start_server: Start) -> None:
    """A body beyond the limit is refused over a real connection."""
    _, port = start_server()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/predict/delays", b"x" * (9 << 20), {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    connection.close()
    assert response.status == 413
    assert ask(http.client.HTTPConnection("127.0.0.1", port), 1)[0] == 200


def test_headers_tell_nothing_of_the_server(start_server: Start) -> None:
    """No server header; the request id is returned."""
    _, port = start_server()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/health", headers={"X-Request-ID": "mine"})
    response = connection.getresponse()
    assert (response.getheader("server"), response.getheader("x-request-id")) == (None, "mine")
    assert json.loads(response.read()) == {"status": "ok"}
    connection.close()


@pytest.fixture
def application(directory: Path) -> Application:
    """An application that is never reached."""
    return Application({}, PredictionLog(directory, mode="fast"))


def test_a_port_in_use_is_one_sentence(application: Application) -> None:
    """The port is named, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(ConfigurationError) as caught:
        serve(application, port=other.getsockname()[1])
    assert caught.value.message.endswith("is in use: stop what listens there, or choose another port")


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("203.0.113.7", 0), ("no such host", 0)])
def test_an_address_that_cannot_be_is_refused(application: Application, host: str, port: int) -> None:
    """A port beyond 65535, an address of another machine, a name nobody has."""
    with pytest.raises(ConfigurationError):
        serve(application, host=host, port=port)


def test_the_scoring_path_loads_no_dataframe_library() -> None:
    """Serving imports neither polars nor numpy."""
    modules = "millstream.serving.server, millstream.serving.application"
    program = f"import sys, {modules}; print({{'polars', 'numpy'}} & set(sys.modules))"
    environment = {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert ran.stdout == "set()\n"
