"""Functions: what they refer to, what they hold, and what is around them."""

from __future__ import annotations

import pytest
from workshop import Workshop

CHANGES: dict[str, tuple[str, str, str]] = {
    "default": ("def step(frame, least=3): return frame", "least=3", "least=4"),
    "default by a constant": ("LEAST = 3\ndef helper(x, least=LEAST): return x\ndef step(x): return helper(x)", "LEAST = 3", "LEAST = 4"),
    "keyword default": ("LEAST = 3\ndef helper(x, *, least=LEAST): return x\ndef step(x): return helper(x)", "LEAST = 3", "LEAST = 4"),
    "lambda": ("double = lambda x: 2 * x\ndef step(x): return double(x)", "2 * x", "3 * x"),
    "closure": ("def make(n):\n    def inner(x): return x + n\n    return inner\nstep = make(1)", "make(1)", "make(2)"),
    "one of two closures of one factory": (
        ("def make(n):\n    def inner(x): return x + n\n    return inner\na, b = make(1), make(2)\ndef step(x): return a(x) + b(x)"),
        "make(1)",
        "make(3)",
    ),
    "partial": (
        ("import functools\ndef add(n, x, y=0): return n + x + y\nplus = functools.partial(add, 1)\ndef step(x): return plus(x)"),
        "partial(add, 1)",
        "partial(add, 2)",
    ),
    "keyword of a partial": (
        ("import functools\ndef add(n, x, y=0): return n + x + y\nplus = functools.partial(add, 1, y=1)\ndef step(x): return plus(x)"),
        "y=1)",
        "y=2)",
    ),
    "function of a partial": (
        ("import functools\ndef add(n, x): return n + x\nplus = functools.partial(add, 1)\ndef step(x): return plus(x)"),
        "n + x",
        "n - x",
    ),
    "dictionary of functions": ("def one(x): return 1\nTABLE = {'a': one}\ndef step(x): return TABLE['a'](x)", "return 1", "return 2"),
    "list of lambdas": ("TABLE = [lambda x: 1]\ndef step(x): return TABLE[0](x)", "x: 1", "x: 2"),
    "cached function": ("import functools\n@functools.cache\ndef one(x): return 1\ndef step(x): return one(x)", "return 1", "return 2"),
    "decorator": (
        (
            "import functools\n"
            "def twice(function):\n"
            "    @functools.wraps(function)\n"
            "    def run(x): return 2 * function(x)\n"
            "    return run\n"
            "@twice\n"
            "def one(x): return 1\n"
            "def step(x): return one(x)"
        ),
        "2 * function",
        "3 * function",
    ),
    "decorated function": (
        (
            "import functools\n"
            "def twice(function):\n"
            "    @functools.wraps(function)\n"
            "    def run(x): return 2 * function(x)\n"
            "    return run\n"
            "@twice\n"
            "def one(x): return 1\n"
            "def step(x): return one(x)"
        ),
        "return 1",
        "return 2",
    ),
    "function named like a builtin": ("def round(x): return 1\ndef step(x): return round(x)", "return 1", "return 2"),
    "which function a name stands for": ("def f(x): return 1\ndef g(x): return 2\nh = f\ndef step(x): return f(x), g(x), h(x)", "h = f", "h = g"),
    "which function a closure holds": (
        ("def f(x): return 1\ndef g(x): return 2\ndef make(h):\n    def inner(x): return h(x), f, g\n    return inner\nstep = make(f)"),
        "make(f)",
        "make(g)",
    ),
    "order of functions": ("def f(x): return 1\ndef g(x): return 2\nALL = [f, g]\ndef step(x): return ALL[0](x)", "[f, g]", "[g, f]"),
    "code without source": ("exec('def step(x): return x.one', globals())", "x.one", "x.two"),
    "function used in an inner function": ("def one(x): return 1\ndef step(x):\n    return [one(y) for y in x]", "return 1", "return 2"),
    "one object under two names": (
        ("def make(n):\n    def inner(x): return x*n\n    return inner\na=make(1); b=make(1); c=make(2)\ndef step(x): return a(x), b(x), c(x)"),
        "b=make(1); c=make(2)",
        "b=c=make(2)",
    ),
    "lambda that is a default": ("def step(x, f=lambda v: v + 1): return f(x)", "v + 1", "v + 2"),
    "list in a closure": ("def make():\n    acc = [1]\n    def f(x): return acc\n    return f\nstep = make()", "[1]", "[2]"),
    "functions in a closure": (
        ("def one(x): return 1\ndef make():\n    acc = {'a': one}\n    def f(x): return acc['a'](x)\n    return f\nstep = make()"),
        "return 1",
        "return 2",
    ),
    "variable that a closure changes": (
        ("def make():\n    n = 1\n    def f(x):\n        nonlocal n\n        n += 1\n        return n\n    return f\nstep = make()"),
        "n = 1\n",
        "n = 2\n",
    ),
    "constant in a comprehension": ("K = 1\ndef step(xs): return [x + K for x in xs]", "K = 1", "K = 2"),
    "constant behind a variable of the same name": (
        ("K = 1\ndef step(x):\n    def a():\n        K = 5\n        return K\n    def b(): return K\n    return a() + b()"),
        "K = 1",
        "K = 2",
    ),
    "constant in a formatted text": ("K = 1\ndef step(x): return f'{x:>{K}}'", "K = 1", "K = 2"),
    "constant that is counted up": ("K = 1\ndef step(x):\n    global K\n    K += 1\n    return K", "K = 1", "K = 2"),
    "argument of a decorator": (
        ("K = 1\ndef d(k):\n    def w(f): return lambda x: f(x) + k\n    return w\n@d(K)\ndef g(x): return x\ndef step(x): return g(x)"),
        "K = 1",
        "K = 2",
    ),
    "decorator of an inner function": (
        ("def d(f): return lambda x: f(x) + 1\ndef step(x):\n    @d\n    def g(y): return y\n    return g(x)"),
        "+ 1",
        "+ 2",
    ),
    "options of a cache": (
        ("import functools\n@functools.lru_cache(typed=False)\ndef g(x): return x\ndef step(x): return g(1), g(1.0)"),
        "False",
        "True",
    ),
    "object as a decorator": (
        (
            "class Deco:\n"
            "    def __init__(self, f): self.f = f\n"
            "    def __call__(self, x): return self.f(x) + 1\n"
            "@Deco\n"
            "def g(x): return x\n"
            "def step(x): return g(x)"
        ),
        "+ 1",
        "+ 2",
    ),
    "function under an object as a decorator": (
        (
            "class Deco:\n"
            "    def __init__(self, f): self.f = f\n"
            "    def __call__(self, x): return self.f(x) + 1\n"
            "@Deco\n"
            "def g(x): return x\n"
            "def step(x): return g(x)"
        ),
        "return x\n",
        "return -x\n",
    ),
    "attribute of a function": ("def f(x): return f.table[x]\nf.table = {1: 2}\ndef step(x): return f(x)", "{1: 2}", "{1: 3}"),
    "which function stands for a builtin": (
        ("def mine(x): return 1\ndef theirs(x): return 2\nlen = mine\ndef step(x): return len(x)"),
        "len = mine",
        "len = theirs",
    ),
    "a builtin again": ("def mine(x): return 1\nlen = mine\ndef step(x): return len(x)", "len = mine", "lem = mine"),
    "functions that call each other": (
        ("def even(x): return x == 0 or odd(x - 1)\ndef odd(x): return x != 0 and even(x - 1)\ndef step(x): return even(x)"),
        "x != 0",
        "x != 1",
    ),
    "coroutine": ("async def f(): return 1\nimport asyncio\ndef step(x): return asyncio.run(f())", "return 1", "return 2"),
    "generator function": ("async def g():\n    yield 1\ndef step(x): return g()", "yield 1", "yield 2"),
    "context manager": (
        ("import contextlib\n@contextlib.contextmanager\ndef c():\n    yield 1\ndef step(x):\n    with c() as v: return v"),
        "yield 1",
        "yield 2",
    ),
    "function defined twice": ("def f(x): return 1\ng = f\ndef f(x): return 2\ndef step(x): return g(x), f(x)", "return 1", "return 3"),
    "which of two definitions": (
        ("def f(x): return 1\ng = f\ndef f(x): return 2\ndef step(x): return g(x) - f(x)"),
        "def f(x): return 1\ng = f\ndef f(x): return 2",
        "def f(x): return 2\ng = f\ndef f(x): return 1",
    ),
    "a name that is not there": ("def step(x):\n    try: return LIMIT\n    except NameError: return 0\n", "def step", "LIMIT = None\ndef step"),
    "settings": ("def step(x, *, n=1, **kw): return n", "n=1", "n=2"),
    "single dispatch by annotation": (
        ("import functools\n@functools.singledispatch\ndef m(x): return 1\n@m.register\ndef _(x: int): return 2\ndef step(x): return m(x)"),
        "x: int",
        "x: str",
    ),
    "annotations that are read": ("import typing\ndef f(x: int): return x\ndef step(x): return typing.get_type_hints(f)", "x: int", "x: str"),
    "docstrings that are read": ("def f(x):\n    'a'\ndef step(x): return f.__doc__", "'a'", "'b'"),
    "code made by exec": ("ns = {'K': 1}\nexec('def h(x): return x + K', ns)\nh = ns['h']\ndef step(x): return h(x)", "x + K", "x - K"),
    "names of code made by exec": ("ns = {'K': 1}\nexec('def h(x): return x + K', ns)\nh = ns['h']\ndef step(x): return h(x)", "'K': 1", "'K': 2"),
    "function in the namespace": ("def helper(x): return 1\ndef step(x): return globals()['helper'](x)", "return 1", "return 2"),
    "partial of an object": (
        ("import functools\nclass A:\n    def __call__(self, x): return 1\nf = functools.partial(A())\ndef step(x): return f(x)"),
        "return 1",
        "return 2",
    ),
    "method caller": ("import operator\nf = operator.methodcaller('head', 3)\ndef step(x): return f(x)", "3", "4"),
    "item getter": ("import operator\nf = operator.itemgetter('a')\ndef step(x): return f(x)", "'a'", "'b'"),
    "operators": ("import operator\nOPS = {'a': operator.add}\ndef step(x): return OPS['a'](x, 1)", "operator.add", "operator.sub"),
    "method of a text": ("J = ','.join\ndef step(x): return J(x)", "','", "';'"),
    "method of a type": ("J = str.upper\ndef step(x): return J(x)", "upper", "lower"),
    "which type a name stands for": ("T = int\ndef step(x): return T(x)", "int", "float"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_meaning(meaning: Workshop, change: str) -> None:
    """Whatever a function refers to or holds is part of what it means, and so is what that refers to."""
    text, old, new = CHANGES[change]

    assert text.count(old) >= 1
    assert meaning(text).digest == meaning(text).digest
    assert meaning(text.replace(old, new)).digest != meaning(text).digest
