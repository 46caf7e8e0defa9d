"""What a table should hold, and a readable account of what it holds instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from millstream.kernel.compared import compare_tables
from millstream.testing.literals import as_type, split_cells

SHOWN = 6


def assert_rows(
    result: pl.DataFrame | pl.LazyFrame,
    expected: pl.DataFrame | str,
    *,
    key: str | Sequence[str] = (),
    in_order: bool = False,
    tolerance: float = 1e-9,
) -> None:
    """Fail with the differences unless a table holds the rows expected; the order of rows counts if `in_order`, that of columns never.

    A text is read with the types of the result; a table may have others, as long as the values are equal. With `key`, rows are matched by these
    columns and the columns that differ are named. Numbers may differ by `tolerance` of their size.
    """
    frame = result.collect(engine="in-memory") if isinstance(result, pl.LazyFrame) else result
    wanted = _with_types_of(frame, expected) if isinstance(expected, str) else expected
    names = (key,) if isinstance(key, str) else tuple(key)
    lines = list(_differences(frame, wanted, names, in_order=in_order, tolerance=tolerance))
    if lines:
        raise AssertionError("\n".join(["the table is not as expected", *(f"  {line}" for line in lines)]))


def _with_types_of(frame: pl.DataFrame, text: str) -> pl.DataFrame:
    _, cells = split_cells(text)
    kinds = frame.schema
    return pl.DataFrame([as_type(name, column, kinds.get(name, pl.String)) for name, column in cells.items()])


def _differences(result: pl.DataFrame, wanted: pl.DataFrame, key: Sequence[str], *, in_order: bool, tolerance: float) -> Iterator[str]:
    missing, surplus = ([name for name in one.columns if name not in other.columns] for one, other in ((wanted, result), (result, wanted)))
    if missing or surplus:
        yield from (f"{what}: {', '.join(names)}" for what, names in (("columns missing", missing), ("columns not expected", surplus)) if names)
        return
    result = result.select(wanted.columns)
    ordered = [frame if in_order or key else frame.sort(wanted.columns, nulls_last=True) for frame in (result, wanted)]
    compared = compare_tables(*ordered, key=key, tolerance=tolerance)
    if key and not compared.key:
        yield f"{', '.join(key)} is no key: some rows have the same"
        return
    if compared.same or (not compared.differing and not compared.only_first and not compared.only_second and not (in_order and compared.reordered)):
        return
    if in_order and compared.reordered:
        yield "the same rows in another order:"
    elif result.height != wanted.height:
        yield f"{result.height:,} rows, expected {wanted.height:,}"
    if compared.key:
        yield from _first(_by_key(result, wanted, compared.key, tolerance))
    else:
        yield from _whole(result, wanted, in_order=in_order)


def _by_key(result: pl.DataFrame, wanted: pl.DataFrame, key: Sequence[str], tolerance: float) -> list[str]:
    """Row by row, what is another in it."""
    found, expected = ({tuple(row[name] for name in key): row for row in frame.to_dicts()} for frame in (result, wanted))
    lines: list[str] = []
    for place in dict.fromkeys([*expected, *found]):
        told = "missing" if place not in found else "not expected" if place not in expected else _others(found[place], expected[place], tolerance)
        if told:
            lines.append(f"{', '.join(f'{column} {value}' for column, value in zip(key, place, strict=True))}: {told}")
    return lines


def _others(found: Mapping[str, object], expected: Mapping[str, object], tolerance: float) -> str:
    names = [name for name, value in expected.items() if not _equal(found[name], value, tolerance)]
    return ", ".join(f"{name} is {found[name]!r}, expected {expected[name]!r}" for name in names)


def _equal(value: object, other: object, tolerance: float) -> bool:
    if isinstance(value, float) and isinstance(other, float | int):
        return abs(value - other) <= tolerance * max(1.0, abs(other)) or (value != value and other != other)  # noqa: PLR0124  not a number
    return value == other


def _whole(result: pl.DataFrame, wanted: pl.DataFrame, *, in_order: bool) -> Iterator[str]:
    """Rows that only one has; or all of both, if the order counts."""
    found, expected = [str(row) for row in result.rows()], [str(row) for row in wanted.rows()]
    if in_order:
        pairs = zip(found, expected, strict=False)
        yield from _first([f"row {number}: {row}, expected {other}" for number, (row, other) in enumerate(pairs, 1) if row != other])
        return
    yield f"({', '.join(wanted.columns)})"
    yield from _first([f"missing       {row}" for row in _without(expected, found)])
    yield from _first([f"not expected  {row}" for row in _without(found, expected)])


def _without(rows: Sequence[str], others: Sequence[str]) -> list[str]:
    """The rows that the others have not, each as often as it is there."""
    return list((Counter(rows) - Counter(others)).elements())


def _first(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:SHOWN]
    if len(lines) > SHOWN:
        yield f"… and {len(lines) - SHOWN} more"
