"""Steps that are not what caching takes them for: functions of their inputs, told apart by their code."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from millstream.kernel.fingerprint import fingerprint
from millstream.kernel.function import FunctionOperation
from millstream.kernel.graph import Node
from millstream.kernel.job import repeat
from millstream.kernel.records import Artifact
from millstream.kernel.store import Store
from millstream.maintenance.records import Finding
from millstream.maintenance.reproduce import differences_of


def blind_spots(node: Node) -> list[Finding]:
    """What of a step's code cannot be followed, so that a change of it goes unnoticed."""
    if not isinstance(node.operation, FunctionOperation):
        return []
    told = fingerprint(node.operation.function).blind
    return [Finding(node.name, f"a blind spot of its cache key: {each}", serious=False, where=node.where) for each in told]


def unsteady(store: Store, node: Node, inputs: Sequence[Artifact], artifact: Artifact, as_of: int) -> list[Finding]:
    """A step that gives something else when it is run again on the same."""
    if not isinstance(node.operation, FunctionOperation):
        return []
    _, again = repeat(node, store, inputs, as_of)
    if again.digest == artifact.digest:
        return []
    detail = differences_of(store, artifact, again) or "floats in their last digits"
    hint = "seed what is random, take times from the data, and sort before what depends on the order of rows"
    return [Finding(node.name, f"gives something else when it is run again on the same: {detail}", serious=True, hint=hint, where=node.where)]


def swapped(node: Node) -> list[Finding]:
    """Inputs that stand in another order than the parameters that are called after them."""
    if not isinstance(node.operation, FunctionOperation):
        return []
    inputs = [each.name.rpartition(".")[2].rpartition("/")[2] for each in node.inputs]
    parameters = [name for name, each in inspect.signature(node.operation.function).parameters.items() if each.kind is not each.KEYWORD_ONLY]
    wrong = [(name, given) for name, given in zip(parameters, inputs, strict=False) if name != given and name in inputs and given in parameters]
    if not wrong:
        return []
    name, given = wrong[0]
    message = f"its parameter '{name}' is given the table '{given}': are its inputs in the wrong order?"
    return [Finding(node.name, message, serious=True, hint=f"its parameters are {', '.join(parameters)}", where=node.where)]
