"""Modules of five functions that pass a big table, and the user's file that makes steps of them, as text.

The first makes ten columns from a seed, and four follow. `adds`: normal random floats, which no codec makes much smaller, and each of the four adds a
column. `rewrites`: the same floats, and each gives every column anew. `mixed`: whole numbers, texts, days and gaps too, and each adds a column.
"""

from __future__ import annotations

IMPORTS = """import numpy as np
import polars as pl


"""
FLOATS = """def step_0(seed: pl.DataFrame) -> pl.DataFrame:
    random = np.random.default_rng(seed["seed"][0])
    return pl.DataFrame({f"x{number}": random.standard_normal(seed["rows"][0]) for number in range(10)})
"""
MIXED = """def step_0(seed: pl.DataFrame) -> pl.DataFrame:
    random, rows = np.random.default_rng(seed["seed"][0]), seed["rows"][0]
    numbers = pl.DataFrame({f"x{number}": random.standard_normal(rows) for number in range(5)} | {"code": random.integers(0, 50_000, rows)})
    return numbers.with_columns(
        day=pl.date(2024, 1, 1) + pl.duration(days=pl.col("code") % 365),
        place=pl.format("place {}", pl.col("code") % 300),
        open=pl.col("x3") > 0,
        gaps=pl.when(pl.col("x4") > -1).then(pl.col("x4")),
    )
"""
ADDED = '{before}.with_columns(y{place}=pl.col("x{place}") * 2 + pl.col("x0"))'
REWRITTEN = "{before}.with_columns(pl.all() * 1.01 + {place})"
VARIANTS = {"adds": (FLOATS, ADDED), "rewrites": (FLOATS, REWRITTEN), "mixed": (MIXED, ADDED)}
STEPS = 5


def module_text(variant: str) -> str:
    """The plain functions `step_0` to `step_4`; each takes what the one before gives, the first a table with `seed` and `rows`."""
    first, how = VARIANTS[variant]
    following = [
        f"def step_{place}(step_{place - 1}: pl.DataFrame) -> pl.DataFrame:\n    return {how.format(before=f'step_{place - 1}', place=place)}\n"
        for place in range(1, STEPS)
    ]
    return IMPORTS + "\n\n".join([first, *following])


def river_text(module: str) -> str:
    """The user's file: the functions as steps, over a source of one row that holds the seed."""
    declared = [f"step_{place} = ms.step({f'step_{place - 1}' if place else 'seed'})({module}.step_{place})\n" for place in range(STEPS)]
    return f'import {module}\n\nimport millstream as ms\n\nseed = ms.source("seed.csv")\n{"".join(declared)}'


def seed_text(rows: int) -> str:
    """The file of the source."""
    return f"seed,rows\n7,{rows}\n"
