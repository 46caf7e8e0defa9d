"""When a feature has drifted, and when it has not."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, chi2_contingency

from millstream.errors import ColumnError
from millstream.monitoring.drift import Cell, chi_square_tail, chi_square_test, corrected_divergence, drift, drifted, merge_rare
from millstream.monitoring.records import DriftReport, FeatureDrift
from millstream.validation.profile import profile

Draw = Callable[[np.random.Generator, int], pl.Series]


def names(numbers: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> pl.Series:
    """Numbers as levels."""
    return pl.Series(numbers).cast(pl.String)


def zipf(levels: int, exponent: float) -> Draw:
    """Levels whose frequency falls with a power of their rank."""
    weights = np.arange(1, levels + 1) ** -exponent
    return lambda generator, rows: names(generator.choice(levels, rows, p=weights / weights.sum()))


def normal(generator: np.random.Generator, rows: int) -> pl.Series:
    """Standard normal numbers."""
    return pl.Series(generator.normal(size=rows))


def with_nulls(generator: np.random.Generator, rows: int) -> pl.Series:
    """Standard normal numbers, 2 % of them null."""
    return pl.select(pl.when(pl.Series(generator.random(rows) >= 0.02)).then(normal(generator, rows))).to_series()


DRAWS: Mapping[str, Draw] = {
    "normal": normal,
    "nulls": with_nulls,
    "zero_one_two": lambda generator, rows: pl.Series(generator.choice(3, rows, p=[0.9, 0.09, 0.01])),
    "hour": lambda generator, rows: pl.Series(generator.integers(0, 24, rows)),
    "counts": lambda generator, rows: pl.Series(generator.poisson(30, rows)),
    "rare_flag": lambda generator, rows: pl.Series(generator.random(rows) < 0.01),
    "80_levels": lambda generator, rows: names(generator.integers(0, 80, rows)),
    "120_levels": lambda generator, rows: names(generator.integers(0, 120, rows)),
    "5000_levels": lambda generator, rows: names(generator.integers(0, 5_000, rows)),
    "long_tail": zipf(5_000, 1.0),
    "flat_tail": zipf(2_000, 0.5),
    "ids": lambda generator, rows: names(generator.integers(0, 2**40, rows)),
}


def compared(reference: pl.Series, current: pl.Series) -> FeatureDrift:
    """The drift of one feature called x."""
    return drift(profile(pl.DataFrame({"x": reference})), pl.DataFrame({"x": current})).features[0]


def share_drifted(draw_before: Draw, draw_now: Draw, rows: tuple[int, int], trials: int) -> float:
    """The share of seeded trials that see drift."""
    generator = np.random.default_rng(11)
    trial = (compared(draw_before(generator, rows[0]), draw_now(generator, rows[1])) for _ in range(trials))
    return sum(feature.drifted for feature in trial) / trials


@pytest.mark.parametrize("rows", [(1_000, 1_000), (1_000, 20_000), (20_000, 1_000), (10_000, 10_000)], ids=str)
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_the_same_distribution_has_not_drifted(draw: Draw, rows: tuple[int, int]) -> None:
    """At most 1 % of false alarms in 200 trials, for any kind of feature and any two sizes."""
    assert share_drifted(draw, draw, rows, trials=200) <= 0.01


def test_a_shift_of_a_fifth_of_a_deviation_is_seen() -> None:
    """10,000 rows see a shift of 0.2 standard deviations in at least 85 % of trials."""
    assert share_drifted(normal, lambda generator, rows: normal(generator, rows) + 0.2, (10_000, 10_000), trials=100) >= 0.85


CHANGES: Mapping[str, tuple[str, Draw]] = {
    "shares": ("zero_one_two", lambda generator, rows: pl.Series(generator.choice(3, rows, p=[0.8, 0.15, 0.05]))),
    "lost_hours": ("hour", lambda generator, rows: pl.Series(generator.integers(3, 24, rows))),
    "new_number": ("hour", lambda generator, rows: pl.Series([-1] * (rows // 50)).append(DRAWS["hour"](generator, rows))),
    "flag": ("rare_flag", lambda generator, rows: pl.Series(generator.random(rows) < 0.05)),
    "new_levels": ("80_levels", lambda generator, rows: names(generator.integers(10, 90, rows))),
    "steeper_tail": ("long_tail", zipf(5_000, 1.3)),
    "nulls": (
        "nulls",
        lambda generator, rows: normal(generator, rows).append(pl.Series([None] * (rows // 10), dtype=pl.Float64)),
    ),
}


@pytest.mark.parametrize(("before", "now"), CHANGES.values(), ids=CHANGES)
def test_changes_that_matter_are_seen(before: str, now: Draw) -> None:
    """Changed shares, new and lost values and more nulls are drift, in all of 20 trials with 10,000 rows."""
    assert share_drifted(DRAWS[before], now, (10_000, 10_000), trials=20) == 1.0


def test_nulls_that_appear_are_drift() -> None:
    """A column that was never null is null in 5 % of the rows: the report says so."""
    values = normal(np.random.default_rng(0), 10_000)
    feature = compared(values, values.clone().scatter(range(500), None))
    assert feature.drifted
    assert (feature.nulls_before, feature.nulls_now) == (0.0, 0.05)
    assert feature.detail == "null: 0.0% of rows before, 5.0% now"


def test_a_new_level_is_drift_and_named() -> None:
    """A level that was never seen takes 5 % of the rows."""
    before = pl.Series(["AA", "UA"] * 500)
    feature = compared(before, pl.Series(["AA", "UA"] * 500 + ["ZZ"] * 50))
    assert feature.drifted
    assert feature.detail == "ZZ: 0.0% of rows before, 4.8% now"


def test_many_small_levels_below_a_hundred_large_ones_are_no_drift() -> None:
    """The most frequent level that the reference does not list may be far smaller than those it lists."""
    generator = np.random.default_rng(0)
    large, small = np.arange(100).repeat(1_000), (generator.integers(100, 2_000, 3_000) for _ in range(2))
    before, now = (names(np.concatenate((large, some))) for some in small)
    assert not compared(before, now).drifted


def test_one_level_that_takes_over_is_seen_among_thousands() -> None:
    """In a flat column of 5,000 levels no one stands out, until one does."""
    generator = np.random.default_rng(0)
    before, now = DRAWS["5000_levels"](generator, 10_000), DRAWS["5000_levels"](generator, 10_000)
    feature = compared(before, now.scatter(range(1_000), "4711"))
    assert feature.drifted
    assert feature.detail.startswith("4711: 0")


def test_a_trifle_on_many_rows_is_significant_but_no_drift() -> None:
    """A shift of 0.03 deviations has one key only: too small to matter."""
    generator = np.random.default_rng(0)
    feature = compared(normal(generator, 200_000), normal(generator, 200_000) + 0.03)
    assert feature.p_value < 0.001
    assert not feature.drifted


def test_chance_on_few_rows_stays_below_the_floor() -> None:
    """The noise floor of 40 rows in k cells is (k - 1)(1/40 + 1/1000), far above any fixed threshold."""
    generator = np.random.default_rng(0)
    feature = compared(normal(generator, 1_000), normal(generator, 40))
    assert feature.noise_floor > 0.1
    assert not feature.drifted


@pytest.mark.parametrize(("before", "now"), [(0, 100), (100, 0), (0, 0)])
def test_no_rows_are_no_drift(before: int, now: int) -> None:
    """Where there is nothing to compare, nothing has drifted."""
    feature = compared(pl.Series([1.0] * before, dtype=pl.Float64), pl.Series([2.0] * now, dtype=pl.Float64))
    assert (feature.p_value, feature.divergence, feature.drifted) == (1.0, 0.0, False)
    assert feature.detail == "no two bins or levels with rows enough to compare"


@pytest.mark.parametrize(("before", "now"), [(5.0, 7.0), (5.0, 3.0), (None, 3.0), (3.0, None)])
def test_a_constant_that_changes_is_drift(before: float | None, now: float | None) -> None:
    """A column of one value, or of none, has another one now."""
    one, other = (pl.Series([value] * 100, dtype=pl.Float64) for value in (before, now))
    assert compared(one, other).drifted
    assert not compared(one, one).drifted


def test_a_moment_is_named_as_a_date() -> None:
    """Bins of moments are told as moments, not as seconds."""
    days, later = (pl.Series(np.arange(first, first + 1_000)).cast(pl.Date) for first in (0, 5_000))
    assert compared(days, later).detail == "above 1972-09-26T00:00:00: 0.0% of rows before, 100.0% now"


def test_drifted_features_are_sorted_by_divergence() -> None:
    """The farthest comes first; features that have not drifted are left out."""
    values = normal(np.random.default_rng(0), 5_000)
    reference = profile(pl.DataFrame({"near": values, "same": values, "far": values}))
    report = drift(reference, pl.DataFrame({"near": values + 0.3, "same": values, "far": values + 1.0}))
    assert [feature.name for feature in report.features] == ["near", "same", "far"]
    assert drifted(report) == ("far", "near")


def test_a_missing_feature_is_an_error() -> None:
    """A feature that is not there cannot be watched."""
    with pytest.raises(ColumnError, match="no column 'distance'"):
        drift(profile(pl.DataFrame({"distance": [1.0]})), pl.DataFrame({"carrier": ["UA"]}))


def test_a_report_survives_json() -> None:
    """What is stored is what was found."""
    report = drift(profile(pl.DataFrame({"x": [1.0, 2.0]})), pl.DataFrame({"x": [1.0, None]}))
    assert msgspec.json.decode(msgspec.json.encode(report), type=DriftReport) == report


@given(statistic=st.floats(0.0, 2_000.0), freedom=st.integers(1, 110))
@settings(max_examples=200, deadline=None)
def test_the_chi_square_tail_is_scipys(statistic: float, freedom: int) -> None:
    """The finite sums agree with scipy."""
    assert chi_square_tail(statistic, freedom) == pytest.approx(chi2.sf(statistic, freedom), rel=1e-9, abs=1e-200)


def test_the_test_is_the_chi_square_of_a_table_of_two_rows() -> None:
    """Two binned samples of unequal size are a contingency table."""
    cells = [Cell("a", 30, 90), Cell("b", 50, 110), Cell("c", 20, 100)]
    expected = chi2_contingency([[30, 50, 20], [90, 110, 100]]).pvalue
    assert chi_square_test(cells) == pytest.approx(expected, rel=1e-12)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40))
@settings(max_examples=100, deadline=None)
def test_merging_keeps_every_row_and_leaves_no_rare_cell(counts: list[tuple[int, int]]) -> None:
    """Merged cells have at least five expected rows on both sides and the same totals, or there is none."""
    merged = merge_rare([Cell(str(index), before, now) for index, (before, now) in enumerate(counts)])
    before, now = sum(before for before, _ in counts), sum(now for _, now in counts)
    assert not merged or (sum(cell.before for cell in merged), sum(cell.now for cell in merged)) == (before, now)
    assert all((cell.before + cell.now) * min(before, now) >= 5 * (before + now) for cell in merged)


def test_the_noise_floor_is_what_nothing_costs() -> None:
    """The index of two samples of one distribution is on average its floor, so less the floor it is zero."""
    generator = np.random.default_rng(0)
    excess: list[float] = []
    floors: list[float] = []
    for _ in range(500):
        before, now = generator.multinomial(2_000, [0.1] * 10), generator.multinomial(5_000, [0.1] * 10)
        cells = [Cell("", int(one), int(other)) for one, other in zip(before, now, strict=True)]
        floors.append(corrected_divergence(cells)[1])
        shares = before / 2_000, now / 5_000
        excess.append(float(((shares[0] - shares[1]) * np.log(shares[0] / shares[1])).sum()))
    assert floors[0] == pytest.approx(9 * (1 / 2_000 + 1 / 5_000))
    assert np.mean(excess) == pytest.approx(floors[0], rel=0.05)
