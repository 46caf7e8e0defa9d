"""The comparison: every method on the same folds, the winner chosen there, and the test block opened once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from flight_data import Flights, run_flights
from rivers import write_parcels

from millstream.errors import ColumnError, ContractError, MillstreamError, StepError
from millstream.evaluation.intervals import interval, over_blocks
from millstream.evaluation.records import Score
from millstream.training.problem import Problem, problem_of

TRAIN = 'delays = ms.train(examples, methods=[ms.methods.linear()], split=ms.split.time(folds=2), metric="roc_auc")'
LATE = 'late=(pl.col("arrived") > decided).fill_null(value=True)'
ESTIMATORS = """
DIARY = __file__ + ".diary"


class Heavy:
    sign = 1

    def fit(self, X, y):
        self.note("fit", X)

    def predict(self, X):
        self.note("predict", X)
        return self.sign * X[:, 1]

    def note(self, what, X):
        with open(DIARY, "a") as file:
            file.write(f"{type(self).__name__} {what} {len(X)}\\n")


class Light(Heavy):
    sign = -1


class Turncoat(Heavy):
    def predict(self, X):
        return X[:, 1] if X[:, 1].mean() < 5.5 else -X[:, 1]


class Broken:
    def fit(self, X, y):
        raise ValueError("no\\nway")

    def predict(self, X):
        return X[:, 1]


"""
"""Estimators that answer the weight of a parcel or its opposite, and write down what they are asked."""


@pytest.fixture(autouse=True)
def _own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))


def write(folder: Path, methods: str, options: str = 'metric="roc_auc"', *, label: str = LATE, imports: str = "", heavier: int | None = None) -> Path:
    """The parcels of sixty days with these methods."""
    train = f"{imports}{ESTIMATORS}delays = ms.train(examples, methods=[{methods}], split=ms.split.time(folds=2), {options})"
    return write_parcels(folder, {TRAIN: train, LATE: label}, days=60, heavier=heavier)


def compared(file: Path, *, only: tuple[str, ...] = ("comparison", "scored"), as_of: str = "2024-03-20") -> Flights:
    """What a run of the file's model makes, when all labels are known."""
    return run_flights(file, as_of=as_of, only=only)


def diary(folder: Path) -> Mapping[str, int]:
    """How often each estimator was asked what about how many rows."""
    return Counter((folder / "river.py.diary").read_text().splitlines())


def contains(score: Score) -> bool:
    """Whether the interval is one, and around its value."""
    return score.low < score.value < score.high


@pytest.mark.parametrize("budget", ["None", '"1s"', '"1h"'])
def test_every_method_is_fitted_once_on_every_fold(tmp_path: Path, budget: str) -> None:
    """On the rows known before each block, and asked about the block alone; whatever the budget."""
    run = compared(write(tmp_path, "Heavy(), Light()", f"budget={budget}"), only=("comparison",))
    plan = run.labelled().plan(run.nodes.model)
    blocks = [(int(plan.training_rows(number).sum()), int(plan.validation_rows(number).sum())) for number in range(2)]
    assert diary(tmp_path) == {
        f"{name} {what} {rows}": 1 for name in ("Heavy", "Light") for block in blocks for what, rows in zip(("fit", "predict"), block, strict=True)
    }


def test_another_budget_fits_nothing_again(tmp_path: Path) -> None:
    """It is in no cache key."""
    compared(write(tmp_path, "Heavy()", 'metric="roc_auc"'))
    before = diary(tmp_path)
    compared(write(tmp_path, "Heavy()", 'metric="roc_auc", budget="5m"'))
    assert diary(tmp_path) == before


def test_the_leaderboard_is_the_mean_over_the_folds(tmp_path: Path) -> None:
    """Each method's score is that of its answers, block by block; the best stands first and is the winner."""
    run = compared(write(tmp_path, "Light(), Heavy(), ms.methods.linear()"), only=("comparison",))
    rows, comparison = run.labelled(), run.comparison()
    plan = rows.plan(run.nodes.model)
    for entry in comparison.entries:
        blocks = [(rows.target[plan.validation_rows(number)], run.fold_scores(entry.method, number).to_numpy()) for number in range(2)]
        assert entry.score == over_blocks([interval("roc_auc", truth, scores) for truth, scores in blocks])
    values = [entry.score.value for entry in comparison.entries]
    assert values == sorted(values, reverse=True)
    assert {entry.method for entry in comparison.entries} == {"baseline", "Light", "Heavy", "linear"}
    assert comparison.record.method == comparison.entries[0].method
    assert comparison.entries[-1].method == "Light"


def test_the_winner_is_chosen_on_the_folds(tmp_path: Path) -> None:
    """A method that is best there and worse than the baseline on the test block is the winner all the same."""
    run = compared(write(tmp_path, "Turncoat()", heavier=48))
    assert run.comparison().record.method == "Turncoat"
    assert run.comparison().entries[0].score.low > 0.5
    assert run.scored().winner.high < run.scored().baseline.value == 0.5


def test_the_test_block_is_scored_once(tmp_path: Path) -> None:
    """By the winner, fitted once on all rows before it; the others never see it."""
    run = compared(write(tmp_path, "Heavy(), Light()"))
    scored, asked = run.scored(), diary(tmp_path)
    tested = int(run.labelled().plan(run.nodes.model).test_rows().sum())
    assert (asked[f"Heavy fit {scored.trained_on}"], asked[f"Heavy predict {tested}"], asked[f"Light predict {tested}"]) == (1, 1, 0)
    assert sum(asked.values()) == 2 * 2 * 2 + 2
    assert scored.winner.n == scored.baseline.n == tested


def test_intervals_contain_their_point(tmp_path: Path) -> None:
    """On the leaderboard, on the test block and of the difference."""
    run = compared(write(tmp_path, "ms.methods.linear(), ms.methods.boosting(rounds=10), ms.methods.forest(trees=3)"))
    scored = run.scored()
    assert all(contains(entry.score) for entry in run.comparison().entries if entry.method != "baseline")
    assert contains(scored.winner)
    assert scored.difference.low < scored.difference.difference < scored.difference.high
    assert scored.difference.difference == pytest.approx(scored.winner.value - scored.baseline.value)


SEEDED = "ms.methods.linear(), ms.methods.boosting(rounds=10), ms.methods.forest(trees=3), ExtraTreeClassifier(max_depth=4)"
EXTRA_TREE = "from sklearn.tree import ExtraTreeClassifier\n"


def test_one_seed_gives_the_same_bits(tmp_path: Path) -> None:
    """In two folders, to the last bit of the model that is shipped; other people's estimators are seeded too. Another seed gives others."""
    first, second, third = (
        compared(write(tmp_path / name, SEEDED, f"seed={seed}", imports=EXTRA_TREE), only=("scored", "refit"))
        for name, seed in (("first", 1), ("second", 1), ("third", 2))
    )
    assert first.folds() == second.folds()
    assert [first.content(step) for step in ("comparison", "scored", "refit")] == [second.content(step) for step in ("comparison", "scored", "refit")]
    differs = {name.partition("/")[0] for name, digest in third.folds().items() if first.folds()[name] != digest}
    assert {"forest", "ExtraTreeClassifier"} <= differs <= {"forest", "ExtraTreeClassifier", "boosting"}


def test_a_seed_of_ones_own_is_kept(tmp_path: Path) -> None:
    """An estimator with a `random_state` does not follow the model's seed."""
    methods = "ExtraTreeClassifier(max_depth=4, random_state=5)"
    one, two = (compared(write(tmp_path / str(seed), methods, f"seed={seed}", imports=EXTRA_TREE), only=("comparison",)) for seed in (1, 2))
    assert one.folds() == two.folds()


def test_a_method_that_fails_is_named(tmp_path: Path) -> None:
    """With its own first line; what the other methods were fitted to is kept."""
    with pytest.raises(StepError, match=r"^Broken could not fit: ValueError: no\n"):
        compared(write(tmp_path, "Heavy(), Broken()"))
    compared(write(tmp_path, "Heavy()"), only=("comparison",))
    assert sum(count for line, count in diary(tmp_path).items() if " fit " in line) == 2


def test_numbers_are_learnt_as_numbers(tmp_path: Path) -> None:
    """Hours without a metric: rmse, the least first; better than the mean, and by how much."""
    hours = 'late=(pl.col("arrived") - pl.col("sent")).dt.total_hours()'
    methods = "ms.methods.linear(), ms.methods.boosting(rounds=20), ms.methods.forest(trees=3)"
    run = compared(write(tmp_path, methods, "seed=0", label=hours))
    comparison, scored, truth = run.comparison(), run.scored(), run.labelled().target
    assert comparison.metric == "rmse"
    values = [entry.score.value for entry in comparison.entries]
    assert values == sorted(values)
    assert comparison.entries[-1].method == "baseline"
    assert values[-1] == pytest.approx(truth.std(), rel=0.1)
    assert contains(scored.winner)
    assert scored.winner.value < scored.baseline.value
    assert scored.difference.difference == pytest.approx(scored.baseline.value - scored.winner.value)
    assert abs(np.frombuffer(scored.scores, "<f8").mean() - truth.mean()) < 5


@pytest.mark.parametrize("options", ["seed=0", 'metric="roc_auc"', 'metric="log_loss"', 'metric="accuracy"', 'metric="average_precision"'])
def test_two_whole_numbers_are_classes(tmp_path: Path, options: str) -> None:
    """The greater one is the positive one; the scores are probabilities, and better than none."""
    label = 'late=pl.when((pl.col("arrived") > decided).fill_null(value=True)).then(7).otherwise(3)'
    run = compared(write(tmp_path, "ms.methods.linear()", options, label=label))
    rows, scored = run.labelled(), run.scored()
    assert (rows.problem.task, rows.problem.classes) == ("binary", (3, 7))
    assert rows.target.tolist() == (rows.frame.get_column("__target__") == 7).cast(pl.Float64).to_list()
    assert 0 < np.frombuffer(scored.scores, "<f8").min() < np.frombuffer(scored.scores, "<f8").max() < 1
    assert scored.difference.low > 0


PROBLEMS: list[tuple[list[object], str | None, Problem]] = [
    ([True, False], None, Problem("binary", "roc_auc", (False, True))),
    (["yes", "no"], None, Problem("binary", "roc_auc", ("no", "yes"))),
    ([1, 0, 1], None, Problem("binary", "roc_auc", (0, 1))),
    ([1, 2, 3], None, Problem("regression", "rmse")),
    ([1.0, 0.0], None, Problem("regression", "rmse")),
    ([1.0, 0.0], "accuracy", Problem("binary", "accuracy", (0.0, 1.0))),
    ([1, 0], "rmse", Problem("regression", "rmse")),
    ([True, False], "mae", Problem("regression", "mae")),
]


@pytest.mark.parametrize(("values", "metric", "problem"), PROBLEMS, ids=str)
def test_the_metric_names_the_task(values: list[object], metric: str | None, problem: Problem) -> None:
    """Without one: two booleans, texts or whole numbers are classes, everything else is numbers."""
    assert problem_of("late", pl.Series(values), metric) == problem


FAULTS: dict[str, tuple[str, str, type[MillstreamError], str]] = {
    "one class": ("late=pl.lit(True)", "seed=0", ContractError, "label 'late' is True in all 2,400 rows"),
    "three classes": ('late=pl.col("sent").dt.day() % 3', 'metric="roc_auc"', ColumnError, "label 'late' has 3 values (0, 1, 2)"),
    "text as a number": ('late=pl.lit("soon")', 'metric="rmse"', ColumnError, "label 'late' is String, which has no rmse"),
    "moments": ('late="arrived"', "seed=0", ColumnError, "label 'late' is Datetime(time_unit='us', time_zone='UTC')"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_labels_that_cannot_be_learnt(tmp_path: Path, fault: str) -> None:
    """The label is named, with what it holds, in a few lines."""
    label, options, kind, told = FAULTS[fault]
    with pytest.raises(kind) as caught:
        compared(write(tmp_path, "ms.methods.linear()", options, label=label))
    assert told in str(caught.value)
    assert str(caught.value).count("\n") < 8


def test_too_few_rows(tmp_path: Path) -> None:
    """As of the third day a handful of labels is known: their number is told, and what needs more."""
    with pytest.raises(ContractError) as caught:
        compared(write(tmp_path, "ms.methods.linear()"), as_of="2024-01-03T02:00")
    assert "4 labelled rows are too few for 2 folds and a test block" in str(caught.value)
    assert str(caught.value).count("\n") < 8


def test_the_baseline_says_the_same_of_every_row(tmp_path: Path) -> None:
    """The share of late parcels before each block: an area of one half, without an interval of its own."""
    run = compared(write(tmp_path, "ms.methods.baseline()"))
    rows, entry = run.labelled(), run.comparison().entries[0]
    plan = rows.plan(run.nodes.model)
    assert [set(run.fold_scores("baseline", number)) for number in range(2)] == [
        {rows.target[plan.training_rows(number)].mean()} for number in range(2)
    ]
    assert (entry.method, entry.score.value, run.scored().winner) == ("baseline", 0.5, run.scored().baseline)
    assert math.isfinite(entry.score.low)
