"""Kill -9 of a server under load: no answer that a client has is missing from the log, and the next server starts."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import signal
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rivers import PARCELS_BEGIN, day, post, served, train_models, write_parcels

from millstream.cli.main import main
from millstream.kernel.availability import text_of
from millstream.project import Project
from millstream.serving.archive import read_predictions, roll_to_parquet
from millstream.serving.log import read_log, segment_paths
from millstream.serving.records import LoggedPrediction

CLIENTS, ENOUGH = 4, 400
SERVED = 30


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The parcels with a champion; every test has a log of its own."""
    return train_models(write_parcels(tmp_path_factory.mktemp("river"), days=SERVED), as_of=day(SERVED))


@pytest.fixture
def log(project: Project) -> Path:
    """The prediction log, empty at the beginning."""
    folder = project.folder / "predictions"
    for file in folder.glob("*"):
        file.unlink()
    return folder


def ask(port: int, client: int, answers: dict[str, Any], enough: threading.Semaphore) -> None:
    """Ask for one parcel after the other until the server is gone, and keep every answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        for place in itertools.count():
            status, answer = post(connection, "/predict/delays", parcel(CLIENTS * place + client))
            assert status == 200
            answers[answer["id"]] = answer
            enough.release()
    connection.close()


def parcel(number: int) -> dict[str, object]:
    """A parcel of the last days before the clock; the first ones are in the river too."""
    sent = PARCELS_BEGIN + timedelta(days=SERVED - 2, minutes=number % 2_000)
    return {
        "parcel": (SERVED - 2) * 40 + 1 + number,
        "sent": sent.isoformat(),
        "route": f"r{number % 7}",
        "weight": number % 97 / 7,
        "pieces": number % 5,
    }


def kill_under_load(project: Project) -> dict[str, Any]:
    """Start a server, let clients ask, kill it in the middle; gives every answer that arrived."""
    answers, enough = dict[str, Any](), threading.Semaphore(0)
    with served(project.file, "--as-of", text_of(day(SERVED))) as (process, port):
        clients = [threading.Thread(target=ask, args=(port, client, answers, enough)) for client in range(CLIENTS)]
        for client in clients:
            client.start()
        assert all(enough.acquire(timeout=60) for _ in range(ENOUGH))
        process.send_signal(signal.SIGKILL)
        for client in clients:
            client.join()
        assert process.wait() == -signal.SIGKILL
    return answers


def test_kill_under_load_loses_no_acknowledged_prediction(project: Project, log: Path) -> None:
    """Killed twice under the load of four clients: every answer that arrived is in the log, once, as it was given."""
    acknowledged = {**kill_under_load(project), **kill_under_load(project)}
    logged = list(read_log(log))
    by_id = {each.id: each for each in logged}
    assert len(acknowledged) >= 2 * ENOUGH
    assert len(logged) == len(by_id)
    assert acknowledged.keys() <= by_id.keys()
    assert all(same(answer, by_id[identity]) for identity, answer in acknowledged.items())
    assert len(logged) <= len(acknowledged) + 2 * CLIENTS


def same(answer: dict[str, Any], logged: LoggedPrediction) -> bool:
    """Whether the log holds what the client was told."""
    written = (logged.id, logged.prediction, logged.probability, logged.version, dict(logged.watermarks))
    return written == (answer["id"], answer["prediction"], answer["probability"], answer["version"], answer["watermarks"])


def test_the_log_of_a_killed_server_becomes_a_table(project: Project, log: Path) -> None:
    """Rolled to Parquet or not, the table of predictions holds every acknowledged one."""
    acknowledged = kill_under_load(project)
    before = read_predictions(log)
    assert acknowledged.keys() <= set(before.get_column("id"))
    assert roll_to_parquet(log) is not None
    assert segment_paths(log) == []
    assert read_predictions(log).equals(before)


def test_what_was_asked_can_be_asked_again(project: Project, log: Path) -> None:
    """The logged requests of a killed server, sent to the next one at the same clock, get the same answers."""
    acknowledged = kill_under_load(project)
    logged = [each for each in read_log(log) if each.id in acknowledged][:100]
    with served(project.file, "--as-of", text_of(day(SERVED))) as (_, port):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        again = [post(connection, "/predict/delays", dict(each.request))[1] for each in logged]
        connection.close()
    assert [answer["probability"] for answer in again] == [each.probability for each in logged]


TEARS: Sequence[Callable[[bytes], bytes]] = (
    lambda data: data[:-1],
    lambda data: data[:-40],
    lambda data: data + b"\x07",
    lambda data: data + b"\xff\x00\x00\x00torn",
    lambda data: data + bytes(4096),
)
"""What a crash of the machine makes of the end of a segment: cut short, or grown by what was not written."""


@pytest.mark.parametrize("tear", TEARS, ids=["a byte short", "half a record", "a byte too many", "half a frame", "a page of zeros"])
def test_a_torn_tail_costs_at_most_the_record_it_tears(project: Project, log: Path, tear: Callable[[bytes], bytes]) -> None:
    """What lies before is read, and the next server starts, answers and logs into a segment of its own."""
    segment, before = torn(project, log, tear)
    kept = [each.id for each in read_log(log)]
    assert kept in (before, before[:-1])
    with served(project.file, "--as-of", text_of(day(SERVED))) as (_, port):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        status, answer = post(connection, "/predict/delays", parcel(1))
        connection.close()
    assert status == 200
    assert [each.id for each in read_log(log)] == [*kept, answer["id"]]
    assert read_predictions(log).height == len(kept) + 1
    assert segment.exists()


def torn(project: Project, log: Path, tear: Callable[[bytes], bytes]) -> tuple[Path, list[str]]:
    """A segment with a few records whose server was killed, torn; and the ids that it held."""
    with served(project.file, "--as-of", text_of(day(SERVED))) as (process, port):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        answers = [post(connection, "/predict/delays", parcel(number))[1]["id"] for number in range(5)]
        process.send_signal(signal.SIGKILL)
        process.wait()
        connection.close()
    (segment,) = segment_paths(log)
    segment.write_bytes(tear(segment.read_bytes()))
    return segment, answers


def test_monitor_and_batch_read_the_log_of_a_killed_server(project: Project, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The monitor counts its answers to the rows that the river has, and the batch goes on."""
    logged = len(kill_under_load(project))
    watched, batch = (run_command(project, capsys, name) for name in ("monitor", "predict"))
    assert logged >= ENOUGH
    assert watched["performance"]["predicted"] == SERVED * 40 - ((SERVED - 2) * 40 + 1)
    assert batch["rows"] > 0


def run_command(project: Project, capsys: pytest.CaptureFixture[str], name: str) -> Any:
    """What a command prints as JSON."""
    with pytest.raises(SystemExit) as ended:
        main([name, "delays", "--as-of", text_of(day(SERVED)), "--file", str(project.file), "--json"])
    assert ended.value.code == 0
    return json.loads(capsys.readouterr().out)
