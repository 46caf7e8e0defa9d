"""What a training set asks: look-ups in their order, labels as they become known, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from rivers import run_river

from millstream.errors import ColumnError, ContractError, DeclarationError, MillstreamError, StepError
from millstream.features.feedback import FeedbackBook
from millstream.features.training_set import KNOWN, TARGET
from millstream.kernel.availability import parse_moment
from millstream.maintenance.run import execute_targets, first_error
from millstream.project import Project
from millstream.serving.predict import questions
from millstream.training.lowering import lower_model

QUESTIONS = """
    payments = ms.source("payments.csv", key="payment", time="paid")
    customers = ms.source("customers.csv", key="customer")

    @ms.feature_view(customers)
    def profile(customers: pl.LazyFrame) -> pl.LazyFrame:
        return customers.select("customer", "city", "friend")
"""
MODEL = """
    model = ms.train(ms.training_set(payments, label=LABEL, features=[FEATURES]), methods=[ms.methods.linear()], split=ms.split.random(folds=2))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four payments of two customers who know each other."""
    (tmp_path / "payments.csv").write_text(
        "payment,customer,paid,amount,fraud\n"
        "p1,ann,2024-01-01T10:00:00,5,false\np2,bob,2024-01-02T10:00:00,7,\n"
        "p3,ann,2024-01-03T10:00:00,1,true\np4,,2024-01-04T10:00:00,9,false\n"
    )
    (tmp_path / "customers.csv").write_text("customer,city,friend\nann,Bonn,bob\nbob,Rome,ann\n")
    return tmp_path


def asked(folder: Path, features: str, *, more: str = "", label: str = '"fraud"', as_of: str = "2024-02-01") -> pl.DataFrame:
    """All rows asked of a small program, with features and truth; raises what the run meets."""
    run_river(folder, QUESTIONS + more + MODEL.replace("LABEL", label).replace("FEATURES", features), only=["payments"])
    project = Project(folder / "river.py")
    nodes = lower_model("model", project.models["model"], project.lowering)
    result, progress = execute_targets(project.workspace, [nodes.rows], as_of=parse_moment(as_of), command="run")
    error = first_error(result)
    if error is not None:
        raise error
    return questions(project.workspace, nodes, progress.artifacts, parse_moment(as_of))


def refused(folder: Path, features: str, kind: type[MillstreamError], *, more: str = "", label: str = '"fraud"') -> str:
    """The message that the run of a small program ends with."""
    with pytest.raises(kind) as caught:
        asked(folder, features, more=more, label=label)
    assert str(caught.value).count("\n") < 8
    assert caught.value.where is None or "river.py:" in caught.value.where
    return str(caught.value)


def on_demand(body: str, *, reads: str = "") -> str:
    """An on-demand function with this body."""
    return f"""
    @ms.on_demand(payments, features=[{reads}])
    def extra(payments: pl.LazyFrame) -> pl.LazyFrame:
        return {body}
"""


def label_of(body: str, known_at: str = "told") -> str:
    """A label with this body."""
    return f"""
    @ms.label(payments, known_at="{known_at}")
    def truth(payments: pl.LazyFrame) -> pl.LazyFrame:
        return {body}
"""


def test_view_without_its_time(folder: Path) -> None:
    """Refused by the time that it inherits, with what it returns."""
    more = """
    @ms.feature_view(payments, key="customer")
    def reputation(payments: pl.LazyFrame) -> pl.LazyFrame:
        return payments.select("customer", "amount")
"""
    text = refused(folder, "reputation", ColumnError, more=more)
    assert "time is 'paid'" in text
    assert "but the function returns ['customer', 'amount']" in text


def test_columns_that_clash(folder: Path) -> None:
    """The column and both that bring it are named, and what helps."""
    text = refused(folder, 'profile, profile.on("customer")', ColumnError)
    assert "both profile and model/profile" in text
    assert "bring a column 'city'" in text
    assert "prefix=" in text


def test_column_that_clashes_with_the_question(folder: Path) -> None:
    """The question's name stands first."""
    more = on_demand('payments.select("payment", amount=pl.col("amount") * 2)')
    assert "both payments and extra bring a column 'amount'" in refused(folder, "extra", ColumnError, more=more)


def test_same_view_looked_up_twice(folder: Path) -> None:
    """With a prefix both are there, the second by a column that the first brought."""
    rows = asked(folder, 'profile, profile.on("friend", prefix="friend_").select("city")')
    assert rows.get_column("city").to_list() == ["Bonn", "Rome", "Bonn", None]
    assert rows.get_column("friend_city").to_list() == ["Rome", "Bonn", "Rome", None]
    assert "friend_friend" not in rows.columns


def test_views_are_looked_up_in_their_order(folder: Path) -> None:
    """Each by what the ones before it bring: the friend of a friend is oneself."""
    friends = 'profile, profile.on("friend", prefix="a_"), profile.on("a_friend", prefix="b_")'
    assert asked(folder, friends).get_column("b_city").to_list() == ["Bonn", "Rome", "Bonn", None]
    text = refused(folder, 'profile.on("a_friend", prefix="b_"), profile, profile.on("friend", prefix="a_")', ColumnError)
    assert "is looked up by 'a_friend', which neither the question nor an earlier view brings" in text


def test_static_view_with_a_key_twice(folder: Path) -> None:
    """It could not say which of the rows answers."""
    with (folder / "customers.csv").open("a") as file:
        file.write("ann,Kiel,bob\n")
    text = refused(folder, "profile", ColumnError)
    assert "a view without a time has several rows for one customer" in text
    assert "say when each happened (time=), or keep one row per key" in text


@pytest.mark.parametrize("features", ['profile.on("costumer")', 'profile.on("friend")'])
def test_view_looked_up_by_a_column_that_is_not_there(folder: Path, features: str) -> None:
    """Misspelt, or brought by a view that comes later."""
    column = features.split('"')[1]
    text = refused(folder, features, ColumnError)
    assert f"is looked up by '{column}', which neither the question nor an earlier view brings" in text
    assert "did you mean 'customer'?" in text or "there are payment, customer" in text


def test_feature_selected_that_is_not_there(folder: Path) -> None:
    """View and name, and the one that is close."""
    assert "select names 'town', which it does not bring" in refused(folder, 'profile.select("town")', ColumnError)


def test_label_column_that_is_not_there(folder: Path) -> None:
    """The label is named, and the one that is close, at the line of the training set; also where the same rows were joined before."""
    asked(folder, "profile")
    text = refused(folder, "profile", ColumnError, label='"fruad"')
    assert "payments: the question has no column 'fruad' for the label" in text
    assert "did you mean 'fraud'?" in text
    lines = (folder / "river.py").read_text().splitlines()
    assert f"river.py:{next(number for number, line in enumerate(lines, 1) if 'fruad' in line)}" in text


def test_label_column_is_known_with_its_row(folder: Path) -> None:
    """A null label is not known; a row of tomorrow is not there."""
    rows = asked(folder, "profile", as_of="2024-01-03T10:00:00")
    assert rows.get_column(TARGET).to_list() == [False, None, True]
    assert rows.get_column(KNOWN).to_list() == [moment("2024-01-01T10:00:00Z"), None, moment("2024-01-03T10:00:00Z")]


def test_label_column_is_hidden_from_on_demand_functions(folder: Path) -> None:
    """They would learn the truth in training, and miss it in a request."""
    text = refused(folder, "extra", ColumnError, more=on_demand('payments.select("payment", told=pl.col("fraud"))'))
    assert "extra: " in text
    assert "fraud" in text


def test_label_column_is_hidden_as_soon_as_it_is_the_label(folder: Path) -> None:
    """What was computed from it while it was none is not taken up again."""
    more = on_demand('payments.select("payment", told=pl.col("fraud"))')
    assert asked(folder, "extra", more=more, label='"amount"').get_column("told").to_list() == [False, None, True, False]
    assert "extra: " in refused(folder, "extra", ColumnError, more=more)


def test_label_column_looks_up_nothing(folder: Path) -> None:
    """A view that is looked up by the truth would tell it."""
    text = refused(folder, 'profile.on("customer")', ColumnError, label='"customer"')
    assert "is looked up by 'customer', which neither the question nor an earlier view brings" in text


def test_label_of_two_columns(folder: Path) -> None:
    """A label has exactly one."""
    more = label_of('payments.select("payment", "fraud", "amount", told="paid")')
    assert "returns 2 columns besides key and known_at (fraud, amount)" in refused(folder, "profile", DeclarationError, more=more, label="truth")


def test_label_with_a_key_twice(folder: Path) -> None:
    """A label has one row per key."""
    more = label_of('pl.concat([payments, payments]).select("payment", "fraud", told="paid")')
    assert "truth: several rows for one key" in refused(folder, "profile", ColumnError, more=more, label="truth")


def test_label_is_known_at_its_own_moment(folder: Path) -> None:
    """By then, inclusive; a null moment never comes."""
    more = label_of('payments.select("payment", "amount", told=pl.col("paid") + pl.when(pl.col("payment") != "p3").then(pl.duration(days=2)))')
    rows = asked(folder, "profile", more=more, label="truth", as_of="2024-01-04T10:00:00")
    assert rows.get_column(TARGET).to_list() == [5, 7, None, None]


def test_labels_mature_by_the_clock_alone(folder: Path) -> None:
    """A later moment at which no row is new: nothing runs again, and more is known."""
    text = QUESTIONS + label_of('payments.select("payment", "amount", told=pl.col("paid") + pl.duration(days=2))')
    early = run_river(folder, text, only=["truth"], as_of="2024-01-04T10:00:00").answer()
    late = run_river(folder, only=["truth"], as_of="2024-02-01").answer()
    assert (early.statuses["truth"], late.statuses["truth"]) == ("ran", "cached")
    assert (early.frame("truth").get_column("payment").to_list(), late.frame("truth").height) == (["p1", "p2"], 4)


def test_rows_too_young_to_know_are_open(folder: Path) -> None:
    """They are asked, and not trained on; if there are no others, that is told."""
    more = label_of('payments.select("payment", "amount", told=pl.col("paid") + pl.duration(days=2))')
    assert asked(folder, "profile", more=more, label="truth", as_of="2024-01-03T10:00:00").get_column(TARGET).to_list() == [5, None, None]
    with pytest.raises(ContractError, match="none of 2 rows has a label that is known"):
        asked(folder, "profile", more=more, label="truth", as_of="2024-01-02T10:00:00")


def test_question_with_a_key_twice(folder: Path) -> None:
    """One of them is named."""
    with (folder / "payments.csv").open("a") as file:
        file.write("p2,bob,2024-01-02T11:00:00,7,\n")
    assert "payments: several rows are asked for one key, as for ('p2',)" in refused(folder, "profile", ColumnError)


def test_question_with_a_key_twice_on_different_days(folder: Path) -> None:
    """Also when the two rows are in different parts."""
    with (folder / "payments.csv").open("a") as file:
        file.write("p2,bob,2024-01-09T11:00:00,7,\n")
    assert "payments: several rows are asked for one key, as for ('p2',)" in refused(folder, "profile", ColumnError)


def test_on_demand_function_reads_the_question_and_what_it_names(folder: Path) -> None:
    """And nothing else: another view's columns are not there."""
    more = on_demand('payments.select("payment", at=pl.col("city") + pl.col("amount").cast(pl.String))', reads="profile")
    assert asked(folder, "profile, extra", more=more).get_column("at").to_list() == ["Bonn5", "Rome7", "Bonn1", None]
    unread = more.replace("features=[profile]", "features=[]")
    assert 'extra: unable to find column "city"' in refused(folder, "profile, extra", ColumnError, more=unread)


def test_on_demand_rows_find_their_question_by_key(folder: Path) -> None:
    """In whatever order they come back."""
    more = on_demand('payments.sort("payment", descending=True).select("payment", twice=pl.col("amount") * 2)')
    assert asked(folder, "extra", more=more).get_column("twice").to_list() == [10, 14, 2, 18]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('payments.filter(pl.col("amount") > 5).select("payment", more="amount")', "4 rows given, 2 returned"),
        ("pl.concat([payments, payments]).select('payment', more='amount')", "4 rows given, 8 returned"),
        ('payments.select(more="amount")', "must return the key payment and new columns, but returns ['more']"),
        ('payments.select("payment", more="amuont")', 'unable to find column "amuont"'),
    ],
)
def test_on_demand_function_returns_one_row_for_each_row(folder: Path, body: str, message: str) -> None:
    """Not fewer and not more, with the key, and of columns that are there."""
    assert f"extra: {message}" in refused(folder, "extra", MillstreamError, more=on_demand(body))


def test_on_demand_function_with_another_key(folder: Path) -> None:
    """As many rows, but not those that were given."""
    text = refused(folder, "extra", StepError, more=on_demand('payments.select(payment=pl.lit("p1"), more="amount")'))
    assert "extra: " in text
    assert "one row for each row given" in text


def test_on_demand_function_named_before_what_it_reads(folder: Path) -> None:
    """It is told where to stand."""
    more = on_demand("payments", reads="profile")
    assert "which does not come before it" in refused(folder, "extra, profile", DeclarationError, more=more)


# feedback


def told(
    folder: Path, labels: Sequence[tuple[str, bool, str]], *, as_of: str = "2024-02-01", label: str = '"fraud"', more: str = ""
) -> list[tuple[object, object]]:
    """Truth and when it was known, of every row asked, after some labels were told: payment, label and moment."""
    book = FeedbackBook(folder / ".millstream")
    for payment, value, known in labels:
        book.put("model", [((payment,), value, moment(known))])
    rows = asked(folder, "profile", as_of=as_of, label=label, more=more)
    return rows.select(TARGET, KNOWN).rows()


def moment(text: str) -> int:
    """Microseconds of an ISO text."""
    return parse_moment(text)


def test_feedback_wins_and_is_known_when_it_came(folder: Path) -> None:
    """Over a label that is there, and where there is none."""
    rows = told(folder, [("p1", True, "2024-01-05"), ("p2", True, "2024-01-06")])
    assert rows[:2] == [(True, moment("2024-01-05")), (True, moment("2024-01-06"))]
    assert rows[2] == (True, moment("2024-01-03T10:00:00Z"))


def test_feedback_is_not_known_before_it_came(folder: Path) -> None:
    """As of a moment before, the label is what it was."""
    rows = told(folder, [("p1", True, "2024-01-05"), ("p2", True, "2024-01-06")], as_of="2024-01-05")
    assert rows[:2] == [(True, moment("2024-01-05")), (None, None)]


def test_feedback_wins_over_a_late_label(folder: Path) -> None:
    """Whichever of the two came first."""
    more = label_of('payments.select("payment", "fraud", told=pl.col("paid") + pl.duration(days=7))')
    rows = told(folder, [("p1", True, "2024-01-05"), ("p3", False, "2024-01-20")], label="truth", more=more)
    assert rows == [(True, moment("2024-01-05")), (None, None), (False, moment("2024-01-20")), (False, moment("2024-01-11T10:00:00Z"))]


def test_last_label_told_stands(folder: Path) -> None:
    """Told twice: the later one, from when it came."""
    rows = told(folder, [("p1", True, "2024-01-05"), ("p1", False, "2024-01-09")])
    assert rows[0] == (False, moment("2024-01-09"))


def test_label_told_before_stands_until_then(folder: Path) -> None:
    """As of a moment between the two, what was told by then."""
    rows = told(folder, [("p1", True, "2024-01-05"), ("p1", False, "2024-01-09")], as_of="2024-01-07")
    assert rows[0] == (True, moment("2024-01-05"))


def test_feedback_about_rows_that_were_never_asked(folder: Path) -> None:
    """It changes nothing."""
    assert told(folder, [("p99", True, "2024-01-05")]) == told(folder, [])
