"""What watching a model hands on: drift of its features, and how right it was."""

from __future__ import annotations

import msgspec

from millstream.evaluation.records import Score


class FeatureDrift(msgspec.Struct, frozen=True):
    """How far one feature is from its reference.

    `p_value` is that of a chi-square test; `divergence` the population stability index less `noise_floor`, what the
    index is expected to be of two samples of one distribution; `nulls_before` and `nulls_now` are shares of the rows.
    `detail` names the bin or level that moved most.
    """

    name: str
    p_value: float
    divergence: float
    noise_floor: float
    drifted: bool
    nulls_before: float
    nulls_now: float
    detail: str


class DriftReport(msgspec.Struct, frozen=True):
    """The features of so many new rows against their reference, in the reference's order."""

    rows: int
    features: tuple[FeatureDrift, ...]


class Performance(msgspec.Struct, frozen=True):
    """How right predictions were, as far as their labels are known.

    `labelled` of `predicted` rows have a label, `coverage` is their ratio. `current` is None where nothing can be told.
    """

    current: Score | None
    reference: Score
    labelled: int
    predicted: int
    coverage: float
    worse: bool
    reason: str
