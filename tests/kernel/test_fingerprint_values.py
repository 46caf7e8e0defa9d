"""Values: plain data, expressions and frames, and objects of other people, by content."""

from __future__ import annotations

import pytest
from workshop import Workshop

CHANGES: dict[str, tuple[str, str, str]] = {
    "list": ("WORDS = ['a', 'b']\ndef step(x): return x in WORDS", "'b'", "'c'"),
    "order of a list": ("WORDS = ['a', 'b']\ndef step(x): return x in WORDS", "['a', 'b']", "['b', 'a']"),
    "set": ("WORDS = {'a', 'b'}\ndef step(x): return x in WORDS", "'b'", "'c'"),
    "dictionary": ("WORDS = {'a': 1}\ndef step(x): return WORDS[x]", "1}", "2}"),
    "pattern": ("import re\nWORD = re.compile('a+')\ndef step(x): return WORD.match(x)", "a+", "b+"),
    "flags of a pattern": ("import re\nWORD = re.compile('a+')\ndef step(x): return WORD.match(x)", "'a+'", "'a+', re.I"),
    "polars expression": ("import polars as pl\nLARGE = pl.col('x') > 3\ndef step(x): return x.filter(LARGE)", "> 3", "> 4"),
    "frame": ("import polars as pl\nCODES = pl.DataFrame({'a': [1]})\ndef step(x): return x.join(CODES, on='a')", "[1]", "[2]"),
    "array": ("import numpy as np\nWEIGHTS = np.array([1.0])\ndef step(x): return WEIGHTS", "[1.0]", "[2.0]"),
    "expression with a function": (
        ("import polars as pl\ndef helper(v): return v + 1\nE = pl.col('x').map_batches(helper)\ndef step(x): return x.select(E)"),
        "v + 1",
        "v + 2",
    ),
    "rest of an expression with a function": (
        ("import polars as pl\ndef helper(v): return v + 1\nE = pl.col('x').map_batches(helper) + 3\ndef step(x): return x.select(E)"),
        "+ 3",
        "+ 4",
    ),
    "constant of a lambda in an expression": (
        ("import polars as pl\nK = 1\nE = pl.col('x').map_batches(lambda v: v + K)\ndef step(x): return x.select(E)"),
        "K = 1",
        "K = 2",
    ),
    "expressions with functions in a list": (
        ("import polars as pl\ndef g(s): return s * 1\nE = [pl.col('a').map_batches(g)]\ndef step(x): return x.select(E)"),
        "s * 1",
        "s * 2",
    ),
    "constant of a function in an expression": (
        ("import polars as pl\nK = {'a': 1}\ndef g(s): return s * K['a']\nE = pl.struct('a').map_batches(g)\ndef step(x): return x.select(E)"),
        "'a': 1",
        "'a': 2",
    ),
    "conditional expression": ("import polars as pl\nS = pl.when(pl.col('a') > 1).then(1)\ndef step(x): return x.select(S)", "> 1", "> 2"),
    "selector": ("import polars.selectors as cs\nS = cs.numeric()\ndef step(x): return x.select(S)", "numeric()", "string()"),
    "plan": ("import polars as pl\nF = pl.LazyFrame({'a': [1]}).filter(pl.col('a') > 0)\ndef step(x): return x.join(F)", "> 0", "> 1"),
    "data of a plan": ("import polars as pl\nF = pl.LazyFrame({'a': [1]}).filter(pl.col('a') > 0)\ndef step(x): return x.join(F)", "[1]", "[2]"),
    "series": ("import polars as pl\nS = pl.Series('a', [1])\ndef step(x): return S", "'a'", "'b'"),
    "levels of a type": ("import polars as pl\nS = pl.Enum(['a'])\ndef step(x): return x.cast(S)", "['a']", "['b']"),
    "type of a column": ("import polars as pl\nS = pl.Int64\ndef step(x): return x.cast(S)", "Int64", "Int32"),
    "schema": ("import polars as pl\nS = pl.Schema({'a': pl.Int64})\ndef step(x): return x.cast(S)", "Int64", "Int32"),
    "fields of a type": ("import polars as pl\nS = pl.Struct({'a': pl.Int64})\ndef step(x): return S", "'a'", "'b'"),
    "which numpy function": ("import numpy as np\nf = np.add\ndef step(x): return f(x, 2), np", "np.add", "np.subtract"),
    "vectorised function": ("import numpy as np\nf = np.vectorize(lambda v: v + 1)\ndef step(x): return f(x)", "v + 1", "v + 2"),
    "function made an array function": (
        "import numpy as np\ndef f(x): return x + 1\ng = np.vectorize(f, otypes=[float])\ndef step(x): return g(x)",
        "x + 1",
        "x + 2",
    ),
    "functions in an array": (
        ("import numpy as np\ndef f(x): return 1\nA = np.array([f, None], dtype=object)\ndef step(x): return A[0](x)"),
        "return 1",
        "return 2",
    ),
    "mask of an array": ("import numpy as np\nA = np.ma.array([1,2], mask=[0,1])\ndef step(x): return A", "[0,1]", "[1,0]"),
    "state of a generator of random numbers": (
        ("import numpy as np\nr = np.random.default_rng(0)\ndef step(x): return r.normal()"),
        "rng(0)",
        "rng(1)",
    ),
    "generator of random numbers": ("import random\nr = random.Random(0)\ndef step(x): return r.random()", "Random(0)", "Random(1)"),
    "transformer with a function": (
        (
            "from sklearn.preprocessing import FunctionTransformer\n"
            "def g(x): return x + 1\n"
            "T = FunctionTransformer(g)\n"
            "def step(x): return T.transform(x)"
        ),
        "x + 1",
        "x + 2",
    ),
    "pipeline with a function": (
        (
            "from sklearn.pipeline import make_pipeline\n"
            "from sklearn.preprocessing import FunctionTransformer, StandardScaler\n"
            "def g(x): return x + 1\n"
            "T = make_pipeline(StandardScaler(), FunctionTransformer(g))\n"
            "def step(x): return T.fit_transform(x)"
        ),
        "x + 1",
        "x + 2",
    ),
    "fitted model": (
        ("from sklearn.linear_model import LinearRegression\nM = LinearRegression().fit([[0],[1]],[0,1])\ndef step(x): return M.predict(x)"),
        "[0,1])",
        "[0,2])",
    ),
    "options of a model": ("import lightgbm as lgb\nM = lgb.LGBMRegressor(n_estimators=3)\ndef step(x): return M", "=3", "=4"),
    "frozen distribution": ("from scipy import stats\nD = stats.norm(0, 1)\ndef step(x): return D.cdf(x)", "(0, 1)", "(0, 2)"),
    "not a number": ("N = float('nan')\ndef step(x): return N", "float('nan')", "float('inf')"),
    "negative zero": ("N = 0.0\ndef step(x): return N", "0.0", "-0.0"),
    "long number": ("N = 10**5000\ndef step(x): return N", "5000", "5001"),
    "complex number": ("N = 1j\ndef step(x): return N", "1j", "2j"),
    "slice": ("N = slice(1, 2)\ndef step(x): return x[N]", "1, 2", "1, 3"),
    "bytes": ("B = bytearray(b'a')\ndef step(x): return B", "b'a'", "b'b'"),
    "nested list": ("B = [[[[1]]]]\ndef step(x): return B", "1", "2"),
    "length of a queue": ("import collections\nB = collections.deque([1], maxlen=3)\ndef step(x): return B", "maxlen=3", "maxlen=4"),
    "list in itself": ("B = [1]\nB.append(B)\ndef step(x): return B", "[1]", "[2]"),
    "order of a dictionary": ("D = {'a': 1, 'b': 2}\ndef step(x): return list(D)", "'a': 1, 'b': 2", "'b': 2, 'a': 1"),
    "read-only dictionary": (
        ("import types\ndef f(x): return 1\nM = types.MappingProxyType({'a': f})\ndef step(x): return M['a'](x)"),
        "return 1",
        "return 2",
    ),
    "default of a dictionary": ("import collections\nd = collections.defaultdict(lambda: 1)\ndef step(x): return d[x]", ": 1", ": 2"),
    "iterator": ("I = iter([1, 2])\ndef step(x): return next(I)", "[1, 2]", "[2, 1]"),
    "counter": ("import itertools\nc = itertools.count(1)\ndef step(x): return next(c)", "(1)", "(2)"),
    "pairs": ("I = zip([1], [2])\ndef step(x): return next(I)", "[2]", "[3]"),
    "set of functions": ("def f(x): return 1\nALL = frozenset([f])\ndef step(x): return [g(x) for g in ALL]", "return 1", "return 2"),
    "generic type": ("T = list[int]\ndef step(x): return T()", "list[int]", "tuple[int]"),
    "union of types": ("T = int | str\ndef step(x): return isinstance(x, T)", "int | str", "int | float"),
    "optional type": ("import typing\nT = typing.Optional[int]\ndef step(x): return T", "[int]", "[str]"),
    "namespace of values": ("import types\nN = types.SimpleNamespace(a=1)\ndef step(x): return N.a", "a=1", "a=2"),
    "zone of a moment": (
        (
            "import datetime\n"
            "class Z(datetime.tzinfo):\n"
            "    def utcoffset(self, d): return datetime.timedelta(hours=1)\n"
            "T = datetime.datetime(2020,1,1,tzinfo=Z())\n"
            "def step(x): return T.utcoffset()"
        ),
        "hours=1",
        "hours=2",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_meaning(meaning: Workshop, change: str) -> None:
    """A value that a function refers to is part of what it means, by content, with the functions in it."""
    text, old, new = CHANGES[change]

    assert text.count(old) >= 1
    assert meaning(text).digest == meaning(text).digest
    assert meaning(text.replace(old, new)).digest != meaning(text).digest
