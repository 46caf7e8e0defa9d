"""The champion behind the endpoint: it answers as of the request, tells what it knew, and follows a promotion while it serves."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from rivers import day, post, run_python, served, train_models, write_parcels

from millstream.cli.main import main
from millstream.errors import NotFoundError, RequestError
from millstream.features.feedback import FeedbackBook
from millstream.kernel.availability import DAY, moment_of, text_of
from millstream.maintenance.answerers import answerers
from millstream.maintenance.maintain import look
from millstream.maintenance.office import promote
from millstream.project import Project
from millstream.serving.predict import predict_open
from millstream.serving.realtime import RealtimeAnswerer
from millstream.serving.records import Feedback

TRAINED, SERVED = 20, 30


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The parcels with a champion; as they say no `accept`, later versions wait."""
    return train_models(write_parcels(tmp_path, {"accept=ms.gate.better()": ""}, days=SERVED + 5), as_of=day(TRAINED))


def answerer(project: Project, *, retention: str = "31d", clock: int | None = day(SERVED)) -> RealtimeAnswerer:
    """What a server would answer with as of day SERVED."""
    return answerers(project.workspace, [project.life("delays")], as_of=day(SERVED), clock=clock, retention=retention)["delays"]


def question(sent: datetime | None, **changes: object) -> dict[str, object]:
    """A parcel as it comes out of the decoder."""
    return {"parcel": 10**6, "sent": sent, "route": "r1", "weight": 4.5, "pieces": 2, **changes}


def test_each_row_is_answered_as_in_the_batch(project: Project) -> None:
    """All rows of ten days, each as of its own moment: the windows are those of then, not of the clock."""
    rows = look(project.workspace, project.life("delays"), as_of=day(SERVED)).rows
    batch = predict_open(project.workspace, "delays", rows.filter(pl.col("sent") >= moment_of(day(TRAINED))), None, open_only=False)
    live = answerer(project)
    answers = [live.answer(row, "id") for row in batch.rows.iter_rows(named=True)]
    assert len(answers) > 400
    assert [answer.probability for answer in answers] == pytest.approx(batch.predictions.get_column("probability").to_list(), rel=1e-12)
    assert [answer.prediction for answer in answers] == batch.predictions.get_column("prediction").to_list()


def test_an_answer_says_how_far_its_views_had_come(project: Project) -> None:
    """The newest arrival known when the row was asked: its watermark moves with the question, up to the clock."""
    live, arrived = answerer(project), pl.read_parquet(project.root / "arrivals.parquet").get_column("arrived")
    for moment in (moment_of(day(SERVED - 3)), moment_of(day(SERVED - 1) + 7 * 3_600_000_000), moment_of(day(SERVED))):
        newest = arrived.filter(arrived <= moment).cast(pl.Int64).max()
        assert isinstance(newest, int)
        assert live.answer(question(moment), "id").watermarks == {"traffic": text_of(newest)}


def test_a_question_from_the_future_reads_what_is_known_now(project: Project) -> None:
    """Asked beyond the clock, or without a moment: the views are those of the clock."""
    live = answerer(project)
    now, later, without = (live.answer(question(moment), "id") for moment in (moment_of(day(SERVED)), moment_of(day(SERVED + 400)), None))
    assert now == later == without


@pytest.mark.parametrize("route", ["r9", "", "R1"])
def test_a_level_that_training_has_not_seen_is_flagged(project: Project, route: str) -> None:
    """It is answered, and says so; a null and a known level are nothing to flag."""
    live = answerer(project)
    assert live.answer(question(moment_of(day(SERVED)), route=route), "id").flags == ("unknown_level:route",)
    assert [live.answer(question(moment_of(day(SERVED)), route=each), "id").flags for each in ("r1", None)] == [(), ()]


def test_what_is_older_than_the_retention_is_refused(project: Project) -> None:
    """With five days kept, a question of six days ago cannot be answered exactly: RequestError at its time."""
    live = answerer(project, retention="5d")
    live.answer(question(moment_of(day(SERVED - 5))), "id")
    with pytest.raises(RequestError, match="features are kept from 2024-01-26 on") as refused:
        live.answer(question(moment_of(day(SERVED - 5) - 1)), "id")
    assert refused.value.path == "$.sent"


def test_feedback_is_written_down(project: Project) -> None:
    """A label told to the answerer is in the book when it returns."""
    answerer(project).feedback(Feedback("delays", (7,), label=True, known_at=day(SERVED)))
    assert FeedbackBook(project.store.root).rows("delays") == [("[7]", "true", day(SERVED))]


def test_without_a_champion_nothing_can_be_served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the first run: exit code 4, and what to do."""
    project = Project(write_parcels(tmp_path, days=5))
    with pytest.raises(NotFoundError):
        answerer(project)
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--file", str(project.file), "--port", "0"])
    assert ended.value.code == 4
    assert "no model has a champion yet" in capsys.readouterr().err


def test_a_promotion_reaches_a_running_server(project: Project, eventually: Callable[[Callable[[], bool]], None]) -> None:
    """A second version waits; once it is promoted the server answers with it, without a restart."""
    train_models(project.file, as_of=day(SERVED))
    waiting = project.registry.challenger("delays")
    assert waiting is not None
    with served(project.file, "--refresh", "1", "--log", "fast") as (_, port):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        body = {**question(None), "sent": datetime.now(UTC).isoformat()}
        before = post(connection, "/predict/delays", body)
        promote(project.workspace, waiting.name, project.deployment, moment=day(SERVED), reason="seen")
        eventually(lambda: serving(connection) == {"delays": "delays@2"})
        after = post(connection, "/predict/delays", body)
        connection.close()
    assert [status for status, _ in (before, after)] == [200, 200]
    assert [answer["version"] for _, answer in (before, after)] == ["delays@1", "delays@2"]
    assert before[1]["probability"] != after[1]["probability"]


def serving(connection: http.client.HTTPConnection) -> dict[str, str]:
    """Which version of each model answers."""
    connection.request("GET", "/version")
    models: dict[str, str] = json.loads(connection.getresponse().read())["models"]
    return models


def test_a_renewal_that_fails_is_told_and_tried_again() -> None:
    """The error is handed on, and the next renewal comes all the same."""
    ran = run_python(
        """
        import threading
        from millstream.serving.realtime import renew_every

        calls, errors, renewed = [], [], threading.Event()

        def renew():
            calls.append(None)
            if len(calls) == 1:
                raise ValueError("the source is gone")
            renewed.set()

        renew_every(0.01, renew, errors.append)
        print(renewed.wait(30), errors)
        """
    )
    assert (ran.returncode, ran.stdout) == (0, "True [ValueError('the source is gone')]\n"), ran.stderr


def test_the_views_are_kept_for_the_retention_only(project: Project) -> None:
    """A day of retention answers a question of half a day ago as a month of it does: what is dropped was not needed."""
    asked = question(moment_of(day(SERVED) - DAY // 2))
    assert answerer(project, retention="1d").answer(asked, "id") == answerer(project).answer(asked, "id")
