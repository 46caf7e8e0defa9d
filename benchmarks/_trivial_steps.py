"""Modules of trivial functions, as text: a chain, a fan-out of its end, and a join; parameters are named after the functions they come from.

Every function is written out, so that each is parsed, fingerprinted and called as one of a user would be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """What trivial functions return, and how they are written: the first, one that reads another, and what joins `+` its inputs."""

    imports: str
    returned: str
    first: str
    next: str
    joined: str


KINDS = {
    "numbers": Kind("", "float", "1.0", "{} + {}", "sum([{}])"),
    "tables": Kind(
        "import polars as pl\n\n\n",
        "pl.DataFrame",
        'pl.DataFrame({"row": range(10), "x": [0.5] * 10})',
        '{}.with_columns(x=pl.col("x") + {})',
        "pl.concat([{}])",
    ),
}


def module_text(kind: str, *, long: int) -> str:
    """A chain of `long` functions, as many that read its end, and one that reads all those."""
    how = KINDS[kind]
    return how.imports + "\n\n\n".join(_functions(how, long)) + "\n"


def _functions(how: Kind, long: int) -> Iterator[str]:
    yield _function(how, "step_0", (), how.first)
    for place in range(1, 2 * long):
        before = f"step_{min(place, long) - 1}"
        yield _function(how, f"step_{place}", (before,), how.next.format(before, place))
    wide = tuple(f"step_{place}" for place in range(long, 2 * long))
    yield _function(how, f"step_{2 * long}", wide, how.joined.format(", ".join(wide)))


def _function(how: Kind, name: str, inputs: tuple[str, ...], returned: str) -> str:
    parameters = ", ".join(f"{each}: {how.returned}" for each in inputs)
    return f"def {name}({parameters}) -> {how.returned}:\n    return {returned}"
