"""Classes: methods, bases, descriptors, metaclasses, wherever they were made."""

from __future__ import annotations

import pytest
from workshop import Workshop

CHANGES: dict[str, tuple[str, str, str]] = {
    "method": ("class Adder:\n    def add(self, x): return x + 1\ndef step(x): return Adder().add(x)", "x + 1", "x + 2"),
    "method of a base class": (
        ("class Base:\n    def add(self, x): return x + 1\nclass Adder(Base): ...\ndef step(x): return Adder().add(x)"),
        "x + 1",
        "x + 2",
    ),
    "function that a method calls": (
        ("def one(): return 1\nclass Adder:\n    def add(self, x): return x + one()\ndef step(x): return Adder().add(x)"),
        "return 1",
        "return 2",
    ),
    "constant of a class": (
        ("class Adder:\n    n = 1\n    def add(self, x): return x + self.n\ndef step(x): return Adder().add(x)"),
        "n = 1",
        "n = 2",
    ),
    "constant that a class takes over": ("N = 1\nclass Adder:\n    n = N\ndef step(x): return Adder.n", "N = 1", "N = 2"),
    "default of a method": ("N = 1\nclass Adder:\n    def add(self, x=N): return x\ndef step(x): return Adder().add()", "N = 1", "N = 2"),
    "method put onto a class": (
        ("class A:\n    def m(self): return 1\ndef other(self): return 2\ndef third(self): return 3\nA.m = other\ndef step(x): return A().m()"),
        "A.m = other",
        "A.m = third",
    ),
    "function put onto a class": (
        ("class A:\n    def m(self): return 1\ndef other(self): return 2\nA.m = other\ndef step(x): return A().m()"),
        "return 2",
        "return 3",
    ),
    "method put onto an object": ("class A: ...\na = A()\na.m = lambda: 1\ndef step(x): return a.m()", ": 1", ": 2"),
    "kind of property of its own": (
        (
            "class lazily(property):\n"
            "    def __get__(self, owner, kind=None): return super().__get__(owner, kind) + 1\n"
            "class A:\n"
            "    @lazily\n"
            "    def n(self): return 1\n"
            "def step(x): return A().n"
        ),
        "kind) + 1",
        "kind) + 2",
    ),
    "private method": (
        ("class A:\n    def __m(self): return 1\n    def n(self): return self.__m()\ndef step(x): return A().n()"),
        "return 1",
        "return 2",
    ),
    "descriptor": (
        (
            "class D:\n"
            "    def __set_name__(self, o, n): self.n = n\n"
            "    def __get__(self, i, o): return self.n\n"
            "class A:\n"
            "    abc = D()\n"
            "def step(x): return A.abc"
        ),
        "abc = D()",
        "abd = D()",
    ),
    "item of a class": ("class A:\n    def __class_getitem__(cls, k): return 1\ndef step(x): return A[x]", "return 1", "return 2"),
    "attribute computed by name": ("class A:\n    def __getattr__(self, n): return 1\na = A()\ndef step(x): return a.foo", "return 1", "return 2"),
    "metaclass": ("class M(type):\n    def __call__(cls): return 1\nclass A(metaclass=M): ...\ndef step(x): return A()", "return 1", "return 2"),
    "what a base class does to those derived": (
        ("class B:\n    def __init_subclass__(cls, **k): cls.n = 1\nclass A(B): ...\ndef step(x): return A.n"),
        "cls.n = 1",
        "cls.n = 2",
    ),
    "abstract method": (
        (
            "import abc\n"
            "class B(abc.ABC):\n"
            "    @abc.abstractmethod\n"
            "    def m(self): return 1\n"
            "class A(B):\n"
            "    def m(self): return super().m()\n"
            "def step(x): return A().m()"
        ),
        "return 1",
        "return 2",
    ),
    "class registered with an abstract one": (
        ("import abc\nclass B(abc.ABC): ...\nclass C: ...\nB.register(C)\ndef step(x): return issubclass(C, B)"),
        "B.register(C)\n",
        "\n",
    ),
    "protocol": (
        ("import typing\n@typing.runtime_checkable\nclass P(typing.Protocol):\n    def m(self): ...\ndef step(x): return isinstance(x, P)"),
        "def m",
        "def n",
    ),
    "keys of a typed dictionary": (
        ("import typing\nclass P(typing.TypedDict):\n    a: int\ndef step(x): return P.__required_keys__"),
        "a: int",
        "b: int",
    ),
    "generic class": (
        ("import typing\nT = typing.TypeVar('T')\nclass P(typing.Generic[T]):\n    def m(self): return 1\ndef step(x): return P[int]().m()"),
        "return 1",
        "return 2",
    ),
    "order of base classes": ("class B: n = 1\nclass C: n = 2\nclass A(B, C): ...\ndef step(x): return A.n", "A(B, C)", "A(C, B)"),
    "super": (
        ("class B:\n    def m(self): return 1\nclass A(B):\n    def m(self): return super().m()\nf = A().m\ndef step(x): return f()"),
        "return 1",
        "return 2",
    ),
    "class in a dictionary": ("class A:\n    def m(self): return 1\nT = {'a': A}\ndef step(x): return T['a']().m()", "return 1", "return 2"),
    "which class": ("class A: n = 1\nclass B: n = 2\nT = {'a': A, 'b': B}\ndef step(x): return T['a'].n", "'a': A, 'b': B", "'a': B, 'b': A"),
    "another name of a class": ("class A: n = 1\nclass B: n = 2\nC = A\ndef step(x): return C.n, A, B", "C = A", "C = B"),
    "class made by a function": (
        ("def make(n):\n    class A:\n        k = n\n        def m(self): return n\n    return A\nB = make(1)\ndef step(x): return B().m()"),
        "make(1)",
        "make(2)",
    ),
    "class inside a function": ("K = 1\ndef step(x):\n    class A:\n        v = K\n    return A.v", "K = 1", "K = 2"),
    "one of two classes": (
        (
            "FLAG = True\n"
            "if FLAG:\n"
            "    class A:\n"
            "        def m(self): return 1\n"
            "else:\n"
            "    class A:\n"
            "        def m(self): return 2\n"
            "def step(x): return A().m()"
        ),
        "FLAG = True",
        "FLAG = False",
    ),
    "object of its own class": (
        ("class A:\n    def __init__(self, n): self.n = n\nA.default = A(1)\ndef step(x): return A.default.n"),
        "A(1)",
        "A(2)",
    ),
    "property that reads a constant": (
        ("K = 1\nclass A:\n    @property\n    def m(self): return K\na = A()\ndef step(x): return a.m"),
        "K = 1",
        "K = 2",
    ),
    "cached property": (
        ("import functools\nclass A:\n    @functools.cached_property\n    def m(self): return 1\na = A()\ndef step(x): return a.m"),
        "return 1",
        "return 2",
    ),
    "partial method": (
        ("import functools\nclass A:\n    def m(self, n, x): return n + x\n    one = functools.partialmethod(m, 1)\ndef step(x): return A().one(x)"),
        "(m, 1)",
        "(m, 2)",
    ),
    "ordering": (
        (
            "import functools\n"
            "@functools.total_ordering\n"
            "class A:\n"
            "    def __lt__(self, o): return True\n"
            "    def __eq__(self, o): return False\n"
            "def step(x): return A() > A()"
        ),
        "return True",
        "return False",
    ),
    "single dispatch of methods": (
        (
            "import functools\n"
            "class A:\n"
            "    @functools.singledispatchmethod\n"
            "    def m(self, x): return 1\n"
            "    @m.register\n"
            "    def _(self, x: int): return 2\n"
            "def step(x): return A().m(x)"
        ),
        "return 2",
        "return 3",
    ),
    "pattern of a class": (
        (
            "class P:\n"
            "    __match_args__ = ('a', 'b')\n"
            "    def __init__(self): self.a, self.b = 1, 2\n"
            "def step(x):\n"
            "    match P():\n"
            "        case P(a, b): return a"
        ),
        "('a', 'b')",
        "('b', 'a')",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_meaning(meaning: Workshop, change: str) -> None:
    """A class is what it holds and what it is derived from."""
    text, old, new = CHANGES[change]

    assert text.count(old) >= 1
    assert meaning(text).digest == meaning(text).digest
    assert meaning(text.replace(old, new)).digest != meaning(text).digest
