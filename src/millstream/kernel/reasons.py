"""Why a step ran: the first thing that its cache key is made of and that differs from last time."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence

from millstream.kernel.availability import DAY, text_of
from millstream.kernel.records import Cause


def explain(before: Sequence[Cause] | None, now: Sequence[Cause]) -> str:
    """One sentence for people; `before` are the causes of the last time, None if there was none."""
    if before is None:
        return "new"
    changed = differences(before, now)
    return changed[0] if changed else "its stored result was gone"


def differences(before: Sequence[Cause], now: Sequence[Cause]) -> list[str]:
    """Everything that differs, code first, then settings, versions and inputs."""
    old = {cause.name: cause.value for cause in before}
    new = {cause.name: cause.value for cause in now}
    names = sorted(old.keys() | new.keys(), key=_rank)
    return [_sentence(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def code_changes(before: Sequence[Cause], now: Sequence[Cause], source_of: Callable[[Cause], str | None]) -> Iterator[str]:
    """The lines of a unified diff for all code that differs and whose text is on record."""
    old = {cause.name: cause for cause in before}
    for cause in now:
        earlier = old.get(cause.name, cause)
        if earlier != cause:
            yield from _diff(cause.name, source_of(earlier), source_of(cause))


def _diff(name: str, before: str | None, now: str | None) -> Iterator[str]:
    if before is not None and now is not None:
        yield from difflib.unified_diff(before.splitlines(), now.splitlines(), f"{name} before", f"{name} now", n=1, lineterm="")


def _rank(name: str) -> tuple[int, str]:
    return (3 if name.startswith("input ") else 1 if name.startswith("setting ") else 0, name)


def _sentence(name: str, old: str | None, new: str | None) -> str:
    kind, _, rest = name.partition(" ")
    if kind == "setting" and rest:
        return f"setting {rest}: {old} -> {new}"
    if kind == "input" and rest:
        return _input(rest, old, new)
    if old is None:
        return f"it now refers to {name}"
    if new is None:
        return f"it no longer refers to {name}"
    if name in ("python", "millstream") or (new[:1].isdigit() and "." in new):
        return f"{name}: {old} -> {new}"
    return f"{name} changed"


def _input(name: str, old: str | None, new: str | None) -> str:
    if not old or not new:
        return f"input {name} is {'new' if new else 'gone'}"
    return f"{name} changed" if name.startswith("file ") else f"{name}: {_content(old, new)}"


def _content(old: str, new: str) -> str:
    before, after = _days(old), _days(new)
    if not before or not after:
        return "its content changed"
    fresh = sorted(after.keys() - before.keys())
    changed = sorted(day for day in before.keys() & after.keys() if before[day] != after[day])
    words = [*_count(fresh, "new"), *_count(changed, "changed"), *_count(sorted(before.keys() - after.keys()), "gone")]
    return ", ".join(words) or "its content changed"


def _count(days: Sequence[str], what: str) -> list[str]:
    if not days:
        return []
    if len(days) == 1:
        return [f"{text_of(int(days[0]) * DAY)} {what}"]
    return [f"{len(days)} days {what}"]


def _days(summary: str) -> dict[str, str]:
    """Digests by day; rows without one are left out."""
    days = [entry.partition(":") for entry in summary.split(" ")[2:]]
    return {day: digest for day, _, digest in days if day}
