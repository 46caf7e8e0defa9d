"""The steps of training as pure functions: rows, one fit per candidate and fold, comparison, scored fit, refit."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from millstream.errors import ColumnError, ContractError, did_you_mean
from millstream.evaluation.declare import GroupSplit, RandomSplit, TimeSplit
from millstream.evaluation.folds import FoldPlan, assign_folds
from millstream.evaluation.intervals import interval, over_blocks
from millstream.evaluation.metrics import METRICS
from millstream.evaluation.paired import paired_difference
from millstream.evaluation.slices import slice_scores
from millstream.features.feedback import with_feedback
from millstream.features.training_set import ASKED, KNOWN, TARGET, Question, asked_rows, truth, with_truth
from millstream.kernel.availability import Cut
from millstream.kernel.digest import digest_bytes
from millstream.kernel.records import Value
from millstream.kernel.store import Store
from millstream.kernel.units import Seen
from millstream.training.candidates import Candidate, FittedCandidate, Labelled, Learning, check_candidates, fit_candidate
from millstream.training.declare import Model
from millstream.training.problem import Problem, problem_of
from millstream.training.results import COST, Comparison, Cost, Entry, FitRecord, FoldResult, Scored


@dataclass(frozen=True, slots=True)
class Rows:
    """Training rows in memory: features, truth as numbers, and the plan of folds."""

    frame: pl.DataFrame
    features: tuple[str, ...]
    problem: Problem
    target: NDArray[np.float64]

    def plan(self, model: Model) -> FoldPlan:
        """Which rows train, choose and test."""
        asked, known = (_moments(self.frame.get_column(name)) for name in (ASKED, KNOWN))
        split = model.split or (TimeSplit() if asked is not None else RandomSplit())
        groups = _groups(self.frame, split.columns) if isinstance(split, GroupSplit) else None
        known = known if asked is not None else None
        return assign_folds(split, asked=asked, known=known, target=self.target, seed=model.seed, groups=groups)


@dataclass(frozen=True, slots=True)
class Training:
    """The steps of one model."""

    model: Model
    question: Question
    candidates: tuple[Candidate, ...]

    def fits(self, folds: int) -> tuple[tuple[Candidate, int], ...]:
        """Every candidate on every fold, in the order in which they start: the last fold learns from the most rows, so it goes first."""
        return tuple((candidate, number) for number in reversed(range(folds)) for candidate in self.candidates)

    def collect(self, store: Store, seen: tuple[Seen, ...]) -> pl.DataFrame:
        """All rows whose label is known, in order of their time, with what fits and slices read."""
        examples = cut_of(seen[0])
        rows = truth_of_rows(store, self.question, examples, *(cut_of(each) for each in seen[1:]))
        labelled = rows.filter(pl.col(TARGET).is_not_null())
        if not labelled.height:
            raise ContractError(f"none of {rows.height:,} rows has a label that is known", hint="wait for labels, or run as of a later moment")
        kept = dict.fromkeys([*self.question.key, *self.question.features(examples.table.names), *self._kept(rows.columns)])
        self._check(labelled.get_column(TARGET), self.question.features(examples.table.names))
        return labelled.select(*kept, ASKED, KNOWN, TARGET)

    def _check(self, target: pl.Series, features: Sequence[str]) -> None:
        """Refuse what cannot be learnt before anything is; with one value only, labels of the other kind may still come."""
        if target.n_unique() > 1:
            problem = problem_of(self.question.label, target, self.model.metric, where=self.model.where)
            check_candidates(self.candidates, problem, features, where=self.model.where)

    def read(self, store: Store, seen: Seen) -> Rows:
        """The training rows of a run."""
        frame = store.read(cut_of(seen))
        others = {*self.question.key, ASKED, KNOWN, TARGET, *(set(self._kept(frame.columns)) & set(self.question.ignore))}
        problem = problem_of(self.question.label, frame.get_column(TARGET), self.model.metric)
        features = tuple(name for name in frame.columns if name not in others)
        return Rows(frame, features, problem, problem.numbers(frame.get_column(TARGET)))

    def fold(self, candidate: Candidate, number: int, store: Store, seen: tuple[Seen, ...]) -> bytes:
        """One candidate fitted before a fold's block, and its scores on the block."""
        rows = self.read(store, seen[0])
        plan = rows.plan(self.model)
        training, validation = plan.training_rows(number), plan.validation_rows(number)
        held = rows.frame.filter(pl.Series(validation))
        started = time.perf_counter()
        fitted = self._fit(candidate, rows, training, validation=(held, rows.target[validation]))
        fitted_at = time.perf_counter()
        scores = fitted.scores(held)
        content = msgspec.msgpack.encode(FoldResult(scores.astype("<f8").tobytes(), fitted.rounds))
        cost = Cost(fitted_at - started, (time.perf_counter() - fitted_at) / max(held.height, 1) * 1e6, _size(fitted))
        note_cost(store, digest_bytes(content), cost)
        return content

    def compare(self, store: Store, seen: tuple[Seen, ...]) -> bytes:
        """All candidates over all folds; the best is the winner (of equals the first named)."""
        rows = self.read(store, seen[0])
        plan = rows.plan(self.model)
        values = [each for each in seen[1:] if isinstance(each, Value)]
        made = {(candidate.name, number): value for (candidate, number), value in zip(self.fits(plan.folds), values, strict=True)}
        truths = [rows.target[plan.validation_rows(number)] for number in range(plan.folds)]
        entries: list[Entry] = []
        for candidate in self.candidates:
            own = [made[candidate.name, number] for number in range(plan.folds)]
            results = [msgspec.msgpack.decode(store.read_value(value), type=FoldResult) for value in own]
            kept = [result.rounds for result in results if result.rounds is not None]
            folds = [interval(rows.problem.metric, truth, np.frombuffer(result.scores, "<f8")) for truth, result in zip(truths, results, strict=True)]
            score = over_blocks(folds)
            entries.append(Entry(candidate.name, score, int(statistics.median(kept)) if kept else None, tuple(value.digest for value in own)))
        direction = METRICS[rows.problem.metric].direction
        ranked = sorted(entries, key=lambda entry: -direction * entry.score.value if np.isfinite(entry.score.value) else np.inf)
        record = FitRecord(ranked[0].method, ranked[0].rounds, self.model.seed, tuple(each.name for each in self.candidates))
        comparison = Comparison(rows.problem.metric, rows.frame.height, plan.folds, plan.test_start, tuple(ranked), record)
        return msgspec.msgpack.encode(comparison)

    def score(self, store: Store, seen: tuple[Seen, ...]) -> bytes:
        """Winner and baseline fitted on the training period, scored once on the test block."""
        rows, comparison = self.read(store, seen[0]), self.comparison(store, seen[1])
        plan = rows.plan(self.model)
        training, test = plan.selection_rows(), plan.test_rows()
        held, target = rows.frame.filter(pl.Series(test)), rows.target[test]
        winner = self._fit(self.named(comparison.record.method), rows, training, rounds=comparison.record.rounds).scores(held)
        baseline = self._fit(self.named("baseline"), rows, training).scores(held)
        metric = rows.problem.metric
        slices = tuple(
            (column, tuple(slice_scores(metric, target, winner, held.get_column(column).cast(pl.String).to_list()))) for column in self.model.slices
        )
        scored = Scored(
            winner=interval(metric, target, winner),
            baseline=interval(metric, target, baseline),
            difference=paired_difference(metric, target, winner, baseline),
            slices=slices,
            trained_on=int(training.sum()),
            truth=target.astype("<f8").tobytes(),
            scores=winner.astype("<f8").tobytes(),
        )
        return msgspec.msgpack.encode(scored)

    def refit(self, store: Store, seen: tuple[Seen, ...]) -> bytes:
        """The winner fitted on all rows by the fit record."""
        return self.refit_by(self.comparison(store, seen[1]).record, store, seen)

    def refit_by(self, record: FitRecord, store: Store, seen: tuple[Seen, ...]) -> bytes:
        """What a fit record names, fitted on all rows."""
        rows = self.read(store, seen[0])
        everything = np.ones(rows.frame.height, dtype=np.bool_)
        return self._fit(self.named(record.method), rows, everything, rounds=record.rounds).pack()

    def comparison(self, store: Store, seen: Seen) -> Comparison:
        """The comparison as a record."""
        assert isinstance(seen, Value)
        return msgspec.msgpack.decode(store.read_value(seen), type=Comparison)

    def named(self, name: str) -> Candidate:
        """The candidate of that name."""
        return next(each for each in self.candidates if each.name == name)

    def _fit(
        self, candidate: Candidate, rows: Rows, mask: NDArray[np.bool_], *, rounds: int | None = None, validation: Labelled | None = None
    ) -> FittedCandidate:
        frame, split = rows.frame.filter(pl.Series(mask)), self.model.split
        together = _groups(frame, split.columns) if isinstance(split, GroupSplit) else None
        in_order = not frame.get_column(ASKED).null_count() and not isinstance(split, RandomSplit)
        learning = Learning(rows.features, rows.problem, self.model.seed, together, in_order)
        return fit_candidate(candidate, learning, (frame, rows.target[mask]), validation=validation, rounds=rounds)

    def _kept(self, columns: Sequence[str]) -> Sequence[str]:
        """What slices and split read besides features."""
        groups = self.model.split.columns if isinstance(self.model.split, GroupSplit) else ()
        for option, names in (("slices", self.model.slices), ("split.group", groups)):
            for column in names:
                if column not in columns:
                    message = f"{option} names '{column}', which the training set does not have"
                    raise ColumnError(message, where=self.model.where, hint=did_you_mean(column, columns))
        return (*self.model.slices, *groups)


def note_cost(store: Store, digest: str, cost: Cost) -> None:
    """Keep what a fit took beside its artifact."""
    store.set_note(f"{COST}{digest}", msgspec.msgpack.encode(cost))


def cost_of(store: Store, digests: Sequence[str]) -> Cost:
    """What the fits of one entry took on the average."""
    notes = [store.note(f"{COST}{digest}") for digest in digests]
    costs = [msgspec.msgpack.decode(note, type=Cost) for note in notes if note]
    if not costs:
        return Cost(float("nan"), float("nan"), 0)
    seconds, row_micros = (statistics.fmean(values) for values in zip(*((cost.seconds, cost.row_micros) for cost in costs), strict=True))
    return Cost(seconds, row_micros, max(cost.size for cost in costs))


def _size(fitted: FittedCandidate) -> int:
    return len(fitted.pack())


def _groups(frame: pl.DataFrame, columns: Sequence[str]) -> NDArray[np.int64]:
    """A number for each row, the same for rows with the same values; a null is a value too."""
    by = list(columns)
    numbered = frame.select(by).unique(maintain_order=True).with_row_index("__group__")
    joined = frame.select(by).join(numbered, on=by, how="left", nulls_equal=True, maintain_order="left")
    return joined.get_column("__group__").cast(pl.Int64).to_numpy()


def _moments(column: pl.Series) -> NDArray[np.int64] | None:
    return None if column.null_count() else column.to_numpy()


def cut_of(seen: Seen) -> Cut:
    """What is seen of a table."""
    assert isinstance(seen, Cut)
    return seen


def truth_of_rows(store: Store, question: Question, examples: Cut, *others: Cut) -> pl.DataFrame:
    """All rows asked with `__target__` and `__known__`, null where the truth is not known.

    `others` are the label's table, if it has one, and what was told.
    """
    tables = list(others)
    labels = truth(store, tables.pop(0), question) if question.separate else None
    rows = with_truth(asked_rows(store, examples, question), labels, question)
    return with_feedback(rows, store.read(tables[0]), question.key) if tables else rows
