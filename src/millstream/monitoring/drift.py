"""Drift of features: with two keys, or not at all.

A feature has drifted when its change is significant *and* its size is above what chance alone makes. Thresholds on one
of the two are wrong by construction: significance calls a trifle drift on many rows, a fixed index calls chance drift on
few rows or many levels. Reference and new rows are both samples, so both have noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from millstream.monitoring.records import DriftReport, FeatureDrift
from millstream.validation.profile import column_named, count_into
from millstream.validation.records import ColumnCounts, ColumnProfile, Profile

SIGNIFICANCE = 0.001
LEAST_DIVERGENCE = 0.02

_FEWEST_EXPECTED = 5.0
_LUCK = 3.0
_NEAR = 1.5
_MOST_NEAR = 0.2
_BEYOND_LUCK = 900.0
_SURGE = 5.0
_SMALLEST_WRITTEN = 1e-300


@dataclass(frozen=True, slots=True)
class Cell:
    """Rows of one bin or level, or of neighbours merged, in the reference and now."""

    name: str
    before: int
    now: int

    def __add__(self, other: Cell) -> Cell:
        """The two merged, called after the one with more rows."""
        larger = max(self, other, key=lambda cell: cell.before + cell.now)
        return Cell(larger.name, self.before + other.before, self.now + other.now)


def drift(reference: Profile, current: pl.DataFrame) -> DriftReport:
    """How far each column of the reference has moved in the current rows.

    Raises:
        ColumnError: The current rows lack a column of the reference, or have it of another kind.
    """
    features = (_feature_drift(column, current) for column in reference.columns)
    return DriftReport(current.height, tuple(features))


def drifted(report: DriftReport) -> tuple[str, ...]:
    """The names of the features that drifted, the farthest first."""
    found = sorted((feature for feature in report.features if feature.drifted), key=lambda it: (-it.divergence, it.name))
    return tuple(feature.name for feature in found)


def _feature_drift(reference: ColumnProfile, current: pl.DataFrame) -> FeatureDrift:
    counted = count_into(reference, column_named(current, reference.name))
    cells = merge_rare(cells_of(reference, counted))
    p_value, (divergence, noise_floor) = chi_square_test(cells), corrected_divergence(cells)
    return FeatureDrift(
        name=reference.name,
        p_value=p_value,
        divergence=divergence,
        noise_floor=noise_floor,
        drifted=p_value < SIGNIFICANCE and divergence > LEAST_DIVERGENCE,
        nulls_before=_share(reference.nulls, reference.rows),
        nulls_now=_share(counted.nulls, counted.rows),
        detail=_farthest(cells),
    )


def cells_of(reference: ColumnProfile, counted: ColumnCounts) -> list[Cell]:
    """Bins or levels side by side, and nulls as a cell of their own at the end."""
    cells = list(_level_cells(reference, counted) if reference.levels else _bin_cells(reference, counted))
    return [*cells, Cell("null", reference.nulls, counted.nulls)]


def _bin_cells(reference: ColumnProfile, counted: ColumnCounts) -> Iterator[Cell]:
    bounds = ("", *(_written(edge, reference) for edge in reference.edges), "")
    for low, high, before, now in zip(bounds[:-1], bounds[1:], reference.counts, counted.counts, strict=True):
        yield Cell(_bin_name(low, high), before, now)


def _written(edge: float, reference: ColumnProfile) -> str:
    is_date = reference.kind == "moment" and reference.dtype.startswith("Date")
    if is_date:
        return str(np.datetime64(round(edge), "s"))
    return "0" if abs(edge) < _SMALLEST_WRITTEN else f"{edge:.6g}"


def _bin_name(low: str, high: str) -> str:
    if low and high:
        return high if low == high else f"{low} to {high}"
    if low or high:
        return f"above {low}" if low else f"below {high}"
    return "not null"


def _level_cells(reference: ColumnProfile, counted: ColumnCounts) -> Iterator[Cell]:
    """Levels that stand for themselves, by falling count, then all others together.

    A listed level whose count only luck may have put on the list would seem to fall when counted again (the winner's
    curse): it joins the others, unless it rose, which luck of that sort cannot feign. So does one not listed at all.
    """
    listed = [Cell(name, before, now) for (name, before), now in zip(reference.levels, counted.levels, strict=True)]
    sure, rows = sure_count(reference), (reference.rows, counted.rows)
    own = [cell for cell in listed if cell.before >= sure or _surged(cell, *rows)]
    if counted.newcomer:
        name, now = counted.newcomer
        newcomer = Cell(name, min(reference.levels[-1][1], reference.other), now)  # it had at most so many rows
        own += [newcomer] if _surged(newcomer, *rows) else []
    yield from own
    before = reference.rows - reference.nulls - sum(cell.before for cell in own)
    now = counted.rows - counted.nulls - sum(cell.now for cell in own)
    yield Cell("other levels", before, now)


def sure_count(reference: ColumnProfile) -> float:
    """The count from which a level's place among the frequent ones is no luck.

    The standard error of twice the root of a count is 1. The cut lies three of them above what is not listed, and where
    the levels up to 1.5 below it (twice that below the topmost: one of many alike stands apart by chance) are at most a
    fifth of those above. From 900 on luck is below 10 % of the count anyway.
    """
    counts = np.array([count for _, count in reference.levels], dtype=np.float64)
    roots = 2.0 * np.sqrt(counts)
    unlisted = roots[-1] if reference.other else 0.0
    for count, cut in zip(counts[::-1], roots[::-1], strict=True):
        above = np.count_nonzero(roots >= cut)
        near = np.count_nonzero((roots < cut) & (roots >= cut - _NEAR * (1.0 + 1.0 / above)))
        if cut >= unlisted + _LUCK and near <= _MOST_NEAR * above:
            return min(float(count), _BEYOND_LUCK)
    return _BEYOND_LUCK


def _surged(cell: Cell, rows_before: int, rows_now: int) -> bool:
    """Whether a level's share rose by more than five standard errors."""
    pooled = _share(cell.before + cell.now, rows_before + rows_now)
    rise = _share(cell.now, rows_now) - _share(cell.before, rows_before)
    return rise > 0.0 and rise > _SURGE * math.sqrt(pooled * (1.0 / rows_before + 1.0 / rows_now))


def merge_rare(cells: Sequence[Cell]) -> list[Cell]:
    """Neighbours merged until each cell has at least five expected rows in the reference and now (Cochran 1954)."""
    before, now = _totals(cells)
    rarer_share = _share(min(before, now), before + now)
    merged: list[Cell] = []
    rest = Cell("", 0, 0)
    for cell in cells:
        rest += cell
        if (rest.before + rest.now) * rarer_share >= _FEWEST_EXPECTED:
            merged.append(rest)
            rest = Cell("", 0, 0)
    if merged and rest.before + rest.now:
        merged[-1] += rest
    return merged


def chi_square_test(cells: Sequence[Cell]) -> float:
    """The probability of two samples at least so different if both are of one distribution; 1.0 if nothing can differ.

    Source: Pearson's chi-square for two binned samples of unequal size, as in Press et al. 2007, "Numerical Recipes",
    section 14.3.
    """
    before, now = _totals(cells)
    if len(cells) < 2 or not before or not now:
        return 1.0
    up, down = math.sqrt(now / before), math.sqrt(before / now)
    statistic = math.fsum((up * cell.before - down * cell.now) ** 2 / (cell.before + cell.now) for cell in cells)
    return chi_square_tail(statistic, len(cells) - 1)


def chi_square_tail(statistic: float, freedom: int) -> float:
    """The probability that a chi-square variable with so many degrees of freedom exceeds the statistic.

    Source: the finite sums of Abramowitz and Stegun 1964, 26.4.4 and 26.4.5; exact up to rounding.
    """
    half = statistic / 2.0
    odd = freedom % 2
    power = 0.5 if odd else 0.0
    term = math.exp(-half) * half**power / math.gamma(power + 1.0)
    terms = [math.erfc(math.sqrt(half))] if odd else []
    for _ in range(freedom // 2):
        terms.append(term)
        power += 1.0
        term *= half / power
    return min(1.0, math.fsum(terms))


def corrected_divergence(cells: Sequence[Cell]) -> tuple[float, float]:
    """The population stability index above its noise floor, at least 0, and the floor.

    Of two samples of one distribution with n and m rows in k cells the index is expected to be (k - 1)(1/n + 1/m).
    Half a row is added to every cell, so an empty one costs a finite amount (Jeffreys' prior).
    """
    before, now = _totals(cells)
    if len(cells) < 2 or not before or not now:
        return 0.0, 0.0
    noise_floor = (len(cells) - 1) * (1.0 / before + 1.0 / now)
    index = math.fsum(_divergence(cell, before + len(cells) / 2, now + len(cells) / 2) for cell in cells)
    return max(0.0, index - noise_floor), noise_floor


def _divergence(cell: Cell, before: float, now: float) -> float:
    share_before, share_now = (cell.before + 0.5) / before, (cell.now + 0.5) / now
    return (share_now - share_before) * math.log(share_now / share_before)


def _farthest(cells: Sequence[Cell]) -> str:
    before, now = _totals(cells)
    if len(cells) < 2:
        return "no two bins or levels with rows enough to compare"
    cell = max(cells, key=lambda cell: _divergence(cell, before + len(cells) / 2, now + len(cells) / 2))
    return f"{cell.name}: {_share(cell.before, before):.1%} of rows before, {_share(cell.now, now):.1%} now"


def _totals(cells: Sequence[Cell]) -> tuple[int, int]:
    return sum(cell.before for cell in cells), sum(cell.now for cell in cells)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
