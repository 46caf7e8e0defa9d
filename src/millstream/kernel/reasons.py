"""Why a step ran: the first thing that its cache key is made of and that differs from last time."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence

from millstream.kernel.changes import Known, Seen, change_in_words, parse_seen
from millstream.kernel.past import Past
from millstream.kernel.records import Cause
from millstream.kernel.words import changed, counted, days_in_words, duration_in_words, plain, shortened, what_differs

FACTS = re.compile(r"(key|time|known_at|delay)=(\S*)")
CODE = re.compile(r"[0-9a-f]{16}(, [0-9a-f]{16})*")
GONE = "its stored result was gone"
RECORD = "fit record"
"""Who follows one does without what leads to it: the comparison, and the methods that it does not name."""


def explain(before: Sequence[Cause] | None, now: Sequence[Cause], past: Past | None = None) -> str:
    """One sentence for people; `before` are the causes of the last time, None if there was none. `past` knows what inputs were."""
    if before is None:
        return "new"
    return next(_differences(before, now, past), GONE)


def found_again(why: str) -> str:
    """The sentence about a step whose result is there although something differs from last time."""
    return {GONE: "unchanged", "new": "made before"}.get(why, f"{why}, made before")


def differences(before: Sequence[Cause], now: Sequence[Cause], past: Past | None = None) -> list[str]:
    """Everything that differs: code first, then settings, versions and inputs."""
    return list(_differences(before, now, past))


def code_changes(before: Sequence[Cause], now: Sequence[Cause], source_of: Callable[[Cause], str | None]) -> Iterator[str]:
    """The lines of a unified diff for all code that differs and whose text is on record."""
    old = {cause.name: cause for cause in before}
    for cause in now:
        earlier = old.get(cause.name, cause)
        if earlier != cause:
            yield from code_change(cause.name, source_of(earlier), source_of(cause))


def code_change(name: str, before: str | None, now: str | None) -> Iterator[str]:
    """The lines of a unified diff of one function or class; nothing if one of its texts is not on record."""
    if before is not None and now is not None:
        yield from difflib.unified_diff(before.splitlines(), now.splitlines(), f"{name} before", f"{name} now", n=1, lineterm="")


def is_code(cause: Cause) -> bool:
    """Whether a cause is the user's code: a function or class by the digest of its text."""
    return CODE.fullmatch(cause.value) is not None and "." in cause.name and " " not in cause.name


def input_of(cause: Cause) -> str | None:
    """The name of the input that a cause is about: what is seen of it."""
    kind, _, name = cause.name.partition(" ")
    return name if kind == "input" else None


def _differences(before: Sequence[Cause], now: Sequence[Cause], past: Past | None) -> Iterator[str]:
    old, new = _by_name(before), _by_name(now)
    names = [name for name in old.keys() | new.keys() if old.get(name) != new.get(name)]
    for name in sorted(names, key=lambda name: _rank(name, old.get(name), new.get(name))):
        if RECORD not in names or not _leads_to_record(name, come_or_gone=name not in old or name not in new):
            yield _sentence(name, old.get(name), new.get(name), past)


def _leads_to_record(name: str, *, come_or_gone: bool) -> bool:
    return name.startswith(("method ", "step")) or (come_or_gone and name.startswith("input "))


def _by_name(causes: Sequence[Cause]) -> dict[str, str]:
    """The causes by name; one name may have several, as what several functions say of one library."""
    found: dict[str, dict[str, None]] = {}
    for cause in causes:
        found.setdefault(cause.name, {})[cause.value] = None
    return {name: ", ".join(values) for name, values in found.items()}


def _rank(name: str, old: str | None, new: str | None) -> tuple[int, str]:
    """Settings, code and options that changed, facts, what is referred to newly or no longer, versions, millstream's own, tables, values."""
    kind = name.partition(" ")[0]
    ranks = {"input": 5, "millstream": 4, "python": 3, "setting": -1, "facts": 1, "fit": 0}
    if kind in ranks:
        return ranks[kind] + (kind == "input" and parse_seen(new or "") is None), name
    if _is_library(name) and _is_version(old) and _is_version(new):
        return 3, name
    return (2 if old is None or new is None else 0), name


def _is_library(name: str) -> bool:
    return not any(mark in name for mark in ".: ")


def _is_version(value: str | None) -> bool:
    return value is None or (value[:1].isdigit() and not CODE.fullmatch(value))


def _sentence(name: str, old: str | None, new: str | None, past: Past | None) -> str:
    kind, _, rest = name.partition(" ")
    if kind == "input" and rest:
        return _input(rest, old, new, past)
    if name == "millstream":
        return _own(old, new)
    if old is None or new is None:
        return _come_or_gone(name, kind if rest else "", new)
    if kind == "facts":
        return _facts(rest.removeprefix("of "), old, new)
    return changed(name, old, new)


def _come_or_gone(name: str, kind: str, new: str | None) -> str:
    if kind in ("setting", "facts", "view", "method"):
        return f"{name} is {'gone' if new is None else 'new'}"
    if name == RECORD:
        return f"it no longer follows a {name}" if new is None else f"it follows a {name}: {shortened(new)}"
    if kind == "blind":
        return f"{'no longer' if new is None else 'now'} a blind spot: {name.partition(' ')[2]}"
    return f"it no longer refers to {name}" if new is None else f"it now refers to {name}"


def _own(old: str | None, new: str | None) -> str:
    """Millstream's own code: versions, each perhaps with a digest of the rooms that count."""
    before, after = (", ".join(dict.fromkeys(re.findall(r"\d+\.\d[\w.]*", value or ""))) for value in (old, new))
    if before != after and before and after:
        return f"millstream itself changed ({before} -> {after})"
    return f"millstream itself changed ({after}, its code was edited)" if before and after else "millstream itself changed"


def _facts(table: str, old: str, new: str) -> str:
    before, after = dict(FACTS.findall(old)), dict(FACTS.findall(new))
    differing = [name for name in after if before.get(name) != after[name]]
    words = ", ".join(f"{name} {_fact(name, before.get(name, ''))} -> {_fact(name, after[name])}" for name in differing)
    return f"{table or 'its facts'}: {words}" if words else f"facts of {table} changed"


def _fact(name: str, value: str) -> str:
    return duration_in_words(int(value)) if name == "delay" and value.isdigit() else {"": "none", "None": "none"}.get(value, value)


def _input(name: str, old: str | None, new: str | None, past: Past | None) -> str:
    if not old or not new:
        return f"input {name} is {'new' if new else 'gone'}"
    before, after = parse_seen(old), parse_seen(new)
    if before is not None and after is not None:
        known: list[Known] = [past.parts(name, seen.digest) if past else {} for seen in (before, after)]
        return f"{name}: {change_in_words(before, after, known[0], known[1])}"
    values = [past.json(name, value) if past and parse_seen(value) is None else None for value in (old, new)]
    if values[0] is None or values[1] is None:
        return f"{name} changed"
    told = [shortened(each) for each in what_differs(plain(values[0]), plain(values[1]))]
    return f"{name}: {told[0]} -> {told[1]}" if told[0] != told[1] else f"{name} changed"


def cause_in_words(cause: Cause) -> str:
    """One thing that a step depends on, without a digest."""
    kind, _, rest = cause.name.partition(" ")
    if kind == "input":
        seen = parse_seen(cause.value)
        return f"{rest}: {_seen_in_words(seen)}" if seen else rest
    if kind == "facts":
        told = {"key": "", "time": "None", "known_at": "None", "delay": "0"} | dict(FACTS.findall(cause.value))
        words = ", ".join(f"{name} {_fact(name, value)}" for name, value in told.items() if value not in ("", "None", "0"))
        return f"{rest.removeprefix('of ') or 'its own facts'}: {words or 'no key, no time'}"
    if is_code(cause):
        return cause.name
    value = shortened(plain(cause.value.partition(" ")[0] if cause.name == "millstream" else cause.value))
    return cause.name if value == "…" else f"{cause.name} = {value}"


def _seen_in_words(seen: Seen) -> str:
    days = [day for day in seen.parts if day is not None]
    return f"{counted(seen.rows, 'row')}" + (f" in {counted(len(days), 'day')} ({days_in_words(days)})" if days else "")
