"""What a user writes about training: a model, and the methods that compete for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, get_args, runtime_checkable

from millstream.evaluation.declare import GroupSplit, Metric, RandomSplit, Split, TimeSplit, check_metric
from millstream.features.declare import TrainingSet
from millstream.kernel.declarations import (
    Columns,
    Readable,
    describe,
    expect,
    expect_each,
    expect_number,
    fixed_duration,
    names,
    refusal,
)
from millstream.training.presets import Boosting, Forest, Linear, Preset

LARGEST_SEED = 2**32 - 1


@runtime_checkable
class Estimator(Protocol):
    """Any object that learns from rows and truth and then predicts, by scikit-learn's contract."""

    def fit(self, X: Any, y: Any, /) -> Any:  # noqa: ANN401, N803 (scikit-learn's contract)
        """Learn from features X of shape (rows, columns) and truth y of shape (rows,)."""

    def predict(self, X: Any, /) -> Any:  # noqa: ANN401, N803
        """The answer for each row of X."""


Method = Preset | Estimator

DEFAULT_METHODS: tuple[Method, ...] = (Boosting(), Linear(), Forest())


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Model(Readable):
    """A registered model: methods that compete on the same folds of the same examples; the winner is the next version.

    None: `split` is by time if the rows have one, else at random; `metric` follows from the label's type.
    """

    noun: ClassVar[str] = "model"
    unreadable: ClassVar[str] = "a model has seen the truth: what reads it could leak it"
    for_steps_alone: ClassVar[bool] = True
    examples: TrainingSet
    methods: tuple[Method, ...] = DEFAULT_METHODS
    split: Split | None = None
    metric: Metric | None = None
    slices: tuple[str, ...] = ()
    budget: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check methods, metric and what the split needs of the rows."""
        for method in self.methods:
            if not isinstance(method, get_args(Preset)):
                check_estimator(method, "train")
        if isinstance(self.split, TimeSplit) and self.examples.rows.facts.time is None:
            hint = f"say time='column' at {self.examples.rows.title}, or use split.random"
            raise refusal("train: a split by time needs rows with a time", hint=hint)
        check_metric(self.metric, "train: metric")
        if self.budget is not None:
            fixed_duration(self.budget, "train: budget")
        expect_number(self.seed, "train: seed", low=0, high=LARGEST_SEED, whole=True)
        super().__post_init__()


def train(
    examples: TrainingSet,
    /,
    *,
    methods: Sequence[Method] | None = None,
    split: Split | None = None,
    metric: Metric | None = None,
    slices: Columns = (),
    budget: str | None = None,
    seed: int = 0,
) -> Model:
    """Say how a model is made; nothing is trained until a run. Methods side by side on the same folds, a baseline among them.

    `methods`: presets of `ms.methods`, or objects with `fit` and `predict`; default: boosting, linear and forest. `split`: default by
    time if the rows have one, else random. `metric` chooses the winner; default: `roc_auc` for two classes, `rmse` for numbers.
    `slices`: columns by whose values it is evaluated too. `budget`: a fixed duration for a search that is not built yet, so it starts
    nothing. `seed`: of everything drawn at random. Raises DeclarationError if a method cannot be fitted, or the split does not suit the rows.
    """
    hint = "give the training set itself: ms.training_set(rows, label=...)"
    return Model(
        examples=expect(examples, TrainingSet, "train: the examples", wanted="a training set", hint=hint),
        methods=DEFAULT_METHODS if methods is None else _methods(methods),
        split=None if split is None else expect_split(split),
        metric=metric,
        slices=names(slices, "train: slices"),
        budget=budget,
        seed=seed,
    )


def expect_split(split: object) -> Split:
    """The split, or a refusal."""
    if isinstance(split, TimeSplit | RandomSplit | GroupSplit):
        return split
    raise refusal(f"train: split must be a split, not {describe(split)}", hint="as in ms.split.time(test='30d')")


def _methods(methods: Sequence[Method]) -> tuple[Method, ...]:
    listed = expect_each(methods, object, "train: methods", wanted="a method")
    if not listed:
        raise refusal("train: methods is empty", hint="leave it out for boosting, linear and forest")
    return tuple(methods)


def check_estimator(method: object, verb: str) -> None:
    """Refuse what has not `fit` and `predict`."""
    if isinstance(method, type):
        raise refusal(f"{verb}: {describe(method)} is given as a method", hint=f"make an object of it: {method.__name__}()")
    if isinstance(method, get_args(Preset)):
        raise refusal(f"{verb}: {describe(method)} is a method already", hint="give it to ms.train as it is")
    missing = [f"`{name}`" for name in ("fit", "predict") if not callable(getattr(method, name, None))]
    if missing:
        hint = "a method is one of ms.methods, or an object with `fit` and `predict`"
        raise refusal(f"{verb}: {describe(method)} has no {' and no '.join(missing)}", hint=hint)
