"""The batch: every open row answered once by key and version, in the sink and on record, whatever ends the process in between."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from shutil import copytree

import polars as pl
import pytest
from rivers import day, run_python, train_models, write_parcels

from millstream.cli.main import main
from millstream.errors import NotFoundError
from millstream.kernel.availability import moment_of, text_of
from millstream.maintenance.maintain import look
from millstream.maintenance.office import promote
from millstream.project import Project
from millstream.serving.answers import answered, batch_files
from millstream.serving.predict import Batch, predict_open
from millstream.serving.versions import open_version

TRAINED, ASKED = 20, 25
TO_SINK = {"ms.deploy(delays, accept=ms.gate.better())": 'ms.deploy(delays, batch=ms.sink("out"))'}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The parcels with a champion, a sink for the batch, and later versions that wait."""
    return train_models(write_parcels(tmp_path, TO_SINK, days=40), as_of=day(TRAINED))


def predict(project: Project, number: int = ASKED) -> Batch:
    """What `millstream predict` does as of a day."""
    rows = look(project.workspace, project.life("delays"), as_of=day(number)).rows
    return predict_open(project.workspace, "delays", rows, project.deployment("delays"))


def sink(project: Project) -> pl.DataFrame:
    """All that is in the sink's folder."""
    return pl.concat([pl.read_parquet(file) for file in sorted((project.root / "out").glob("*.parquet"))])


def log(project: Project) -> pl.DataFrame:
    """All batch answers on record."""
    found = answered(project.workspace, "delays")
    assert found is not None
    return found


def open_on(number: int) -> list[int]:
    """The parcels sent within two days before a day: their label is not known yet."""
    return list(range((number - 2) * 40 + 1, number * 40 + 1))


def test_the_open_rows_are_answered(project: Project) -> None:
    """Sent by then, and not decided yet: their answers are in the sink and on record."""
    batch = predict(project)
    assert batch.predictions.get_column("parcel").to_list() == open_on(ASKED)
    assert sink(project).equals(batch.predictions.drop("__asked__"))
    assert log(project).equals(batch.predictions)


def test_an_answer_says_what_when_and_by_whom(project: Project) -> None:
    """Key, time, class by the threshold, probability, version and the clock."""
    predict(project)
    told = sink(project)
    assert told.columns == ["parcel", "sent", "prediction", "probability", "version", "predicted_at"]
    assert told.get_column("prediction").to_list() == [each >= 0.5 for each in told.get_column("probability")]
    assert set(told.get_column("version")) == {1}
    assert told.get_column("sent").to_list() == [moment_of(day(0) + parcel * 36 * 60_000_000) for parcel in open_on(ASKED)]


def test_each_row_is_answered_as_of_its_own_moment(project: Project) -> None:
    """Two days later the windows of the same rows, looked at anew, give the same scores."""
    batch = predict(project)
    later = look(project.workspace, project.life("delays"), as_of=day(ASKED + 2)).rows
    rows = later.join(batch.predictions.select("parcel"), on="parcel", how="semi", maintain_order="left")
    assert batch.predictions.get_column("probability").to_list() == open_version(project.workspace, batch.version).candidate.scores(rows).tolist()


def test_what_was_answered_is_not_answered_again(project: Project) -> None:
    """The same moment again: nothing new, no second file, the sink as it was."""
    predict(project)
    before = sink(project)
    assert predict(project).predictions.height == 0
    assert len(batch_files(project.workspace, "delays")) == 1
    assert sink(project).equals(before)


def test_a_day_later_only_the_new_rows_are_answered(project: Project) -> None:
    """Forty parcels more, each once."""
    predict(project)
    assert predict(project, ASKED + 1).predictions.get_column("parcel").to_list() == open_on(ASKED + 1)[40:]
    assert sorted(sink(project).get_column("parcel")) == sorted({*open_on(ASKED), *open_on(ASKED + 1)})


def test_another_version_answers_what_is_open(project: Project) -> None:
    """A new champion answers the open rows too: once by key and version."""
    predict(project)
    train_models(project.file, as_of=day(ASKED))
    promote(project.workspace, "delays@2", project.deployment, moment=day(ASKED), reason="newer")
    predict(project)
    predict(project)
    assert sorted(sink(project).select("version", "parcel").rows()) == [(version, parcel) for version in (1, 2) for parcel in open_on(ASKED)]


def test_replace_leaves_the_last_batch_alone_in_the_sink(tmp_path: Path) -> None:
    """`mode="replace"`: the sink holds what was answered last, the record holds all."""
    replacing = {old: new.replace('"out"', '"out", mode="replace"') for old, new in TO_SINK.items()}
    project = train_models(write_parcels(tmp_path, replacing, days=40), as_of=day(TRAINED))
    predict(project)
    last = predict(project, ASKED + 1)
    assert sink(project).equals(last.predictions.drop("__asked__"))
    assert log(project).height == len(open_on(ASKED)) + 40


def test_without_a_champion_nothing_is_answered(tmp_path: Path) -> None:
    """Before the first run there is nobody to answer."""
    with pytest.raises(NotFoundError, match="delays has no champion yet"):
        predict(Project(write_parcels(tmp_path, days=30)))


def test_the_command_prints_requests_beside_their_answers(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """`millstream predict --json`: each answer with the question as a request would ask it."""
    with pytest.raises(SystemExit) as ended:
        main(["predict", "delays", "--as-of", text_of(day(ASKED)), "--file", str(project.file), "--json", "--show", "3"])
    record = json.loads(capsys.readouterr().out)
    assert (ended.value.code, record["rows"], len(record["predictions"])) == (0, 80, 3)
    assert [row["request"]["parcel"] for row in record["predictions"]] == open_on(ASKED)[:3]
    assert [set(row["request"]) for row in record["predictions"]] == [{"parcel", "sent", "route", "weight", "pieces"}] * 3


KILLED = """
import os, signal, sys
from pathlib import Path

from millstream.maintenance.maintain import look
from millstream.project import Project
from millstream.serving.predict import predict_open

file, moment, stop = sys.argv[1:]
project, touched = Project(Path(file)), 0
rows = look(project.workspace, project.life("delays"), as_of=int(moment)).rows
watched = (str(project.folder / "batches"), str(project.root / "out"))

def kill(event, arguments):
    global touched
    if event in ("open", "os.mkdir", "os.rename", "os.remove") and str(arguments[0]).startswith(watched):
        touched += 1
        if touched == int(stop):
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
predict_open(project.workspace, "delays", rows, project.deployment("delays"))
print(touched)
"""
"""Predicts as of a moment, and is killed when it is about to touch record or sink for the given time (0: never)."""


def test_killed_at_any_point_nothing_is_lost_and_nothing_is_doubled(tmp_path: Path) -> None:
    """Kill -9 before each step that touches record or sink; the next batch leaves every open row there, once."""
    file = write_parcels(tmp_path / "river", TO_SINK, days=40)
    train_models(file, as_of=day(TRAINED))
    steps = steps_of_a_batch(tmp_path, file)
    assert steps >= 6
    for stop in range(1, steps + 1):
        project = copy_of(tmp_path, file, f"killed at {stop}")
        ran = run_python(KILLED, str(project.file), str(day(ASKED)), str(stop))
        assert ran.returncode == -signal.SIGKILL, ran.stderr
        predict(project)
        assert sink(project).get_column("parcel").to_list() == open_on(ASKED), stop
        assert log(project).get_column("parcel").to_list() == open_on(ASKED), stop


def steps_of_a_batch(tmp_path: Path, file: Path) -> int:
    """How often a batch that is left alone touches record and sink."""
    ran = run_python(KILLED, str(copy_of(tmp_path, file, "left alone").file), str(day(ASKED)), "0")
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout)


def copy_of(tmp_path: Path, file: Path, name: str) -> Project:
    """The trained project in a folder of its own."""
    return Project(copytree(file.parent, tmp_path / name) / file.name)
