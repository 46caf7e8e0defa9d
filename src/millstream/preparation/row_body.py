"""A preparation applied to one row: a Python function generated from its steps.

Only names such as `get` and `levels3` stand in the generated source; what users wrote (names of columns, levels) goes
beside it as constants. No table library is imported, so that a server starts without one.
"""

from __future__ import annotations

import math
import struct
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import cast

from millstream.preparation.records import (
    LARGEST,
    CalendarPart,
    Chain,
    Codes,
    Curve,
    Empty,
    Encoded,
    Fill,
    Logarithm,
    Measure,
    Moment,
    OneHot,
    Operation,
    Part,
    Preparation,
    QuantileNormal,
    Scaling,
    Step,
    Terms,
    Value,
    segments,
)
from millstream.preparation.terms import term_weights

PrepareRow = Callable[[Mapping[str, object]], list[float]]
"""From column names to values, to the row of the matrix; a column that is not there is null."""

_MISSING = float("nan")
_MIDNIGHT_1970 = datetime(1970, 1, 1)  # noqa: DTZ001 - times without a zone are UTC
_MIDNIGHT_1970_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_1970 = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Fragment:
    """The share of one step in the source: statements, output expressions, and the constants that they name."""

    outputs: tuple[str, ...]
    constants: dict[str, object]
    statements: tuple[str, ...] = field(default=())


def compile_row(preparation: Preparation) -> PrepareRow:
    """The function from one row to its list of floats, equal to that row of `prepare_matrix`.

    It takes int, float, Decimal, bool, str, date, datetime (without a zone: UTC), timedelta, time or None,
    each where the kind of the input asks for it.
    """
    fragments = [_fragment(step, str(position)) for position, step in enumerate(preparation.steps)]
    layout = struct.Struct(f"{len(preparation.outputs)}f")
    names: dict[str, object] = {"missing": _MISSING, "lowest": -LARGEST, "largest": LARGEST, "bisect": bisect_right}
    names |= {"copysign": math.copysign, "log1p": math.log1p}
    names |= {"pack": layout.pack, "unpack": layout.unpack, "rounded": _rounded, "struct_error": struct.error}
    for fragment in fragments:
        names |= fragment.constants
    source = _source(fragments, rounding=preparation.kind == "trees")
    exec(compile(source, "<row body of a preparation>", "exec"), names)  # noqa: S102 - no text of users is in the source
    return cast("PrepareRow", names["prepare"])


def _source(fragments: Sequence[Fragment], *, rounding: bool) -> str:
    statements = [statement for fragment in fragments for statement in fragment.statements]
    outputs = ", ".join(output for fragment in fragments for output in fragment.outputs)
    ending = (f"values = [{outputs}]", *_ROUND_TO_FLOAT32) if rounding else (f"return [{outputs}]",)
    return "\n    ".join(("def prepare(row):", "get = row.get", *statements, *ending))


_ROUND_TO_FLOAT32 = (
    "try:",
    "    return [*unpack(pack(*values))]",
    "except (OverflowError, struct_error):",
    "    return rounded(values)",
)


def _fragment(step: Step, n: str) -> Fragment:
    constants: dict[str, object] = {f"name{n}": step.column}
    match step:
        case Codes():
            places: dict[str | None, float] = {level: float(place) for place, level in enumerate(step.levels)}
            constants[f"levels{n}"] = (places | {None: _MISSING}).get
            return Fragment((f"levels{n}(get(name{n}), -1.0)",), constants)
        case OneHot():
            constants |= {f"levels{n}": _one_hot_rows(step).get, f"unseen{n}": (0.0,) * (len(step.levels) + step.indicator)}
            return Fragment((f"*levels{n}(get(name{n}), unseen{n})",), constants)
        case QuantileNormal():
            return _quantile_normal(step, n, constants)
        case Chain():
            return _chain(step, n, constants)
        case Terms():
            constants[f"terms{n}"] = term_weights(step.terms, step.weights)
            return Fragment((f"*terms{n}(get(name{n}))",), constants)
        case _:
            read = _read(step, n, constants)
            return Fragment((f"missing if (value := get(name{n})) is None else {read}",), constants)


def _quantile_normal(step: QuantileNormal, n: str, constants: dict[str, object]) -> Fragment:
    read = _read(step.value, n, constants)
    constants |= {f"knots{n}": step.knots, f"segments{n}": step.segments()}
    statements = (
        f"value = get(name{n})",
        f"if value is None or not lowest <= (value := {read}) <= largest:",
        f"    score{n}, missing{n} = 0.0, 1.0",
        "else:",
        "    value = float(value)",
        f"    origin, base, rise, width = segments{n}[bisect(knots{n}, value)]",
        f"    score{n}, missing{n} = base + rise * ((value - origin) / width), 0.0",
    )
    return Fragment((f"score{n}", f"missing{n}")[: 1 + step.indicator], constants, statements)


def _chain(step: Chain, n: str, constants: dict[str, object]) -> Fragment:
    statements = [f"value = get(name{n})", f"missing{n} = 1.0 if value is None else 0.0", *_begin(step, n, constants)]
    for place, operation in enumerate(step.operations):
        statements += _operation(operation, f"x{n}", f"{n}_{place}", constants)
    return Fragment((f"x{n}", f"missing{n}")[: 1 + step.indicator], constants, tuple(statements))


def _begin(step: Chain, n: str, constants: dict[str, object]) -> tuple[str, ...]:
    match step.source:
        case Encoded(_, levels, numbers, unseen, missing):
            known: dict[str | None, float] = {**dict(zip(levels, numbers, strict=True)), None: missing}
            constants |= {f"numbers{n}": known.get, f"unseen{n}": unseen}
            return (f"x{n} = numbers{n}(value, unseen{n})",)
        case CalendarPart(_, part, tz):
            constants[f"part{n}"] = _calendar_part(part, tz)
            return (f"x{n} = missing if value is None else part{n}(value)",)
        case _:
            read = _read(step.source, n, constants)
            return (
                f"if value is None or not lowest <= (value := {read}) <= largest:",
                f"    x{n}, missing{n} = missing, 1.0",
                "else:",
                f"    x{n} = float(value)",
            )


def _operation(operation: Operation, x: str, n: str, constants: dict[str, object]) -> tuple[str, ...]:
    match operation:
        case Fill(number):
            constants[f"fill{n}"] = number
            return (f"{x} = fill{n} if {x} != {x} else {x}",)
        case Logarithm():
            return (f"{x} = copysign(log1p(abs({x})), {x})",)
        case Scaling(centre, spread):
            constants |= {f"centre{n}": centre, f"spread{n}": spread}
            return (f"{x} = ({x} - centre{n}) / spread{n}",)
        case Curve(knots, normals):
            constants |= {f"knots{n}": knots, f"segments{n}": segments(knots, normals)}
            return (
                f"if {x} == {x}:",
                f"    origin, base, rise, width = segments{n}[bisect(knots{n}, {x})]",
                f"    {x} = base + rise * (({x} - origin) / width)",
            )


def _calendar_part(part: Part, tz: str) -> Callable[[date], float]:
    import zoneinfo  # noqa: PLC0415  loads more than scoring needs, and only calendars need it

    zone = zoneinfo.ZoneInfo(tz)
    of_date: dict[Part, Callable[[date], int]] = {
        "hour": lambda value: value.hour if isinstance(value, datetime) else 0,
        "weekday": lambda value: value.isoweekday(),
        "day": lambda value: value.day,
        "month": lambda value: value.month,
    }
    number = of_date[part]

    def read(value: date) -> float:
        if not isinstance(value, datetime):
            return float(number(value))
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return float(number(aware.astimezone(zone)))

    return read


def _read(value: Value, n: str, constants: dict[str, object]) -> str:
    """The expression that makes a number of the variable `value`."""
    match value:
        case Moment():
            constants[f"seconds{n}"] = _SECONDS[value.measure]
            return f"seconds{n}(value)"
        case Empty():
            return "missing"
        case _:
            return "value"


def _one_hot_rows(step: OneHot) -> dict[str | None, tuple[float, ...]]:
    keys = (*step.levels, *((None,) if step.indicator else ()))
    rows: dict[str | None, tuple[float, ...]] = {key: tuple(float(other == place) for other in range(len(keys))) for place, key in enumerate(keys)}
    return rows | {None: rows[step.filled]} if step.filled in step.levels else rows


def _rounded(values: Iterable[object]) -> list[float]:
    """Round to float32 with infinity beyond its range, as C and numpy do where `struct` refuses."""
    return array("f", [_bounded(value) if isinstance(value, int) else cast("float", value) for value in values]).tolist()


def _bounded(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _seconds_of_instant(value: date) -> float:
    if not isinstance(value, datetime):
        return _seconds_of_duration(value - _DAY_1970)
    return _seconds_of_duration(value - (_MIDNIGHT_1970 if value.tzinfo is None else _MIDNIGHT_1970_UTC))


def _seconds_of_duration(value: timedelta) -> float:
    return ((value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds) / 1_000_000.0


def _seconds_of_time(value: time) -> float:
    return (((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond) / 1_000_000.0


_SECONDS: dict[Measure, Callable[..., float]] = {
    "instant": _seconds_of_instant,
    "duration": _seconds_of_duration,
    "time_of_day": _seconds_of_time,
}
