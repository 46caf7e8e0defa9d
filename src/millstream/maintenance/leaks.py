"""What would be known too early: rows that change with later knowledge, labels whose newest rows are biased, questions that meet themselves."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import polars as pl

from millstream.errors import MillstreamError
from millstream.features.declared_views import FunctionView
from millstream.features.training_set import ASKED, KNOWN, TARGET
from millstream.kernel.availability import Cut, available_at, text_of
from millstream.kernel.engine import make
from millstream.kernel.facts import Facts
from millstream.kernel.function import FunctionOperation
from millstream.kernel.graph import Node
from millstream.kernel.records import Artifact
from millstream.kernel.records import Table as StoredTable
from millstream.kernel.store import Store
from millstream.maintenance.records import Finding
from millstream.training.declare import Model
from millstream.training.lowering import ModelNodes
from millstream.training.operations import truth_of_rows

MOMENTS = 3
SIGNIFICANT, OF_TRUTHS, OF_NUMBERS = 5.0, 0.05, 0.2
"""A label changes with its age if the mean of those known early is so many standard errors, and so much, away from that of all."""

HOUR = 3_600_000_000


def inconsistent(store: Store, node: Node, inputs: Sequence[Artifact], artifact: Artifact, as_of: int) -> list[Finding]:
    """Rows that change with later knowledge: the function on inputs cut at some earlier moments, against its table cut at the same."""
    if not isinstance(node.operation, FunctionOperation) or not isinstance(artifact, StoredTable):
        return []
    for moment in _moments(node.name, artifact, as_of):
        try:
            earlier = make(node, store, inputs, moment)
        except MillstreamError as error:
            return [Finding(node.name, f"fails on what was known on {text_of(moment)}: {error.message}", serious=True, where=error.where or "")]
        assert isinstance(earlier, StoredTable)
        before, now = (store.read(store.visible(each, moment)) for each in (earlier, artifact))
        changed = _changed(before, now)
        if changed:
            message = f"rows that counted on {text_of(moment)} are others when recomputed from what was known then: {', '.join(changed)}"
            hint = "a later fact comes in through one of its inputs: say known_at=, or join as of the row's own time"
            return [Finding(node.name, message, serious=True, hint=hint, where=node.where)]
    return []


def _changed(before: pl.DataFrame, now: pl.DataFrame) -> list[str]:
    if before.equals(now):
        return []
    if before.height != now.height or before.columns != now.columns:
        return now.columns
    return [name for name in now.columns if not before.get_column(name).equals(now.get_column(name), null_equal=True)]


def _moments(name: str, table: StoredTable, as_of: int) -> list[int]:
    """Some moments before the run's at which a table had only part of its rows: the same ones for the same table."""
    latest = sorted({part.latest for part in table.parts if part.latest is not None and part.latest < as_of})[:-1]
    return sorted(random.Random(f"{name} {table.digest}").sample(latest, min(MOMENTS, len(latest))))  # noqa: S311  no secret is drawn


def self_matches(model: Model, name: str) -> list[Finding]:
    """Views over the question's own table, whose newest row is the question itself."""
    question = model.examples.rows
    return [
        Finding(
            name,
            f"{view.title} is made of the question's own table, so a question meets itself",
            serious=False,
            hint="an aggregate never does: its window is open at the moment asked",
            where=view.where,
        )
        for view in model.examples.features
        if isinstance(view, FunctionView) and view.inputs[0] is question and view.timed and _is_there_when_asked(view.facts, question.facts)
    ]


def _is_there_when_asked(view: Facts, question: Facts) -> bool:
    return view.time == question.time and not view.delay


def late_questions(store: Store, node: Node, rows: StoredTable) -> list[Finding]:
    """Questions that are known only after they are asked: what they say then, they would not say in time."""
    facts = rows.facts
    if facts.known_at is None or facts.time is None:
        return []
    frame = store.read(store.visible(rows, None), list(dict.fromkeys((facts.time, facts.known_at))))
    late = frame.filter(available_at(Facts((), facts.time, facts.known_at)) > pl.col(facts.time).cast(pl.Int64)).height
    message = f"{late:,} of {frame.height:,} questions are known (at '{facts.known_at}') only after they are asked (at '{facts.time}')"
    hint = "ask at the moment they are known: give them a later time, or make what is filled in later another source"
    return [Finding(node.name, message, serious=True, hint=hint, where=node.where)] if late else []


def labels_by_age(store: Store, nodes: ModelNodes, seen: Sequence[Cut], as_of: int) -> Iterator[Finding]:
    """Labels whose early answers are others than all of them: the newest rows are biased to the answer that comes first."""
    if not nodes.question.separate or nodes.question.time is None:
        return
    rows = truth_of_rows(store, nodes.question, *seen).filter(pl.col(TARGET).is_not_null() & pl.col(KNOWN).is_not_null())
    kind = rows.schema[TARGET]
    if not rows.height or not (kind.is_numeric() or kind == pl.Boolean):
        return
    found = rows.select(truth=pl.col(TARGET).cast(pl.Float64), delay=pl.col(KNOWN) - pl.col(ASKED), asked=ASKED)
    by_then = found.get_column("delay").quantile(0.99, "higher")
    assert by_then is not None
    ripe = found.filter(pl.col("asked") + by_then <= as_of)
    worst = max(_early(ripe), key=lambda each: abs(each[1]), default=None)
    if worst is None:
        return
    age, _, early, everything = worst
    told = "share of the greater value" if kind == pl.Boolean else "mean"
    label = nodes.label.name if nodes.label else nodes.question.label
    message = f"its {told} is {early:.3g} among rows known within {_hours(age)}, and {everything:.3g} among all: its newest rows are biased"
    hint = f"say known_at= a moment at which both answers are known: {_hours(by_then)} after the question 99 % are"
    yield Finding(label, message, serious=False, hint=hint, where=nodes.label.where if nodes.label else "")


def _early(ripe: pl.DataFrame) -> Iterator[tuple[int, float, float, float]]:
    """Ages at which the labels known by then differ from all: age, difference (in the label's unit of effect), their mean, and that of all."""
    truth, delay = ripe.get_column("truth"), ripe.get_column("delay")
    everything, spread = truth.mean(), truth.std()
    if not isinstance(everything, float) or not isinstance(spread, float) or not spread:
        return
    least = OF_TRUTHS / spread if set(truth.unique()) <= {0.0, 1.0} else OF_NUMBERS
    for share in (0.1, 0.25, 0.5, 0.75):
        age = delay.quantile(share, "higher")
        early = truth.filter(delay <= age)
        mean = early.mean()
        if not isinstance(age, int | float) or not isinstance(mean, float) or early.len() == truth.len():
            continue
        difference = (mean - everything) / spread
        if abs(difference) >= least and abs(difference) * early.len() ** 0.5 >= SIGNIFICANT:
            yield int(age), mean - everything, mean, everything


def _hours(microseconds: float) -> str:
    hours = microseconds / HOUR
    return f"{hours / 24:.3g} d" if hours >= 48 else f"{hours:.3g} h"
