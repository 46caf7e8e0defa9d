"""What every snapshot must be, unasked: its columns there, of the types they had, and a key in every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from millstream.errors import ColumnError, ContractError, did_you_mean

_SHOWN = 5


def check_snapshot(frame: pl.DataFrame, *, source: str, required: Sequence[str], key: Sequence[str], previous: Mapping[str, str] | None) -> None:
    """Holds a snapshot of a source against its implicit contract; `previous` are the types of the last one (`str(dtype)`).

    A column that is new, no longer there but not required, or null throughout in either snapshot is fine.

    Raises:
        ColumnError: A required or key column is missing, or a column's type is not what it was.
        ContractError: A row has no key.
    """
    _check_columns(frame, source, [*required, *key])
    _check_types(frame, source, previous or {})
    _check_key(frame, source, key)


def _check_columns(frame: pl.DataFrame, source: str, required: Sequence[str]) -> None:
    missing = [name for name in dict.fromkeys(required) if name not in frame.columns]
    if not missing:
        return
    others = f" (nor {_listed(missing[1:])})" if len(missing) > 1 else ""
    hint = did_you_mean(missing[0], frame.columns) or f"it has {_listed(frame.columns)}"
    raise ColumnError(f"source '{source}' has no column '{missing[0]}'{others}", hint=hint)


def _check_types(frame: pl.DataFrame, source: str, previous: Mapping[str, str]) -> None:
    changed = [
        f"column '{name}' of source '{source}' was {previous[name]} and is {dtype}"
        for name, dtype in frame.schema.items()
        if previous.get(name, str(dtype)) not in {str(dtype), "Null"} and dtype != pl.Null
    ]
    if not changed:
        return
    more = [f"  and {len(changed) - _SHOWN} more"] if len(changed) > _SHOWN else []
    hint = "cast it to what it was where the data are made, or read them as a new source if the change is meant"
    raise ColumnError("\n".join([*changed[:_SHOWN], *more]), hint=hint)


def _check_key(frame: pl.DataFrame, source: str, key: Sequence[str]) -> None:
    for name in key:
        column = frame.get_column(name)
        missing = column.is_null() | column.is_nan() if column.dtype.is_float() else column.is_null()
        rows = missing.arg_true()
        if rows.len():
            first = ", ".join(str(row) for row in rows.head(_SHOWN))
            many = "1 row" if rows.len() == 1 else f"{rows.len()} rows"
            raise ContractError(
                f"key '{name}' of source '{source}' is null in {many} of {frame.height}, first in {first} (counted from 0)",
                hint="a row without a key is about nothing: fill it in or leave such rows out where the data are made",
            )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
