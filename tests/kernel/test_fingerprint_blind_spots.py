"""Blind spots: what a cache key does not see is named, with the place where it is written, and nothing else is."""

from __future__ import annotations

import pytest
from workshop import Workshop

from millstream.kernel.fingerprint import FileRead, fingerprint_value

NAMED = {
    "open": ("def step(x): return open('rates.csv').read()", "steps.step: reads 'rates.csv' by itself (builtins.open), at steps.py:1"),
    "a path of the module": (
        "NAME = 'a.txt'\ndef step(x):\n    return open(NAME)",
        "steps.step: reads 'a.txt' by itself (builtins.open), at steps.py:3",
    ),
    "a path that is computed": ("def step(x): return open(x + '.csv')", "steps.step: reads files by itself (builtins.open), at steps.py:1"),
    "polars reads": (
        "import polars as pl\ndef step(x):\n    return pl.read_csv(\n        'a.csv')",
        "steps.step: reads 'a.csv' by itself (polars.read_csv), at steps.py:3",
    ),
    "polars scans": (
        "from polars import scan_parquet as scan\ndef step(x): return scan(source='a/*.parquet')",
        "steps.step: reads 'a/*.parquet' by itself (polars.io.parquet.functions.scan_parquet), at steps.py:2",
    ),
    "pandas in the function": (
        "def step(x):\n    import pandas as pd\n    return pd.read_excel('a.xlsx')",
        "steps.step: reads 'a.xlsx' by itself (pandas.read_excel), at steps.py:3",
    ),
    "a path reads itself": (
        "from pathlib import Path\ndef step(x): return Path('a.txt').read_text()",
        "steps.step: reads 'a.txt' by itself (.read_text), at steps.py:2",
    ),
    "a path of the module reads itself": (
        "from pathlib import Path\nHERE = Path('a.txt')\ndef step(x): return HERE.read_bytes()",
        "steps.step: reads 'a.txt' by itself (.read_bytes), at steps.py:3",
    ),
    "numpy loads": ("import numpy as np\ndef step(x): return np.load('a.npy')", "steps.step: reads 'a.npy' by itself (numpy.load), at steps.py:2"),
    "a helper reads": (
        "import json\ndef rates():\n    with open('r.json') as f: return json.load(f)\ndef step(x): return rates()",
        "steps.rates: reads 'r.json' by itself (builtins.open), at steps.py:3",
    ),
    "a method reads": (
        "class Rates:\n    def get(self): return open('r.json')\ndef step(x): return Rates().get()",
        "steps.Rates.get: reads 'r.json' by itself (builtins.open), at steps.py:2",
    ),
    "a function that is handed on": ("def step(x): return list(map(open, x))", "steps.step: reads files by itself (builtins.open), at steps.py:1"),
    "a folder": ("import os\ndef step(x): return os.listdir(x)", "steps.step: reads files by itself (os.listdir), at steps.py:2"),
    "a plan over files": ("import polars as pl\nF = pl.scan_csv('a.csv')\ndef step(x): return F", "steps.F: is a plan that reads files when it runs"),
    "a database": ("import sqlite3\ndef step(x): return sqlite3.connect('a')", "steps.step: asks a database (sqlite3.connect), at steps.py:2"),
    "the network": (
        "import urllib.request\ndef step(x): return urllib.request.urlopen(x)",
        "steps.step: asks the network (urllib.request.urlopen), at steps.py:2",
    ),
    "the environment": ("import os\ndef step(x): return os.environ['A']", "steps.step: reads the environment (os.environ), at steps.py:2"),
    "one variable": ("from os import getenv\ndef step(x): return getenv('A')", "steps.step: reads the environment (os.getenv), at steps.py:2"),
    "the clock": ("import time\ndef step(x): return time.time()", "steps.step: reads the clock (time.time), at steps.py:2"),
    "now": (
        "import datetime as dt\ndef step(x): return dt.datetime.now(dt.UTC)",
        "steps.step: reads the clock (datetime.datetime.now), at steps.py:2",
    ),
    "today": ("from datetime import date\ndef step(x): return date.today()", "steps.step: reads the clock (datetime.date.today), at steps.py:2"),
    "today as text": ("import time\ndef step(x): return time.strftime('%Y')", "steps.step: reads the clock (time.strftime), at steps.py:2"),
    "chance": (
        "import random\ndef step(x): return random.choice(x)",
        "steps.step: draws random numbers without a seed (random.choice), at steps.py:2",
    ),
    "chance by name": (
        "from random import choice\ndef step(x): return choice(x)",
        "steps.step: draws random numbers without a seed (random.choice), at steps.py:2",
    ),
    "chance of numpy": (
        "import numpy as np\ndef step(x): return np.random.rand(3)",
        "steps.step: draws random numbers without a seed (numpy.random.rand), at steps.py:2",
    ),
    "a generator without a seed": (
        "import numpy as np\ndef step(x): return np.random.default_rng().normal()",
        "steps.step: draws random numbers without a seed (numpy.random.default_rng), at steps.py:2",
    ),
    "a sample without a seed": ("def step(x): return x.sample(n=3)", "steps.step: draws random numbers without a seed (.sample), at steps.py:1"),
    "an identity": ("import uuid\ndef step(x): return uuid.uuid4()", "steps.step: draws random numbers without a seed (uuid.uuid4), at steps.py:2"),
    "a hash": ("def step(x): return hash(x)", "steps.step: differs from process to process (builtins.hash), at steps.py:1"),
    "eval": ("def step(x): return eval('x + 1')", "steps.step: runs code that is made while it runs (builtins.eval), at steps.py:1"),
    "exec": ("def step(x): exec('y = x')", "steps.step: runs code that is made while it runs (builtins.exec), at steps.py:1"),
    "an import by a name": (
        "import importlib\ndef step(x): return importlib.import_module(x)",
        "steps.step: finds code by names made while it runs (importlib.import_module), at steps.py:2",
    ),
    "loaded modules": (
        "import sys\ndef step(x): return sys.modules['helpers']",
        "steps.step: finds code by names made while it runs (sys.modules), at steps.py:2",
    ),
    "classes derived": (
        "class A: ...\ndef step(x): return A.__subclasses__()",
        "steps.step: finds code by names made while it runs (.__subclasses__), at steps.py:2",
    ),
    "a pickle": (
        "import pickle\ndef step(x): return pickle.loads(x)",
        "steps.step: unpickles objects, whose code is not known (pickle.loads), at steps.py:2",
    ),
    "a program": ("import subprocess\ndef step(x): return subprocess.run(x)", "steps.step: starts a program (subprocess.run), at steps.py:2"),
    "the interpreter": ("import sys\ndef step(x): return sys._getframe()", "steps.step: looks into the interpreter (sys._getframe), at steps.py:2"),
    "a generator": ("I = (i for i in [1])\ndef step(x): return next(I)", "steps.I: a generator has no content that can be compared"),
    "an open file": (
        "import tempfile\nF = tempfile.TemporaryFile()\ndef step(x): return F.read()",
        "steps.F: a BufferedRandom has no content that can be compared",
    ),
    "an object in an object": (
        "import weakref\nclass A: ...\na = A()\na.r = weakref.ref(a)\ndef step(x): return a",
        "steps.a:r: a ReferenceType has no content that can be compared",
    ),
    "a function as a numpy function": (
        "import numpy as np\nf = np.frompyfunc(lambda x: x + 1, 1, 1)\ndef step(x): return f(x)",
        "steps.f: a ufunc has no content that can be compared",
    ),
    "a variable of a context": (
        "import contextvars\nV = contextvars.ContextVar('V')\ndef step(x): return V.get()",
        "steps.V: a ContextVar has no content that can be compared",
    ),
    "a plan with functions": (
        "import polars as pl\nF = pl.LazyFrame().map_batches(lambda f: f)\ndef step(x): return F",
        "steps.F: is a plan with Python functions in it",
    ),
    "an import that fails": (
        "def step(x):\n    import failing\n    return failing.n",
        "steps.step: imports failing, which fails (ZeroDivisionError)",
    ),
}
SILENT = {
    "a seed": "import numpy as np\ndef step(x): return np.random.default_rng(7).normal()",
    "the seed of a library": "import random\ndef step(x):\n    random.seed(7)\n    return random.random()",
    "a generator with a seed": "import random\ndef step(x): return random.Random(7).random()",
    "a sample with a seed": "def step(x): return x.sample(n=3, seed=1)",
    "shuffled with a seed": "import polars as pl\ndef step(x): return x.select(pl.col('a').shuffle(seed=3))",
    "a given moment": "import time\ndef step(x): return time.gmtime(x), time.strftime('%Y', time.gmtime(0))",
    "times without a clock": "import datetime\ndef step(x): return datetime.datetime(2020, 1, 1) + datetime.timedelta(days=1)",
    "a dynamic attribute": "import helpers\ndef step(x): return getattr(helpers, x)(x)",
    "a module handed on": "import helpers\ndef step(x): return vars(helpers)['clean'](x)",
    "names of the module": "def f(x): return x\ndef step(x): return globals()['f'](x)",
    "a module by its name": "import importlib\ndef step(x): return importlib.import_module('helpers').clean(x)",
    "code without source": "exec('def step(x): return x + 1')",
    "two lambdas on one line": "one, two = (lambda x: x + 1), (lambda x: x + 2)\ndef step(x): return one(x) + two(x)",
    "a logger": "import logging\nlog = logging.getLogger(__name__)\ndef step(x):\n    log.info('a')\n    return x",
    "a lock": "import threading\nLOCK = threading.Lock()\ndef step(x):\n    with LOCK:\n        return x",
    "a data class": "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass D:\n    n: int = 1\ndef step(x): return D(), {D()}",
    "a path that is not read": "from pathlib import Path\nHERE = Path('a.txt')\ndef step(x): return HERE.name",
    "polars": "import polars as pl\ndef step(x): return x.filter(pl.col('open') > 1).select(pl.col('a').exp().hash())",
    "an annotation that only a checker reads": "from __future__ import annotations\ndef step(x: Nothing) -> open: return x",
}


@pytest.mark.parametrize("case", NAMED)
def test_blind_spots_are_named(meaning: Workshop, case: str) -> None:
    """What is read besides arguments, or cannot be followed, is said in one sentence with its place."""
    text, sentence = NAMED[case]
    (meaning.folder / "failing.py").write_text("1 / 0", encoding="utf-8")

    assert meaning(text).blind == (sentence,)


@pytest.mark.parametrize("case", SILENT)
def test_what_is_followed_is_no_blind_spot(meaning: Workshop, case: str) -> None:
    """Who reads a list of false alarms reads no list."""
    assert meaning(SILENT[case]).blind == ()


def test_reads_carry_their_path(meaning: Workshop) -> None:
    """What a step may declare as read is told apart, with the path where it is written."""
    text = "import time\ndef step(x):\n    return open('a.csv'), open(x), time.time()"
    found = meaning(text)

    assert {read.path for read in found.reads} == {None, "a.csv"}
    assert {read.blind for read in found.reads} < set(found.blind)
    assert FileRead("a.csv", "steps.step: reads 'a.csv' by itself (builtins.open), at steps.py:3") in found.reads


def test_places_are_no_part_of_the_meaning(meaning: Workshop) -> None:
    """A line more above a blind spot changes what is said, not what is cached."""
    one, other = meaning("def step(x): return open('a')"), meaning("# more\n\ndef step(x): return open('a')")

    assert one.blind != other.blind
    assert one.digest == other.digest


def test_blind_spots_of_a_value_are_causes() -> None:
    """What cannot be known of an estimator is written down where its causes are."""
    causes = fingerprint_value("odd", {"a": (each for each in [1])})

    assert [cause.name for cause in causes if cause.name.startswith("blind ")] == ["blind odd:'a': a generator has no content that can be compared"]
