"""Feature views and labels as declared values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Literal, Self, get_args

from millstream.errors import did_you_mean
from millstream.kernel.declarations import Declaration, Table, expect_choice, fixed_duration, names, refusal
from millstream.kernel.declared_functions import F_co, Function, FunctionTable, PiecewiseFunction
from millstream.kernel.facts import Facts
from millstream.kernel.preview import Previewed

Reduction = Literal["count", "sum", "mean", "std", "min", "max", "first", "last", "n_unique"]
"""How the values of a window become one; nulls do not count, an empty window gives 0 for count, sum and n_unique, else null."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FeatureView(Previewed, Declaration):
    """Features of rows asked, as of the moment asked.

    `on_columns`: look up by these columns instead of the key. `prefix`: put before its feature names.
    `selected`: only these features, by their names without prefix.
    """

    noun: ClassVar[str] = "feature view"
    unreadable: ClassVar[str] = "only views made of a function can be read: name this one among the features"
    on_columns: tuple[str, ...] | None = None
    prefix: str = ""
    selected: tuple[str, ...] | None = None

    @property
    def about(self) -> tuple[str, ...]:
        """The key columns by which it is looked up, in the view's own names."""
        return ()

    @property
    def timed(self) -> bool:
        """Whether what it gives depends on the moment asked."""
        return False

    def on(self, *columns: str, prefix: str = "") -> Self:
        """The same view, looked up by other columns of the question: `wind.on("dest", prefix="dest_")`.

        Raises DeclarationError unless there is one column for each of the view's key.
        """
        by = names(columns, f"{self.title}: on")
        if not self.about:
            raise refusal(f"{self.title}: it is not looked up by a key", hint="leave .on() out")
        if len(by) != len(self.about):
            hint = f"one column each for: {', '.join(self.about)}"
            raise refusal(f"{self.title}: on() names {len(by)} columns, its key has {len(self.about)}", hint=hint)
        return dataclasses.replace(self, on_columns=by, prefix=prefix)

    def select(self, *columns: str) -> Self:
        """The same view with these features only, named without prefix."""
        if not columns:
            raise refusal(f"{self.title}: select() names no feature", hint="leave the view out, or name what to keep")
        return dataclasses.replace(self, selected=names(columns, f"{self.title}: select"))


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FunctionView(FeatureView, FunctionTable[F_co]):
    """Features made by a function; also a table that steps and other views can read."""

    inputs: tuple[Table, ...]
    max_age: str | None = None

    def __post_init__(self) -> None:
        """Check that it has a key, and a time if its rows grow old."""
        facts = self._facts()
        if self.key is None and not facts.key:
            raise refusal(f"{self.title}: it has no key", hint="say key='column': what its features are about")
        if self.max_age is not None:
            fixed_duration(self.max_age, f"{self.title}: max_age")
            if facts.time is None:
                raise refusal(f"{self.title}: max_age needs a time", hint="its first input has none: say time='column' too")
        super().__post_init__()

    @property
    def about(self) -> tuple[str, ...]:
        """Its declared or inherited key."""
        return self.facts.key

    @property
    def timed(self) -> bool:
        """Whether it has a time, declared or inherited."""
        return self.facts.time is not None


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class AggregateView(FeatureView):
    """Windows over a table's rows that end at the moment asked.

    `columns` maps a feature's name to the column and its reduction; the features are called `name_window`.
    """

    noun: ClassVar[str] = "aggregate"
    table: Table
    key: tuple[str, ...]
    over: tuple[str, ...]
    columns: Mapping[str, tuple[str, Reduction]]

    def __post_init__(self) -> None:
        """Check table, windows and reductions."""
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))
        if self.table.facts.time is None:
            raise refusal(f"{self.title}: its table has no time", hint=f"say time='column' at {self.table.title}")
        self._check_windows()
        for name, given in self.columns.items():
            _check_reduction(name, given, self.title)
        unknown = next((name for name in self.selected or () if name not in self.features), None)
        if unknown is not None:
            hint = did_you_mean(unknown, self.features) or f"it has: {', '.join(self.features)}"
            raise refusal(f"{self.title}: there is no feature '{unknown}'", hint=hint)
        super().__post_init__()

    @property
    def title(self) -> str:
        """An aggregate and the table it is over."""
        return f"aggregate of {self.table.title}"

    @property
    def about(self) -> tuple[str, ...]:
        """Its key; nothing if it is over all rows."""
        return self.key

    @property
    def timed(self) -> bool:
        """Its windows end at the moment asked."""
        return True

    @property
    def features(self) -> tuple[str, ...]:
        """All its feature names, before prefix and selection."""
        return tuple(f"{name}_{window}" for name in self.columns for window in self.over)

    def _check_windows(self) -> None:
        if not self.over:
            raise refusal(f"{self.title}: over names no window", hint="as in over=['1d', '7d']")
        if not self.columns:
            raise refusal(f"{self.title}: no feature is named", hint="as in delay=('arrival_delay', 'mean')")
        for window in self.over:
            fixed_duration(window, f"{self.title}: over")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class OnDemandView(FeatureView, Function[F_co]):
    """Features made when asked, row by row, from the question and the features named."""

    noun: ClassVar[str] = "on-demand view"
    inputs: tuple[Table, ...]
    features: tuple[FeatureView, ...] = ()

    def __post_init__(self) -> None:
        """Check that the views named can be looked up by its rows."""
        check_views(self.rows, self.features, self.title)
        super().__post_init__()

    @property
    def rows(self) -> Table:
        """The question: its one input."""
        return self.inputs[0]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Label(Previewed, PiecewiseFunction[F_co]):
    """The truth: key, when it is known, and one more column. Only a training set reads it.

    `facts` have no time; `known_at` is the first input's (or its time) unless declared, the delay the greatest of all inputs.
    """

    noun: ClassVar[str] = "label"
    unreadable: ClassVar[str] = "a label is the truth: only training_set reads it, as label="
    inputs: tuple[Table, ...]
    facts: Facts = field(init=False)

    def __post_init__(self) -> None:
        """Derive the facts; a late label needs a key."""
        first = self.inputs[0].facts
        key = first.key if self.key is None else self.key
        known_at = self.known_at or first.known_at or first.time
        object.__setattr__(self, "facts", Facts(key, None, known_at, max(table.facts.delay for table in self.inputs)))
        if not key:
            hint = "say key='column', here or at its source: a label that comes late finds its row by key"
            raise refusal(f"{self.title}: it has no key", hint=hint)
        if self.partition is not None and first.time is None:
            raise refusal(f"{self.title}: partition needs a time", hint=f"say time='column' at {self.inputs[0].title}")
        super().__post_init__()


def check_views(rows: Table, views: tuple[FeatureView, ...], reader: str) -> None:
    """Refuse views that cannot be looked up by these rows."""
    for place, view in enumerate(views):
        if view in views[:place]:
            raise refusal(f"{reader}: {view.title} is named twice", hint="use .on(..., prefix='...') to look it up another way")
        if view.timed and rows.facts.time is None:
            hint = f"say time='column' at {rows.title}: the moment it is asked"
            raise refusal(f"{reader}: {view.title} depends on time, but the rows ({rows.title}) have none", hint=hint)
        if isinstance(view, OnDemandView) and set(view.rows.facts.key) != set(rows.facts.key):
            theirs, ours = ", ".join(view.rows.facts.key) or "none", ", ".join(rows.facts.key) or "none"
            raise refusal(f"{reader}: {view.title} is made for rows with key {theirs}, these have {ours}")


def _check_reduction(name: str, given: object, title: str) -> None:
    match given:
        case (str(), str(reduction)):
            expect_choice(reduction, get_args(Reduction), f"{title}: reduction of {name}")
        case _:
            raise refusal(f"{title}: {name} must be a column and a reduction", hint=f"as in {name}=('amount', 'mean')")
