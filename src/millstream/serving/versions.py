"""A registered version in the hand: its plan, its model, and the predictor that answers with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from millstream.errors import StoreError
from millstream.kernel.graph import Node
from millstream.kernel.records import Artifact, Value
from millstream.kernel.store import Store
from millstream.kernel.units import seen_of
from millstream.registry.bundle import plan_of, profile_of, unpack_bundle
from millstream.registry.records import Plan, Version
from millstream.registry.workspace import Workspace
from millstream.serving.predictor import Predictor, Retained
from millstream.serving.release import online_views
from millstream.training.candidates import FittedCandidate, unpack_candidate
from millstream.training.lowering import ModelNodes
from millstream.validation.records import Profile


@dataclass(frozen=True, slots=True)
class OpenVersion:
    """A version, opened."""

    version: Version
    plan: Plan
    candidate: FittedCandidate
    profile: Profile


def open_version(workspace: Workspace, version: Version) -> OpenVersion:
    """Read and check the bundle of a version."""
    bundle = unpack_bundle(read_bundle(workspace.store, version))
    candidate = unpack_candidate(bundle.model, unpickle=workspace.unpickle)
    return OpenVersion(version, plan_of(bundle), candidate, profile_of(bundle))


def read_plan(workspace: Workspace, version: Version) -> Plan:
    """The plan of a version, without its model."""
    return plan_of(unpack_bundle(read_bundle(workspace.store, version)))


def read_bundle(store: Store, version: Version) -> bytes:
    """The bytes of a version's bundle."""
    path = store.path(f"{version.bundle}.bin")
    if not path.exists():
        raise StoreError(f"the bundle of {version.name} is gone from the store", hint="roll back, or train it again")
    return store.read_value(Value(version.bundle, "bytes", path.stat().st_size, file=path.name))


def open_predictor(
    workspace: Workspace, opened: OpenVersion, nodes: ModelNodes, artifacts: Mapping[Node, Artifact], *, as_of: int, retained: Retained
) -> Predictor:
    """The predictor of a version over the views as of a moment; `artifacts` are those of the view's tables."""
    views, tables = workspace.lowering.views(nodes.model.examples)
    seen = seen_of(workspace.store, [artifacts[node] for node in tables], as_of)
    online = online_views(workspace.store, views, seen, since=retained.since)
    return Predictor(opened.version.name, opened.plan, opened.candidate, online, retained)
