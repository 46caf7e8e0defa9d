"""The edits that people make, one by one: what each re-runs, and the cause that is named for it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import pytest
from workshop import Workshop

from millstream.kernel.fingerprint import changes

STEPS = """
    import functools
    import json

    import polars as pl

    import millstream as ms
    from helpers import Scale, clean

    rides = ms.source("rides.csv", key="ride", time="started")
    LIMIT = 3
    WORDS = ["a", "b"]
    LARGE = pl.col("x") > 100

    def largest(frame, most=7):
        return frame.filter(pl.col("x") < most)

    def above(least):
        def keep(frame):
            return frame.filter(pl.col("x") > least)
        return keep

    keep = above(5)

    def add(n, frame):
        return frame.with_columns(pl.col("x") + n)

    plus = functools.partial(add, 2)

    def twice(times):
        def decorate(function):
            @functools.wraps(function)
            def run(frame):
                for _ in range(times):
                    frame = function(frame)
                return frame
            return run
        return decorate

    @twice(2)
    def halved(frame):
        return frame.with_columns(pl.col("x") / 2)

    def unrelated(frame):
        return frame.head(1)

    @ms.step(rides, key="ride")
    def step(rides: pl.LazyFrame, *, least: int = 1) -> pl.LazyFrame:
        \"\"\"All of it.\"\"\"
        from helpers import late_import
        if rides is None:
            import shop.helpers
            return shop.helpers.seldom(rides)
        frame = keep(largest(clean(rides))).filter(LARGE, pl.col("x") > LIMIT, pl.col("word").is_in(WORDS))  # all
        return late_import(plus(halved(Scale().apply(frame))))

    step = step.function
"""
HELPERS = """
    import dataclasses

    FLOOR = 0

    def clean(frame):
        return frame.filter(frame.x > FLOOR)

    class Base:
        def apply(self, frame):
            return frame * self.factor * self.offset()

        def offset(self):
            return 1

    @dataclasses.dataclass
    class Scale(Base):
        factor: float = 2.0

        def offset(self):
            return super().offset() + 1

    def late_import(frame):
        return frame

    def seldom(frame):
        return frame.tail(3)

    def unrelated(frame):
        return frame
"""


class Edit(NamedTuple):
    """A text that becomes another in one of two files, and the causes that change by it."""

    file: Literal["steps", "helpers"]
    old: str
    new: str
    causes: tuple[str, ...]


EDITS = {
    "constant of the module": Edit("steps", "LIMIT = 3", "LIMIT = 4", ("steps.LIMIT",)),
    "list of the module": Edit("steps", '"a", "b"]', '"a", "c"]', ("steps.WORDS",)),
    "expression of the module": Edit("steps", "> 100", "> 200", ("steps.LARGE",)),
    "its own body": Edit("steps", "if rides is None", "if not rides", ("steps.step",)),
    "its default": Edit("steps", "least: int = 1", "least: int = 2", ("steps.step", "steps.step:least")),
    "helper of the module": Edit("steps", 'pl.col("x") < most', 'pl.col("x") <= most', ("steps.largest",)),
    "default of a helper": Edit("steps", "most=7", "most=8", ("steps.largest", "steps.largest:most")),
    "captured value": Edit("steps", "above(5)", "above(6)", ("steps.above.<locals>.keep:least",)),
    "argument of a partial": Edit("steps", "partial(add, 2)", "partial(add, 3)", ("steps.plus:args",)),
    "function of a partial": Edit("steps", '(pl.col("x") + n)', '(pl.col("x") - n)', ("steps.add",)),
    "argument of a decorator": Edit("steps", "@twice(2)", "@twice(3)", ("steps.halved", "steps.twice.<locals>.decorate.<locals>.run:times")),
    "body of a decorator": Edit(
        "steps",
        "frame = function(frame)",
        "frame = function(frame).lazy()",
        ("steps.twice", "steps.twice.<locals>.decorate.<locals>.run"),
    ),
    "function below a decorator": Edit("steps", "/ 2", "/ 4", ("steps.halved",)),
    "helper in another module": Edit("helpers", "frame.x > FLOOR", "frame.x >= FLOOR", ("helpers.clean",)),
    "constant in another module": Edit("helpers", "FLOOR = 0", "FLOOR = 1", ("helpers.FLOOR",)),
    "method in another module": Edit("helpers", "super().offset() + 1", "super().offset() + 2", ("helpers.Scale.offset",)),
    "method of a base class": Edit("helpers", "        return 1", "        return 2", ("helpers.Base.offset",)),
    "default of a field": Edit("helpers", "float = 2.0", "float = 3.0", ("helpers.Scale", "helpers.Scale.factor")),
    "import in the function": Edit("helpers", "    return frame\n\n    def seldom", "    return -frame\n\n    def seldom", ("helpers.late_import",)),
    "import on a condition": Edit("helpers", "tail(3)", "tail(4)", ("shop.helpers.seldom",)),
    "remark": Edit("steps", "# all", "# all of them", ()),
    "remark above": Edit("steps", "def largest", "# the largest\n    def largest", ()),
    "docstring": Edit("steps", "All of it.", "All of them.", ()),
    "docstring of a helper": Edit("helpers", "def clean(frame):", 'def clean(frame):\n        """Clean it."""', ()),
    "annotation": Edit("steps", "-> pl.LazyFrame:", "-> pl.DataFrame:", ()),
    "annotation of a helper": Edit("steps", "def largest(frame,", "def largest(frame: pl.LazyFrame,", ()),
    "annotation of a variable": Edit("steps", "        frame = keep(", "        frame: pl.LazyFrame = keep(", ()),
    "layout": Edit(
        "steps",
        "return late_import(plus(halved(Scale().apply(frame))))",
        "return late_import(\n            plus(halved(Scale().apply(frame)))\n        )",
        (),
    ),
    "quotes": Edit("steps", 'pl.col("word")', "pl.col('word')", ()),
    "another function": Edit("steps", "frame.head(1)", "frame.head(2)", ()),
    "another function there": Edit("helpers", "def unrelated(frame):\n        return frame", "def unrelated(frame):\n        return None", ()),
    "one function more": Edit("steps", "def largest", "def more(frame): return frame\n\n    def largest", ()),
    "unused import": Edit("steps", "import json\n", "import json\n    import math\n", ()),
    "constant written otherwise": Edit("steps", "LIMIT = 3", "LIMIT = 1 + 2", ()),
    "argument of our decorator": Edit("steps", 'key="ride")\n    def step', "key=['ride'])\n    def step", ()),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_what_it_means_and_nothing_else(meaning: Workshop, name: str) -> None:
    """Each edit changes just the causes that a person would name for it, or none."""
    edit = EDITS[name]
    texts = {"steps": STEPS, "helpers": HELPERS}
    assert texts[edit.file].count(edit.old) == 1

    before = meaning(STEPS, HELPERS)
    edited = texts | {edit.file: texts[edit.file].replace(edit.old, edit.new)}
    after = meaning(edited["steps"], edited["helpers"])

    assert tuple(each for each in changes(before, after) if not _is_copy(each, edit)) == edit.causes
    assert (before.digest != after.digest) == bool(edit.causes)


def _is_copy(cause: str, edit: Edit) -> bool:
    """Whether it is the same in the second copy of the helpers, which the function reads by its other name."""
    return cause.startswith("shop.") and cause not in edit.causes
