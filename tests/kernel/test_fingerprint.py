"""What a function means: told by causes that people know, with the text of each, and as the function is now."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from rivers import run_python
from workshop import Workshop

from millstream.kernel.fingerprint import fingerprint_value, own_code, versions

PLAIN = """
    import polars as pl

    LIMIT = 3

    def clean(frame):
        return frame.filter(pl.col("x") > LIMIT)

    def step(frame):
        return clean(frame).select("x")
"""


def test_causes_name_what_is_known(meaning: Workshop) -> None:
    """The causes say the names by which people know the parts of a function."""
    names = [cause.name for cause in meaning(PLAIN).causes]

    assert names == ["polars", "polars-runtime-32", "python", "steps.LIMIT", "steps.clean", "steps.step"]


def test_methods_are_causes_of_their_own(meaning: Workshop) -> None:
    """Who edits a method reads the method's name."""
    text = "class Adder:\n    def add(self, x): return x + 1\n    def other(self): return 2\ndef step(x): return Adder().add(x)"
    before, after = ({cause.name: cause.value for cause in meaning(each).causes} for each in (text, text.replace("x + 1", "x + 2")))

    assert [name for name, value in before.items() if after[name] != value] == ["steps.Adder.add"]


def test_sources_are_kept(meaning: Workshop) -> None:
    """The text of everything followed is kept, so that `why` can show old code."""
    sources = dict(meaning(PLAIN).sources)

    assert sources["steps.clean"].startswith("def clean(frame):")


def test_sources_of_classes_are_kept(meaning: Workshop) -> None:
    """A class and each of its methods have their text."""
    sources = dict(meaning("class Adder:\n    def add(self, x):\n        return x\ndef step(x): return Adder().add(x)").sources)

    assert sources["steps.Adder"].splitlines()[0] == "class Adder:"
    assert sources["steps.Adder.add"].splitlines()[0] == "    def add(self, x):"


def test_where_it_stands_does_not_matter(meaning: Workshop) -> None:
    """A function that moves down in its file is the same function."""
    assert meaning("\n\n\n" + dedent(PLAIN)).digest == meaning(PLAIN).digest


def test_versions_one_level_down_count(meaning: Workshop) -> None:
    """Other people's code is known by its version, and by those of what it requires itself."""
    causes = {cause.name: cause.value for cause in meaning("import sklearn\ndef step(x): return sklearn.clone(x)").causes}

    assert {"scikit-learn", "numpy", "scipy", "joblib", "threadpoolctl"} <= causes.keys()
    assert causes["scikit-learn"][0].isdigit()
    assert "sklearn" not in causes


def test_python_counts_always(meaning: Workshop) -> None:
    """Another minor version of Python may compute something else."""
    assert "python" in {cause.name for cause in meaning("def step(x): return x").causes}


def test_long_values_are_kept_by_their_digest(meaning: Workshop) -> None:
    """A cause is no place for a table of a thousand numbers."""
    (cause,) = [cause for cause in meaning("TABLE = list(range(1000))\ndef step(x): return TABLE[x]").causes if cause.name == "steps.TABLE"]

    assert cause.value.startswith("list[int:0,")
    assert len(cause.value) < 100


def test_objects_that_hold_each_other(meaning: Workshop) -> None:
    """A circle of objects ends."""
    assert meaning("class Node: ...\na, b = Node(), Node()\na.other, b.other = b, a\ndef step(x): return a").digest


def test_a_thousand_functions_in_a_row(meaning: Workshop) -> None:
    """However deep functions call each other, Python's own depth is not used up."""
    text = "def f0(x): return x\n" + "".join(f"def f{n}(x): return f{n - 1}(x)\n" for n in range(1, 1000)) + "def step(x): return f999(x)"

    assert len(meaning(text).causes) == 1002


def test_code_that_is_nested_deeply(meaning: Workshop) -> None:
    """An expression that Python compiles is read, or known by its compiled code."""
    long = " + ".join(["x"] * 400)

    assert meaning(f"def step(x): return {long}").digest != meaning(f"def step(x): return {long} + 1").digest


def test_values_outside_steps() -> None:
    """An estimator that is trained is known by its class and what it holds."""
    one, other = ({cause.name: cause.value for cause in fingerprint_value("limit", {"least": each, "kind": dict})} for each in (1, 2))

    assert one["limit:'least'"] != other["limit:'least'"]


def test_versions_by_name() -> None:
    """A library step names the distributions that it calls."""
    assert [cause.name for cause in versions("polars", "numpy")] == ["polars", "numpy"]
    assert versions("polars")[0].value[0].isdigit()
    assert versions("no-such-distribution")[0].value == "unknown"


def test_own_code_differs_by_room() -> None:
    """A step of the library means the code of its rooms, and always that of the kernel."""
    assert own_code("features") == own_code("features", "kernel")
    assert own_code("features") != own_code("serving")


THREADS = """
import gc, sys, threading, time
from pathlib import Path
from millstream.kernel.fingerprint import fingerprint
from millstream.kernel.user_file import load_module

text = "def step(x): return x\\n" + "def unrelated(x): return [x, (x, {x: [x, [x, [x]]]})]\\n" * 200
steps = []
for number in range(12):
    file = Path(sys.argv[1]) / f"steps{number}.py"
    file.write_text(text)
    steps.append(load_module(file)[0].step)

def ask(number, depth):
    if depth:
        return ask(number, depth - 1)
    found.append(fingerprint(steps[number]).digest)

found = []
gc.callbacks.append(lambda phase, info: time.sleep(0.001))  # as test tools and profilers do: another thread may go on in the middle of a parse
gc.set_threshold(2_000, 1_000, 1_000)
threads = [threading.Thread(target=ask, args=(number, 5 * number)) for number in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(found))
"""


def test_many_threads_at_once(tmp_path: Path) -> None:
    """Steps run in threads, and each asks what its function means: CPython's parser does not bear that unguarded."""
    done = run_python(THREADS, str(tmp_path))

    assert (done.stdout, done.stderr) == ("12\n", "")


ACROSS = """
import sys
from pathlib import Path
from millstream.kernel.fingerprint import fingerprint
from millstream.kernel.user_file import load_module
print(fingerprint(load_module(Path(sys.argv[1]))[0].step).digest)
"""


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "ONE = {'a', 'b', 'c', 'd', 'e'}\ndef step(x): return ONE",
        "import enum\nclass K(enum.Enum):\n    A = 'a'\n    B = frozenset('bcd')\ndef step(x): return K.A, {*'xyz'}",
        "from dataclasses import dataclass\n@dataclass\nclass D:\n    n: dict\nd = D({'a': {1, 2}})\ndef step(x): return d",
        "import polars as pl\nE = pl.col('x').map_batches(lambda v: v + 1)\ndef step(x): return x.select(E)",
        "import polars as pl\nF = pl.LazyFrame({'a': [1]}).join(pl.LazyFrame({'a': [1]}), on='a')\ndef step(x): return F",
        "from sklearn.linear_model import Ridge\nM = Ridge().fit([[0.0], [1.0]], [0, 1])\ndef step(x): return M.predict(x)",
        "import functools\n@functools.singledispatch\ndef f(x): return 1\n@f.register\ndef _(x: str): return {'a', 'b'}\ndef step(x): return f(x)",
    ],
    ids=["plain", "set", "enumeration", "data class", "expression with a function", "plan", "fitted model", "single dispatch"],
)
def test_every_process_says_the_same(tmp_path: Path, text: str) -> None:
    """A fingerprint holds from one process to the next: no address, no order of a set is in it."""
    file = tmp_path / "steps.py"
    file.write_text(dedent(text), encoding="utf-8")
    said = [run_python(ACROSS, str(file)) for _ in range(2)]

    assert said[0].stdout, said[0].stderr
    assert said[0].stdout == said[1].stdout
