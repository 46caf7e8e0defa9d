"""What the registry hands on: plans, versions, and what was decided about them."""

from __future__ import annotations

from typing import Literal

import msgspec

from millstream.evaluation.records import PairedDifference, Score
from millstream.kernel.facts import Facts
from millstream.training.results import FitRecord


class InputField(msgspec.Struct, frozen=True):
    """One column of a request, typed and nullable as training saw it."""

    name: str
    kind: Literal["number", "integer", "boolean", "level", "moment"]
    required: bool
    nullable: bool
    role: Literal["input", "key", "time"] = "input"


class Plan(msgspec.Struct, frozen=True):
    """How a request becomes a prediction. `schema` are the columns of the training set as an Arrow file without rows."""

    model: str
    label: str
    task: str
    metric: str
    classes: tuple[bool | int | float | str, ...]
    facts: Facts
    fields: tuple[InputField, ...]
    features: tuple[str, ...]
    schema: bytes


class Lineage(msgspec.Struct, frozen=True):
    """Where a version comes from. Moments are microseconds since 1970 in UTC; `artifacts` are digests by step."""

    run: str
    as_of: int
    trained_until: int | None
    rows: int
    artifacts: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]


class Bundle(msgspec.Struct, frozen=True):
    """A model version: plan, model as arrays, training profile and probes, under a manifest of SHA-256 digests."""

    plan: bytes
    model: bytes
    profile: bytes
    probes: bytes
    manifest: tuple[tuple[str, str], ...]


class Version(msgspec.Struct, frozen=True):
    """One registered version. `bundle` is its digest in the store; `origin` says what made it."""

    model: str
    version: int
    created: int
    bundle: str
    origin: Literal["run", "retrain"]
    lineage: Lineage
    record: FitRecord
    test: Score
    baseline: Score
    pickled: bool

    @property
    def name(self) -> str:
        """As it is written: `delays@7`."""
        return f"{self.model}@{self.version}"


Action = Literal["registered", "promoted", "refused", "needs_labels", "rolled_back"]


class Event(msgspec.Struct, frozen=True):
    """One line of a model's history. `moment` is the as-of moment it was decided for, `at` the clock."""

    model: str
    action: Action
    version: int
    moment: int
    at: int
    reason: str
    difference: PairedDifference | None = None
    block: tuple[int, int] | None = None
