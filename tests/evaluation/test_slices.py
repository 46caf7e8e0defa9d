"""The metric in each part of the rows."""

from __future__ import annotations

import numpy as np
import pytest

from millstream.evaluation.intervals import interval
from millstream.evaluation.slices import slice_scores


def test_slices_come_with_most_rows_first() -> None:
    """Each level with enough rows is scored alone; small levels are left out; nulls are a level of their own."""
    generator = np.random.default_rng(0)
    labels = ["EWR"] * 150 + ["JFK"] * 300 + [None] * 120 + ["LGA"] * 99
    truth, score = generator.integers(0, 2, len(labels)).astype(np.float64), generator.random(len(labels))
    parts = slice_scores("roc_auc", truth, score, labels)
    assert [(part.name, part.n) for part in parts] == [("JFK", 300), ("EWR", 150), ("null", 120)]
    expected = interval("roc_auc", truth[150:450], score[150:450])
    assert (parts[0].value, parts[0].low, parts[0].high) == (expected.value, expected.low, expected.high)


def test_labels_may_be_an_array() -> None:
    """A column of objects does as well as a list; values are named by their text."""
    labels = np.array([7, 7, None, 9], dtype=object)
    parts = slice_scores("mae", np.zeros(4), np.array([1.0, 3.0, 5.0, 7.0]), labels, minimum=1)
    assert [(part.name, part.value) for part in parts] == [("7", 2.0), ("9", 7.0), ("null", 5.0)]


@pytest.mark.parametrize("size", [0, 3])
def test_too_few_rows_give_no_slices(size: int) -> None:
    """Without a level large enough there is nothing to tell."""
    assert slice_scores("mae", np.zeros(size), np.ones(size), ["a"] * size) == []
