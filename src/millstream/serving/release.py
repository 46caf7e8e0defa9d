"""From a trained model to a bundle that may be registered: plan, profile and probes, proven on golden rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import polars as pl

from millstream.features.lowering import Lowering
from millstream.features.materialise import materialise
from millstream.features.online import OnlineTable
from millstream.features.training_set import ASKED, asked_rows
from millstream.features.views import OnDemand, View, WindowView
from millstream.kernel.availability import Cut
from millstream.kernel.facts import Facts
from millstream.kernel.fingerprint import own_code
from millstream.kernel.graph import Node
from millstream.kernel.operation import LibraryOperation
from millstream.kernel.records import Cause, Value
from millstream.kernel.store import Store
from millstream.kernel.units import Seen
from millstream.registry.bundle import pack_bundle
from millstream.registry.plan import make_plan
from millstream.serving.parity import prove_features, prove_scores
from millstream.serving.predictor import Predictor, Retained
from millstream.training.candidates import unpack_candidate
from millstream.training.lowering import ROOMS, ModelNodes
from millstream.validation.profile import profile

GOLDEN, NEWEST = 200, 5_000


@dataclass(frozen=True, eq=False)
class Release:
    """The step that makes a bundle. Its inputs: training set, rows, refit, then the tables of the views (the question's first)."""

    nodes: ModelNodes
    views: tuple[View, ...]

    def bundle(self, store: Store, seen: tuple[Seen, ...]) -> bytes:
        """Plan, model, profile and probes; raises StepError where one row and the batch differ."""
        examples, rows, refit = seen[0], seen[1], seen[2]
        assert isinstance(examples, Cut)
        assert isinstance(refit, Value)
        learnt = self.nodes.training.read(store, rows)
        candidate = unpack_candidate(store.read_value(refit))
        asked = asked_rows(store, examples, self.nodes.question)
        question = seen[3]
        assert isinstance(question, Cut)
        plan = make_plan(
            self.nodes.name,
            question=self.nodes.question,
            problem=learnt.problem,
            looked_up_by=self._looked_up_by(seen[3:]),
            asked=store.read(question).head(0),
            examples=asked.drop(ASKED),
            features=learnt.features,
        )
        golden = asked.tail(NEWEST).sample(min(GOLDEN, asked.height, NEWEST), seed=0).sort(ASKED)
        since = golden.get_column(ASKED).min()
        online = online_views(store, self.views, seen[3:], since=since if isinstance(since, int) else None)
        prove_features(Predictor("proof", plan, candidate, online, Retained(None, 2**62)), golden)
        probes, scores = prove_scores(plan.model, candidate, golden.select(learnt.features))
        kept = msgspec.msgpack.encode((probes.write_json(), scores.tolist()))
        return pack_bundle(plan, store.read_value(refit), profile(learnt.frame, list(learnt.features)), kept)

    def _looked_up_by(self, tables: Sequence[Seen]) -> set[str]:
        columns: set[str] = set()
        for view in self.views:
            if isinstance(view, OnDemand):
                continue
            table = tables[view.place]
            assert isinstance(table, Cut)
            columns |= set(view.naming.on or (view.key if isinstance(view, WindowView) else table.table.facts.key))
        return columns


def lower_bundle(nodes: ModelNodes, lowering: Lowering) -> Node:
    """The node that makes the bundle of a model."""
    return lowering.once(("bundle", nodes), lambda: _lower_bundle(nodes, lowering))


def _lower_bundle(nodes: ModelNodes, lowering: Lowering) -> Node:
    views, tables = lowering.views(nodes.model.examples)
    release = Release(nodes, views)
    inputs = (nodes.examples, nodes.rows, nodes.refit, *tables)
    causes = (Cause("question", repr(nodes.question)), *(cause for view in views for cause in view.causes()))
    operation = LibraryOperation(tuple(node.name for node in inputs), lambda: (own_code(*ROOMS, "registry", "serving"), *causes), release.bundle)
    return Node(f"{nodes.name}/bundle", inputs, operation, nodes.model.where)


def online_views(store: Store, views: Sequence[View], seen: Sequence[Seen], *, since: int | None) -> list[OnlineTable | OnDemand]:
    """The views in their online form, exact from `since` on; `seen` are their tables (the question's first)."""
    return [view if isinstance(view, OnDemand) else _online(store, view, seen[view.place], since) for view in views]


def _online(store: Store, view: View, seen: Seen, since: int | None) -> OnlineTable:
    assert isinstance(seen, Cut)
    assert not isinstance(view, OnDemand)
    reach = view.reach
    recent = seen if since is None or reach is None else seen.between(since - reach, None)
    frame: pl.DataFrame = store.read(recent)
    facts: Facts = seen.table.facts
    return materialise(view, frame, facts)
