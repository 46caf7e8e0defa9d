"""A small project in nine files, and edits of it: which steps each edit must run again, and which word the told cause must have.

One step stands for one way in which a function can refer to something; `joined` reads some of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

RIVER = '''
import functools

import polars as pl

import cleaning
import shapes
from cleaning import clean, scale
from settings import FLOOR
from tools import METHODS, PLAN, Meter, deep, first_of, remembered
from tracing import rounded

import millstream as ms

readings = ms.source("readings.csv", key="sensor", time="at")
places = ms.source("places.csv", key="sensor")

LIMIT = 90.0
RATIO = pl.col("value") / 100
half = functools.partial(scale, factor=0.5)
above = shapes.threshold(20.0)
KNOWN = pl.DataFrame({"sensor": ["s1", "s2"]})


@ms.step(readings)
def limited(readings: pl.DataFrame) -> pl.DataFrame:
    """Rows below a constant of this file."""
    return readings.filter(pl.col("value") < LIMIT)


@ms.step(readings)
def floored(readings: pl.DataFrame) -> pl.DataFrame:
    return readings.filter(pl.col("value") > FLOOR)


@ms.step(readings)
def cleaned(readings: pl.DataFrame) -> pl.DataFrame:
    # by a helper of another module
    return clean(readings)


@ms.step(readings)
def shifted(readings: pl.DataFrame) -> pl.DataFrame:
    return shapes.Shift(2.0).apply(readings)


@ms.step(readings)
def enclosed(readings: pl.DataFrame) -> pl.DataFrame:
    return above(readings)


@ms.step(readings)
def clipped(readings: pl.DataFrame) -> pl.DataFrame:
    return cleaning.clip(readings)


@ms.step(readings)
def halved(readings: pl.DataFrame) -> pl.DataFrame:
    return half(readings)


@ms.step(readings)
@rounded
def decorated(readings: pl.DataFrame) -> pl.DataFrame:
    return readings.with_columns(value=pl.col("value") / 3)


@ms.step(readings)
def late(readings: pl.DataFrame) -> pl.DataFrame:
    from corrections import corrected

    return corrected(readings)


@ms.step(readings)
def expressed(readings: pl.DataFrame) -> pl.DataFrame:
    return readings.with_columns(ratio=RATIO)


@ms.step(readings)
def settled(readings: pl.DataFrame, *, least: int = 3) -> pl.DataFrame:
    return readings.filter(pl.col("value") >= least)


@ms.step(readings)
def chosen(readings: pl.DataFrame, *, method: str = "drop") -> pl.DataFrame:
    return METHODS[method](readings)


@ms.step(readings)
def planned(readings: pl.DataFrame) -> pl.DataFrame:
    return PLAN.follow(readings)


@ms.step(readings)
def metered(readings: pl.DataFrame) -> pl.DataFrame:
    return Meter.read(readings)


@ms.step(readings)
def deeper(readings: pl.DataFrame) -> pl.DataFrame:
    return deep(readings)


@ms.step(readings)
def looked_up(readings: pl.DataFrame) -> pl.DataFrame:
    return readings.join(KNOWN, on="sensor", how="semi", maintain_order="left")


@ms.step(readings)
def shortened(readings: pl.DataFrame) -> pl.DataFrame:
    return first_of(readings.filter(pl.col("value") > remembered()))


@ms.step(readings, partition="1d")
def daily(readings: pl.DataFrame) -> pl.DataFrame:
    return readings.with_columns(double=pl.col("value") * 2)


@ms.step(places)
def named(places: pl.DataFrame) -> pl.DataFrame:
    return places.with_columns(place=pl.col("place").str.to_uppercase())


@ms.step(limited, cleaned, named)
def joined(limited: pl.DataFrame, cleaned: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
    rows = limited.join(cleaned, on=["sensor", "at"], suffix="_clean", maintain_order="left")
    return rows.join(named, on="sensor", maintain_order="left")
'''
CLEANING = '''
import polars as pl


def clean(frame: pl.DataFrame) -> pl.DataFrame:
    """Drop what is no reading."""
    return frame.filter(pl.col("value") > -5)


def clip(frame: pl.DataFrame, upper: float = 60.0) -> pl.DataFrame:
    return frame.with_columns(pl.col("value").clip(upper_bound=upper))


def scale(frame: pl.DataFrame, factor: float) -> pl.DataFrame:
    return frame.with_columns(value=pl.col("value") * factor)


def nobody(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.head(1)
'''
SHAPES = """
from collections.abc import Callable

import polars as pl

from bases import Base


class Shift(Base):
    def __init__(self, by: float) -> None:
        self.by = by

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        return self.keep(frame).with_columns(value=pl.col("value") + self.by)


def threshold(least: float) -> Callable[[pl.DataFrame], pl.DataFrame]:
    def above(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.filter(pl.col("value") > least)

    return above
"""
BASES = """
import polars as pl


class Base:
    def keep(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.filter(pl.col("value") > 1)
"""
TRACING = """
import functools

import polars as pl


def rounded(function):
    @functools.wraps(function)
    def inner(readings):
        return function(readings).with_columns(pl.col("value").round(2))

    return inner
"""
CORRECTIONS = """
import polars as pl


def corrected(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(value=pl.col("value") - 0.5)
"""
TOOLS = """
import functools
from dataclasses import dataclass

import polars as pl

try:
    from lengths import COUNT
except ImportError:
    COUNT = 1


def drop(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("value") < 70)


def keep(frame: pl.DataFrame) -> pl.DataFrame:
    return frame


METHODS = {"drop": drop, "keep": keep}


@dataclass(frozen=True)
class Plan:
    times: float
    plus: float = 1.0

    def follow(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(value=pl.col("value") * self.times + self.plus)


PLAN = Plan(times=3.0)


class Meter:
    offset = 5.0

    @classmethod
    def read(cls, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(value=cls.corrected(pl.col("value")))

    @staticmethod
    def corrected(value: pl.Expr) -> pl.Expr:
        return value - Meter.offset


def inner(value: pl.Expr) -> pl.Expr:
    return value.sqrt()


def deep(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(value=inner(pl.col("value")))


@functools.cache
def remembered() -> float:
    return 15.0


def first_of(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.head(COUNT)
"""
DAYS, SENSORS = 4, 8


def files() -> dict[str, str]:
    """The texts of the project's files by name."""
    rows = [f"s{sensor},2024-03-0{day + 1}T12:00:00,{(37 * sensor + 11 * day) % 101}.25" for day in range(DAYS) for sensor in range(SENSORS)]
    return {
        "river.py": RIVER,
        "cleaning.py": CLEANING,
        "shapes.py": SHAPES,
        "bases.py": BASES,
        "settings.py": "FLOOR = 10.0\n",
        "tracing.py": TRACING,
        "corrections.py": CORRECTIONS,
        "tools.py": TOOLS,
        "lengths.py": "COUNT = 9\n",
        "readings.csv": "\n".join(["sensor,at,value", *rows, ""]),
        "places.csv": "\n".join(["sensor,place", *(f"s{sensor},place {sensor}" for sensor in range(SENSORS)), ""]),
    }


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: in `file`, `old` becomes `new` (or the file is touched); or a setting of the command line, or the version of a library.

    `again` are the steps that must run again, and no other may; `cause` is a word of the reason that the first of them must give; `parts` are the
    days that steps in parts must make anew.
    """

    name: str
    file: str = "river.py"
    old: str = ""
    new: str = ""
    again: tuple[str, ...] = ()
    cause: str = ""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    parts: Mapping[str, int] = field(default_factory=dict[str, int])


OF_READINGS = (
    "readings",
    "limited",
    "floored",
    "cleaned",
    "shifted",
    "enclosed",
    "clipped",
    "halved",
    "decorated",
    "late",
    "expressed",
    "settled",
    "chosen",
    "planned",
    "metered",
    "deeper",
    "looked_up",
    "shortened",
    "daily",
    "joined",
)
NEW_DAY = f"s0,2024-03-0{DAYS + 1}T12:00:00,33.5\n"
EDITS: Sequence[Edit] = (
    Edit("constant", old="LIMIT = 90.0", new="LIMIT = 50.0", again=("limited", "joined"), cause="LIMIT"),
    Edit("constant of another module", "settings.py", "10.0", "30.0", again=("floored",), cause="FLOOR"),
    Edit("helper of another module", "cleaning.py", "> -5", "> 20", again=("cleaned", "joined"), cause="clean"),
    Edit("helper, same result", "cleaning.py", "> -5", "> -6", again=("cleaned",), cause="clean"),
    Edit("method of a class of another module", "shapes.py", "+ self.by", "- self.by", again=("shifted",), cause="Shift"),
    Edit("base class", "bases.py", "> 1", "> 30", again=("shifted",), cause="Base"),
    Edit("value in a closure", old="threshold(20.0)", new="threshold(40.0)", again=("enclosed",), cause="least"),
    Edit("code of a closure", "shapes.py", "> least", ">= 50 + least", again=("enclosed",), cause="above"),
    Edit("default", "cleaning.py", "upper: float = 60.0", "upper: float = 40.0", again=("clipped",), cause="clip"),
    Edit("partial", old="factor=0.5", new="factor=0.25", again=("halved",), cause="half"),
    Edit("decorator", "tracing.py", "round(2)", "round(1)", again=("decorated",), cause="rounded"),
    Edit("import inside a function", "corrections.py", "- 0.5", "- 1.5", again=("late",), cause="corrected"),
    Edit("global pl.Expr", old='pl.col("value") / 100', new='pl.col("value") / 10', again=("expressed",), cause="RATIO"),
    Edit("function in a dictionary", "tools.py", "< 70", "< 60", again=("chosen",), cause="drop"),
    Edit("default field of a dataclass", "tools.py", "plus: float = 1.0", "plus: float = 2.0", again=("planned",), cause="plus"),
    Edit("method of a dataclass", "tools.py", "* self.times +", "* self.times -", again=("planned",), cause="Plan"),
    Edit("attribute of a class", "tools.py", "offset = 5.0", "offset = 6.0", again=("metered",), cause="Meter"),
    Edit("static method", "tools.py", "value - Meter", "value + Meter", again=("metered",), cause="Meter"),
    Edit("helper of a helper", "tools.py", "value.sqrt()", "value.abs()", again=("deeper",), cause="inner"),
    Edit("helper with a cache", "tools.py", "15.0", "25.0", again=("shortened",), cause="remembered"),
    Edit("constant of a conditional import", "lengths.py", "9", "7", again=("shortened",), cause="COUNT"),
    Edit("frame in a global", old='["s1", "s2"]', new='["s1", "s3"]', again=("looked_up",), cause="KNOWN"),
    Edit("setting in the file", old="least: int = 3", new="least: int = 50", again=("settled",), cause="least: 3 -> 50"),
    Edit("setting of the command line", settings={"settled.least": "50"}, again=("settled",), cause="least: 3 -> 50"),
    Edit("data: a day appended", "readings.csv", "", NEW_DAY, again=OF_READINGS, cause="readings.csv", parts={"daily": 1}),
    Edit(
        "data: a row changed",
        "readings.csv",
        "s3,2024-03-02T12:00:00,21.25",
        "s3,2024-03-02T12:00:00,22.5",
        OF_READINGS,
        "readings.csv",
        parts={"daily": 1},
    ),
    Edit("data: another file changed", "places.csv", "place 3", "town 3", again=("places", "named", "joined"), cause="places.csv"),
    Edit(
        "library upgraded (simulated)",
        versions={"polars-runtime-32": "99.0"},
        again=tuple(each for each in (*OF_READINGS[1:], "named")),
        cause="polars",
    ),
    Edit("data: touched, same content", "readings.csv"),
    Edit("constant written otherwise", old="LIMIT = 90.0", new="LIMIT = 9e1"),
    Edit("comment", old="# by a helper of another module", new="# by a helper of the other module"),
    Edit("docstring", old="Rows below a constant of this file.", new="Rows that lie below."),
    Edit("docstring of a helper", "cleaning.py", "Drop what is no reading.", "Drop the rest."),
    Edit("annotation", "cleaning.py", "upper: float = 60.0", "upper: float | int = 60.0"),
    Edit("formatting", "shapes.py", "self.keep(frame).with_columns(", "self.keep(\n            frame\n        ).with_columns("),
    Edit("all lines moved", old="import functools\n", new="\n\n\nimport functools\n"),
    Edit("unrelated function changed", "cleaning.py", "head(1)", "head(2)"),
    Edit("unrelated function added", "shapes.py", "class Shift", "def unused() -> int:\n    return 1\n\n\nclass Shift"),
)
QUICK = ("data: a day appended", "comment")
