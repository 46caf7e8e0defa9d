"""A list of steps: what each makes of its columns, in two bodies with the same bits, and never of a row's own truth."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (scikit-learn is not typed throughout)

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import StandardScaler
from typed_tables import SCHEMA, TABLES, bits, by_rows

import millstream as ms
from millstream.errors import ColumnError, DeclarationError
from millstream.preparation.declare import PreparationStep
from millstream.preparation.fit_declared import Truth, fit_declared
from millstream.preparation.records import Preparation
from millstream.preparation.target_means import blocks_of
from millstream.preparation.terms import terms_of
from millstream.preparation.vector_body import prepare_matrix

Numbers = NDArray[np.float64]
prepare = ms.prepare
NUMERIC = [name for name, kind in SCHEMA.items() if kind.is_numeric() or kind == pl.Boolean]
LISTS: dict[str, list[PreparationStep]] = {
    "codes": [],
    "scaled": [prepare.impute("mean"), prepare.scale()],
    "ranks": [prepare.log(), prepare.quantile_normal(), prepare.impute("zero")],
    "filled": [prepare.impute("most_frequent"), prepare.one_hot(min_share=0.3), prepare.scale()],
    "means": [prepare.target_encode(smoothing=2), prepare.scale(), prepare.impute()],
    "dates": [prepare.calendar(), prepare.impute(), prepare.tf_idf(columns="city", terms=3)],
}


def fit(
    frame: pl.DataFrame, steps: Sequence[PreparationStep], *, kind: Any = "trees", target: Sequence[float] | None = None, block: Sequence[int] = ()
) -> tuple[Preparation, Numbers]:
    """The preparation of all columns, and the matrix that is learnt from."""
    truth = np.array(target if target is not None else range(frame.height), dtype=np.float64)
    blocks = np.array(block or [row % 2 for row in range(frame.height)], dtype=np.int64)
    return fit_declared(frame, frame.columns, steps, kind=kind, truth=Truth(truth, blocks))


def made(values: Sequence[object], *steps: PreparationStep, kind: Any = "linear", **options: Any) -> list[list[float]]:
    """What the steps make of one column."""
    return fit(pl.DataFrame({"x": values}), steps, kind=kind, **options)[1].tolist()


@pytest.mark.parametrize("steps", LISTS.values(), ids=LISTS)
@settings(max_examples=25, deadline=None)
@given(training=TABLES.filter(len), asked=TABLES)
def test_a_row_alone_gives_the_bits_that_it_gives_in_a_table(steps: list[PreparationStep], training: pl.DataFrame, asked: pl.DataFrame) -> None:
    """Whatever was trained on and whatever is asked: nulls, infinities, unseen levels, extreme dates."""
    preparation, _ = fit(training, steps)
    stored = msgspec.json.decode(msgspec.json.encode(preparation), type=Preparation)

    assert stored == preparation
    for frame in (training, asked):
        np.testing.assert_array_equal(bits(by_rows(stored, frame)), bits(prepare_matrix(preparation, frame)))


@pytest.mark.parametrize("name", [name for name in LISTS if name != "means"])
@settings(max_examples=15, deadline=None)
@given(training=TABLES.filter(len))
def test_what_is_learnt_from_is_what_is_asked(name: str, training: pl.DataFrame) -> None:
    """Where the truth is not among what is learnt, training rows are prepared as all others."""
    preparation, matrix = fit(training, LISTS[name])

    np.testing.assert_array_equal(bits(matrix), bits(prepare_matrix(preparation, training)))


@pytest.mark.parametrize(("filling", "number"), [("median", 2.0), ("mean", 3.0), ("most_frequent", 1.0), ("zero", 0.0)])
def test_missing_numbers_are_filled(filling: Any, number: float) -> None:
    """And a second column says where."""
    assert made([1.0, 1.0, 3.0, 7.0, None], prepare.impute(filling))[-1] == [number, 1.0]


def test_number_that_was_never_missing_has_no_second_column() -> None:
    """And becomes what the step says when it is missing later."""
    preparation, _ = fit(pl.DataFrame({"x": [1.0, 2.0, 6.0]}), [prepare.impute("median")], kind="linear")
    assert (preparation.outputs, prepare_matrix(preparation, pl.DataFrame({"x": [None, 5.0]})).tolist()) == (("x",), [[2.0], [5.0]])


def test_logarithms_of_both_signs() -> None:
    """Small numbers hardly change, large ones shrink, the sign stays."""
    assert made([0.0, math.e - 1, 1 - math.e], prepare.log()) == [[0.0], [1.0], [-1.0]]


def test_scaled_numbers_are_those_of_scikit_learn() -> None:
    """Mean 0 and deviation 1; of equal numbers 0."""
    numbers = np.random.default_rng(0).lognormal(size=200)
    assert np.allclose(made(numbers.tolist(), prepare.scale()), StandardScaler().fit_transform(numbers[:, np.newaxis]), atol=1e-12)
    assert made([5.0, 5.0], prepare.scale()) == [[0.0], [0.0]]


def test_steps_follow_their_order() -> None:
    """The logarithm of what was filled in, then scaled."""
    scores = made([0.0, None, math.e**2 - 1], prepare.impute("zero"), prepare.log(), prepare.scale())
    assert [[round(number, 12) for number in row] for row in scores] == [
        [-round(0.5**0.5, 12), 0.0],
        [-round(0.5**0.5, 12), 1.0],
        [round(2**0.5, 12), 0.0],
    ]


def test_texts_that_are_frequent_enough() -> None:
    """Each is a column, a missing one too; a rare or new one is none of them."""
    preparation, matrix = fit(pl.DataFrame({"x": ["a", "a", "b", None]}), [prepare.one_hot(min_share=0.5)], kind="linear")
    assert preparation.outputs == ("x is a", "x is missing")
    assert matrix.tolist() == [[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]


def test_missing_text_becomes_the_most_frequent_one() -> None:
    """Where impute says so; of equally frequent ones the first by name."""
    steps = (prepare.impute("most_frequent"), prepare.one_hot())
    assert made(["b", "a", None, None], *steps) == [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]


def test_parts_of_a_date() -> None:
    """Hour, weekday, day and month where the clock says so; a date has no hour."""
    moments = [datetime(2013, 6, 1, 3, 30, tzinfo=UTC), datetime(2013, 12, 31, 23, tzinfo=UTC)]
    assert made(moments, prepare.calendar(tz="America/New_York")) == [[23.0, 5.0, 31.0, 5.0], [18.0, 2.0, 31.0, 12.0]]
    assert made([date(2013, 6, 1)], prepare.calendar()) == [[0.0, 6.0, 1.0, 6.0]]


@settings(max_examples=60, deadline=None)
@given(moments=st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)), min_size=1, max_size=5))
def test_parts_of_a_date_are_the_same_for_a_row(moments: list[datetime]) -> None:
    """In a zone that changes its clock twice a year."""
    frame = pl.DataFrame({"x": moments})
    preparation, matrix = fit(frame, [prepare.calendar(tz="Europe/Berlin")])
    np.testing.assert_array_equal(by_rows(preparation, frame), matrix)


def test_weights_of_words_are_those_of_scikit_learn() -> None:
    """Of the words that most texts have."""
    texts = ["the sky is blue", "The sun in the sky", "we see the sun", "", "blue, blue!"]
    vectors = TfidfVectorizer(analyzer=terms_of).fit(texts)
    preparation, matrix = fit(pl.DataFrame({"x": texts}), [prepare.tf_idf(columns="x")], kind="linear")
    assert [name.removeprefix("x has ") for name in preparation.outputs] == vectors.get_feature_names_out().tolist()
    assert np.allclose(matrix, vectors.transform(texts).toarray(), atol=1e-12)


def test_texts_become_means_of_the_truth() -> None:
    """With three rows of the overall mean added; a new text is the overall mean."""
    frame = pl.DataFrame({"x": ["a", "a", "b", "b"]})
    preparation, _ = fit(frame, [prepare.target_encode(smoothing=3)], kind="linear", target=[0.0, 1.0, 1.0, 1.0])
    asked = pl.DataFrame({"x": ["a", "b", "c", None]})
    assert prepare_matrix(preparation, asked).ravel().tolist() == [(1 + 3 * 0.75) / 5, (2 + 3 * 0.75) / 5, 0.75, 0.75]


def test_rows_that_are_learnt_from_are_encoded_by_other_blocks() -> None:
    """Each by the rows whose block is another, worked out by hand."""
    numbers = made(["a", "a", "a", "b"], prepare.target_encode(smoothing=0), target=[0.0, 2.0, 4.0, 6.0], block=[0, 0, 1, 1])
    assert numbers == [[4.0], [4.0], [1.0], [1.0]]


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.sampled_from(["a", "b", None]), min_size=4, max_size=12), data=st.data())
def test_no_row_is_encoded_by_its_own_truth(texts: list[str | None], data: st.DataObject) -> None:
    """Another truth in one row changes nothing of what stands in its block."""
    row = data.draw(st.integers(0, len(texts) - 1))
    block = [place % 3 for place in range(len(texts))]
    truths = [[float(place) for place in range(len(texts))] for _ in range(2)]
    truths[1][row] = 1e6
    found = [np.array(made(texts, prepare.target_encode(), target=truth, block=block)) for truth in truths]
    own = np.array(block) == block[row]
    np.testing.assert_array_equal(found[0][own], found[1][own])


def test_blocks_keep_together_what_the_split_keeps_together() -> None:
    """Groups whole, neighbours in time side by side, else drawn at random."""
    together = np.array([7, 3, 7, 3, 9, 9, 1, 1, 4, 4])
    blocks = blocks_of(10, together=together, in_order=False, seed=0)
    assert [len({int(block) for block, group in zip(blocks, together, strict=True) if group == each}) for each in (7, 3, 9, 1, 4)] == [1] * 5
    assert len(set(blocks.tolist())) == 5
    assert blocks_of(10, together=None, in_order=True, seed=0).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    drawn = blocks_of(10, together=None, in_order=False, seed=0).tolist()
    assert sorted(drawn) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert drawn != sorted(drawn)


@pytest.mark.parametrize(
    ("values", "steps", "told"),
    [
        ([1.0, None], [prepare.scale()], "column 'x' has missing values after prepare"),
        (["a", "b"], [prepare.impute()], "column 'x' is a text after prepare"),
        (["a", "b"], [prepare.scale(columns="x")], "prepare.scale: column 'x' is a text here"),
        ([1.0, 2.0], [prepare.one_hot(columns="x")], "prepare.one_hot: column 'x' is a number here"),
        (["a", "b"], [prepare.one_hot(), prepare.target_encode(columns="x")], "prepare.target_encode: column 'x' is used up by an earlier step"),
        ([1.0, 2.0], [prepare.log(columns="y")], "prepare.log: 'y' is no feature"),
    ],
)
def test_what_does_not_fit(values: list[object], steps: list[PreparationStep], told: str) -> None:
    """The step and the column are named."""
    with pytest.raises(ColumnError) as caught:
        made(values, *steps)
    assert caught.value.message.startswith(told)


@pytest.mark.parametrize(
    ("declare", "told"),
    [
        (lambda: prepare.impute(anything("medain")), "did you mean 'median'?"),
        (lambda: prepare.one_hot(min_share=2), "prepare.one_hot: min_share must be a number from 0 to 1, not 2"),
        (lambda: prepare.tf_idf(columns="x", terms=0), "prepare.tf_idf: terms must be a whole number from 1"),
        (lambda: prepare.calendar(tz="Europe/Berlim"), "did you mean 'Europe/Berlin'?"),
        (lambda: prepare.log(columns=[]), "prepare.log: columns is empty"),
    ],
)
def test_options_that_cannot_be_meant(declare: Any, told: str) -> None:
    """Refused on import, at the line of the user."""
    with pytest.raises(DeclarationError) as caught:
        declare()
    assert told in f"{caught.value.message} {caught.value.hint}"
    assert (caught.value.where or "").startswith(__file__)


def anything(value: object) -> Any:
    """What a type checker would not let pass."""
    return value
