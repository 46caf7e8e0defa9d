"""How a function gets its inputs and what it may give: each as the parameter's annotation asks.

A table comes as `pl.LazyFrame` (also without an annotation), `pl.DataFrame`, `pd.DataFrame`, `pa.Table`, `duckdb.DuckDBPyRelation`, or as
`str`: its name in SQL, and the function returns the query. A value comes as what it is; several results come by name, or as a list.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from millstream.kernel.annotations import EMPTY, alternatives, arguments, class_of, meant_by, names_of, text_of_annotation
from millstream.kernel.availability import Cut
from millstream.kernel.extras import require
from millstream.kernel.fingerprint import fingerprint_value, versions
from millstream.kernel.records import Cause
from millstream.kernel.units import Seen

KINDS = {
    ("polars", "LazyFrame"): "lazy",
    ("polars", "DataFrame"): "eager",
    ("pandas", "DataFrame"): "pandas",
    ("pyarrow", "Table"): "arrow",
    ("duckdb", "DuckDBPyRelation"): "relation",
    ("builtins", "str"): "sql",
}
NEEDS = {"pandas": ("pandas", "pyarrow"), "arrow": ("pyarrow",), "relation": ("duckdb",), "sql": ("duckdb",)}


@dataclass(frozen=True, slots=True)
class Asked:
    """What one parameter asks for. `annotation` is what its annotation stands for."""

    name: str
    annotation: object = EMPTY

    @property
    def kind(self) -> str | None:
        """The kind of table, if it asks for one; of several the first."""
        found = (KINDS.get(name) for each in alternatives(self.annotation) for name in names_of(each))
        return next((kind for kind in found if kind is not None), None)

    @property
    def wanted(self) -> type | None:
        """The class that a value must be of; None if the annotation leaves it open."""
        found = class_of(self.annotation)
        return None if found is None or getattr(found, "_is_protocol", False) else found

    @property
    def text(self) -> str:
        """The annotation in words."""
        return text_of_annotation(self.annotation)

    def inner(self, name: str, annotation: object) -> Asked:
        """What it asks of one of several results."""
        return Asked(f"{self.name}_{name}", annotation)


def asked_by(function: Callable[..., object], count: int) -> tuple[Asked, ...]:
    """What the positional parameters of a function ask for; `count` arguments are given."""
    asked: list[Asked] = []
    for parameter in inspect.signature(function).parameters.values():
        annotation = meant_by(function, parameter.name)
        if parameter.kind is parameter.VAR_POSITIONAL:
            asked += [Asked(f"{parameter.name}_{number + 1}", annotation) for number in range(count - len(asked))]
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            asked.append(Asked(parameter.name, annotation))
    return tuple(asked)


def require_libraries(step: str, function: Callable[..., object], asked: Sequence[Asked], where: str) -> None:
    """Raise ConfigurationError if a library is missing that an annotation names, also that of the result."""
    for each in (*asked, Asked("its result", meant_by(function, "return"))):
        if each.kind not in {None, "sql"}:
            require(NEEDS.get(each.kind or "", ()), f"{step}: {_subject(each)} asks for {each.text}", where=where)


def gives_table(function: Callable[..., object]) -> bool:
    """Whether a function says that it returns a table, or says nothing."""
    returned = meant_by(function, "return")
    return returned is EMPTY or Asked("", returned).kind not in {None, "sql"}


def require_sql(step: str, asked: Asked, where: str | None) -> None:
    """Raise ConfigurationError if a table is asked for by its name in SQL, and DuckDB is not installed."""
    if asked.kind == "sql":
        require(NEEDS["sql"], f"{step}: {_subject(asked)} asks for its table by name in SQL (str)", where=where)


def causes_of(asked: Sequence[Asked], seen: Sequence[Seen | None]) -> tuple[Cause, ...]:
    """What a result depends on besides the content of the inputs: as what they are handed over (None: by somebody else), and by which library."""
    told: dict[str, Cause] = {}
    for each, given in zip(asked, seen, strict=True):
        table = isinstance(given, Cut)
        if given is None or each.annotation is EMPTY or (table and each.kind in {None, "lazy"}):
            continue
        causes = [Cause(f"kind of {each.name}", each.text)]
        if table:
            causes += versions(*NEEDS.get(each.kind or "", ()))
        else:
            causes += [cause for record in _records(each.annotation) for cause in fingerprint_value(record.__qualname__, record)]
        told |= {cause.name: cause for cause in causes}
    return tuple(told.values())


def is_record(kind: type) -> bool:
    """Whether a class is a named tuple, a data class or a typed dictionary: its fields have names."""
    named: object = kind
    return hasattr(named, "_fields") or dataclasses.is_dataclass(kind) or hasattr(named, "__required_keys__")


def _records(annotation: object) -> Iterator[type]:
    """The classes that an annotation mentions, but for those of Python itself."""
    for each in (*arguments(annotation), class_of(annotation)):
        if isinstance(each, type) and not arguments(each):
            if each.__module__.partition(".")[0] not in sys.stdlib_module_names:
                yield each
        elif each is not None and each is not annotation:
            yield from _records(each)


def _subject(asked: Asked) -> str:
    return asked.name if " " in asked.name else f"'{asked.name}'"
