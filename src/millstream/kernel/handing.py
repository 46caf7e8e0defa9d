"""One call of a step's function: what it reads is handed over as it asks, and what it returns is taken for what it is."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Self, cast

import msgspec
import polars as pl

from millstream.errors import StepError
from millstream.kernel.annotations import EMPTY, arguments, class_of, hints_of
from millstream.kernel.availability import Cut
from millstream.kernel.formats.json_values import decode_as
from millstream.kernel.kinds import Asked, is_record
from millstream.kernel.pandas_frames import from_arrow, from_pandas, to_arrow, to_pandas
from millstream.kernel.records import Value
from millstream.kernel.results import Several, value_of
from millstream.kernel.sql import Queries, frame_of
from millstream.kernel.store import Store
from millstream.kernel.units import Seen, SeenCollection

IN_ORDER = pl.QueryOptFlags(check_order_observe=False)
"""The order that a function asks for is kept, also where the optimiser thinks that nobody sees it: sums of floats do."""

TABLES = "pl.LazyFrame, pl.DataFrame, pd.DataFrame, pa.Table, duckdb.DuckDBPyRelation, or str for SQL"
LISTS = {"list", "tuple", "Sequence", "Collection", "Iterable"}
MAPPINGS = {"dict", "Mapping", "MutableMapping"}


class Handing:
    """Hands over and takes; databases that it opens are closed when it is left."""

    def __init__(self, store: Store) -> None:
        """No database is opened before a table is asked for in SQL."""
        self._store = store
        self._queries = Queries(store.root / "spilled" / secrets.token_hex(8))
        self._by_name = False

    def __enter__(self) -> Self:
        """Nothing is opened yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what was opened."""
        self._queries.close()

    def hand(self, asked: Asked, seen: Seen, name: str) -> object:
        """What is seen of an input as its parameter asks for it; `name` is the input's. Raises StepError where that cannot be."""
        if isinstance(seen, Cut):
            return self._table(asked, seen, name)
        if isinstance(seen, Value):
            return self._value(asked, seen, name)
        return self._several(asked, seen, name)

    def seal(self) -> None:
        """Everything is handed over."""
        self._queries.seal()

    def take(self, result: object) -> object:
        """What a function returned: a frame for any kind of table and for a query, Several for several results, or the value itself."""
        if self._by_name and isinstance(result, str):
            return self._queries.rows(result)
        frame = _frame(result)
        if frame is not None:
            return frame
        _refuse_column(result)
        members = _members(result)
        if members is None or not any(_is_table(each) for each in members.values()):
            return result
        return Several(tuple(self.take(each) for each in members.values()), None if _is_list(result) else tuple(members))

    def _table(self, asked: Asked, seen: Cut, name: str) -> object:
        kind = asked.kind
        if kind is None and asked.wanted is not None:
            raise _other(asked, name, "a table", hint=f"a table is handed over as {TABLES}")
        frame = self._store.read(seen)
        if kind == "eager":
            return frame
        if kind == "pandas":
            return to_pandas(frame)
        if kind == "arrow":
            return to_arrow(frame)
        if kind == "relation":
            return self._queries.relation(asked.name, frame)
        if kind == "sql":
            self._by_name = True
            return self._queries.table(asked.name, frame)
        return frame.lazy()

    def _value(self, asked: Asked, seen: Value, name: str) -> object:
        if asked.kind not in {None, "sql"}:
            hint = f"say what it is (as in '{asked.name}: list[int]'), or return a table from {name}"
            raise _other(asked, name, f"{_what(seen)}, not a table", hint=hint)
        if seen.kind == "json":
            known = asked.wanted is not None or bool(arguments(asked.annotation))
            try:
                return decode_as(self._store.read_value(seen), asked.annotation if known else Any)
            except msgspec.ValidationError as error:
                raise _other(asked, name, f"something else: {error}") from None
        value = value_of(self._store, seen)
        if asked.wanted is not None and not isinstance(value, asked.wanted):
            raise _other(asked, name, f"{_what(seen)}, which is read back as {type(value).__name__}")
        return value

    def _several(self, asked: Asked, seen: SeenCollection, name: str) -> object:
        kind, inside = class_of(asked.annotation), arguments(asked.annotation)
        if seen.names is None:
            if kind is not None and kind.__name__ not in LISTS:
                raise _other(asked, name, "a list", hint=f"say '{asked.name}: list[…]'")
            inner = inside[0] if inside else EMPTY
            listed = [self.hand(asked.inner(str(number + 1), inner), each, name) for number, each in enumerate(seen.members)]
            return tuple(listed) if kind is tuple else listed
        plain = kind is None or kind.__name__ in MAPPINGS
        if not plain and not is_record(cast("type", kind)):
            hint = f"say '{asked.name}: dict[str, pl.DataFrame]', or a NamedTuple of them"
            raise _other(asked, name, f"several results by name ({', '.join(seen.names)})", hint=hint)
        hints = dict.fromkeys(seen.names, inside[1] if len(inside) > 1 else EMPTY) if plain else hints_of(cast("type", kind))
        if set(hints) != set(seen.names):
            raise _other(asked, name, f"{', '.join(seen.names)}, not {', '.join(hints)}")
        given = zip(seen.names, seen.members, strict=True)
        members = {each: self.hand(asked.inner(each, hints[each]), member, f"{name}[{each!r}]") for each, member in given}
        return members if plain else cast("Callable[..., object]", kind)(**members)


def _frame(value: object) -> pl.DataFrame | None:
    """The frame of any kind of table; None of anything else."""
    if isinstance(value, pl.DataFrame):
        return value
    if isinstance(value, pl.LazyFrame):
        return value.collect(engine="in-memory", optimizations=IN_ORDER)
    kind = Asked("", type(value)).kind
    taken: Mapping[str, Callable[[Any], pl.DataFrame]] = {"pandas": from_pandas, "arrow": from_arrow, "relation": frame_of}
    return taken[kind](value) if kind is not None and kind in taken else None


def _is_table(value: object) -> bool:
    return Asked("", type(value)).kind not in {None, "sql"}


def _members(result: object) -> Mapping[str, object] | None:
    """The results in a dictionary, a named tuple, a data class or a list, by name or number."""
    if isinstance(result, dict):
        names = list(cast("dict[object, object]", result))
        return cast("dict[str, object]", result) if all(isinstance(name, str) for name in names) else None
    if hasattr(result, "_asdict"):
        return cast("Mapping[str, object]", cast("Any", result)._asdict())
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return {each.name: getattr(result, each.name) for each in dataclasses.fields(result)}
    if isinstance(result, list | tuple):
        return {str(number): each for number, each in enumerate(cast("list[object]", result))}
    return None


def _is_list(result: object) -> bool:
    """Whether results are told apart by their place alone."""
    return not hasattr(result, "_asdict") and isinstance(result, list | tuple)


def _refuse_column(result: object) -> None:
    kind = type(result)
    if kind.__name__ in {"Series", "ChunkedArray"} and kind.__module__.partition(".")[0] in {"pandas", "polars", "pyarrow"}:
        raise StepError(f"returned a {kind.__name__}, which is a column", hint="return a table (.to_frame()) or a list (.to_list())")


def _what(value: Value) -> str:
    return {"json": "a JSON value", "bytes": "bytes", "path": "a path"}.get(value.kind, f"a value stored as {value.kind}")


def _other(asked: Asked, name: str, given: str, *, hint: str | None = None) -> StepError:
    return StepError(f"'{asked.name}' asks for {asked.text}, but {name} gives {given}", hint=hint)
