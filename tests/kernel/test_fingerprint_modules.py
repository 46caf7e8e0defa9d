"""Modules of the project: followed however they are imported, and only as far as they are used."""

from __future__ import annotations

import pytest
from workshop import HELPERS, Workshop

CHANGES_HERE: dict[str, tuple[str, str, str]] = {
    "name that an inner function imports": (
        (
            "def clean(x): return x + 1\n"
            "def step(x):\n"
            "    def inner():\n"
            "        from helpers import clean\n"
            "        return clean(x)\n"
            "    return inner(), clean(x)"
        ),
        "x + 1",
        "x + 2",
    ),
    "two modules swapped": (
        ("import helpers as h, other as k\ndef step(x): return h.clean(x) - k.clean(x)"),
        "helpers as h, other as k",
        "helpers as k, other as h",
    ),
    "modules of other people swapped": (
        ("import numpy as a, math as b\ndef step(x): return a.sin(x), b.sin(2)"),
        "numpy as a, math as b",
        "numpy as b, math as a",
    ),
    "function of other people under a name": ("from polars import col as c\ndef step(x): return c('x')", "col as c", "lit as c"),
    "which function of the standard library": ("from math import sin as f\ndef step(x): return f(x)", "sin", "cos"),
    "module that is changed": ("import helpers\nhelpers.LIMIT = 5\ndef step(x): return helpers.clean(x)", "= 5", "= 6"),
    "functions of one name in two modules": (
        ("from helpers import clean as a\nfrom other import clean as b\ndef step(x): return a(x) + b(x)"),
        "a(x) + b(x)",
        "a(x) + a(x)",
    ),
    "namespace registered with polars": (
        (
            "import polars as pl\n"
            "@pl.api.register_expr_namespace('zz')\n"
            "class Z:\n"
            "    def __init__(self, e): self.e = e\n"
            "    def twice(self): return self.e * 2\n"
            "def step(x): return x.select(pl.col('x').zz.twice())"
        ),
        "* 2",
        "* 3",
    ),
}

CHANGES_THERE: dict[str, tuple[str, str, str]] = {
    "one of two imports in a function": (
        ("def step(x):\n    if x: from helpers import clean as f\n    else: from other import clean as f\n    return f(x)"),
        "x > LIMIT",
        "x < LIMIT",
    ),
    "constant behind one of two imports": (
        ("def step(x):\n    if x: from helpers import clean as f\n    else: from other import clean as f\n    return f(x)"),
        "LIMIT = 3",
        "LIMIT = 4",
    ),
    "function in an expression": (
        ("import polars as pl\nfrom helpers import clean\nE = pl.col('x').map_batches(clean)\ndef step(x): return x.select(E)"),
        "LIMIT = 3",
        "LIMIT = 4",
    ),
    "everything that a module exports": ("from helpers import *\ndef step(x): return clean(x)", "LIMIT = 3", "LIMIT = 4"),
    "variables of a module": ("import helpers\ndef step(x): return vars(helpers)['clean'](x)", "LIMIT = 3", "LIMIT = 4"),
    "attribute by a name made while it runs": ("import helpers\ndef step(x): return getattr(helpers, x)(x)", "LIMIT = 3", "LIMIT = 4"),
    "module by its name": ("import importlib\ndef step(x): return importlib.import_module('helpers').clean(x)", "LIMIT = 3", "LIMIT = 4"),
    "module of a package by its name": (
        ("from importlib import import_module\ndef step(x): return import_module('shop.helpers').clean(x)"),
        "LIMIT = 3",
        "LIMIT = 4",
    ),
    "the import function": ("def step(x): return __import__('helpers').clean(x)", "LIMIT = 3", "LIMIT = 4"),
    "function put into a package": (
        ("import shop.helpers\nimport shop\nshop.clean = shop.helpers.clean\ndef step(x): return shop.clean(x)"),
        "LIMIT = 3",
        "LIMIT = 4",
    ),
    "attributes that a module computes": (
        ("import helpers\ndef step(x): return helpers.lazy(x)"),
        "def unrelated(x): return x",
        "def unrelated(x): return x\ndef __getattr__(n): return unrelated if n == 'lazy' else clean",
    ),
    "base class in another module": ("from helpers import Rule\nclass Mine(Rule): ...\ndef step(x): return Mine().apply(x)", "x + 1", "x + 2"),
    "import that may fail": (
        ("try:\n    import nonexistent_fast as impl\nexcept ImportError:\n    import helpers as impl\ndef step(x): return impl.clean(x)"),
        "LIMIT = 3",
        "LIMIT = 4",
    ),
    "import in a function that may fail": (
        (
            "def step(x):\n"
            "    try:\n"
            "        import nonexistent_fast as impl\n"
            "    except ImportError:\n"
            "        import helpers as impl\n"
            "    return impl.clean(x)"
        ),
        "LIMIT = 3",
        "LIMIT = 4",
    ),
    "method through its class": ("import helpers\ndef step(x): return helpers.Rule.apply(None, x)", "x + 1", "x + 2"),
    "another name of a module": ("import helpers\ndef step(x):\n    h = helpers\n    return h.clean(x)", "LIMIT = 3", "LIMIT = 4"),
    "modules in a dictionary": ("import helpers\nM = {'a': helpers}\ndef step(x): return M['a'].clean(x)", "LIMIT = 3", "LIMIT = 4"),
}

IMPORTS = {
    "function": "from helpers import clean\ndef step(x): return clean(x)",
    "attribute": "import helpers\ndef step(x): return helpers.clean(x)",
    "alias": "import helpers as h\ndef step(x): return h.clean(x)",
    "inside the function": "def step(x):\n    from helpers import clean\n    return clean(x)",
    "module inside the function": "def step(x):\n    import helpers\n    return helpers.clean(x)",
    "module of a package": "import shop.helpers\ndef step(x): return shop.helpers.clean(x)",
    "module of a package inside the function": "def step(x):\n    import shop.helpers as h\n    return h.clean(x)",
    "from a package": "from shop import helpers\ndef step(x): return helpers.clean(x)",
    "from a package inside the function": "def step(x):\n    from shop import helpers\n    return helpers.clean(x)",
}


@pytest.mark.parametrize("change", CHANGES_HERE)
def test_what_a_name_stands_for(meaning: Workshop, change: str) -> None:
    """Which module or function a name stands for is part of what a function means."""
    text, old, new = CHANGES_HERE[change]

    assert text.count(old) >= 1
    assert meaning(text.replace(old, new)).digest != meaning(text).digest


@pytest.mark.parametrize("change", CHANGES_THERE)
def test_what_stands_in_another_module(meaning: Workshop, change: str) -> None:
    """What is reached in another module is followed; where it cannot be known which part is, all of the module is."""
    text, old, new = CHANGES_THERE[change]

    assert HELPERS.replace("\n    return", " return").count(old) >= 1
    assert (
        meaning(text, HELPERS.replace("\n    return", " return").replace(old, new)).digest
        != meaning(text, HELPERS.replace("\n    return", " return")).digest
    )


@pytest.mark.parametrize("way", IMPORTS)
@pytest.mark.parametrize(("old", "new"), [("x > LIMIT", "x >= LIMIT"), ("LIMIT = 3", "LIMIT = 4")])
def test_other_modules_of_the_project(meaning: Workshop, way: str, old: str, new: str) -> None:
    """Functions of the user's other modules are followed however they are imported."""
    assert meaning(IMPORTS[way], HELPERS.replace(old, new)).digest != meaning(IMPORTS[way]).digest


@pytest.mark.parametrize("way", IMPORTS)
def test_rest_of_another_module_does_not_matter(meaning: Workshop, way: str) -> None:
    """What is not used of an imported module changes nothing."""
    assert meaning(IMPORTS[way], HELPERS.replace("return x\n", "return -x\n")).digest == meaning(IMPORTS[way]).digest
