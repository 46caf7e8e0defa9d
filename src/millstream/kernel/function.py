"""A user's function as a step: whole, or day by day."""

from __future__ import annotations

import copy
import re
import traceback
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import polars as pl

from millstream.errors import ColumnError, MillstreamError, StepError, did_you_mean, first_line
from millstream.kernel.availability import DAY, Cut, dated_by, normalise_facts
from millstream.kernel.durations import microseconds
from millstream.kernel.facts import Facts
from millstream.kernel.fingerprint import Fingerprint, fingerprint, versions
from millstream.kernel.handing import Handing
from millstream.kernel.items import items_of
from millstream.kernel.kinds import Asked, asked_by, causes_of, require_libraries, require_sql
from millstream.kernel.reads import Reads, read_causes
from millstream.kernel.records import Artifact, Cause
from millstream.kernel.results import Kept, collection_of, keep_result
from millstream.kernel.store import Store
from millstream.kernel.syntax import line_of_text
from millstream.kernel.units import Plan, Seen, Unit, facts_text, seen_of


@dataclass(frozen=True, slots=True)
class Given:
    """One argument: the places of the inputs that it is made of. `each`: the function is called once per item of it.

    `hand` makes it of what is seen of these inputs, for those that are no tables or results; `causes` is what that depends on besides them.
    """

    places: tuple[int, ...]
    each: bool = False
    hand: Callable[[Store, tuple[Seen, ...]], object] | None = None
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, eq=False)
class FunctionOperation:
    """Runs `function` on its inputs, each handed over as its annotation asks. `given` says of which inputs each argument is made (default: of one).

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
    given: tuple[Given, ...] = ()

    def __post_init__(self) -> None:
        """Miss libraries before anything runs.

        Parse the sources before steps run in threads: what they import parses too, and CPython 3.11 cannot do both at once (gh-106905).
        """
        require_libraries(self.name, self.function, self.asked, self._place())
        fingerprint(self.function)

    @cached_property
    def arguments(self) -> tuple[Given, ...]:
        """Of which inputs each argument is made."""
        return self.given or tuple(Given((place,)) for place in range(len(self.inputs)))

    @cached_property
    def asked(self) -> tuple[Asked, ...]:
        """What each parameter asks for."""
        return asked_by(self.function, len(self.arguments))

    def plan(self, store: Store, inputs: Sequence[Artifact], as_of: int) -> Plan:
        """One unit, or one per day or item."""
        seen = seen_of(store, inputs, as_of)
        meaning = fingerprint(self.function)
        kinds = self._kinds(seen)
        causes, again = self._causes(kinds, meaning), partial(self._causes, kinds)
        told = tuple(zip(self.inputs, seen, strict=True))
        each = next((given.places[0] for given in self.arguments if given.each), None)
        if each is None:
            return Plan(self._units(seen), causes, self.facts, told, sources=meaning.sources, again=again)
        items = items_of(store, seen[each], f"{self.name}: each", self.inputs[each])
        units = [Unit(None, None, (*seen[:each], item, *seen[each + 1 :]), text) for item, text in items]
        return Plan(units, causes, self.facts, told, sources=meaning.sources, again=again, together=in_a_list)

    def compute(self, store: Store, unit: Unit) -> object:
        """Call the function, and take what it returns."""
        with Handing(store) as handing:
            arguments = self.handed(handing, store, unit)
            try:
                result = handing.take(self.function(*arguments, **self.settings))
            except MillstreamError as error:
                raise self._told(error, unit) from error
            except pl.exceptions.ColumnNotFoundError as error:
                raise self._unknown_column(error, arguments) from error
            except Exception as error:
                raise self._told(StepError(f"{type(error).__name__}: {first_line(error)}", where=self._place(error)), unit) from error
        if isinstance(result, pl.DataFrame):
            return self._checked(result, unit)
        if self.required:
            raise StepError(f"{self.name}: returned a {type(result).__name__}, not a table", where=self._place())
        try:
            return result if self.partition else Kept(*keep_result(store, self.facts, result))
        except MillstreamError as error:
            raise self._told(error, unit) from error

    def handed(self, handing: Handing, store: Store, unit: Unit) -> list[object]:
        """The arguments of one call."""
        handed: list[object] = []
        try:
            for asked, given in zip(self.asked, self.arguments, strict=True):
                seen = tuple(unit.seen[place] for place in given.places)
                handed.append(handing.hand(asked, seen[0], self.inputs[given.places[0]]) if given.hand is None else given.hand(store, seen))
            handing.seal()
        except MillstreamError as error:
            raise self._told(error, unit) from error
        return handed

    def _kinds(self, seen: Sequence[Seen]) -> tuple[Cause, ...]:
        """As what the arguments are handed over; raises ConfigurationError if a library is missing for it."""
        first = [seen[given.places[0]] for given in self.arguments]
        for asked, given, one in zip(self.asked, self.arguments, first, strict=True):
            if isinstance(one, Cut) and not given.each:
                require_sql(self.name, asked, self._place())
        others = [None if given.hand else one for given, one in zip(self.arguments, first, strict=True)]
        return (*causes_of(self.asked, others), *(cause for given in self.arguments for cause in given.causes))

    def _told(self, error: MillstreamError, unit: Unit) -> MillstreamError:
        """An error with the step's name, the item it was about, and a place."""
        item = f", item {unit.item}" if unit.item is not None else ""
        return _with(error, f"{self.name}{item}: {error.message}", error.where or self._place())

    def _causes(self, kinds: tuple[Cause, ...], meaning: Fingerprint | None = None) -> tuple[Cause, ...]:
        """All that its results depend on besides its inputs, as it is now."""
        code = meaning or fingerprint(self.function)
        said = (*kinds, *_settings(self.settings), *_facts(self.facts), *read_causes(self.name, self.reads, self._place()))
        return tuple(dict.fromkeys((*code.causes, *versions("polars", "polars-runtime-32"), *said)))

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

    def _checked(self, result: pl.DataFrame, unit: Unit) -> pl.DataFrame:
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

    def _place(self, error: BaseException | None = None) -> str:
        file = self.function.__code__.co_filename
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file] if error else []
        return f"{file}:{lines[-1] if lines else self.function.__code__.co_firstlineno}"


def _reach(day: int, back: int) -> Iterable[int]:
    return range(day, day + back + 1, DAY)


def in_a_list(store: Store, artifacts: Sequence[Artifact]) -> Artifact:
    """The results of all items as one, in the order of the items."""
    del store
    return collection_of(artifacts)


def _sorted_by_key(frame: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    columns = [name for name in (*facts.key, facts.time, facts.known_at) if name and name in frame.columns]
    return frame.sort(columns, maintain_order=True) if facts.key and set(facts.key) <= set(columns) else frame


def _settings(settings: Mapping[str, object]) -> tuple[Cause, ...]:
    return tuple(Cause(f"setting {name}", repr(settings[name])) for name in sorted(settings))


def _facts(facts: Facts) -> tuple[Cause, ...]:
    return (Cause("facts", facts_text(facts)),)


def _with(error: MillstreamError, message: str, where: str) -> MillstreamError:
    """The same error with another message and place."""
    told = copy.copy(error)
    MillstreamError.__init__(told, message, where=where, hint=error.hint)
    return told
