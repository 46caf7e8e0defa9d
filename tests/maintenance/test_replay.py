"""The life of a model lived again on the past: what is answered, by whom, as of when, and what it leaves untouched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from rivers import PARCELS_BEGIN, day, train_models, write_parcels

from millstream.cli.main import main
from millstream.features.training_set import ASKED, TARGET
from millstream.kernel.availability import DAY, text_of
from millstream.kernel.graph import Node
from millstream.kernel.records import StepReport
from millstream.maintenance.maintain import Turn, look, maintain
from millstream.maintenance.replay import Replay, replay
from millstream.project import Project
from millstream.registry.versions import Registry
from millstream.serving.predict import predict_open
from millstream.serving.versions import open_version

START, STOP, EVERY = 20, 80, 15
TICKS = [35, 50, 65, 80]
STATIC = """
routes = ms.source("routes.csv", key="route")
grace = ms.source("grace.csv", key="route")


@ms.feature_view(routes)
def way(routes: pl.LazyFrame) -> pl.LazyFrame:
    return routes.select("route", "kilometres")


@ms.label(parcels, arrivals, grace,"""
OFTEN = {'ms.every("30d")': 'ms.every("10d")'}


@pytest.fixture(scope="module")
def river(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The parcels with a champion of their own, before anything was replayed; there is something to learn from START on."""
    changes = {**OFTEN, "ms.deploy(delays,": 'ms.deploy(delays, batch=ms.sink("out"),'}
    return train_models(write_parcels(tmp_path_factory.mktemp("river"), changes, days=STOP + 10, learnable=START), as_of=day(STOP))


@pytest.fixture(scope="module")
def lived(river: Project) -> Replay:
    """The replay that most tests look at."""
    return relive(river)


def relive(project: Project, *, every: str = f"{EVERY}d") -> Replay:
    """Sixty days of the parcels."""
    return replay(project.workspace, project.life("delays"), start=day(START), stop=day(STOP), every=every)


def answers(lived: Replay) -> pl.DataFrame:
    """What was answered in all ticks."""
    return pl.concat([tick.batch.predictions for tick in lived.ticks])


def asked_between(project: Project, start: int, stop: int) -> list[int]:
    """The parcels sent after one moment and until another, as the file has them."""
    sent = pl.col("sent").cast(pl.Int64)
    return pl.read_parquet(project.root / "parcels.parquet").filter(sent > start, sent <= stop).get_column("parcel").to_list()


def test_every_row_asked_between_two_ticks_is_answered_once(river: Project, lived: Replay) -> None:
    """Each tick answers the parcels sent since the one before, none twice and none left out."""
    moments = [day(START), *(tick.moment for tick in lived.ticks)]
    assert moments[1:] == [day(number) for number in TICKS]
    for (before, moment), tick in zip(pairwise(moments), lived.ticks, strict=True):
        assert tick.batch.predictions.get_column("parcel").to_list() == asked_between(river, before, moment)


def test_answers_do_not_wait_for_labels_nor_for_their_absence(river: Project, lived: Replay) -> None:
    """Rows whose label is known by the tick are answered, and rows whose label is not."""
    tick = lived.ticks[0]
    known = look(river.workspace, river.life("delays"), as_of=tick.moment).rows.select("parcel", known=pl.col(TARGET).is_not_null())
    counts = tick.batch.predictions.join(known, on="parcel").get_column("known").value_counts()
    assert dict(counts.iter_rows()) == {True: (EVERY - 2) * 40, False: 2 * 40}


def test_the_champion_then_in_office_answers(lived: Replay) -> None:
    """What one tick promotes answers from the next one on."""
    offices = [lived.trained.version, *(tick.turn.champion for tick in lived.ticks)]
    assert [tick.batch.version for tick in lived.ticks] == offices[:-1]
    assert [set(tick.batch.predictions.get_column("version")) for tick in lived.ticks] == [{office.version} for office in offices[:-1]]
    assert len({office.version for office in offices[:-1]}) > 1


def test_every_row_is_answered_as_of_its_own_moment(river: Project, lived: Replay) -> None:
    """With features as they are found long after, the same version gives the same scores bit for bit: none moved with the tick."""
    later = look(river.workspace, river.life("delays"), as_of=day(STOP + 10)).rows
    for tick in lived.ticks:
        rows = later.join(tick.batch.predictions.select("parcel"), on="parcel", how="semi", maintain_order="left")
        scores = open_version(river.workspace, tick.batch.version).candidate.scores(rows)
        assert tick.batch.predictions.get_column("probability").to_list() == scores.tolist()


def test_a_row_that_became_known_after_the_tick_is_answered_at_the_next(tmp_path: Path) -> None:
    """Parcels are known six hours after they were sent: those in between are answered once, at the next tick."""
    file = write_parcels(tmp_path, {**OFTEN, 'time="sent")': 'time="sent", delay="6h")'}, days=STOP)
    lived = relive(Project(file))
    parcels = answers(lived).get_column("parcel").sort().to_list()
    assert parcels == asked_between(Project(file), day(START), day(STOP) - DAY // 4)


def test_rows_without_a_key_are_answered_tick_by_tick(tmp_path: Path) -> None:
    """Nothing tells two rows apart, so their time alone says between which ticks they were asked."""
    row = pl.Series(range(2_400))
    asked = pl.Series([PARCELS_BEGIN + timedelta(minutes=36 * number) for number in row])
    pl.DataFrame({"asked": asked, "size": row * 37 % 101, "right": row * 53 % 7 > 2}).write_parquet(tmp_path / "rows.parquet")
    file = tmp_path / "river.py"
    file.write_text(
        "import millstream as ms\n"
        'rows = ms.source("rows.parquet", time="asked")\n'
        'right = ms.train(ms.training_set(rows, label="right"), methods=[ms.methods.linear()], split=ms.split.time(folds=1))\n',
        encoding="utf-8",
    )
    project = Project(file)
    lived = replay(project.workspace, project.life("right"), start=day(20), stop=day(50), every="10d")
    assert [tick.batch.predictions.height for tick in lived.ticks] == [400, 400, 400]


def test_the_projects_own_decisions_are_untouched(river: Project) -> None:
    """Registry, runs, batches and sink are as they were before; the replay's history is in its own ledger."""
    before = (river.registry.history("delays"), river.ledger.runs(), river.registry.versions("delays"))
    lived = relive(river)
    assert (river.registry.history("delays"), river.ledger.runs(), river.registry.versions("delays")) == before
    assert not (river.folder / "batches").exists()
    assert not (river.root / "out").exists()
    replayed = Registry(river.folder / "replays" / lived.name / "ledger.sqlite")
    assert replayed.champion("delays") == lived.ticks[-1].turn.champion != river.registry.champion("delays")


def test_a_replay_again_is_the_same_and_runs_nothing(river: Project, lived: Replay) -> None:
    """The same answers, judgements and versions in another ledger, all from the artifacts of the first."""
    statuses: list[str] = []

    def listen(event: StepReport | Node) -> None:
        if isinstance(event, StepReport):
            statuses.append(event.status)

    again = replay(river.workspace, river.life("delays"), start=day(START), stop=day(STOP), every=f"{EVERY}d", listener=listen)
    assert set(statuses) == {"cached"}
    assert again.name != lived.name
    assert [told(tick.turn) for tick in again.ticks] == [told(tick.turn) for tick in lived.ticks]
    assert answers(again).drop("predicted_at").equals(answers(lived).drop("predicted_at"))


def test_replay_is_living_the_ticks_by_hand(tmp_path: Path) -> None:
    """`run`, then at each tick `predict` and `maintain`, with labels that come after the tick: the same answers, watch and judgement."""
    changes = {
        **OFTEN,
        "decided=decided,": "decided=decided + pl.duration(days=3),",
        "folds=2": "folds=1",
        "gate.better()": "gate.not_worse(by=0.05)",
    }
    project = Project(write_parcels(tmp_path / "replayed", changes, days=STOP))
    lived = replay(project.workspace, project.life("delays"), start=day(30), stop=day(50), every="5d")
    by_hand = train_models(write_parcels(tmp_path / "by hand", changes, days=STOP), as_of=day(30))
    life, workspace = by_hand.life("delays"), by_hand.workspace
    for tick in lived.ticks:
        rows = look(workspace, life, as_of=tick.moment).rows.filter(pl.col(ASKED) > day(30))
        batch = predict_open(workspace, "delays", rows, life.deployment)
        fresh = batch.predictions.join(tick.batch.predictions, on="parcel", how="semi", maintain_order="left")
        assert fresh.drop("predicted_at").equals(tick.batch.predictions.drop("predicted_at"))
        assert told(maintain(workspace, life, as_of=tick.moment)) == told(tick.turn)
    assert {tick.batch.version.version for tick in lived.ticks} == {1, 3}


def told(turn: Turn) -> Mapping[str, object]:
    """What a turn says that does not name its run or the clock."""
    champion, watch = turn.champion, turn.watch
    judged = None if turn.judged is None else (turn.judged.version, turn.judged.bundle)
    return {
        "office": (champion.version, champion.bundle, champion.record, champion.test, champion.lineage.trained_until),
        "watch": (watch.since, watch.rows, watch.drift, watch.drifted, watch.performance),
        "judgement": (turn.trigger, turn.verdict, judged, turn.block, turn.block_rows),
    }


def test_sources_without_a_time_are_not_replayable(tmp_path: Path) -> None:
    """What a view or the label reads from them is as it is now, whatever the moment: they are named."""
    changes = {
        "@ms.label(parcels, arrivals,": STATIC,
        "arrivals: pl.LazyFrame, *,": "arrivals: pl.LazyFrame, grace: pl.LazyFrame, *,",
        "features=[traffic]": "features=[traffic, way]",
    }
    file = write_parcels(tmp_path, changes, days=STOP)
    pl.DataFrame({"route": [f"r{number}" for number in range(5)], "kilometres": [100, 200, 300, 400, 500]}).write_csv(tmp_path / "routes.csv")
    pl.DataFrame({"route": ["r0"], "hours": [1]}).write_csv(tmp_path / "grace.csv")
    assert sorted(relive(Project(file), every="60d").not_replayable) == ["grace", "routes"]


def test_the_command_tells_every_tick(river: Project, lived: Replay, capsys: pytest.CaptureFixture[str]) -> None:
    """`millstream replay --json`: what was answered at each tick, by whom, the judgement, and who is champion at the end."""
    arguments = ["replay", "--from", text_of(day(START)), "--to", text_of(day(STOP)), "--every", f"{EVERY}d", "--file", str(river.file), "--json"]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    record = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0
    assert [(tick["answered"], tick["by"]) for tick in record["ticks"]] == [(600, tick.batch.version.name) for tick in lived.ticks]
    assert (record["champion"], record["not_replayable"]) == (lived.ticks[-1].turn.champion.name, [])


def test_a_replay_without_a_tick_is_refused(river: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """From one day to the next there is no tick of a month: exit code 2, and what to say instead."""
    with pytest.raises(SystemExit) as ended:
        main(["replay", "--from", "2024-02-01", "--to", "2024-02-02", "--file", str(river.file)])
    assert ended.value.code == 2
    assert "there is no tick between 2024-02-01 and 2024-02-02" in capsys.readouterr().err
