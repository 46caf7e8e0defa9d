"""A user's function as a step: whole, or day by day."""

from __future__ import annotations

import inspect
import re
import traceback
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import polars as pl

from millstream.errors import ColumnError, DeclarationError, MillstreamError, StepError, did_you_mean
from millstream.kernel.availability import DAY, Cut, dated_by, normalise_facts
from millstream.kernel.durations import microseconds
from millstream.kernel.facts import Facts
from millstream.kernel.fingerprint import Fingerprint, fingerprint
from millstream.kernel.reads import Reads, read_causes
from millstream.kernel.records import Artifact, Cause
from millstream.kernel.store import Store
from millstream.kernel.syntax import line_of_text
from millstream.kernel.units import Plan, Seen, Unit, facts_text, seen_of

IN_ORDER = pl.QueryOptFlags(check_order_observe=False)
"""The order that a function asks for is kept, also where the optimiser thinks that nobody sees it: sums of floats do."""


@dataclass(frozen=True, eq=False)
class FunctionOperation:
    """Runs `function` on its inputs, each as the kind of table that its annotation asks for.

    `facts` are those of the result; `required` says whether the result must have their columns. `reads` are the files that it reads itself.
    """

    name: str
    function: types.FunctionType
    inputs: tuple[str, ...]
    settings: Mapping[str, object]
    facts: Facts
    required: bool = False
    partition: str | None = None
    lookback: str | None = None
    reads: Reads = ()

    def __post_init__(self) -> None:
        """Parse the sources before steps run in threads: what they import parses too, and CPython 3.11 cannot do both at once (gh-106905)."""
        fingerprint(self.function)

    def plan(self, store: Store, inputs: Sequence[Artifact], as_of: int) -> Plan:
        """One unit, or one per day."""
        seen = seen_of(store, inputs, as_of)
        meaning = fingerprint(self.function)
        causes = self._causes(meaning)
        return Plan(self._units(seen), causes, self.facts, tuple(zip(self.inputs, seen, strict=True)), sources=meaning.sources, again=self._causes)

    def compute(self, store: Store, unit: Unit) -> object:
        """Call the function, and check what it returns."""
        arguments = self.arguments(store, unit)
        try:
            result = self.function(*arguments, **self.settings)
            if isinstance(result, pl.LazyFrame):
                result = result.collect(engine="in-memory", optimizations=IN_ORDER)
        except MillstreamError:
            raise
        except pl.exceptions.ColumnNotFoundError as error:
            raise self._unknown_column(error, arguments) from error
        except Exception as error:
            raise StepError(f"{self.name}: {type(error).__name__}: {_first_line(error)}", where=self._place(error)) from error
        return self._checked(result, unit)

    def arguments(self, store: Store, unit: Unit) -> list[object]:
        """What the function is called with."""
        return [
            _as_asked(store.read(each), kind) if isinstance(each, Cut) else msgspec.json.decode(store.read_value(each))
            for each, kind in zip(unit.seen, self._kinds, strict=True)
        ]

    def _causes(self, meaning: Fingerprint | None = None) -> tuple[Cause, ...]:
        """All that its results depend on besides its inputs, as it is now."""
        code = meaning or fingerprint(self.function)
        return (*code.causes, *_settings(self.settings), *_facts(self.facts), *read_causes(self.name, self.reads, self._place()))

    def _units(self, seen: tuple[Seen, ...]) -> list[Unit]:
        if self.partition is None:
            return [Unit(None, None, seen)]
        back = microseconds(self.lookback) if self.lookback else 0
        days = sorted(
            {day for first in seen[:1] if isinstance(first, Cut) for part, _ in first.parts if part.day is not None for day in _reach(part.day, back)}
        )
        return [
            Unit(day, day + DAY, tuple(each.between(day - back, day + DAY) if isinstance(each, Cut) else each for each in seen)) for day in days
        ] or [Unit(None, None, seen)]

    def _checked(self, result: object, unit: Unit) -> object:
        if not isinstance(result, pl.DataFrame):
            if self.required:
                raise StepError(f"{self.name}: returned a {type(result).__name__}, not a table", where=self._place())
            return result
        self._check(result, unit)
        return _sorted_by_key(normalise_facts(result, self.facts), self.facts)

    def _unknown_column(self, error: Exception, arguments: Sequence[object]) -> ColumnError:
        named = re.search(r'["\']([^"\']+)["\']', str(error)) or re.match(r"(\S+)", str(error))
        column = named.group(1) if named else str(error)
        known = [name for each in arguments if isinstance(each, pl.LazyFrame | pl.DataFrame) for name in each.collect_schema().names()]
        line = line_of_text(self.function.__code__, column)
        where = f"{self.function.__code__.co_filename}:{line}" if line else self._place()
        return ColumnError(
            f"{self.name}: there is no column '{column}'", where=where, hint=did_you_mean(column, known) or f"there are {', '.join(known)}"
        )

    def _check(self, result: pl.DataFrame, unit: Unit) -> None:
        facts = self.facts
        wanted = [*facts.key, *(name for name in (facts.time, facts.known_at) if name)] if self.required else []
        for name in wanted:
            if name not in result.columns:
                role = "time" if name == facts.time else "known_at" if name == facts.known_at else "key"
                hint = did_you_mean(name, result.columns) or f"return the column, or say {role}= in the decorator"
                raise ColumnError(f"{self.name}: its {role} is '{name}', but the function returns {result.columns}", where=self._place(), hint=hint)
        nulls = {name: result.get_column(name).null_count() for name in facts.key if name in result.columns}
        for name, count in nulls.items():
            if count and self.required:
                raise ColumnError(
                    f"{self.name}: the key '{name}' is null in {count:,} rows",
                    where=self._place(),
                    hint="drop these rows, or say what they are about",
                )
        self._check_reach(result, unit)

    def _check_reach(self, result: pl.DataFrame, unit: Unit) -> None:
        dated = dated_by(self.facts)
        if unit.stop is None or dated is None or dated not in result.columns:
            return
        reach = unit.stop + (microseconds(self.lookback) if self.lookback else 0)
        newest = normalise_facts(result, self.facts).get_column(dated).cast(pl.Int64).max()
        if isinstance(newest, int) and newest >= reach:
            days = -(-(newest + 1 - unit.stop) // DAY)
            raise StepError(
                f"{self.name}: the piece of one day returns rows up to {days} days later",
                where=self._place(),
                hint=f'say lookback="{days}d", or no partition',
            )

    @cached_property
    def _kinds(self) -> list[str]:
        """As what kind of table each input is handed over."""
        kinds: list[str] = []
        for parameter in inspect.signature(self.function).parameters.values():
            if parameter.kind is parameter.VAR_POSITIONAL:
                kinds += [_kind(self.name, parameter, self._place())] * (len(self.inputs) - len(kinds))
            elif parameter.kind is not parameter.KEYWORD_ONLY:
                kinds.append(_kind(self.name, parameter, self._place()))
        return kinds

    def _place(self, error: BaseException | None = None) -> str:
        file = self.function.__code__.co_filename
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file] if error else []
        return f"{file}:{lines[-1] if lines else self.function.__code__.co_firstlineno}"


def _reach(day: int, back: int) -> Iterable[int]:
    return range(day, day + back + 1, DAY)


def _kind(step: str, parameter: inspect.Parameter, where: str) -> str:
    written = parameter.annotation
    text = written if isinstance(written, str) else getattr(written, "__name__", str(written))
    kind = text.rpartition(".")[2]
    if parameter.annotation is inspect.Parameter.empty or kind == "LazyFrame":
        return "lazy"
    if (
        kind == "DataFrame"
        and not text.startswith(("pd.", "pandas."))
        and getattr(written, "__module__", "polars").startswith(("polars", "builtins"))
    ):
        return "eager"
    if kind in ("str", "Table", "DuckDBPyRelation") or text.startswith(("pd.", "pandas.", "pa.")):
        raise DeclarationError(
            f"{step}: '{parameter.name}' asks for {text}, which this version does not hand over",
            where=where,
            hint="ask for a pl.LazyFrame or a pl.DataFrame",
        )
    return "value"


def _as_asked(frame: pl.DataFrame, kind: str) -> object:
    return frame if kind == "eager" else frame.lazy()


def _sorted_by_key(frame: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    columns = [name for name in (*facts.key, facts.time, facts.known_at) if name and name in frame.columns]
    return frame.sort(columns, maintain_order=True) if facts.key and set(facts.key) <= set(columns) else frame


def _settings(settings: Mapping[str, object]) -> tuple[Cause, ...]:
    return tuple(Cause(f"setting {name}", repr(settings[name])) for name in sorted(settings))


def _facts(facts: Facts) -> tuple[Cause, ...]:
    return (Cause("facts", facts_text(facts)),)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")
