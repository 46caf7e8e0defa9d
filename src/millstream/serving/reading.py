"""How a step reads a model: it is handed a predictor of the version that this run trained, over the tables of its views."""

from __future__ import annotations

from millstream.features.lowering import Lowering, Reading
from millstream.kernel.fingerprint import own_code
from millstream.kernel.records import Value
from millstream.kernel.store import Store
from millstream.kernel.units import Seen
from millstream.registry.bundle import plan_of, unpack_bundle
from millstream.serving.predictor import Predictor, Retained
from millstream.serving.release import lower_bundle, online_views
from millstream.training.candidates import unpack_candidate
from millstream.training.declare import Model
from millstream.training.lowering import ROOMS, lower_model

ALWAYS = 2**62


def read_model(name: str, model: Model, lowering: Lowering) -> Reading:
    """The bundle of a model and the tables of its views; the questions that it learnt from are not read again."""
    bundle = lower_bundle(lower_model(name, model, lowering), lowering)
    views, (_, *tables) = lowering.views(model.examples)

    def hand(store: Store, seen: tuple[Seen, ...]) -> Predictor:
        made = seen[0]
        assert isinstance(made, Value)
        opened = unpack_bundle(store.read_value(made))
        online = online_views(store, views, seen, since=None)  # the bundle stands where the question would: views know their tables by place
        return Predictor(name, plan_of(opened), unpack_candidate(opened.model), online, Retained(None, ALWAYS))

    return Reading((bundle, *tables), hand, (own_code(*ROOMS, "registry", "serving"),))
