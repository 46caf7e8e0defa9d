"""What a monitor sees of a champion: features against its training profile, answers on record against labels as they come."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest
from rivers import day, train_models, write_parcels

from millstream.features.training_set import TARGET
from millstream.maintenance.maintain import fired, look
from millstream.monitoring.watch import Watch, watch_version
from millstream.project import Project
from millstream.serving.log import PredictionLog
from millstream.serving.predict import champion_of, predict_open
from millstream.serving.records import LoggedPrediction
from millstream.serving.versions import open_version

TRAINED = 30
PLAIN = {"features=[traffic]": "features=[]"}
"""Without the windows, whose first days are of another world."""

Living = Callable[..., Project]


@pytest.fixture
def live(tmp_path: Path) -> Living:
    """A project of the parcels with its first version as of day TRAINED."""

    def begin(changes: Mapping[str, str] | None = None, *, heavier: int | None = None) -> Project:
        return train_models(write_parcels(tmp_path, {**PLAIN, **(changes or {})}, days=60, heavier=heavier), as_of=day(TRAINED))

    return begin


def rows_of(project: Project, number: int) -> pl.DataFrame:
    """All rows asked by a day, with the labels known by then."""
    return look(project.workspace, project.life("delays"), as_of=day(number)).rows


def see(project: Project, number: int) -> Watch:
    """What the monitor sees on a day."""
    champion = open_version(project.workspace, champion_of(project.workspace, "delays"))
    monitor = project.monitor("delays")
    window = monitor.window if monitor else None
    return watch_version(project.workspace, champion, rows_of(project, number), window=window, as_of=day(number))


def answer_open(project: Project, number: int) -> list[int]:
    """What `millstream predict` answers on a day."""
    return predict_open(project.workspace, "delays", rows_of(project, number), None).predictions.get_column("parcel").to_list()


def log_answers(project: Project, probabilities: Mapping[int, float], *, at: int) -> None:
    """Answers as a server would have logged them."""
    with contextlib.closing(PredictionLog(project.folder / "predictions", mode="fast")) as log:
        log.append_all([_logged(parcel, probability, at) for parcel, probability in probabilities.items()])


def _logged(parcel: int, probability: float, at: int) -> LoggedPrediction:
    return LoggedPrediction(
        id=f"{parcel}",
        model="delays",
        version="delays@1",
        key=(parcel,),
        time=at,
        request={"parcel": parcel},
        prediction=probability >= 0.5,
        probability=probability,
        watermarks={},
        flags=(),
        predicted_at=at,
    )


def truth_of(project: Project, parcels: Sequence[int]) -> dict[int, float]:
    """What came of the parcels: 1 if late."""
    rows = rows_of(project, 60).filter(pl.col("parcel").is_in(parcels))
    return dict(rows.select("parcel", pl.col(TARGET).cast(pl.Float64)).iter_rows())


def trigger(project: Project, watch: Watch, number: int) -> str | None:
    """Why the file's retraining would train again."""
    retraining = project.retraining("delays")
    assert retraining is not None
    return fired(retraining.when, watch, day(TRAINED), day(number))


def test_a_shifted_feature_is_named_and_no_other(live: Living) -> None:
    """All parcels weigh more from the day of the training on: the weight has drifted, route and pieces have not."""
    watch = see(live(heavier=TRAINED), 45)
    assert watch.drifted == ("weight",)
    assert [feature.name for feature in watch.drift.features] == ["route", "weight", "pieces"]


def test_nothing_has_drifted_in_a_steady_world(live: Living) -> None:
    """The rows asked since the training are like those before."""
    assert see(live(), 45).drifted == ()


def test_the_rows_asked_since_the_training_are_looked_at(live: Living) -> None:
    """Those whose label was not known yet were not trained on: they count among the new ones."""
    watch = see(live(), 45)
    assert watch.rows == watch.drift.rows == (45 - TRAINED + 2) * 40


def test_a_window_counts_back_from_the_newest_row(live: Living) -> None:
    """With `window="5d"` the shift ten days ago is over, but what is compared with is still the training."""
    changes = {"ms.monitor(service)": 'ms.monitor(service, window="5d")'}
    watch = see(live(changes, heavier=TRAINED), 45)
    assert (watch.rows, watch.drifted) == (5 * 40, ("weight",))


@pytest.mark.parametrize(("heavier", "told"), [(TRAINED, "drifted: weight"), (None, None)])
def test_drifted_is_a_trigger(live: Living, heavier: int | None, told: str | None) -> None:
    """It names what drifted, and is silent where nothing did."""
    project = live({'ms.every("30d")': "watch.drifted"}, heavier=heavier)
    assert trigger(project, see(project, 45), 45) == told


def test_nothing_is_told_of_performance_before_labels_come(live: Living) -> None:
    """Rows answered today have no label today: neither better nor worse, and no trigger."""
    project = live({'ms.every("30d")': "watch.worse"})
    answered = answer_open(project, 45)
    watch = see(project, 45)
    right = watch.performance
    assert (right.current, right.labelled, right.predicted, right.coverage, right.worse) == (None, 0, len(answered), 0.0, False)
    assert right.reason == "no label is known yet"
    assert trigger(project, watch, 45) is None


def test_nothing_is_told_where_nothing_was_answered(live: Living) -> None:
    """Labels without answers say nothing of the model in use."""
    right = see(live(), 45).performance
    assert (right.current, right.labelled, right.predicted) == (None, 0, 0)


def test_labels_join_their_answers_as_they_come(live: Living) -> None:
    """Two days of answers: after one more day half of them have their label, after two all; only those are scored."""
    project = live()
    answered = answer_open(project, 45)
    assert len(answered) == 2 * 40
    seen = [see(project, number).performance for number in (45, 46, 47)]
    assert [(right.labelled, right.predicted, right.coverage) for right in seen] == [(0, 80, 0.0), (40, 80, 0.5), (80, 80, 1.0)]
    assert [right.current.n if right.current else 0 for right in seen] == [0, 40, 80]


def test_answers_of_batch_and_server_count_once_the_first_given(live: Living) -> None:
    """A server answered ten of the batch's rows again, later and wrongly: what was told first is judged."""
    project = live()
    answered = answer_open(project, 45)
    before = see(project, 50).performance
    wrong = {parcel: 1.0 - truth for parcel, truth in truth_of(project, answered[:10]).items()}
    log_answers(project, wrong, at=2**52)
    assert see(project, 50).performance == before


def test_logged_answers_that_turn_out_wrong_are_worse(live: Living) -> None:
    """Every logged answer is the opposite of what came: worse than at training, and a trigger that says by how much."""
    project = live({'ms.every("30d")': "watch.worse"})
    parcels = list(range(32 * 40, 42 * 40))
    log_answers(project, {parcel: 0.9 - 0.8 * truth for parcel, truth in truth_of(project, parcels).items()}, at=day(42))
    watch = see(project, 50)
    assert watch.performance.current is not None
    assert (watch.performance.labelled, watch.performance.current.value, watch.performance.worse) == (len(parcels), 0.0, True)
    assert (trigger(project, watch, 50) or "").startswith("worse: roc_auc 0 on 400 rows against ")


def test_logged_answers_that_turn_out_right_are_not_worse(live: Living) -> None:
    """The same log with the truth in it moves nothing."""
    project = live({'ms.every("30d")': "watch.worse"})
    log_answers(project, {parcel: 0.1 + 0.8 * truth for parcel, truth in truth_of(project, list(range(32 * 40, 42 * 40))).items()}, at=day(42))
    watch = see(project, 50)
    assert (watch.performance.worse, trigger(project, watch, 50)) == (False, None)


def test_the_reference_is_the_score_at_training(live: Living) -> None:
    """What is compared with is the test score on the version's record."""
    project = live()
    assert see(project, 45).performance.reference == project.registry.version("delays", 1).test
