"""What changes nothing of what a function means, and so runs nothing again."""

from __future__ import annotations

import pytest
from workshop import Workshop

SAME: dict[str, tuple[str, str, str]] = {
    "annotation of a variable added": ("def step(x):\n    y = x\n    return y", "y = x", "y: int = x"),
    "bare annotation": ("def step(x):\n    y = x\n    return y", "    y = x", "    y: int\n    y = x"),
    "docstrings of all kinds of methods": (
        (
            "class A:\n"
            "    def m(self): return 1\n"
            "    @staticmethod\n"
            "    def s(): return 1\n"
            "    @classmethod\n"
            "    def c(cls): return 1\n"
            "    @property\n"
            "    def p(self): return 1\n"
            "import functools\n"
            "@functools.cache\n"
            "def k(x):\n"
            "    return 1\n"
            "def step(x): return A().m(), k(x)"
        ),
        "return 1",
        "\n        'about'\n        return 1",
    ),
    "definitions moved": ("K = 1\ndef f(x): return K\ndef step(x): return f(x)", "K = 1\ndef f(x): return K\n", "def f(x): return K\nK = 1\n"),
    "unused import": ("def step(x): return x", "def", "import json\ndef"),
    "docstring of an inner function": (
        ("def step(x):\n    def f():\n        return x\n    return f()"),
        "def f():",
        "def f() -> int:\n        'about'",
    ),
    "line of a function in an expression": (
        ("import polars as pl\ndef helper(v): return v + 1\nE = pl.col('x').map_batches(helper)\ndef step(x): return x.select(E)"),
        "def helper",
        "# more\n# more\ndef helper",
    ),
    "line of a lambda in an expression": (
        ("import polars as pl\nE = pl.col('x').map_batches(lambda v: v + 1)\ndef step(x): return x.select(E)"),
        "E =",
        "# more\n# more\nE =",
    ),
    "attribute called like a constant": ("frame = 1\ndef step(x, frame): return x.frame(frame.x)", "frame = 1", "frame = 2"),
    "variable called like a constant": ("filter_ = 1\ndef step(x):\n    filter_ = 2\n    return x.filter_ + filter_", "filter_ = 1", "filter_ = 3"),
    "name of a logger": ("import logging\nL = logging.getLogger('a')\ndef step(x): L.info('a'); return x", "'a')\n", "'b')\n"),
    "docstring under a decorator": (
        (
            "import functools\n"
            "def d(f):\n"
            "    @functools.wraps(f)\n"
            "    def r(x): return f(x)\n"
            "    return r\n"
            "@d\n"
            "def g(x): return x\n"
            "def step(x): return g(x)"
        ),
        "def g(x): return x",
        "def g(x):\n    'doc'\n    return x",
    ),
    "statements without effect": ("def step(x):\n    return x", "    return", "    pass\n    ...\n    return"),
    "constant computed otherwise": ("K = 3\ndef step(x): return K", "K = 3", "K = sum([1, 2])"),
    "arguments of our decorator": (
        (
            "import millstream as ms\n"
            "src = ms.source('a.csv', key='k')\n"
            "@ms.step(src, key='k')\n"
            "def late(t, *, n: int = 1): return n\n"
            "step = late.function"
        ),
        "src, key='k')\ndef",
        "src, key='q')\ndef",
    ),
    "our decorator under another name": (
        (
            "import millstream as ms\n"
            "src = ms.source('a.csv', key='k', time='t')\n"
            "view = ms.step(src, key='k')\n"
            "@view\n"
            "def late(t, *, n: int = 1): return n\n"
            "step = late.function"
        ),
        "src, key='k')\n@",
        "src, key='q')\n@",
    ),
    "line of a source": ("import millstream as ms\nsrc = ms.source('a.csv', key='k')\ndef step(x): return src.address", "src =", "# more\n\nsrc ="),
    "table that a called step reads": (
        (
            "import millstream as ms\n"
            "src = ms.source('a.csv', key='k')\n"
            "@ms.step(src)\n"
            "def late(t, *, n: int = 1): return n\n"
            "def step(x): return late(x)"
        ),
        "'a.csv'",
        "'b.csv'",
    ),
    "order of a set": ("S = {'a', 'b', 'c'}\ndef step(x): return S", "{'a', 'b', 'c'}", "{'c', 'b', 'a'}"),
    "empty branch": ("def step(x):\n    if x: return 1\n    return 2", "    return 2", "    else:\n        pass\n    return 2"),
    "line of a lambda": ("def step(x): return sorted(x, key=lambda v: v)", "key=lambda v: v", "\n   key=(lambda v: v)"),
    "type variables": ("import typing\nT = typing.TypeVar('T')\ndef step(x): return x", "step(x)", "step(x: T) -> T"),
    "docstring of a vectorised function": (
        ("import numpy as np\ndef g(v): return v\nf = np.vectorize(g)\ndef step(x): return f(x)"),
        "def g(v): return v",
        "def g(v):\n    'doc'\n    return v",
    ),
    "docstring of a context manager": (
        ("import contextlib\n@contextlib.contextmanager\ndef c():\n    yield 1\ndef step(x):\n    with c() as v: return v"),
        "    yield 1",
        "    'doc'\n    yield 1",
    ),
    "docstring of a class": ("class A:\n    def m(self): return 1\ndef step(x): return A().m()", "    def m", "    'about it'\n    def m"),
    "remark in a class": ("class A:\n    def m(self): return 1\ndef step(x): return A().m()", "    def m", "    # about\n    # it\n    def m"),
    "annotation in a class": ("class A:\n    n = 1\n    def m(self): return 1\ndef step(x): return A().m()", "n = 1", "n: int = 1"),
    "order of methods": (
        ("class A:\n    def m(self): return 1\n    def n(self): return 2\ndef step(x): return A().m()"),
        "    def m(self): return 1\n    def n(self): return 2",
        "    def n(self): return 2\n    def m(self): return 1",
    ),
    "docstring of a data class": (
        ("import dataclasses\n@dataclasses.dataclass\nclass D:\n    n: int = 1\ndef step(x): return D().n"),
        "    n: int",
        "    'about it'\n    n: int",
    ),
    "docstring of an enumeration": ("import enum\nclass A(enum.Enum):\n    B = 1\ndef step(x): return A.B", "    B = 1", "    'about'\n    B = 1"),
    "docstring of a struct": (
        ("import msgspec\nclass S(msgspec.Struct):\n    n: int = 1\ndef step(x): return S().n"),
        "    n:",
        "    'about'\n    n:",
    ),
}


@pytest.mark.parametrize("change", SAME)
def test_same_meaning(meaning: Workshop, change: str) -> None:
    """Remarks, docstrings, annotations, layout and what is not referred to change nothing."""
    text, old, new = SAME[change]

    assert text.count(old) >= 1
    assert meaning(text.replace(old, new)).digest == meaning(text).digest
