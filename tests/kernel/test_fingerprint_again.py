"""A fingerprint taken again: the same one for microseconds while nothing has changed, and another one as soon as anything has."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from workshop import HELPERS, Workshop

from millstream.kernel import fingerprint as taken
from millstream.kernel.fingerprint import changes, fingerprint

RICH = """
    import dataclasses
    import enum
    import functools

    import numpy as np
    import polars as pl

    import helpers
    from helpers import Rule

    LIMIT = 3
    TABLE = [1, [2, {"a": 3}]]
    FRAME = pl.DataFrame({"a": [1, 2]})
    ARRAY = np.array([1.0, 2.0])
    NAMES = {"a", "b"}
    RULE = Rule()
    RULE.rate = 1

    class Adder:
        step = 1
        held = [1]
        def __init__(self, n): self.n = n
        def add(self, x): return x + self.n + self.step

    class Slotted:
        __slots__ = ("n", "more")
        def __init__(self, n): self.n = n

    class Counts(dict):
        def total(self): return sum(self.values())

    @dataclasses.dataclass
    class Pair:
        left: int = 1
        right: list = dataclasses.field(default_factory=list)

    class Kind(enum.Enum):
        A = [1]

    ADDER, SLOTTED, COUNTS, PAIR = Adder(1), Slotted(1), Counts(a=1), Pair()
    PLUS = functools.partial(lambda k, x, m: k + x + m, 1, m=[2])
    OPERATIONS = {"one": lambda x: x + 1}
    ALL = [Adder(5), Adder(6)]

    def make():
        count = 1
        def next_one(x, /, *, more=[1]):
            nonlocal count
            return x + count + len(more)
        def set_count(n):
            nonlocal count
            count = n
        next_one.label = "a"
        return next_one, set_count
    counted, set_count = make()

    def helper(x, y=[1]):
        return helpers.clean(x) + RULE.apply(x) + len(y)

    def step(x):
        from shop.helpers import clean
        parts = (LIMIT, TABLE, FRAME, ARRAY, NAMES, ADDER, SLOTTED, PAIR, PLUS, OPERATIONS, ALL, Kind.A, round(x))
        return helper(x), counted(x), clean(x), parts, x.shuffled

    def counts(x):
        return COUNTS.total()
"""


def _of(name: str, module: ModuleType) -> Any:
    return getattr(module, name)


EVENTS: dict[str, Callable[[Any], object]] = {
    "a constant is another": lambda m: setattr(m, "LIMIT", 4),
    "a constant is of another type": lambda m: setattr(m, "LIMIT", 3.0),
    "a constant is gone": lambda m: delattr(m, "LIMIT"),
    "a list grows": lambda m: m.TABLE.append(1),
    "a dictionary deep in a list": lambda m: m.TABLE[1][1].update(a=4),
    "a frame gets a column": lambda m: m.FRAME.insert_column(0, m.FRAME["a"].alias("b")),
    "a cell of a frame": lambda m: m.FRAME.__setitem__((0, "a"), 7),
    "a number of an array": lambda m: m.ARRAY.__setitem__(0, 7.0),
    "a set grows": lambda m: m.NAMES.add("c"),
    "an attribute of an object": lambda m: setattr(m.ADDER, "n", 2),
    "an attribute more": lambda m: setattr(m.ADDER, "other", 2),
    "an attribute of an object of another module": lambda m: setattr(m.RULE, "rate", 2),
    "a slot": lambda m: setattr(m.SLOTTED, "n", 2),
    "a slot that was empty": lambda m: setattr(m.SLOTTED, "more", 2),
    "a list in a data class": lambda m: m.PAIR.right.append(1),
    "a constant of a class": lambda m: setattr(m.Adder, "step", 2),
    "a list of a class": lambda m: m.Adder.held.append(2),
    "a method of a class": lambda m: setattr(m.Adder, "add", lambda self, x: x),
    "a base of a class": lambda m: setattr(m.Pair, "__bases__", (m.Base,)),
    "a value of an enumeration": lambda m: m.Kind.A.value.append(2),
    "a keyword of a partial": lambda m: m.PLUS.keywords["m"].append(3),
    "a function in a dictionary": lambda m: m.OPERATIONS.update(one=lambda x: x + 2),
    "an entry of a dictionary of functions": lambda m: m.OPERATIONS.update(two=lambda x: x + 2),
    "an object in a list": lambda m: m.ALL.reverse(),
    "a captured variable": lambda m: m.set_count(2),
    "a default of a closure": lambda m: m.counted.__kwdefaults__["more"].append(2),
    "an attribute of a function": lambda m: setattr(m.counted, "label", "b"),
    "a default of a function": lambda m: m.helper.__defaults__[0].append(2),
    "the defaults of a function": lambda m: setattr(m.helper, "__defaults__", ([2],)),
    "the code of a function": lambda m: setattr(m.helper, "__code__", (lambda x, y: x).__code__),
    "another function of that name": lambda m: setattr(m, "helper", lambda x: x),
    "a function of another module": lambda m: setattr(m.helpers, "clean", lambda x: x),
    "a constant of another module": lambda m: setattr(m.helpers, "LIMIT", 9),
    "a function that is imported when it runs": lambda m: setattr(sys.modules["shop.helpers"], "clean", lambda x: x),
    "a builtin is hidden": lambda m: setattr(m, "round", lambda x: x),
    "a method is hung on a frame": lambda m: setattr(m.pl.DataFrame, "shuffled", m.helper),
}


@pytest.fixture
def rich(meaning: Workshop) -> ModuleType:
    """A module of everything that can change, with `step` fingerprinted once."""
    return meaning.load(
        RICH.replace("class Pair:", "class Pair(Thing):").replace("@dataclasses", "class Thing: ...\n    class Base: ...\n    @dataclasses")
    )


@pytest.mark.parametrize("event", EVENTS)
def test_what_changes_while_the_program_runs_is_seen(rich: ModuleType, event: str) -> None:
    """The fingerprint that is remembered holds only as long as everything in it is the same."""
    before = fingerprint(_of("step", rich))
    EVENTS[event](rich)
    try:
        after = fingerprint(_of("step", rich))
    finally:
        if hasattr(_of("pl", rich).DataFrame, "shuffled"):
            del _of("pl", rich).DataFrame.shuffled

    assert after.digest != before.digest
    assert changes(before, after)


def test_nothing_is_looked_at_again_while_nothing_changes(rich: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time neither sources nor objects are read."""
    fingerprint(_of("step", rich))  # which loads what it imports
    before = fingerprint(_of("step", rich))
    monkeypatch.setattr(taken, "Meaning", None)

    assert fingerprint(_of("step", rich)) is before


def test_what_cannot_be_guarded_is_looked_at_every_time(rich: ModuleType) -> None:
    """What a derived dictionary holds is asked anew."""
    before = fingerprint(_of("counts", rich))
    _of("COUNTS", rich).update(a=2)

    assert fingerprint(_of("counts", rich)).digest != before.digest


def test_what_is_undone_is_the_same_again(rich: ModuleType) -> None:
    """The content counts, not what happened in between."""
    before = fingerprint(_of("step", rich))
    _of("TABLE", rich).append(1)
    between = fingerprint(_of("step", rich))
    _of("TABLE", rich).pop()

    assert between.digest != before.digest
    assert fingerprint(_of("step", rich)).digest == before.digest


def test_what_a_step_changes_is_named(meaning: Workshop) -> None:
    """Before and after a run: a constant that the step has changed has its name."""
    module = meaning.load("SEEN = []\nLIMIT = 3\ndef step(x):\n    SEEN.append(x)\n    return len(SEEN) + LIMIT")
    before = fingerprint(module.step)
    module.step(1)

    assert changes(before, fingerprint(module.step)) == ("steps.SEEN",)


def test_what_a_step_leaves_is_not_named(rich: ModuleType) -> None:
    """A fingerprint taken again after a call that changes nothing is the same."""
    before = fingerprint(_of("counted", rich))
    _of("counted", rich)(1)

    assert changes(before, fingerprint(_of("counted", rich))) == ()


def test_what_is_remembered_for_speed_is_no_change(meaning: Workshop) -> None:
    """Neither a cached property nor a cached function has another meaning after it was called."""
    text = (
        "import functools\nclass A:\n    @functools.cached_property\n    def n(self): return 1\na = A()\n"
        "@functools.cache\ndef f(x): return x\ndef step(x): return a.n + f(x)"
    )
    module = meaning.load(text)
    before = fingerprint(module.step)
    module.step(1)

    assert fingerprint(module.step).digest == before.digest


def test_a_file_that_is_edited_while_the_program_runs(meaning: Workshop) -> None:
    """What runs is what was imported: the text that came later is neither its meaning nor its source."""
    old = meaning.load("def step(x):\n    return x + 1").step
    new = meaning("def step(x):\n    return x + 2")

    assert fingerprint(old).digest != new.digest
    assert "x + 2" not in str(fingerprint(old).sources)


def test_a_file_that_is_edited_after_the_first_look(meaning: Workshop) -> None:
    """A function keeps its meaning, and its text, whatever becomes of the file."""
    old = meaning.load("def step(x):\n    return x + 1").step
    before = fingerprint(old)
    meaning.load("def step(x):\n    return x + 2")

    assert fingerprint(old) is before


def test_a_module_that_is_imported_again(meaning: Workshop) -> None:
    """A function that imports when it runs sees the module as it is then."""
    text = "def step(x):\n    from helpers import clean\n    return clean(x)"
    step = meaning.load(text).step
    before = fingerprint(step)
    meaning.load(text, HELPERS.replace("LIMIT = 3", "LIMIT = 4"))

    assert fingerprint(step).digest != before.digest


def test_a_module_that_was_missing(meaning: Workshop) -> None:
    """An import that failed is tried again."""
    step = meaning.load("def step(x):\n    try:\n        import late_one\n    except ImportError:\n        return 0\n    return late_one.n").step
    before = fingerprint(step)
    (meaning.folder / "late_one.py").write_text("n = 1\n", encoding="utf-8")

    assert fingerprint(step).digest != before.digest
    del sys.modules["late_one"]
