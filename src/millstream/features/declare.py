"""What a user writes about features and labels: views, aggregates, the truth, and the training set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack, overload

from millstream.errors import did_you_mean
from millstream.features.declared_views import (
    AggregateView,
    FeatureView,
    FunctionView,
    Label,
    OnDemandView,
    Reduction,
    check_views,
)
from millstream.kernel.declarations import (
    Columns,
    Declaration,
    Table,
    describe,
    expect,
    expect_each,
    names,
    optional_name,
    refusal,
)
from millstream.kernel.declared_functions import (
    F1,
    F2,
    F3,
    F4,
    F5,
    F6,
    F7,
    F8,
    Eight,
    Five,
    Four,
    One,
    PiecewiseOptions,
    Seven,
    Six,
    TableOptions,
    Three,
    Two,
    files_read,
    input_tables,
)
from millstream.kernel.limits import Retries, limits_of
from millstream.kernel.preview import Previewed
from millstream.sources.declare import Source

__all__ = [
    "AggregateView",
    "FeatureView",
    "FunctionView",
    "Label",
    "OnDemandView",
    "Reduction",
    "TrainingSet",
    "aggregate",
    "feature_view",
    "label",
    "on_demand",
    "training_set",
]


class ViewOptions(TableOptions, total=False):
    """Options of a feature view. `max_age`: older rows give null."""

    max_age: str | None


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class TrainingSet(Previewed, Declaration):
    """The question, what was known when it was asked, and the truth.

    `label` is a Label, or the name of a column of `rows` that is known with its row. Columns in `ignore` are no features.
    """

    noun: ClassVar[str] = "training set"
    unreadable: ClassVar[str] = "a training set knows the truth: what reads it could leak it"
    rows: Table
    label: Label | str
    features: tuple[FeatureView, ...] = ()
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that question, truth and views fit each other."""
        if isinstance(self.label, Label):
            _check_label_key(self.label, self.rows)
        else:
            _check_label_column(self.label, self.rows, self.ignore)
        check_views(self.rows, self.features, self.noun)
        super().__post_init__()


@overload
def feature_view(*inputs: *One, **options: Unpack[ViewOptions]) -> Callable[[F1], FunctionView[F1]]: ...
@overload
def feature_view(*inputs: *Two, **options: Unpack[ViewOptions]) -> Callable[[F2], FunctionView[F2]]: ...
@overload
def feature_view(*inputs: *Three, **options: Unpack[ViewOptions]) -> Callable[[F3], FunctionView[F3]]: ...
@overload
def feature_view(*inputs: *Four, **options: Unpack[ViewOptions]) -> Callable[[F4], FunctionView[F4]]: ...
@overload
def feature_view(*inputs: *Five, **options: Unpack[ViewOptions]) -> Callable[[F5], FunctionView[F5]]: ...
@overload
def feature_view(*inputs: *Six, **options: Unpack[ViewOptions]) -> Callable[[F6], FunctionView[F6]]: ...
@overload
def feature_view(*inputs: *Seven, **options: Unpack[ViewOptions]) -> Callable[[F7], FunctionView[F7]]: ...
@overload
def feature_view(*inputs: *Eight, **options: Unpack[ViewOptions]) -> Callable[[F8], FunctionView[F8]]: ...
def feature_view(  # noqa: PLR0913  each is an option of the language, given by name
    *inputs: Table,
    key: Columns | None = None,
    time: str | None = None,
    known_at: str | None = None,
    max_age: str | None = None,
    partition: str | None = None,
    lookback: str | None = None,
    reads: str | Sequence[str] = (),
    isolate: bool = False,
    memory: str | None = None,
    timeout: str | None = None,
    retries: Retries | None = None,
) -> Callable[[Any], FunctionView[Any]]:
    """Make features of the function below: about `key`, looked up as of the moment asked.

    The newest row that counts is taken; null if there is none, or it is older than `max_age` ("3h"). Without a time the view is
    static. The other options are those of `step`. Raises DeclarationError if function, tables and options do not fit.
    """
    tables, files = input_tables("feature_view", inputs), files_read("feature_view", reads)
    limits = limits_of("feature_view", isolate=isolate, memory=memory, timeout=timeout, retries=retries)

    def declare(function: Callable[..., Any]) -> FunctionView[Any]:
        return FunctionView(
            function=function,
            inputs=tables,
            key=names(key, "feature_view: key"),
            time=optional_name(time, "feature_view: time"),
            known_at=optional_name(known_at, "feature_view: known_at"),
            max_age=max_age,
            partition=partition,
            lookback=lookback,
            reads=files,
            limits=limits,
        )

    return declare


def aggregate(table: Table, /, *, key: Columns | None = None, over: Columns, **columns: tuple[str, Reduction]) -> AggregateView:
    """Windows that end at the moment asked: `aggregate(payments, key="account", over=["1d", "7d"], spent=("amount", "sum"))`.

    Gives a column `name_window` for each name and window, here `spent_1d` and `spent_7d`. A window is open at the moment asked.
    `key`: the table's unless said otherwise; `key=()`: over all rows.
    Raises DeclarationError if a window is not a fixed duration.
    """
    (read,) = input_tables("aggregate", [table])
    about = read.facts.key if key is None else names(key, "aggregate: key")
    if key is None and not about:
        raise refusal("aggregate: its table has no key", hint="say key='column', or key=() to go over all rows")
    return AggregateView(table=read, key=about, over=names(over, "aggregate: over"), columns=columns)


def on_demand(rows: Table, /, *, features: Sequence[FeatureView] = ()) -> Callable[[F1], OnDemandView[F1]]:
    """Make features of the function below when asked, row by row, from the question and the features named.

    The function returns the key and new columns, one row for each row given. The views in `features` are looked up first.
    """
    tables = input_tables("on_demand", [rows])
    views = _views(features, "on_demand")

    def declare(function: F1) -> OnDemandView[F1]:
        return OnDemandView(function=function, inputs=tables, features=views)

    return declare


@overload
def label(*inputs: *One, **options: Unpack[PiecewiseOptions]) -> Callable[[F1], Label[F1]]: ...
@overload
def label(*inputs: *Two, **options: Unpack[PiecewiseOptions]) -> Callable[[F2], Label[F2]]: ...
@overload
def label(*inputs: *Three, **options: Unpack[PiecewiseOptions]) -> Callable[[F3], Label[F3]]: ...
@overload
def label(*inputs: *Four, **options: Unpack[PiecewiseOptions]) -> Callable[[F4], Label[F4]]: ...
@overload
def label(*inputs: *Five, **options: Unpack[PiecewiseOptions]) -> Callable[[F5], Label[F5]]: ...
@overload
def label(*inputs: *Six, **options: Unpack[PiecewiseOptions]) -> Callable[[F6], Label[F6]]: ...
@overload
def label(*inputs: *Seven, **options: Unpack[PiecewiseOptions]) -> Callable[[F7], Label[F7]]: ...
@overload
def label(*inputs: *Eight, **options: Unpack[PiecewiseOptions]) -> Callable[[F8], Label[F8]]: ...
def label(  # noqa: PLR0913  each is an option of the language, given by name
    *inputs: Table,
    key: Columns | None = None,
    known_at: str | None = None,
    partition: str | None = None,
    lookback: str | None = None,
    reads: str | Sequence[str] = (),
    isolate: bool = False,
    memory: str | None = None,
    timeout: str | None = None,
    retries: Retries | None = None,
) -> Callable[[Any], Label[Any]]:
    """Make the truth of the function below: it returns the key, the column `known_at`, and one more column.

    `known_at` is when both answers are known; default: that of the first table, or its time. Only a training set reads a label.
    The other options are those of `step`.
    Raises DeclarationError if function, tables and options do not fit.
    """
    tables, files = input_tables("label", inputs), files_read("label", reads)
    limits = limits_of("label", isolate=isolate, memory=memory, timeout=timeout, retries=retries)

    def declare(function: Callable[..., Any]) -> Label[Any]:
        return Label(
            function=function,
            inputs=tables,
            key=names(key, "label: key"),
            known_at=optional_name(known_at, "label: known_at"),
            partition=partition,
            lookback=lookback,
            reads=files,
            limits=limits,
        )

    return declare


def training_set(rows: Table, /, *, label: Label | str, features: Sequence[FeatureView] = (), ignore: Columns = ()) -> TrainingSet:
    """The question, what was known when it was asked, and the truth.

    Each row of `rows` is one question, asked at its time. Views are looked up in the order of `features`. Every column but key,
    time and `ignore` is a feature. Raises DeclarationError if keys differ, or a view needs a time that the rows do not have.
    """
    (asked,) = input_tables("training_set", [rows])
    expect(label, (Label, str), "training_set: label", wanted="a label, or the name of a column")
    views = _views(features, "training_set")
    return TrainingSet(rows=asked, label=label, features=views, ignore=names(ignore, "training_set: ignore"))


def _views(features: object, verb: str) -> tuple[FeatureView, ...]:
    views = expect_each(features, Declaration, f"{verb}: features", wanted="a feature view")
    for view in views:
        if not isinstance(view, FeatureView):
            others = "make one with @ms.feature_view, ms.aggregate or @ms.on_demand"
            hint = view.unreadable if issubclass(type(view), Label) else others
            raise refusal(f"{verb}: {describe(view)} cannot be a feature", hint=hint)
    return tuple(view for view in views if isinstance(view, FeatureView))


def _check_label_key(truth: Label, rows: Table) -> None:
    ours, theirs = rows.facts.key, truth.facts.key
    if not ours:
        hint = f"say key='column' at {rows.title}: a label that comes late finds its row by key"
        raise refusal(f"training set: {truth.title} has key {', '.join(theirs)}, but the rows ({rows.title}) have none", hint=hint)
    if set(ours) != set(theirs):
        message = f"training set: {truth.title} has key {', '.join(theirs)}, but the rows ({rows.title}) have {', '.join(ours)}"
        raise refusal(message, hint="rows and label must be about the same: say key= at one of them")


def _check_label_column(column: str, rows: Table, ignore: tuple[str, ...]) -> None:
    facts = rows.facts
    if column in {*facts.key, facts.time, *ignore}:
        role = "its key" if column in facts.key else "its time" if column == facts.time else "in ignore"
        raise refusal(f"training set: label '{column}' is {role}", hint="name the column that holds the truth")
    if isinstance(rows, Source) and rows.columns is not None and column not in rows.columns:
        hint = did_you_mean(column, rows.columns) or f"add '{column}' to its columns"
        raise refusal(f"training set: {rows.title} has no column '{column}' for the label", hint=hint)
