"""What views that have no table of their own give, seen with the rows of a training set."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from millstream.errors import ConfigurationError
from millstream.features.declare import TrainingSet
from millstream.features.declared_views import AggregateView, FeatureView
from millstream.features.lowering import Lowering, question_of
from millstream.features.views import OnDemand
from millstream.kernel.declarations import Declaration, Table


def without_table(value: Declaration) -> FeatureView | None:
    """The value, if it is a view that is computed for the rows of a training set only."""
    return value if isinstance(value, FeatureView) and not isinstance(value, Table) else None


def reader_of(view: FeatureView, names: Mapping[Declaration, str]) -> TrainingSet:
    """The first training set that has the view; refused if there is none."""
    found = next((each for each in names if isinstance(each, TrainingSet) and view in each.features), None)
    if found is None:
        message = f"{view.title} is computed for the rows of a training set, and none has it"
        raise ConfigurationError(message, where=view.where, hint="name it among the features of a training set")
    return found


def columns_of(view: FeatureView, examples: TrainingSet, lowering: Lowering, rows: pl.DataFrame) -> pl.DataFrame:
    """Key and time of some rows of the training set, and what the view brings there."""
    question = question_of(examples)
    asked = [name for name in (*question.key, question.time) if name]
    if isinstance(view, AggregateView):
        return rows.select(*asked, *(f"{view.prefix}{name}" for name in view.selected or view.features))
    lowered = lowering.views(examples)[0][examples.features.index(view)]
    assert isinstance(lowered, OnDemand)
    return rows.select(asked).hstack(lowered.features(rows, question.key))
