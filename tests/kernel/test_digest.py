"""Digests of tables: equal for equal content, whatever its layout in memory; different for everything else."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rivers import run_python

from millstream.kernel.digest import digest_bytes, digest_column, digest_frame, digest_slices, digest_value

KINDS: dict[str, tuple[pl.DataType, st.SearchStrategy[Any]]] = {
    "integer": (pl.Int64(), st.integers(-(2**63), 2**63 - 1)),
    "small integer": (pl.UInt8(), st.integers(0, 255)),
    "wide integer": (pl.Int128(), st.integers(-(2**127), 2**127 - 1)),
    "wide count": (pl.UInt128(), st.integers(0, 2**128 - 1)),
    "float": (pl.Float64(), st.floats()),
    "short float": (pl.Float32(), st.floats(width=32)),
    "truth": (pl.Boolean(), st.booleans()),
    "text": (pl.String(), st.text(max_size=5)),
    "bytes": (pl.Binary(), st.binary(max_size=5)),
    "category": (pl.Categorical(), st.sampled_from(["a", "b", "ab"])),
    "enumeration": (pl.Enum(["a", "b"]), st.sampled_from(["a", "b"])),
    "decimal": (pl.Decimal(20, 2), st.integers(-(10**9), 10**9).map(lambda cents: Decimal(cents) / 100)),
    "date": (pl.Date(), st.dates()),
    "time of day": (pl.Time(), st.times()),
    "moment": (pl.Datetime("us", "UTC"), st.integers(-(2**40), 2**40)),
    "duration": (pl.Duration("ms"), st.integers(-(2**40), 2**40)),
    "list": (pl.List(pl.String()), st.lists(st.none() | st.text(max_size=2), max_size=3)),
    "list of lists": (pl.List(pl.List(pl.Int8())), st.lists(st.lists(st.integers(0, 9), max_size=2), max_size=2)),
    "array": (pl.Array(pl.Int16(), 2), st.lists(st.none() | st.integers(0, 9), min_size=2, max_size=2)),
    "record": (pl.Struct({"a": pl.Int8(), "b": pl.String()}), st.fixed_dictionaries({"a": st.none() | st.integers(0, 9), "b": st.text(max_size=2)})),
}


def column(kind: pl.DataType, values: list[Any]) -> pl.Series:
    """A column of one type; missing values stay missing."""
    return pl.Series("x", values, dtype=kind)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_chunks_slices_and_copies_are_no_content(name: str, data: st.DataObject) -> None:
    """A column cut in pieces, taken out of a longer one, or made anew has the same digest."""
    kind, values = KINDS[name]
    rows = data.draw(st.lists(st.none() | values, min_size=1, max_size=12))
    cut = data.draw(st.integers(0, len(rows)))
    whole = column(kind, rows)

    pieces = pl.concat([whole[:cut], whole[cut:]], rechunk=False)
    inside = pl.concat([whole, whole, whole])[len(rows) : 2 * len(rows)]

    assert {digest_column(each) for each in (pieces, inside, column(kind, rows))} == {digest_column(whole)}


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_other_values_have_another_digest(name: str, data: st.DataObject) -> None:
    """Two columns of one type share a digest only if they hold the same, row by row."""
    kind, values = KINDS[name]
    rows = st.lists(st.none() | values, max_size=4)
    one, other = column(kind, data.draw(rows)), column(kind, data.draw(rows))

    assert (digest_column(one) == digest_column(other)) == (same_bits(one) == same_bits(other))


def same_bits(values: pl.Series) -> list[object]:
    """The values, where -0.0 is not 0.0 and every NaN is NaN."""
    return [value.hex() if isinstance(value, float) else value for value in values.to_list()]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pl.Series([1], dtype=pl.Int32), pl.Series([1], dtype=pl.Int64)),
        (pl.Series([1], dtype=pl.Int64), pl.Series([1], dtype=pl.UInt64)),
        (pl.Series([1], dtype=pl.Int64), pl.Series([1], dtype=pl.Datetime("us"))),
        (pl.Series([1], dtype=pl.Datetime("us")), pl.Series([1], dtype=pl.Datetime("ns"))),
        (pl.Series([1], dtype=pl.Datetime("us")), pl.Series([1], dtype=pl.Datetime("us", "UTC"))),
        (pl.Series(["a"]), pl.Series(["a"]).cast(pl.Categorical)),
        (pl.Series(["a"]), pl.Series([b"a"])),
        (pl.Series(["a"], dtype=pl.Enum(["a", "b"])), pl.Series(["a"], dtype=pl.Enum(["b", "a"]))),
        (pl.Series([Decimal("1.50")], dtype=pl.Decimal(9, 2)), pl.Series([Decimal("1.5")], dtype=pl.Decimal(9, 1))),
        (pl.Series([None, 1.0]), pl.Series([float("nan"), 1.0])),
        (pl.Series([0.0]), pl.Series([-0.0])),
        (pl.Series([None], dtype=pl.Int8), pl.Series([0], dtype=pl.Int8)),
        (pl.Series([None], dtype=pl.Null), pl.Series([None], dtype=pl.Int8)),
        (pl.Series([[], [1]]), pl.Series([[1], []])),
        (pl.Series([[], None], dtype=pl.List(pl.Int8)), pl.Series([None, []], dtype=pl.List(pl.Int8))),
        (pl.Series(["ab", "c"]), pl.Series(["a", "bc"])),
        (pl.Series([{"a": None}], dtype=pl.Struct({"a": pl.Int8})), pl.Series([None], dtype=pl.Struct({"a": pl.Int8}))),
        (pl.Series([{"a": 1}]), pl.Series([{"b": 1}])),
    ],
    ids=str,
)
def test_what_only_looks_alike(one: pl.Series, other: pl.Series) -> None:
    """Types, units, zones and kinds of nothing are told apart."""
    assert digest_column(one) != digest_column(other)


def test_every_nan_is_nan() -> None:
    """The bits inside a NaN are no content."""
    negative = np.array([0xFFF8000000000001], dtype=np.uint64).view(np.float64)

    assert digest_column(pl.Series(negative)) == digest_column(pl.Series([float("nan")]))


def test_names_and_order_of_columns_are_content() -> None:
    """Also where names run together."""
    frame = pl.DataFrame({"a": [1], "b": [1]})

    others = [frame.rename({"a": "c"}), frame.select("b", "a"), frame.rename({"a": "ab", "b": ""}), frame.select("a")]

    assert len({digest_frame(each) for each in (frame, *others)}) == 5


def test_table_without_rows_has_types() -> None:
    """Two empty tables of different types differ."""
    assert digest_frame(pl.DataFrame(schema={"a": pl.Int8})) != digest_frame(pl.DataFrame(schema={"a": pl.Int16}))


def test_digest_is_written_down() -> None:
    """A digest is stored and compared for years: if this one moves, the version must too."""
    frame = pl.DataFrame({"n": [1, None], "x": [0.5, float("nan")], "word": ["a", None]})

    assert digest_frame(frame) == "b69d66486e1476f416268b9cef4190804c57eb97598ea108f7fcd6caf06a6b3a"


def test_same_in_another_process() -> None:
    """Nothing random of a process gets in: neither hashes nor the order of categories."""
    code = """
    import polars as pl
    from millstream.kernel.digest import digest_frame
    pl.Series(["z", "b"], dtype=pl.Categorical)
    print(digest_frame(pl.DataFrame({"c": pl.Series(["a", "b", None], dtype=pl.Categorical), "o": [{"b": 1, "a": None}] * 3})))
    """
    here = pl.DataFrame({"c": pl.Series(["a", "b", None], dtype=pl.Categorical), "o": [{"b": 1, "a": None}] * 3})

    assert run_python(code).stdout.strip() == digest_frame(here)


def test_pieces_do_not_run_together() -> None:
    """Bytes are taken in with their lengths."""
    assert len({digest_bytes(b"ab", b"c"), digest_bytes(b"a", b"bc"), digest_bytes(b"abc"), digest_bytes(b"abc", b"")}) == 4


def test_order_of_keys_is_no_content_of_a_value() -> None:
    """JSON objects are equal by their keys."""
    assert digest_value({"a": 1, "b": [2.5, None]}) == digest_value({"b": [2.5, None], "a": 1})
    assert digest_value({"a": 1}) != digest_value({"a": 1.5})


@pytest.mark.parametrize("bounds", [(0, 12), (0, 5, 5, 12), (3, 4, 9), (0, 0)])
def test_slices_have_the_digests_of_their_rows(bounds: tuple[int, ...]) -> None:
    """Digested all at once or one by one: the same, for every type, with nulls and without."""
    n = range(12)
    frame = pl.DataFrame(
        {
            "whole": n,
            "some": [None if number % 3 else number for number in n],
            "x": [float("nan") if number % 4 == 0 else number / 3 for number in n],
            "yes": [None if number % 5 == 0 else number % 2 == 0 for number in n],
            "word": [None if number % 7 == 0 else "é" * number for number in n],
            "many": [[number] * (number % 3) for number in n],
            "nothing": [None] * 12,
        }
    ).with_columns(
        level=pl.col("word").cast(pl.Categorical), day=pl.date(2024, 1, 1) + pl.duration(days="whole"), large=pl.col("whole").cast(pl.Int128)
    )

    for column in frame.iter_columns():
        each = [digest_column(column.slice(start, stop - start)) for start, stop in pairwise(bounds)]
        assert [digest.hex() for digest in digest_slices(column, bounds)] == each
