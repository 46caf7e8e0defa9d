"""Objects: what they hold, and what kinds of classes give them."""

from __future__ import annotations

import pytest
from workshop import Workshop

CHANGES: dict[str, tuple[str, str, str]] = {
    "type of a field, which polars reads": (
        ("import dataclasses\nimport polars as pl\n@dataclasses.dataclass\nclass D:\n    n: int = 1\ndef step(x): return pl.DataFrame([D()])"),
        "n: int",
        "n: float",
    ),
    "another name of the type of a field": (
        "import dataclasses\nT = int\n@dataclasses.dataclass\nclass D:\n    n: T = 1\ndef step(x): return D()",
        "T = int",
        "T = float",
    ),
    "type in a named tuple": (
        "import typing\nclass D(typing.NamedTuple):\n    n: int = 1\ndef step(x): return D().n",
        "n: int",
        "n: float",
    ),
    "data class made while the program runs": (
        "import dataclasses\nD = dataclasses.make_dataclass('D', [('n', int, 1)])\ndef step(x): return D().n",
        "int, 1",
        "int, 2",
    ),
    "type of a field made while the program runs": (
        "import dataclasses\nD = dataclasses.make_dataclass('D', [('n', int, 1)])\ndef step(x): return D().n",
        "int, 1",
        "float, 1",
    ),
    "annotation that another library may read": (
        "import msgspec\nclass D:\n    n: int\ndef step(x): return msgspec.convert(x, D)",
        "n: int",
        "n: float",
    ),
    "value of an enumeration": ("import enum\nclass Kind(enum.Enum):\n    A = 1\nKIND = Kind.A\ndef step(x): return KIND.value", "A = 1", "A = 2"),
    "what an object holds": (
        ("class Adder:\n    def __init__(self, n): self.n = n\nadder = Adder(1)\ndef step(x): return adder.n"),
        "Adder(1)",
        "Adder(2)",
    ),
    "what an object that can be called holds": (
        ("class Adder:\n    def __init__(self, n): self.n = n\n    def __call__(self, x): return self.n\nadd = Adder(1)\ndef step(x): return add(x)"),
        "Adder(1)",
        "Adder(2)",
    ),
    "data class": (
        ("import dataclasses\n@dataclasses.dataclass\nclass Rule:\n    n: int\nRULE = Rule(1)\ndef step(x): return RULE.n"),
        "Rule(1)",
        "Rule(2)",
    ),
    "method of an object": (
        ("class Adder:\n    def __init__(self, n): self.n = n\n    def more(self): return self.n\nadd = Adder(1).more\ndef step(x): return add(x)"),
        "Adder(1)",
        "Adder(2)",
    ),
    "one object or two": (
        ("class A:\n    def __init__(self, n): self.n = n\na = A(1)\nb = A(1)\npair = (a, b)\ndef step(x): return pair[0] is pair[1]"),
        "b = A(1)",
        "b = a",
    ),
    "slots": ("class A:\n    __slots__ = ('n',)\n    def __init__(self, n): self.n = n\na = A(1)\ndef step(x): return a.n", "A(1)", "A(2)"),
    "state that is not pickled": (
        ("class A:\n    def __init__(self, n): self.n = n\n    def __getstate__(self): return {}\na = A(1)\ndef step(x): return a.n"),
        "A(1)",
        "A(2)",
    ),
    "object that is rebuilt otherwise": (
        ("class A:\n    def __init__(self, n): self.n = n\n    def __reduce__(self): return (A, (0,))\na = A(1)\ndef step(x): return a.n"),
        "A(1)",
        "A(2)",
    ),
    "default that is an object": ("class A:\n    def __init__(self, n): self.n = n\ndef step(x, a=A(1)): return a.n", "A(1)", "A(2)"),
    "derived dictionary": ("class D(dict):\n    def __missing__(self, k): return 1\nd = D(a=1)\ndef step(x): return d[x]", "return 1", "return 2"),
    "items of a derived dictionary": ("class D(dict):\n    def __missing__(self, k): return 1\nd = D(a=1)\ndef step(x): return d[x]", "a=1", "a=2"),
    "items of a user dictionary": (
        ("import collections\nclass U(collections.UserDict):\n    def more(self): return 1\nu = U(a=1)\ndef step(x): return u['a']"),
        "a=1",
        "a=2",
    ),
    "derived date": (
        ("import datetime\nclass U(datetime.date):\n    def more(self): return 1\nu = U(2020,1,1)\ndef step(x): return u.year"),
        "2020",
        "2021",
    ),
    "exception": ("class E(Exception):\n    def __str__(self): return 'a'\ndef step(x): raise E('q')", "'a'", "'b'"),
    "arguments of an exception": ("class E(Exception): ...\nERR = E('a')\ndef step(x): return ERR.args", "'a'", "'b'"),
    "members numbered by themselves": (
        ("import enum\nclass K(enum.Enum):\n    A = enum.auto()\n    B = enum.auto()\ndef step(x): return K.B.value"),
        "    A = enum.auto()\n",
        "",
    ),
    "flags": ("import enum\nclass K(enum.Flag):\n    A = 1\n    B = 2\nF = K.A | K.B\ndef step(x): return F", "K.A | K.B", "K.A & K.B"),
    "members of an enumeration": ("import enum\nK = enum.Enum('K', 'A B')\ndef step(x): return K.B.value", "'A B'", "'B A'"),
    "fields of a named tuple": ("import collections\nP = collections.namedtuple('P', 'a b')\ndef step(x): return P(1, 2).a", "'a b'", "'b a'"),
    "factory of a field": (
        (
            "import dataclasses\n"
            "def make(): return [1]\n"
            "@dataclasses.dataclass\n"
            "class D:\n"
            "    n: list = dataclasses.field(default_factory=make)\n"
            "def step(x): return D().n"
        ),
        "[1]",
        "[2]",
    ),
    "options of a data class": (
        ("import dataclasses\n@dataclasses.dataclass(order=False)\nclass D:\n    n: int = 1\ndef step(x): return D() < D()"),
        "order=False",
        "order=True",
    ),
    "field or variable of a class": (
        ("import dataclasses, typing\n@dataclasses.dataclass\nclass D:\n    n: int = 1\n    m: int = 2\ndef step(x): return repr(D())"),
        "m: int",
        "m: typing.ClassVar[int]",
    ),
    "order of fields": (
        ("import dataclasses, typing\n@dataclasses.dataclass\nclass D:\n    n: int\n    m: int\ndef step(x): return D(1, 2).n"),
        "n: int\n    m: int",
        "m: int\n    n: int",
    ),
    "field of a base": (
        (
            "import dataclasses\n"
            "@dataclasses.dataclass\n"
            "class B:\n"
            "    n: int = 1\n"
            "@dataclasses.dataclass\n"
            "class D(B):\n"
            "    m: int = 2\n"
            "def step(x): return D().n"
        ),
        "n: int = 1",
        "n: int = 3",
    ),
    "after the start": (
        ("import dataclasses\n@dataclasses.dataclass\nclass D:\n    n: int = 1\n    def __post_init__(self): self.k = 1\ndef step(x): return D().k"),
        "self.k = 1",
        "self.k = 2",
    ),
    "default of a struct": ("import msgspec\nclass S(msgspec.Struct):\n    n: int = 1\ndef step(x): return S().n", "= 1", "= 2"),
    "type of a field that is checked": (
        ("import msgspec\nclass S(msgspec.Struct):\n    n: int = 1\ndef step(x): return msgspec.json.decode(x, type=S)"),
        "n: int",
        "n: float",
    ),
    "option of a struct": (
        ("import msgspec\nclass S(msgspec.Struct, forbid_unknown_fields=True):\n    n: int = 1\ndef step(x): return msgspec.json.decode(x, type=S)"),
        "=True",
        "=False",
    ),
    "annotations of a class that are read": (
        ("import typing\nclass A:\n    x: int = 1\ndef step(x): return typing.get_type_hints(A)"),
        "x: int",
        "x: str",
    ),
    "estimator of its own": (
        (
            "from sklearn.base import BaseEstimator, TransformerMixin\n"
            "class T(TransformerMixin, BaseEstimator):\n"
            "    def fit(self, X, y=None): return self\n"
            "    def transform(self, X): return X + 1\n"
            "t = T()\n"
            "def step(x): return t.transform(x)"
        ),
        "X + 1",
        "X + 2",
    ),
    "parameter of an estimator of its own": (
        (
            "from sklearn.base import BaseEstimator, TransformerMixin\n"
            "class T(TransformerMixin, BaseEstimator):\n"
            "    def __init__(self, n=1): self.n = n\n"
            "    def fit(self, X, y=None): return self\n"
            "    def transform(self, X): return X + 1\n"
            "t = T(1)\n"
            "def step(x): return t.transform(x)"
        ),
        "T(1)",
        "T(2)",
    ),
    "settings of a declaration": (
        (
            "import millstream as ms\n"
            "src = ms.source('a.csv', key='k')\n"
            "@ms.step(src)\n"
            "def late(t, *, n: int = 1): return n\n"
            "other = late.with_settings(n=5)\n"
            "def step(x): return other(x)"
        ),
        "n=5",
        "n=6",
    ),
    "function of a declaration": (
        (
            "import millstream as ms\n"
            "src = ms.source('a.csv', key='k')\n"
            "@ms.step(src)\n"
            "def late(t, *, n: int = 1): return n\n"
            "def step(x): return late(x)"
        ),
        "return n",
        "return -n",
    ),
    "address of a source": ("import millstream as ms\nsrc = ms.source('a.csv', key='k')\ndef step(x): return src.address", "'a.csv'", "'b.csv'"),
    "decorator below ours": (
        (
            "import millstream as ms\n"
            "src = ms.source('a.csv', key='k')\n"
            "def mine(f):\n"
            "    def run(t): return f(t), 1\n"
            "    return run\n"
            "@ms.step(src)\n"
            "@mine\n"
            "def late(t): return t\n"
            "step = late.function"
        ),
        "f(t), 1",
        "f(t), 2",
    ),
    "function below two decorators": (
        (
            "import millstream as ms\n"
            "src = ms.source('a.csv', key='k')\n"
            "def mine(f):\n"
            "    def run(t): return f(t), 1\n"
            "    return run\n"
            "@ms.step(src)\n"
            "@mine\n"
            "def late(t): return t\n"
            "step = late.function"
        ),
        "def late(t): return t",
        "def late(t): return -t",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_meaning(meaning: Workshop, change: str) -> None:
    """An object is its class and what it holds, whatever it says about itself."""
    text, old, new = CHANGES[change]

    assert text.count(old) >= 1
    assert meaning(text).digest == meaning(text).digest
    assert meaning(text.replace(old, new)).digest != meaning(text).digest
