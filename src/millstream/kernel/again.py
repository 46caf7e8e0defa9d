"""Steps that are run again although their results are stored, and whether they then give what they gave before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from millstream.kernel.records import Artifact, Table
from millstream.kernel.store import Found
from millstream.kernel.units import Plan
from millstream.kernel.words import columns_in_words, counted, days_in_words


@dataclass(frozen=True, slots=True)
class Again:
    """Why a step is run again, and which of its days `[start, stop)` in microseconds; without days, all of it."""

    reason: str
    start: int | None = None
    stop: int | None = None

    def keys(self, plan: Plan) -> frozenset[str]:
        """The cache keys of the units that are computed anew; none, if it does not run day by day and days are asked for."""
        if self.start is None or self.stop is None:
            return frozenset(plan.keys)
        pairs = zip(plan.keys, plan.units, strict=True)
        return frozenset(
            key for key, unit in pairs if unit.start is not None and unit.stop is not None and unit.start < self.stop and unit.stop > self.start
        )


def disagreement(before: Mapping[str, Found], now: Mapping[str, Found]) -> tuple[str, ...]:
    """The note about results that are others than those stored for the same keys."""
    pairs = [(before[key].artifact, now[key].artifact) for key in now if key in before]
    differing = [(old, new) for old, new in pairs if old.digest != new.digest]
    if not differing:
        return ()
    changed = dict.fromkeys(each for old, new in differing for each in _columns(old, new))
    what = columns_in_words(list(changed)) if changed else "its result"
    verb = "differ" if len(changed) > 1 else "differs"
    days = sorted({day for old, new in differing for day in _days(old, new)})
    when = f" in {counted(len(days), 'day')} ({days_in_words(days)})" if days else ""
    return (f"not deterministic: {what} {verb} from what the same code and inputs gave before{when}",)


def _columns(old: Artifact, new: Artifact) -> Iterator[str]:
    if not isinstance(old, Table) or not isinstance(new, Table):
        return
    before = {(part.day, name): digest for part in old.parts for name, digest in zip(old.names, part.columns, strict=True)}
    for part in new.parts:
        for name, digest in zip(new.names, part.columns, strict=True):
            if before.get((part.day, name)) != digest:
                yield name


def _days(old: Artifact, new: Artifact) -> Iterator[int]:
    if isinstance(old, Table) and isinstance(new, Table):
        before = {part.day: part.digest for part in old.parts}
        yield from (part.day for part in new.parts if part.day is not None and before.get(part.day) != part.digest)
