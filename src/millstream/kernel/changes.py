"""How what a step sees of a table differs from what it saw before: which columns, which days, how many rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from millstream.kernel.availability import DAY
from millstream.kernel.words import columns_in_words, counted, days_in_words, rows_in_words

Day = int | None


@dataclass(frozen=True, slots=True)
class PartSeen:
    """A part as the causes of a step tell it: the beginning of its digest, and until when it is seen if not as a whole."""

    digest: str
    until: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a table: the beginning of its digest, the rows of all parts, and the parts by their day."""

    digest: str
    rows: int
    parts: Mapping[Day, PartSeen]


@dataclass(frozen=True, slots=True)
class KnownPart:
    """What is known of a part by its digest: its rows, and the type and digest of each column."""

    rows: int
    columns: Mapping[str, tuple[str, bytes]]


Known = Mapping[str, KnownPart]
"""Parts by the beginning of their digest."""


def parse_seen(text: str) -> Seen | None:
    """What `units.py` says of a table; None if it says that of a value."""
    digest, _, rest = text.partition(" ")
    rows, *entries = rest.split(" ") if rest else [""]
    if not rows.isdigit():
        return None
    return Seen(digest, int(rows), dict(_parse_part(entry) for entry in entries if entry))


def _parse_part(entry: str) -> tuple[Day, PartSeen]:
    day, _, rest = entry.partition(":")
    digest, _, until = rest.partition("@")
    return (int(day) * DAY if day else None), PartSeen(digest, until or None)


def change_in_words(old: Seen, new: Seen, known_before: Known, known_now: Known) -> str:
    """One line; what is not known of a part is left out."""
    here, there = new.parts.keys() - old.parts.keys(), old.parts.keys() - new.parts.keys()
    changed = [day for day in new.parts.keys() & old.parts.keys() if old.parts[day].digest != new.parts[day].digest]
    pairs = {day: (known_before.get(old.parts[day].digest), known_now.get(new.parts[day].digest)) for day in changed}
    moved = _come_and_gone(_dated(here), _dated(there), moved=old.digest == new.digest)
    words = [*_of_columns(pairs), *_of_days(pairs), *moved, *_until(old, new)]
    if new.rows != old.rows:
        words.append(rows_in_words(new.rows - old.rows))
    return ", ".join(words) or "its rows changed"


Pairs = Mapping[Day, tuple[KnownPart | None, KnownPart | None]]


def _of_columns(pairs: Pairs) -> Iterator[str]:
    """Columns that came, went, or are of another type."""
    before, now = _types(part for part, _ in pairs.values()), _types(part for _, part in pairs.values())
    if not before or not now:
        return
    for names, what in (([name for name in now if name not in before], "new"), ([name for name in before if name not in now], "gone")):
        if names:
            yield f"{columns_in_words(names)} {'is' if len(names) == 1 else 'are'} {what}"
    for name in [name for name in now if before.get(name, now[name]) != now[name]]:
        yield f"column '{name}' is {now[name]}, before {before[name]}"


def _types(parts: Iterator[KnownPart | None] | Sequence[KnownPart | None]) -> dict[str, str]:
    return {name: kind for part in parts if part is not None for name, (kind, _) in part.columns.items()}


def _of_days(pairs: Pairs) -> Iterator[str]:
    """Days that changed, those together whose columns changed alike."""
    alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for day, (before, now) in pairs.items():
        columns = _changed(before, now)
        if day is not None:
            alike[columns if columns != ALL else NOT_KNOWN].append(day)
        elif columns and columns != NOT_KNOWN:
            yield f"{'all columns' if columns == ALL else columns_in_words(columns)} changed"
    for columns, days in sorted(alike.items(), key=lambda each: -len(each[1])):
        count, span = counted(len(days), "day"), days_in_words(days)
        if columns:
            yield f"{count} changed ({span})" if columns == NOT_KNOWN else f"{columns_in_words(columns)} changed in {count} ({span})"


NOT_KNOWN, ALL = ("?",), ("*",)


def _changed(before: KnownPart | None, now: KnownPart | None) -> tuple[str, ...]:
    """The columns of a part that are others; those that came or went, or are of another type, are told already."""
    if before is None or now is None or before.rows != now.rows:
        return NOT_KNOWN
    common = [name for name in now.columns if name in before.columns and now.columns[name][0] == before.columns[name][0]]
    others = tuple(name for name in common if now.columns[name][1] != before.columns[name][1])
    return ALL if len(others) == len(common) > 1 else others


def _come_and_gone(here: Sequence[int], there: Sequence[int], *, moved: bool) -> Iterator[str]:
    """Days that are seen now or no longer; `moved` says that the table is the same and only the moment is another."""
    if here:
        count = counted(len(here), "day")
        told = f"{count} became visible" if moved else f"{len(here):,} new {'day' if len(here) == 1 else 'days'}"
        yield f"{told} ({days_in_words(here)})"
    if there:
        yield f"{counted(len(there), 'day')} {'no longer visible' if moved else 'gone'} ({days_in_words(there)})"


def _until(old: Seen, new: Seen) -> Iterator[str]:
    """Days of which more or less is seen."""
    for day in sorted(_dated(old.parts.keys() & new.parts.keys())):
        before, now = old.parts[day], new.parts[day]
        if before.digest == now.digest and before.until != now.until:
            more = now.until is None or (before.until is not None and before.until < now.until)
            yield f"more of {days_in_words([day])} became visible" if more else f"less of {days_in_words([day])} is visible"


def _dated(days: Sequence[Day] | set[Day]) -> list[int]:
    return [day for day in days if day is not None]
