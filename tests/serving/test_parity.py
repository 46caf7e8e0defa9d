"""Parity: one row by itself, the batch and the training set agree, on real rows and on rare ones; where they do not, no version is registered."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from flight_data import FLIGHTS, SHORT_END, WEATHER, Change, first_days, write_flights
from numpy.typing import NDArray
from rivers import day, train_models, write_parcels

from millstream.errors import StepError
from millstream.features.online import OnlineTable, OnlineView, OnlineWindows
from millstream.features.views import OnDemand
from millstream.kernel.availability import microseconds_of
from millstream.kernel.units import seen_of
from millstream.maintenance.maintain import Present, look
from millstream.maintenance.run import execute_targets
from millstream.preparation.fit import fit_preparation
from millstream.preparation.row_body import compile_row
from millstream.project import Project
from millstream.registry.bundle import unpack_bundle
from millstream.serving.batch import predict_rows
from millstream.serving.parity import prove_features, prove_scores, same
from millstream.serving.predictor import Predictor, Retained
from millstream.serving.release import online_views
from millstream.serving.versions import OpenVersion, open_version, read_bundle
from millstream.training.candidates import FittedCandidate
from millstream.training.row_body import compile_score

AS_OF = microseconds_of(SHORT_END)
SINCE = AS_OF - 5 * 86_400_000_000
MODELS = {"delays": "linear", "boosted": "boosting", "grown": "forest"}
"""The models of the program, and the method that wins each."""
PROGRAM = {
    "    methods=[ms.methods.boosting(), ms.methods.linear(), ms.methods.forest()],": "    methods=[ms.methods.linear()],",
    'split=ms.split.time(test="30d")': 'split=ms.split.time(test="5d", folds=1)',
    "service = ms.deploy(": """
boosted = ms.train(examples, methods=[ms.methods.boosting(rounds=20)], split=ms.split.time(test="5d", folds=1))
grown = ms.train(examples, methods=[ms.methods.forest(trees=5)], split=ms.split.time(test="5d", folds=1))
service = ms.deploy(""",
}
TEXTS: tuple[str, ...] = ("carrier", "origin", "dest", "tailnum")
ODD: Sequence[Mapping[str, object]] = [
    *[{name: value} for name in TEXTS for value in (None, "", "nobody knows")],
    *[{"distance": value} for value in (None, 0, -1, 2**15 - 1, -(2**15))],
    dict.fromkeys((*TEXTS, "distance")),
]
"""What is odd about one flight each, scheduled among the others on the last days."""


def with_odd(frame: pl.DataFrame) -> pl.DataFrame:
    """The first days of the flights, and a few that are odd."""
    flights = first_days()[FLIGHTS](frame)
    normal = flights.tail(2_000).sample(len(ODD), seed=3)
    odd = [{**row, "flight": f"odd {number}", **what} for number, (row, what) in enumerate(zip(normal.to_dicts(), ODD, strict=True))]
    return pl.concat([flights, pl.DataFrame(odd, schema=flights.schema)])


@dataclass(frozen=True)
class Served:
    """A model's champion, ready to answer, and the rows that the training set knows."""

    project: Project
    opened: OpenVersion
    present: Present
    views: Sequence[OnlineTable | OnDemand]

    @property
    def rows(self) -> pl.DataFrame:
        """Three hundred rows that were asked since SINCE, and all odd ones."""
        asked = self.present.rows.filter(pl.col("__asked__") >= SINCE)
        odd = pl.col("flight").str.starts_with("odd")
        return pl.concat([asked.filter(~odd).sample(300, seed=4), asked.filter(odd)])

    def predictor(self, views: Sequence[OnlineTable | OnDemand] | None = None) -> Predictor:
        """What answers one request, from these views or its own."""
        return Predictor("delays@1", self.opened.plan, self.opened.candidate, self.views if views is None else views, Retained(SINCE, AS_OF))

    def request(self, row: Mapping[str, object]) -> dict[str, object]:
        """The columns of a request."""
        return {field.name: row[field.name] for field in self.opened.plan.fields}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Three models of one training set, each with a champion."""
    changes: dict[str, Change] = {FLIGHTS: with_odd, WEATHER: first_days()[WEATHER]}
    return train_models(write_flights(tmp_path_factory.mktemp("parity") / "folder", program=PROGRAM, changes=changes), as_of=AS_OF)


@pytest.fixture(scope="module", params=MODELS)
def served(request: pytest.FixtureRequest, project: Project) -> Served:
    """The champion of one of them, and its views as of the last day."""
    name: str = request.param
    version = project.registry.champion(name)
    assert version is not None
    assert version.record.method == MODELS[name]
    views, tables = project.lowering.views(project.models[name].examples)
    _, progress = execute_targets(project.workspace, tables, as_of=AS_OF, command="serve")
    seen = seen_of(project.store, [progress.artifacts[node] for node in tables], AS_OF)
    online = online_views(project.store, views, seen, since=SINCE)
    return Served(project, open_version(project.workspace, version), look(project.workspace, project.life(name), as_of=AS_OF), online)


def test_one_request_has_the_features_of_training(served: Served) -> None:
    """Every feature of real rows and odd ones, from the columns of the request alone, to the bit."""
    predictor, features = served.predictor(), served.opened.plan.features
    assert len(features) > 12
    for row in served.rows.iter_rows(named=True):
        at, values = predictor.values(served.request(row))
        assert at == row["__asked__"]
        assert {name: values[name] for name in features if not same(values[name], row[name])} == {}


def test_one_request_is_answered_as_the_batch(served: Served) -> None:
    """The same probability (trees to the bit) and the same class, whether a row comes alone or with all others."""
    predictor, rows = served.predictor(), served.rows
    batch = predict_rows(served.opened.plan, served.opened.candidate, rows, 1)
    answers = [predictor.answer(served.request(row), "id") for row in rows.iter_rows(named=True)]
    assert [answer.prediction for answer in answers] == batch.get_column("prediction").to_list()
    expected = batch.get_column("probability").to_list()
    exact = served.opened.version.record.method != "linear"
    assert [answer.probability for answer in answers] == (expected if exact else pytest.approx(expected, rel=1e-12))
    assert len(set(expected)) > 20


def test_odd_rows_are_flagged(served: Served) -> None:
    """A level that training has not met is told by its column; null is none."""
    predictor = served.predictor()
    row = served.rows.row(0, named=True)
    strange = {**served.request(row), "carrier": "nobody met it", "dest": None}
    assert predictor.answer(strange, "id").flags == ("unknown_level:carrier",)


@pytest.mark.parametrize("kind", ["null", "unknown level", "extreme"])
def test_rare_values_score_alone_as_together(served: Served, kind: str) -> None:
    """Each feature by itself is null, unknown or extreme, whether or not training saw that."""
    rows, candidate = served.rows.head(10).select(served.opened.plan.features), served.opened.candidate
    rare = [
        rows.with_columns(pl.lit(value, rows.schema[name]).alias(name)) for name in rows.columns for value in rare_values(rows.schema[name], kind)
    ]
    assert len(rare) >= 2
    assert_scores_alike(candidate, pl.concat(rare))


def test_all_is_null(served: Served) -> None:
    """A row of nothing has a score, and the same one."""
    rows = served.rows.head(2).select(served.opened.plan.features)
    assert_scores_alike(served.opened.candidate, rows.with_columns(pl.lit(None, kind).alias(name) for name, kind in rows.schema.items()))


def rare_values(kind: pl.DataType, wanted: str) -> list[object]:
    """Values of a type that are seldom met."""
    if wanted == "null":
        return [None]
    if wanted == "unknown level":
        return ["", "nobody knows", "ÿ\n"] if kind == pl.String else []
    if kind.is_float():
        return [0.0, -0.0, 5e-324, -1e308, 1e308, 16777217.0, float("inf"), float("-inf"), float("nan")]
    if kind.is_integer():
        largest = 2**31 - 1 if kind == pl.Int32 else 2**63 - 1 if kind == pl.Int64 else 127
        return [0, largest, -largest] if kind.is_signed_integer() else [0, 255]
    return []


def assert_scores_alike(candidate: FittedCandidate, rows: pl.DataFrame) -> None:
    """Row by row what the batch gives: trees to the bit, a weighted sum to its last digits."""
    assert candidate.fitted is not None
    prepare, score = compile_row(candidate.preparation), compile_score(candidate.fitted)
    alone = [score(prepare(row)) for row in rows.iter_rows(named=True)]
    together = candidate.scores(rows).tolist()
    assert np.isfinite(together).all()
    assert alone == (pytest.approx(together, rel=1e-12) if candidate.preparation.kind == "linear" else together)


def test_probes_are_kept_with_the_version(served: Served) -> None:
    """Golden rows and, for every input, rows in which it is null; they score today what they scored then."""
    bundle = unpack_bundle(read_bundle(served.project.store, served.opened.version))
    written, scores = msgspec.msgpack.decode(bundle.probes, type=tuple[str, list[float]])
    golden = served.rows.head(20).select(served.opened.plan.features)
    probes, again = prove_scores("delays", served.opened.candidate, golden)
    assert len(scores) == len(msgspec.json.decode(written)) > 400
    nulls = probes.slice(golden.height).null_count().row(0, named=True)
    assert all(nulls[column.name] >= golden.height for column in served.opened.candidate.preparation.inputs)
    assert again.tolist() == served.opened.candidate.scores(probes).tolist()


def test_answers_for_some_rows(served: Served) -> None:
    """One after the other, as each alone."""
    rows, predictor = served.rows.head(5).select(field.name for field in served.predictor().fields()), served.predictor()
    alone = [predictor.answer(row, "") for row in rows.iter_rows(named=True)]
    assert predictor.predict(rows).select("prediction", "probability").rows() == [(answer.prediction, answer.probability) for answer in alone]


# a wrong online state


def test_the_right_state_is_proven(served: Served) -> None:
    """Nothing is found where nothing is wrong."""
    prove_features(served.predictor(), served.rows)


WRONG = {"wind": "wind_speed", "aircraft": "seats", "punctuality": "delay_1d"}
"""A view whose online state is made wrong, and the feature that tells."""


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_online_state_is_found(served: Served, name: str) -> None:
    """The feature, the flight and both values are told."""
    views = [_wrong(view) if not isinstance(view, OnDemand) and view.name == name else view for view in served.views]
    with pytest.raises(StepError) as caught:
        prove_features(served.predictor(views), served.rows)
    assert "in training, but" in str(caught.value)
    assert f"'{WRONG[name]}' of " in str(caught.value)
    assert str(caught.value).count("\n") < 8


def _wrong(view: OnlineTable) -> OnlineTable:
    """The rows of a view a place further, or windows whose answers are those of the stretch after."""
    if isinstance(view, OnlineWindows):
        moved = [dataclasses.replace(each, answers=tuple([*list(found)[1:], None] for found in each.answers)) for each in view.timelines]
        return dataclasses.replace(view, timelines=tuple(moved))
    assert isinstance(view, OnlineView)
    if view.static is not None:
        return dataclasses.replace(view, static=dict(zip(view.static, [*list(view.static.values())[1:], (0, 0)], strict=True)))
    later = {key: (available, times, [*rows[1:], rows[0]]) for key, (available, times, rows) in view.timed.items()}
    return dataclasses.replace(view, timed=later)


def test_an_older_state_is_found(served: Served) -> None:
    """Views as they were twelve hours before: what came since is missing."""
    _, tables = served.project.lowering.views(served.project.models["delays"].examples)
    before = AS_OF - timedelta(hours=12) // timedelta(microseconds=1)
    _, progress = execute_targets(served.project.workspace, tables, as_of=before, command="serve")
    views, _ = served.project.lowering.views(served.project.models["delays"].examples)
    stale = online_views(
        served.project.store, views, seen_of(served.project.store, [progress.artifacts[node] for node in tables], before), since=SINCE
    )
    with pytest.raises(StepError, match="in training, but"):
        prove_features(served.predictor(stale), served.present.rows.tail(200))


class Relative:
    """An estimator whose answer depends on the rows beside it."""

    def predict(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far the first column is from its mean."""
        return matrix[:, 0] - np.mean(matrix[:, 0])


def test_a_score_that_depends_on_other_rows_is_found() -> None:
    """Both scores are told."""
    frame = pl.DataFrame({"weight": [1.0, 2.0, 6.0]})
    candidate = FittedCandidate(fit_preparation(frame, ["weight"], kind="trees"), None, Relative(), None, "regression")
    with pytest.raises(StepError, match=r"delays: one row scores 0\.0, the same row in a batch 1\.0"):
        prove_scores("delays", candidate, frame)


# registration

EXAMPLES = "examples = ms.training_set(parcels, label=late, features=[traffic])"
SHARE = """
@ms.on_demand(parcels, features=[traffic])
def share(parcels: pl.LazyFrame) -> pl.LazyFrame:
    return parcels.select("parcel", share=pl.col("weight") / WHOLE, busy=pl.col("arrived_7d") > 40)


examples = ms.training_set(parcels, label=late, features=[traffic, share])"""


def test_a_version_that_cannot_be_served_is_not_registered(tmp_path: Path) -> None:
    """An on-demand function that looks at the other rows gives one row another feature; row by row it is well."""
    wrong = write_parcels(tmp_path / "wrong", {EXAMPLES: SHARE.replace("WHOLE", 'pl.col("weight").sum()')}, days=30)
    with pytest.raises(StepError, match=r"delays: 'share' of \d+ is .* in training, but 1\.0 for one request"):
        train_models(wrong, as_of=day(25))
    assert Project(wrong).registry.versions("delays") == []
    right = write_parcels(tmp_path / "right", {EXAMPLES: SHARE.replace("WHOLE", "4")}, days=30)
    assert len(train_models(right, as_of=day(25)).registry.versions("delays")) == 1


def test_a_label_that_is_a_column_is_not_asked_for(tmp_path: Path) -> None:
    """A number learnt from the question's own column, with an on-demand feature: it is proven, and no request carries it."""
    changes = {
        EXAMPLES: SHARE.replace("WHOLE", "4").replace("label=late", 'label="pieces"'),
        'metric="roc_auc"': 'metric="rmse"',
        "accept=ms.gate.better()": "accept=None",
    }
    project = train_models(write_parcels(tmp_path, changes, days=30), as_of=day(25))
    (version,) = project.registry.versions("delays")
    plan = open_version(project.workspace, version).plan
    assert [field.name for field in plan.fields] == ["parcel", "sent", "route", "weight"]
    assert "pieces" not in plan.features
    assert (plan.task, plan.label) == ("regression", "pieces")
