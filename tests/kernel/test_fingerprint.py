"""What a function means: changed by everything that it refers to, and by nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from rivers import run_python

from millstream.kernel.fingerprint import Fingerprint, fingerprint
from millstream.project import load_module

PLAIN = """
    import polars as pl

    LIMIT = 3

    def clean(frame):
        return frame.filter(pl.col("x") > LIMIT)

    def step(frame):
        return clean(frame).select("x")
"""

SAME_MEANING = {
    "comment": ("return frame.filter", "# only large ones\n        return frame.filter"),
    "docstring": ("def step(frame):", 'def step(frame):\n        """What it does."""'),
    "docstring of a helper": ("def clean(frame):", 'def clean(frame):\n        """What it does."""'),
    "formatting": ('frame.filter(pl.col("x") > LIMIT)', "frame.filter(\n            (pl.col('x') > LIMIT),\n        )"),
    "annotations": ("def step(frame):", "def step(frame: 'pl.LazyFrame') -> 'pl.LazyFrame':"),
    "an unrelated function": ("def step(frame):", "def other(frame):\n        return frame\n\n    def step(frame):"),
    "an unrelated constant": ("LIMIT = 3", "LIMIT = 3\n    OTHER = 4"),
    "an alias in the file": ("LIMIT = 3", "LIMIT = 1 + 2"),
}

CHANGES: dict[str, tuple[str, str, str]] = {
    "its own body": (PLAIN, 'select("x")', 'select("y")'),
    "body of a helper": (PLAIN, "> LIMIT", ">= LIMIT"),
    "constant of a helper": (PLAIN, "LIMIT = 3", "LIMIT = 4"),
    "type of a constant": (PLAIN, "LIMIT = 3", "LIMIT = 3.0"),
    "default": ("def step(frame, least=3): return frame", "least=3", "least=4"),
    "default by a constant": ("LEAST = 3\ndef helper(x, least=LEAST): return x\ndef step(x): return helper(x)", "LEAST = 3", "LEAST = 4"),
    "keyword default": ("LEAST = 3\ndef helper(x, *, least=LEAST): return x\ndef step(x): return helper(x)", "LEAST = 3", "LEAST = 4"),
    "lambda": ("double = lambda x: 2 * x\ndef step(x): return double(x)", "2 * x", "3 * x"),
    "closure": (
        "def make(n):\n    def inner(x): return x + n\n    return inner\nstep = make(1)",
        "make(1)",
        "make(2)",
    ),
    "one of two closures of one factory": (
        "def make(n):\n    def inner(x): return x + n\n    return inner\na, b = make(1), make(2)\ndef step(x): return a(x) + b(x)",
        "make(1)",
        "make(3)",
    ),
    "partial": (
        "import functools\ndef add(n, x, y=0): return n + x + y\nplus = functools.partial(add, 1)\ndef step(x): return plus(x)",
        "partial(add, 1)",
        "partial(add, 2)",
    ),
    "keyword of a partial": (
        "import functools\ndef add(n, x, y=0): return n + x + y\nplus = functools.partial(add, 1, y=1)\ndef step(x): return plus(x)",
        "y=1)",
        "y=2)",
    ),
    "function of a partial": (
        "import functools\ndef add(n, x): return n + x\nplus = functools.partial(add, 1)\ndef step(x): return plus(x)",
        "n + x",
        "n - x",
    ),
    "list": ("WORDS = ['a', 'b']\ndef step(x): return x in WORDS", "'b'", "'c'"),
    "order of a list": ("WORDS = ['a', 'b']\ndef step(x): return x in WORDS", "['a', 'b']", "['b', 'a']"),
    "set": ("WORDS = {'a', 'b'}\ndef step(x): return x in WORDS", "'b'", "'c'"),
    "dictionary": ("WORDS = {'a': 1}\ndef step(x): return WORDS[x]", "1}", "2}"),
    "dictionary of functions": ("def one(x): return 1\nTABLE = {'a': one}\ndef step(x): return TABLE['a'](x)", "return 1", "return 2"),
    "list of lambdas": ("TABLE = [lambda x: 1]\ndef step(x): return TABLE[0](x)", "x: 1", "x: 2"),
    "pattern": ("import re\nWORD = re.compile('a+')\ndef step(x): return WORD.match(x)", "a+", "b+"),
    "flags of a pattern": ("import re\nWORD = re.compile('a+')\ndef step(x): return WORD.match(x)", "'a+'", "'a+', re.I"),
    "polars expression": ("import polars as pl\nLARGE = pl.col('x') > 3\ndef step(x): return x.filter(LARGE)", "> 3", "> 4"),
    "frame": ("import polars as pl\nCODES = pl.DataFrame({'a': [1]})\ndef step(x): return x.join(CODES, on='a')", "[1]", "[2]"),
    "array": ("import numpy as np\nWEIGHTS = np.array([1.0])\ndef step(x): return WEIGHTS", "[1.0]", "[2.0]"),
    "value of an enumeration": ("import enum\nclass Kind(enum.Enum):\n    A = 1\nKIND = Kind.A\ndef step(x): return KIND.value", "A = 1", "A = 2"),
    "method": ("class Adder:\n    def add(self, x): return x + 1\ndef step(x): return Adder().add(x)", "x + 1", "x + 2"),
    "method of a base class": (
        "class Base:\n    def add(self, x): return x + 1\nclass Adder(Base): ...\ndef step(x): return Adder().add(x)",
        "x + 1",
        "x + 2",
    ),
    "function that a method calls": (
        "def one(): return 1\nclass Adder:\n    def add(self, x): return x + one()\ndef step(x): return Adder().add(x)",
        "return 1",
        "return 2",
    ),
    "constant of a class": ("class Adder:\n    n = 1\n    def add(self, x): return x + self.n\ndef step(x): return Adder().add(x)", "n = 1", "n = 2"),
    "constant that a class takes over": ("N = 1\nclass Adder:\n    n = N\ndef step(x): return Adder.n", "N = 1", "N = 2"),
    "default of a method": ("N = 1\nclass Adder:\n    def add(self, x=N): return x\ndef step(x): return Adder().add()", "N = 1", "N = 2"),
    "what an object holds": (
        "class Adder:\n    def __init__(self, n): self.n = n\nadder = Adder(1)\ndef step(x): return adder.n",
        "Adder(1)",
        "Adder(2)",
    ),
    "what an object that can be called holds": (
        "class Adder:\n    def __init__(self, n): self.n = n\n    def __call__(self, x): return self.n\nadd = Adder(1)\ndef step(x): return add(x)",
        "Adder(1)",
        "Adder(2)",
    ),
    "data class": (
        "import dataclasses\n@dataclasses.dataclass\nclass Rule:\n    n: int\nRULE = Rule(1)\ndef step(x): return RULE.n",
        "Rule(1)",
        "Rule(2)",
    ),
    "cached function": ("import functools\n@functools.cache\ndef one(x): return 1\ndef step(x): return one(x)", "return 1", "return 2"),
    "decorator": (
        """
        import functools
        def twice(function):
            @functools.wraps(function)
            def run(x): return 2 * function(x)
            return run
        @twice
        def one(x): return 1
        def step(x): return one(x)
        """,
        "2 * function",
        "3 * function",
    ),
    "decorated function": (
        """
        import functools
        def twice(function):
            @functools.wraps(function)
            def run(x): return 2 * function(x)
            return run
        @twice
        def one(x): return 1
        def step(x): return one(x)
        """,
        "return 1",
        "return 2",
    ),
    "function named like a builtin": ("def round(x): return 1\ndef step(x): return round(x)", "return 1", "return 2"),
    "which function a name stands for": ("def f(x): return 1\ndef g(x): return 2\nh = f\ndef step(x): return f(x), g(x), h(x)", "h = f", "h = g"),
    "which function a closure holds": (
        "def f(x): return 1\ndef g(x): return 2\ndef make(h):\n    def inner(x): return h(x), f, g\n    return inner\nstep = make(f)",
        "make(f)",
        "make(g)",
    ),
    "order of functions": ("def f(x): return 1\ndef g(x): return 2\nALL = [f, g]\ndef step(x): return ALL[0](x)", "[f, g]", "[g, f]"),
    "method of an object": (
        "class Adder:\n    def __init__(self, n): self.n = n\n    def more(self): return self.n\nadd = Adder(1).more\ndef step(x): return add(x)",
        "Adder(1)",
        "Adder(2)",
    ),
    "code without source": ("exec('def step(x): return x.one', globals())", "x.one", "x.two"),
    "function used in an inner function": ("def one(x): return 1\ndef step(x):\n    return [one(y) for y in x]", "return 1", "return 2"),
}

HELPERS = """
    LIMIT = 3

    def clean(x):
        return x > LIMIT

    def unrelated(x):
        return x
"""

IMPORTS = {
    "function": "from helpers import clean\ndef step(x): return clean(x)",
    "attribute": "import helpers\ndef step(x): return helpers.clean(x)",
    "alias": "import helpers as h\ndef step(x): return h.clean(x)",
    "inside the function": "def step(x):\n    from helpers import clean\n    return clean(x)",
    "module inside the function": "def step(x):\n    import helpers\n    return helpers.clean(x)",
    "module of a package": "import shop.helpers\ndef step(x): return shop.helpers.clean(x)",
    "from a package": "from shop import helpers\ndef step(x): return helpers.clean(x)",
}


@pytest.fixture(autouse=True)
def _own_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules and search path as they were, and no bytecode: files are written again within one second."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("steps", "helpers", "shop")):
            del sys.modules[name]


@pytest.fixture
def meaning(tmp_path: Path) -> Callable[..., Fingerprint]:
    """The fingerprint of the function `step` of a text, with the text of a helper module (also as `shop.helpers`)."""

    def of(text: str, helpers: str = HELPERS) -> Fingerprint:
        (tmp_path / "shop").mkdir(exist_ok=True)
        (tmp_path / "shop" / "__init__.py").write_text("", encoding="utf-8")
        for file in (tmp_path / "helpers.py", tmp_path / "shop" / "helpers.py"):
            file.write_text(dedent(helpers), encoding="utf-8")
        for name in ("steps", "helpers", "shop", "shop.helpers"):
            sys.modules.pop(name, None)
        file = tmp_path / "steps.py"
        file.write_text(dedent(text), encoding="utf-8")
        step: Any = load_module(file)[0].step
        return fingerprint(step)

    return of


@pytest.mark.parametrize("change", SAME_MEANING)
def test_same_meaning(meaning: Callable[..., Fingerprint], change: str) -> None:
    """Comments, docstrings, formatting, annotations and what it does not refer to change nothing."""
    assert meaning(PLAIN.replace(*SAME_MEANING[change])).digest == meaning(PLAIN).digest


def test_annotations_of_variables_mean_nothing(meaning: Callable[..., Fingerprint]) -> None:
    """The type of a variable is no part of what a function does."""
    assert meaning("def step(x):\n    y: int = x\n    return y").digest == meaning("def step(x):\n    y: float = x\n    return y").digest


@pytest.mark.parametrize("change", CHANGES)
def test_other_meaning(meaning: Callable[..., Fingerprint], change: str) -> None:
    """Whatever it refers to is part of what it means, by content, and so is what that refers to."""
    text, old, new = CHANGES[change]
    assert text.count(old) >= 1
    assert meaning(text).digest == meaning(text).digest
    assert meaning(text.replace(old, new)).digest != meaning(text).digest


@pytest.mark.parametrize("way", IMPORTS)
@pytest.mark.parametrize(("old", "new"), [("x > LIMIT", "x >= LIMIT"), ("LIMIT = 3", "LIMIT = 4")])
def test_other_modules_of_the_project(meaning: Callable[..., Fingerprint], way: str, old: str, new: str) -> None:
    """Functions of the user's other modules are followed however they are imported."""
    assert meaning(IMPORTS[way], HELPERS.replace(old, new)).digest != meaning(IMPORTS[way]).digest


@pytest.mark.parametrize("way", IMPORTS)
def test_rest_of_another_module_does_not_matter(meaning: Callable[..., Fingerprint], way: str) -> None:
    """What is not used of an imported module changes nothing."""
    assert meaning(IMPORTS[way], HELPERS.replace("return x\n", "return -x\n")).digest == meaning(IMPORTS[way]).digest


def test_name_of_the_file_does_not_matter_but_its_code(meaning: Callable[..., Fingerprint]) -> None:
    """A function that moves down in its file is the same function."""
    assert meaning("\n\n\n" + dedent(PLAIN)).digest == meaning(PLAIN).digest


def test_causes_name_what_changed(meaning: Callable[..., Fingerprint]) -> None:
    """The causes say the names by which people know the parts of a function."""
    assert [cause.name for cause in meaning(PLAIN).causes] == ["polars", "polars-runtime-32", "steps.LIMIT", "steps.clean", "steps.step"]


def test_sources_are_kept(meaning: Callable[..., Fingerprint]) -> None:
    """The text of everything followed is kept, so that `why` can show old code."""
    sources = dict(meaning(PLAIN).sources)

    assert sources["steps.clean"].startswith("def clean(frame):")


def test_version_of_an_installed_package_counts(meaning: Callable[..., Fingerprint]) -> None:
    """Other people's code is known by its version, not followed."""
    causes = {cause.name: cause.value for cause in meaning("import numpy as np\ndef step(x): return np.abs(x)").causes}

    assert causes["numpy"][0].isdigit()


@pytest.mark.parametrize(
    "text",
    [
        "import io\nHANDLE = io.StringIO()\ndef step(x): return HANDLE",
        "namespace = {}\nexec('def step(x): return 1', namespace)\nstep = namespace['step']\nstep.__module__ = __name__",
        "import helpers\ndef step(x): return getattr(helpers, 'clean')(x)",
    ],
    ids=["an object without content", "code without source", "a name made at run time"],
)
def test_blind_spots_are_named(meaning: Callable[..., Fingerprint], text: str) -> None:
    """What cannot be followed is said, never passed over in silence."""
    assert meaning(text).blind


def test_objects_that_hold_each_other(meaning: Callable[..., Fingerprint]) -> None:
    """A circle of objects ends."""
    assert meaning("class Node: ...\na, b = Node(), Node()\na.other, b.other = b, a\ndef step(x): return a").digest


THREADS = """
import gc, sys, threading, time
from pathlib import Path
from millstream.kernel.fingerprint import fingerprint
from millstream.project import load_module

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
