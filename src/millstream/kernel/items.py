"""The items of a run-time list, each as an input of its own."""

from __future__ import annotations

from millstream.errors import StepError
from millstream.kernel.digest import digest_bytes
from millstream.kernel.formats.json_values import pieces_of
from millstream.kernel.records import Value
from millstream.kernel.store import Store
from millstream.kernel.units import Seen, SeenCollection

SHOWN = 40


def items_of(store: Store, seen: Seen, who: str, name: str) -> list[tuple[Seen, str]]:
    """Every item and how it is called in messages; raises StepError, which begins with `who`, if the input `name` gives no list."""
    if isinstance(seen, SeenCollection) and seen.names is None:
        return [(each, str(number + 1)) for number, each in enumerate(seen.members)]
    pieces = pieces_of(store.read_value(seen)) if isinstance(seen, Value) and seen.kind == "json" else None
    if pieces is None:
        given = "a JSON value" if isinstance(seen, Value) and seen.kind == "json" else "a value" if isinstance(seen, Value) else "tables"
        raise StepError(f"{who}: {name} gives {given}, not a list", hint=f"return a list from {name}, as in frame['column'].to_list()")
    return [(Value(digest_bytes(each), "json", len(each), inline=each), _shown(each)) for each in pieces]


def _shown(piece: bytes) -> str:
    text = piece.decode()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
