"""A step that reads a model: it is handed the version that this run trained, and predicts as the batch does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from rivers import Ran, day, run_river, write_parcels
from step_calls import handed

import millstream as ms
from millstream.cli.main import main
from millstream.errors import ColumnError, DeclarationError, StepError
from millstream.kernel.records import Value
from millstream.maintenance.check import check
from millstream.project import Project
from millstream.registry.bundle import plan_of, unpack_bundle
from millstream.serving.batch import decided
from millstream.serving.predictor import Predictor, Retained
from millstream.training.candidates import unpack_candidate

AS_OF = day(40)
DIGITS = '''
from pathlib import Path

scans = ms.source("scans.parquet")
examples = ms.training_set(scans, label="digit")
digits = ms.train(examples, methods=[ms.methods.linear()], split=ms.split.random(folds=2), metric="roc_auc")


@ms.step(scans)
def classes(scans: pl.DataFrame) -> list[int]:
    """Which digits there are: known only when the data are here."""
    return scans["digit"].unique().sort().to_list()


@ms.step(ms.each(classes), scans, digits)
def legibility(digit: int, scans: pl.DataFrame, digits: ms.Predictor) -> dict[str, float]:
    """How well this digit is read: one JSON artefact per digit."""
    images = scans.filter(pl.col("digit") == digit)
    right = digits.predict(images)["prediction"] == digit
    return {"digit": digit, "accuracy": sum(right.to_list()) / right.len()}


@ms.step(legibility)
def hardest(legibility: list[dict[str, float]]) -> Path:
    """A file, kept as an artefact."""
    page = Path("hardest.txt")
    page.write_text("\\n".join(f"{row['digit']:.0f} {row['accuracy']:.3f}" for row in sorted(legibility, key=lambda row: row["accuracy"])))
    return page
'''
GUESSES = """

@ms.step(delays, parcels)
def guesses(delays: ms.Predictor, parcels: pl.DataFrame) -> pl.DataFrame:
    return delays.predict(BODY)
"""


@pytest.fixture
def digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The steps of the program of digits, over two of them."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    digit = random.integers(0, 2, 200)
    pl.DataFrame({"digit": digit, "ink": digit + random.normal(0, 0.4, 200), "width": random.normal(0, 1, 200)}).write_parquet("scans.parquet")
    return tmp_path


def guess(folder: Path, body: str = "parcels", only: Sequence[str] = ("guesses",)) -> Ran:
    """The river of parcels with a step that predicts them, with views of every kind."""
    views = """
    routes = ms.source("routes.csv", key="route")


    @ms.feature_view(routes)
    def about(routes: pl.LazyFrame) -> pl.LazyFrame:
        return routes


    @ms.on_demand(parcels, features=[about])
    def each(parcels: pl.LazyFrame) -> pl.LazyFrame:
        return parcels.select("parcel", per_piece=pl.col("weight") / pl.col("pieces"), longer=pl.col("miles") > 2)


    examples"""
    file = write_parcels(folder, {"\nexamples": dedent(views), "features=[traffic]": "features=[traffic, about, each]"}, days=50)
    pl.DataFrame({"route": [f"r{number}" for number in range(4)], "miles": [1, 2, 3, 4]}).write_csv(folder / "routes.csv")
    file.write_text(file.read_text(encoding="utf-8") + GUESSES.replace("BODY", body), encoding="utf-8")
    return run_river(folder, as_of=AS_OF, only=only)


def test_steps_of_the_digits_program(digits: Path) -> None:
    """One step per digit with the trained model, a file at the end; run again, nothing runs."""
    ran = run_river(digits, DIGITS).answer()

    lines = handed(ran.project.store, ran.artifact("hardest"), Path).read_text(encoding="utf-8").splitlines()
    assert sorted(line.split()[0] for line in lines) == ["0", "1"]
    assert all(float(line.split()[1]) > 0.7 for line in lines)
    assert ran.step("legibility").parts == 2
    assert run_river(digits).answer().executed == []


def test_run_makes_what_is_made_with_a_model(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`millstream run` trains, and then makes the steps that read what was trained; the model is trained once."""
    run_river(digits, DIGITS, only=["classes"])

    with pytest.raises(SystemExit) as ended:
        main(["run", "river.py"])

    assert ended.value.code == 0
    told = capsys.readouterr().err
    assert all(told.count(f"ran     {name} ") == 1 for name in ("digits/refit", "digits/bundle", "legibility", "hardest"))


def test_check_trains_nothing(digits: Path) -> None:
    """It looks at tables: a step that reads a model is left out."""
    run_river(digits, DIGITS, only=["scans"])
    project = Project(digits / "river.py")

    check(project.workspace, project.names, project.models, as_of=AS_OF)

    assert project.ledger.last("classes", before="z") is not None
    assert [project.ledger.last(name, before="z") for name in ("digits/rows", "digits/refit", "legibility", "hardest")] == [None] * 4


def test_model_with_views_predicts_as_the_batch(tmp_path: Path) -> None:
    """Windows, static views and on-demand functions as of the time of each row: the same bits as from the training set."""
    ran = guess(tmp_path).answer()

    bundle = ran.artifact("delays/bundle")
    assert isinstance(bundle, Value)
    opened = unpack_bundle(ran.project.store.read_value(bundle))
    examples = ran.frame("examples")
    expected = examples.select("parcel", "sent").hstack(decided(plan_of(opened), unpack_candidate(opened.model), examples))
    assert_frame_equal(ran.frame("guesses"), expected.sort("parcel"), check_exact=True)
    assert 0 < ran.frame("guesses").get_column("prediction").sum() < examples.height


def test_new_question_alone_does_not_open_the_old_ones(tmp_path: Path) -> None:
    """The step's key holds model and views, not the rows that were learnt from."""
    ran = guess(tmp_path).answer()

    causes = {cause.name for cause in ran.step("guesses").causes}
    assert {"input delays/bundle", "input arrivals", "input about", "input parcels"} <= causes


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('parcels.drop("weight")', "delays: the rows to predict have no column 'weight'"),
        ('parcels.drop("sent")', "delays: the rows to predict have no column 'sent'"),
        ('parcels.drop("route")', "delays: the rows to predict have no column 'route'"),
        ('parcels.with_columns(weight=pl.lit("heavy"))', "column 'weight' is String, but Float64 was learnt from"),
        ('parcels.with_columns(sent=pl.lit(None, pl.Datetime("us", "UTC")))', "delays: 'sent' is null in"),
    ],
)
def test_rows_that_cannot_be_predicted(tmp_path: Path, body: str, sentence: str) -> None:
    """One sentence, with the line of the step."""
    ran = guess(tmp_path, body)

    error = next(iter(ran.result.errors))
    assert isinstance(error, ColumnError)
    assert sentence in error.message
    assert (error.where or "").startswith(str(tmp_path / "river.py"))


def test_rows_may_have_more_columns_and_other_integers(tmp_path: Path) -> None:
    """What is not asked for is ignored, what is of a like type is cast."""
    plain, other = guess(tmp_path).answer(), guess(tmp_path, 'parcels.lazy().with_columns(pl.col("pieces").cast(pl.Int8), more=1)').answer()

    assert_frame_equal(plain.frame("guesses"), other.frame("guesses"))


def test_no_rows_no_answers(tmp_path: Path) -> None:
    """With the columns all the same."""
    found = guess(tmp_path, "parcels.head(0)").answer().frame("guesses")

    assert (found.height, found.columns) == (0, ["parcel", "sent", "prediction", "probability"])


# what may read a model

rows = ms.source("rows.parquet", key="row", time="at")
model = ms.train(ms.training_set(rows, label="late"))


@ms.step(rows, model)
def scored(rows: pl.DataFrame, model: ms.Predictor) -> pl.DataFrame:
    return rows.hstack(model.predict(rows).select("probability"))


@ms.step(scored)
def later(scored: pl.LazyFrame) -> pl.LazyFrame:
    return scored


@pytest.mark.parametrize("verb", ["feature_view", "label", "training_set", "aggregate", "on_demand"])
def test_nothing_that_is_learnt_from_is_made_with_a_model(verb: str) -> None:
    """A model has seen the truth of all rows: also steps away it would leak it."""
    declare = {
        "feature_view": lambda: ms.feature_view(later),
        "label": lambda: ms.label(later),
        "training_set": lambda: ms.training_set(later, label="late"),
        "aggregate": lambda: ms.aggregate(later, over="1d", n=("row", "count")),
        "on_demand": lambda: ms.on_demand(later),
    }[verb]

    with pytest.raises(DeclarationError, match=rf"{verb}: step later .* is made with model") as caught:
        declare()

    assert caught.value.hint == "a model has seen the truth: what reads it could leak it"


def test_predictor_of_a_time_before_its_features_is_refused(tmp_path: Path) -> None:
    """As a request is."""
    ran = guess(tmp_path).answer()
    bundle = ran.artifact("delays/bundle")
    assert isinstance(bundle, Value)
    opened = unpack_bundle(ran.project.store.read_value(bundle))
    since = int(datetime(2024, 2, 1, tzinfo=UTC).timestamp() * 1e6)
    predictor = Predictor("delays", plan_of(opened), unpack_candidate(opened.model), [], Retained(since, None))

    with pytest.raises(ms.MillstreamError, match="asked as of 2024-01-01, but features are kept from 2024-02-01 on"):
        predictor.predict(ran.frame("parcels"))


def test_model_handed_to_a_frame_is_still_a_predictor(digits: Path) -> None:
    """Whatever its annotation: what it cannot do is the step's error."""
    text = DIGITS.replace("digits: ms.Predictor", "digits: pl.DataFrame").replace("digits.predict(images)", "digits.filter(images)")
    error = next(iter(run_river(digits, text).result.errors))

    assert isinstance(error, StepError)
    assert "has no attribute 'filter'" in error.message
