"""A thousand real flights asked one by one over HTTP: the answers of the batch and of training, and a server that nothing ends."""

from __future__ import annotations

import http.client
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from flight_data import FLIGHTS, TEMPLATE, WEATHER, write_flights
from numpy.typing import NDArray
from rivers import post, served

from millstream.features.training_set import ASKED
from millstream.kernel.availability import moment_of, parse_moment
from millstream.kernel.graph import Node
from millstream.kernel.records import Artifact, Value
from millstream.maintenance.maintain import look
from millstream.maintenance.run import first_error, run
from millstream.project import Project
from millstream.serving.predict import predict_open
from millstream.training.candidates import unpack_candidate

TRAINED, SERVED = "2013-02-01", "2013-02-15"
STORM = (datetime(2013, 2, 5, tzinfo=UTC), datetime(2013, 2, 7, tzinfo=UTC))
MODELS = {"delays": "boosting(rounds=30)", "forest": "forest(trees=10)", "linear": "linear()"}
TRAIN = 'ms.train(examples, methods=[ms.methods.{}], split=ms.split.time(test="5d", folds=1), metric="roc_auc")'
ROWS = 1_000

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """A thousand questions and what each path says of them, by model."""

    port: int
    requests: Sequence[Row]
    rows: pl.DataFrame
    answers: Mapping[str, Sequence[Row]]
    batch: Mapping[str, pl.DataFrame]
    training: Mapping[str, NDArray[np.float64]]
    kept_alive: bool


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Generator[Asked]:
    """Three models trained as of the first of February and asked of rows that came in the two weeks after it."""
    project = Project(write_program(tmp_path_factory.mktemp("served") / "flights"))
    trained = run(project.workspace, project.models, {}, as_of=parse_moment(TRAINED))
    assert first_error(trained) is None
    rows = choose(look(project.workspace, project.life("delays"), as_of=parse_moment(SERVED)).rows)
    batch = {name: predict_open(project.workspace, name, rows, None, open_only=False) for name in MODELS}
    training = {name: trained_scores(project, name, trained.artifacts, rows) for name in MODELS}
    requests = [sent(row) for row in batch["delays"].rows.iter_rows(named=True)]
    with served(project.file, "--as-of", SERVED, "--log", "fast") as (_, port):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.connect()
        socket = connection.sock
        answers = {name: [answer(connection, name, request) for request in requests] for name in MODELS}
        kept_alive = connection.sock is socket
        yield Asked(port, requests, rows, answers, {name: each.predictions for name, each in batch.items()}, training, kept_alive)
        connection.close()


def write_program(folder: Path) -> Path:
    """The flights until the middle of February, with carriers and days that training has not seen."""
    changes = {FLIGHTS: with_strangers, WEATHER: with_a_gap}
    methods = "methods=[ms.methods.boosting(), ms.methods.linear(), ms.methods.forest()],"
    others = "\n".join(f"{name} = {TRAIN.format(method)}" for name, method in MODELS.items() if name != "delays")
    program = {
        methods: f"methods=[ms.methods.{MODELS['delays']}],",
        'ms.split.time(test="30d")': 'ms.split.time(test="5d", folds=1)',
        "service = ms.deploy(": f"{others}\nservice = ms.deploy(",
    }
    return write_flights(folder, program=program, changes=changes)


def with_strangers(flights: pl.DataFrame) -> pl.DataFrame:
    """After the training every fortieth flight is of a carrier that nobody has seen, and some planes are not known."""
    new, place = pl.col("scheduled") >= moment_of(parse_moment(TRAINED)), pl.int_range(pl.len())
    carrier = pl.when(new & (place % 40 == 0)).then(pl.lit("ZZ")).otherwise("carrier")
    tailnum = pl.when(new & (place % 50 == 1)).then(pl.lit(None, pl.String)).otherwise("tailnum")
    until = pl.col("scheduled") < moment_of(parse_moment(SERVED)) + timedelta(days=1)
    return flights.filter(until).with_columns(carrier.alias("carrier"), tailnum.alias("tailnum"))


def with_a_gap(weather: pl.DataFrame) -> pl.DataFrame:
    """Two days without observations at La Guardia."""
    return weather.filter((pl.col("origin") != "LGA") | ~pl.col("observed").is_between(*STORM))


def choose(rows: pl.DataFrame) -> pl.DataFrame:
    """A hundred rows of each kind that is rare, and others at random, all asked after the training."""
    new = rows.filter(pl.col(ASKED) >= parse_moment(TRAINED)).with_row_index("place")
    rare = [pl.col("tailnum").is_null(), pl.col("carrier") == "ZZ", pl.col("wind_speed").is_null(), pl.col("seats").is_null()]
    chosen = pl.concat([new.filter(each).sample(100, seed=1) for each in rare]).unique("place")
    others = new.join(chosen, on="place", how="anti").sample(ROWS - chosen.height, seed=2)
    return pl.concat([chosen, others]).sort("place").drop("place")


def trained_scores(project: Project, name: str, artifacts: Mapping[Node, Artifact], rows: pl.DataFrame) -> NDArray[np.float64]:
    """The rows through the refit that training made: no bundle, no plan, no registry."""
    made = next(artifact for node, artifact in artifacts.items() if node.name == f"{name}/refit")
    assert isinstance(made, Value)
    return unpack_candidate(project.store.read_value(made)).scores(rows)


def sent(row: Row) -> Row:
    """A row as JSON has it."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


def answer(connection: http.client.HTTPConnection, name: str, request: Row) -> Row:
    """The answer to a request that is well formed."""
    status, body = post(connection, f"/predict/{name}", request)
    assert status == 200, body
    return body  # type: ignore[no-any-return]  # JSON


def test_the_rows_are_of_all_kinds(asked: Asked) -> None:
    """Planes and weather that are not there, and carriers that training has not seen, are among the thousand, and are flagged."""
    rows = asked.rows
    assert rows.height == ROWS
    for name in ("tailnum", "wind_speed", "visibility", "seats", "built", "age"):
        assert rows.get_column(name).null_count() >= 50, name
    strangers = (rows.get_column("carrier") == "ZZ").to_list()
    assert sum(strangers) >= 50
    assert ["unknown_level:carrier" in each["flags"] for each in asked.answers["delays"]] == strangers


@pytest.mark.parametrize("name", MODELS)
def test_one_row_over_http_is_the_row_in_the_batch(asked: Asked, name: str) -> None:
    """Probability and class of every row: to the last bit for trees, 1e-12 for sums of products."""
    batch, answers = asked.batch[name], asked.answers[name]
    assert [row["flight"] for row in asked.requests] == batch.get_column("flight").to_list()
    assert same(name, [row["probability"] for row in answers], batch.get_column("probability").to_list())
    assert [row["prediction"] for row in answers] == batch.get_column("prediction").to_list()
    assert {row["version"] for row in answers} == {f"{name}@1"}


@pytest.mark.parametrize("name", MODELS)
def test_one_row_over_http_is_the_row_in_training(asked: Asked, name: str) -> None:
    """The vector body of the fitted model, on the same rows, gives the same."""
    scores = asked.training[name].tolist()
    assert same(name, [row["probability"] for row in asked.answers[name]], scores)
    assert len(set(scores)) > ROWS / 20


def same(name: str, ones: Sequence[float], others: Sequence[float]) -> bool:
    """Equal as the method promises."""
    tolerance = 1e-12 if name == "linear" else 0.0
    return len(ones) == len(others) == ROWS and all(math.isclose(one, other, rel_tol=tolerance) for one, other in zip(ones, others, strict=True))


def test_one_connection_carries_all_requests(asked: Asked) -> None:
    """The server keeps a connection open for the next request."""
    assert asked.kept_alive


def test_views_are_read_as_of_the_request(asked: Asked) -> None:
    """Each answer says how far the weather had come: to the newest observation known when the row was asked, days before the clock."""
    weather = with_a_gap(pl.read_parquet(TEMPLATE / WEATHER)).get_column("observed")
    known = np.sort(weather.cast(pl.Int64).to_numpy()) + 20 * 60 * 1_000_000
    moments = asked.rows.get_column(ASKED).to_numpy()
    expected = known[np.searchsorted(known, moments, side="right") - 1]
    assert [parse_moment(row["watermarks"]["wind"]) for row in asked.answers["delays"]] == expected.tolist()
    assert moments.max() < parse_moment(SERVED)


def ask(asked: Asked, body: object) -> tuple[int, Any]:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", asked.port)
    try:
        return post(connection, "/predict/delays", body)
    finally:
        connection.close()


def test_the_same_flight_asked_later_is_another_question(asked: Asked) -> None:
    """A week later weather and punctuality are others, and beyond the clock they are those of the clock."""
    row = asked.requests[0]
    at = {moment: ask(asked, {**row, "scheduled": moment})[1] for moment in ("2013-02-03T12:00:00Z", "2013-02-10T12:00:00Z")}
    assert len({answer["probability"] for answer in at.values()}) == 2
    assert len({answer["watermarks"]["punctuality"] for answer in at.values()}) == 2
    clock, beyond = (ask(asked, {**row, "scheduled": moment})[1]["watermarks"] for moment in (f"{SERVED}T00:00:00Z", "2013-02-15T18:00:00Z"))
    assert clock == beyond


def test_without_a_moment_a_question_is_asked_at_the_clock(asked: Asked) -> None:
    """`scheduled` may be left out: the answer is that at the moment given by `--as-of`."""
    row = {name: value for name, value in asked.requests[0].items() if name != "scheduled"}
    without, at_clock = ask(asked, row)[1], ask(asked, {**row, "scheduled": f"{SERVED}T00:00:00Z"})[1]
    assert {**without, "id": ""} == {**at_clock, "id": ""}


def test_a_request_older_than_the_retention_is_422(asked: Asked) -> None:
    """Features are kept for 31 days before the clock: an older question is refused, and told since when."""
    status, refusal = ask(asked, {**asked.requests[0], "scheduled": "2013-01-14T23:59:00Z"})
    assert (status, refusal["path"]) == (422, "$.scheduled")
    assert "features are kept from 2013-01-15 on" in refusal["error"]
    assert ask(asked, {**asked.requests[0], "scheduled": "2013-01-15T00:00:00Z"})[0] == 200


@pytest.mark.parametrize(
    ("change", "path", "told"),
    [
        ({"carrier": 7}, "$.carrier", "'carrier': expected text"),
        ({"distance": "far"}, "$.distance", "'distance': expected an integer, not text"),
        ({"distance": 1400.5}, "$.distance", "'distance': expected an integer, not a number with a fraction"),
        ({"distance": None}, "$.distance", "'distance': expected an integer, not null"),
        ({"scheduled": "soon"}, "$.scheduled", "expected an ISO 8601 moment"),
        ({"carier": "UA"}, "$.carier", "did you mean 'carrier'?"),
        ({"late": True}, "$.late", "expected flight, carrier, origin, dest, tailnum, distance, scheduled, due"),
    ],
)
def test_a_wrong_or_unknown_column_is_named(asked: Asked, change: Row, path: str, told: str) -> None:
    """422 with the path of the culprit, what belongs there, and the nearest name."""
    status, refusal = ask(asked, {**asked.requests[0], **change})
    assert (status, refusal["path"]) == (422, path)
    assert told in refusal["error"]


@pytest.mark.parametrize("missing", ["flight", "carrier", "origin", "dest", "tailnum", "distance"])
def test_a_missing_column_is_named(asked: Asked, missing: str) -> None:
    """Every column of the question that the model or a view reads must be sent, though it may be null."""
    status, refusal = ask(asked, {name: value for name, value in asked.requests[0].items() if name != missing})
    assert (status, refusal["path"]) == (422, f"$.{missing}")
    assert f"'{missing}' is missing" in refusal["error"]


def test_an_ignored_column_need_not_be_sent(asked: Asked) -> None:
    """`due` is ignored and no view is looked up by it."""
    row = asked.requests[0]
    assert ask(asked, {name: value for name, value in row.items() if name != "due"})[1]["probability"] == asked.answers["delays"][0]["probability"]


HOSTILE: Mapping[str, tuple[bytes, int]] = {
    "nothing": (b"", 422),
    "a half": (b'{"flight": "UA', 422),
    "not utf-8": (b'{"flight": "\xff"}', 422),
    "NaN": (b'{"flight": "UA1", "distance": NaN}', 422),
    "infinity": (b'{"flight": "UA1", "distance": -Infinity}', 422),
    "beyond 64 bits": (b'{"flight": "UA1", "distance": 1e999}', 422),
    "deep lists": (b"[" * 200_000, 422),
    "deep objects": (b'{"flight":' * 100_000, 422),
    "a deep value": (b'{"flight": "UA1", "carrier": ' + b"[" * 100_000, 422),
    "nine mebibytes": (b'{"flight": "' + b"x" * (9 << 20) + b'"}', 413),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_bodies_are_refused_and_the_server_lives(asked: Asked, kind: str) -> None:
    """A refusal of the 400s, and the next request is answered as before."""
    body, expected = HOSTILE[kind]
    try:
        assert ask(asked, body)[0] == expected
    except (BrokenPipeError, ConnectionResetError):
        assert expected == 413  # refused by its announced length, before all of it was sent
    status, answered = ask(asked, asked.requests[0])
    assert (status, answered["probability"]) == (200, asked.answers["delays"][0]["probability"])
