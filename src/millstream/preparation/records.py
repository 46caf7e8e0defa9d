"""What a fitted preparation is: frozen values with JSON state.

One definition, two bodies: `vector_body` applies it to a table, `row_body` to one request.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import msgspec

Kind = Literal["number", "boolean", "level", "moment"]
Measure = Literal["instant", "duration", "time_of_day"]

LARGEST = 2.0**1022
"""The linear preparation takes numbers beyond ±LARGEST for infinite: differences of smaller ones never overflow."""


class InputColumn(msgspec.Struct, frozen=True):
    """A feature column as seen at fit; `nullable` if a null or NaN was among the training rows."""

    name: str
    kind: Kind
    nullable: bool


class Number(msgspec.Struct, frozen=True, tag="number"):
    """A number as it is; null is NaN."""

    column: str


class Boolean(msgspec.Struct, frozen=True, tag="boolean"):
    """0.0 or 1.0; null is NaN."""

    column: str


class Moment(msgspec.Struct, frozen=True, tag="moment"):
    """Seconds: of an instant since 1970 in UTC, of a duration, of a time of day since midnight; null is NaN."""

    column: str
    measure: Measure


class Empty(msgspec.Struct, frozen=True, tag="empty"):
    """NaN whatever comes: the training rows had no value to learn from. As an input it is a number."""

    column: str


Value = Number | Boolean | Moment | Empty


class Codes(msgspec.Struct, frozen=True, tag="codes"):
    """The place of a level in `levels`, the most frequent first; any other level is -1.0, null is NaN."""

    column: str
    levels: tuple[str, ...]


class OneHot(msgspec.Struct, frozen=True, tag="one_hot"):
    """One 0/1 output per level, and a last one for null if `indicator`; any other level is all zeros."""

    column: str
    levels: tuple[str, ...]
    indicator: bool


class QuantileNormal(msgspec.Struct, frozen=True, tag="quantile_normal"):
    """A value through its training quantiles to a standard normal score.

    Null, NaN and what is beyond ±LARGEST is missing: score 0.0, and 1.0 in a second output if `indicator`.
    `knots` (at least one, strictly increasing) have the scores `normals`; in between the score is linear, outside constant.
    """

    value: Value
    knots: tuple[float, ...]
    normals: tuple[float, ...]
    indicator: bool

    @property
    def column(self) -> str:
        """The column that is read."""
        return self.value.column

    def segments(self) -> tuple[tuple[float, float, float, float], ...]:
        """(origin, base, rise, width) before, between and after the knots.

        The score of x is base + rise * ((x - origin) / width) of the segment whose number is the count of knots <= x.
        """
        points = tuple(zip(self.knots, self.normals, strict=True))
        between = ((left, low, high - low, right - left) for (left, low), (right, high) in pairwise(points))
        return ((*points[0], 0.0, 1.0), *between, (*points[-1], 0.0, 1.0))


Step = Number | Boolean | Moment | Empty | Codes | OneHot | QuantileNormal


class Preparation(msgspec.Struct, frozen=True):
    """A fitted preparation: one step per input column, their `outputs` side by side in the order of the inputs."""

    kind: Literal["trees", "linear", "plain"]
    inputs: tuple[InputColumn, ...]
    outputs: tuple[str, ...]
    steps: tuple[Step, ...]
