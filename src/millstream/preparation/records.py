"""What a fitted preparation is: frozen values with JSON state.

One definition, two bodies: `vector_body` applies it to a table, `row_body` to one request.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import msgspec

Kind = Literal["number", "boolean", "level", "moment"]
Measure = Literal["instant", "duration", "time_of_day"]
Part = Literal["hour", "weekday", "day", "month"]

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


class Encoded(msgspec.Struct, frozen=True, tag="encoded"):
    """The number of a level in `levels`; `unseen` for any other level, `missing` for null."""

    column: str
    levels: tuple[str, ...]
    numbers: tuple[float, ...]
    unseen: float
    missing: float


class CalendarPart(msgspec.Struct, frozen=True, tag="calendar_part"):
    """The hour (0 to 23), weekday (Monday is 1), day of the month or month of an instant in the time zone `tz`; null is NaN."""

    column: str
    part: Part
    tz: str


Source = Value | Encoded | CalendarPart
"""What a chain begins with."""


class Codes(msgspec.Struct, frozen=True, tag="codes"):
    """The place of a level in `levels`, the most frequent first; any other level is -1.0, null is NaN."""

    column: str
    levels: tuple[str, ...]


class OneHot(msgspec.Struct, frozen=True, tag="one_hot"):
    """One 0/1 output per level, and a last one for null if `indicator`; any other level is all zeros.

    Null is the level `filled`, if there is one.
    """

    column: str
    levels: tuple[str, ...]
    indicator: bool
    filled: str | None = None


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
        return segments(self.knots, self.normals)


class Fill(msgspec.Struct, frozen=True, tag="fill"):
    """NaN becomes a number."""

    number: float


class Logarithm(msgspec.Struct, frozen=True, tag="logarithm"):
    """sign(x) * log(1 + |x|); NaN stays."""


class Curve(msgspec.Struct, frozen=True, tag="curve"):
    """A value through training quantiles to a standard normal score, as `QuantileNormal`; NaN stays."""

    knots: tuple[float, ...]
    normals: tuple[float, ...]


class Scaling(msgspec.Struct, frozen=True, tag="scaling"):
    """(x - centre) / spread; NaN stays."""

    centre: float
    spread: float


Operation = Fill | Logarithm | Curve | Scaling


class Chain(msgspec.Struct, frozen=True, tag="chain"):
    """A number and what is done with it, one operation after the other.

    What is beyond ±LARGEST is NaN; a second output is 1.0 where the number was NaN at first, if `indicator`.
    """

    source: Source
    operations: tuple[Operation, ...]
    indicator: bool

    @property
    def column(self) -> str:
        """The column that is read."""
        return self.source.column


class Terms(msgspec.Struct, frozen=True, tag="terms"):
    """One output per term: how often it is in the text times its weight, in all of length 1; zeros for null."""

    column: str
    terms: tuple[str, ...]
    weights: tuple[float, ...]


Step = Number | Boolean | Moment | Empty | Codes | OneHot | QuantileNormal | Chain | Terms


def segments(knots: tuple[float, ...], normals: tuple[float, ...]) -> tuple[tuple[float, float, float, float], ...]:
    """(origin, base, rise, width) before, between and after the knots, as `QuantileNormal.segments`."""
    points = tuple(zip(knots, normals, strict=True))
    between = ((left, low, high - low, right - left) for (left, low), (right, high) in pairwise(points))
    return ((*points[0], 0.0, 1.0), *between, (*points[-1], 0.0, 1.0))


class Preparation(msgspec.Struct, frozen=True):
    """A fitted preparation: the `outputs` of its steps side by side, each made of one of the inputs."""

    kind: Literal["trees", "linear", "plain"]
    inputs: tuple[InputColumn, ...]
    outputs: tuple[str, ...]
    steps: tuple[Step, ...]
