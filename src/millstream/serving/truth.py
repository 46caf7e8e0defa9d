"""What is told about a row, checked before it is written down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime

from millstream.errors import RequestError
from millstream.features.feedback import Label
from millstream.kernel.availability import moment_of, parse_moment
from millstream.registry.records import Plan
from millstream.serving.records import Scalar, written_moment


def checked_label(plan: Plan, label: object) -> Label:
    """The label as training knows it: one of the classes, or a finite number. Raises RequestError."""
    if plan.task == "binary":
        found = [each for each in plan.classes if each == label or (isinstance(each, bool) and label in (str(each), str(each).lower()))]
        if found:
            return found[0]
        expected = " or ".join(_written(each) for each in plan.classes)
    else:
        if isinstance(label, int | float) and not isinstance(label, bool) and math.isfinite(label):
            return label
        expected = "a number"
    raise RequestError(f"'label': expected {expected}, not {_written(label)[:40]}", path="$.label")


def checked_key(plan: Plan, values: Sequence[object]) -> tuple[Scalar, ...]:
    """The columns of a key in their order, read from text where they are text. Raises RequestError."""
    kinds = {field.name: field.kind for field in plan.fields}
    return tuple(_checked(name, kinds[name], value) for name, value in zip(plan.facts.key, values, strict=True))


def _checked(name: str, kind: str, value: object) -> Scalar:
    try:
        return _read(kind, value)
    except (ValueError, TypeError, KeyError):
        raise RequestError(f"'{name}': expected {kind}, not {_written(value)[:40]}", path=f"$.key.{name}") from None


def _read(kind: str, value: object) -> Scalar:
    match kind:
        case "integer" if not isinstance(value, bool):
            return int(str(value))
        case "number" if not isinstance(value, bool):
            return float(str(value))
        case "boolean":
            return {"true": True, "false": False}[str(value).lower()]
        case "moment":
            return _moment(value)
        case "level" if value is not None:
            return str(value)
        case _:
            raise ValueError


def _moment(value: object) -> str:
    if isinstance(value, str):
        moment = moment_of(parse_moment(value))
    elif isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day, tzinfo=UTC)
    else:
        raise TypeError
    return written_moment(moment)


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else repr(value)
