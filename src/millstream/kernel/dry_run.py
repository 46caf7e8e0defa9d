"""What a run would do, found out without doing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from millstream.errors import MillstreamError
from millstream.kernel.graph import Node, ordered
from millstream.kernel.job import look_up
from millstream.kernel.past import Past
from millstream.kernel.reasons import explain, found_again
from millstream.kernel.records import Artifact
from millstream.kernel.units import Plan
from millstream.kernel.why import Explanation, Foreseen


@dataclass(frozen=True, slots=True)
class Expected:
    """What would become of a step. `depends`: the result of a step that would run first decides."""

    status: Foreseen
    why: str


def foresee(target: Node, past: Past, *, as_of: int) -> Explanation:
    """What a run would do with a step, and which of those that it needs would run first."""
    expected = dry_run(target, past, as_of=as_of)
    needs = tuple((node.name, each.why) for node, each in expected.items() if node is not target and each.status != "would be reused")
    return Explanation(target.name, None, expected[target].status, expected[target].why, needs=needs)


def dry_run(target: Node, past: Past, *, as_of: int) -> Mapping[Node, Expected]:
    """What a run would do with a step and all that it needs, inputs first."""
    expected: dict[Node, Expected] = {}
    artifacts: dict[Node, Artifact] = {}
    for node in ordered([target]):
        unknown = next((each for each in node.inputs if each not in artifacts), None)
        if unknown is not None:
            expected[node] = _after(node, unknown, expected[unknown], past)
            continue
        try:
            plan = node.operation.plan(past.store, [artifacts[each] for each in node.inputs], as_of)
            found = look_up(past.store, plan)
        except MillstreamError as error:
            expected[node] = Expected("would fail", error.message)
            continue
        if found is not None:
            artifacts[node] = found.artifact
        why = _why(node, plan, past)
        expected[node] = Expected("would run", why) if found is None else Expected("would be reused", found_again(why))
    return expected


def _after(node: Node, read: Node, expected: Expected, past: Past) -> Expected:
    """What is known of a step that reads what is not there."""
    if expected.status == "would fail":
        return Expected("would fail", f"{read.name} would fail: {expected.why}")
    if past.ledger.last(node.name) is None:
        return Expected("would run", "new")
    return Expected("depends", f"on what {read.name} gives, which would run first")


def _why(node: Node, plan: Plan, past: Past) -> str:
    before = past.ledger.last(node.name)
    return explain(before.causes if before else None, plan.told, past)
