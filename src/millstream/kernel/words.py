"""What changed, in words: values shortened to what differs, days as spans, and never a bare digest."""

from __future__ import annotations

import re
from collections.abc import Sequence

from millstream.kernel.availability import DAY, text_of

WIDE = 60
NAMED = 3
_DIGEST = re.compile(r"\b[0-9a-f]{16,}\b")
_TYPED = re.compile(r"""(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|\b[a-zA-Z]\w*(?=[\[{])|(?<![\w.])[a-zA-Z]\w*:(?=\S)|(?P<pair>=)""")
_TOKEN = re.compile(r"[\s,(){}\[\]]|[^\s,(){}\[\]]+")
_OPEN, _CLOSED = "([{", ")]}"


def changed(name: str, old: str, new: str) -> str:
    """`name: old -> new`, or that it changed, if the values cannot be told in a few words."""
    before, after = what_differs(plain(old), plain(new))
    told = before != after and not (_DIGEST.fullmatch(old) or _DIGEST.fullmatch(new))
    return f"{name}: {before} -> {after}" if told else f"{name} changed"


def plain(content: str) -> str:
    """Content as it is written in keys, as people write it: `list[int:1,int:2]` is `[1,2]`."""
    mapping = content.startswith(("dict{", "OrderedDict{", "Counter{"))
    return _DIGEST.sub("…", _TYPED.sub(lambda found: _plain(found, mapping=mapping), content))


def _plain(found: re.Match[str], *, mapping: bool) -> str:
    if found["text"]:
        return found["text"]
    return (": " if mapping else "=") if found["pair"] else ""


def what_differs(old: str, new: str) -> tuple[str, str]:
    """Both texts if they are short and no options, else the part of each in which they differ."""
    if len(old) <= WIDE and len(new) <= WIDE and "=" not in old + new:
        return old, new
    before, after = _TOKEN.findall(old), _TOKEN.findall(new)
    start = next((place for place, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after)))
    stop = 0
    while stop < min(len(before), len(after)) - start and before[-1 - stop] == after[-1 - stop]:
        stop += 1
    return shortened(_balanced(before, start, len(before) - stop)), shortened(_balanced(after, start, len(after) - stop))


def _balanced(tokens: Sequence[str], start: int, stop: int) -> str:
    """The tokens from start to stop, and on until every bracket is closed."""
    while stop < len(tokens) and sum((token in _OPEN) - (token in _CLOSED) for token in tokens[start:stop]) > 0:
        stop += 1
    return "".join(tokens[start:stop]).strip(" ,") or "nothing"


def shortened(text: str) -> str:
    """The text, in one line that is not too long."""
    line = " ".join(text.split())
    return line if len(line) <= WIDE else f"{line[: WIDE - 1]}…"


def days_in_words(days: Sequence[int]) -> str:
    """The first and the last of some days; moments are microseconds."""
    first, last = text_of(min(days)), text_of(max(days))
    return first if first == last else f"{first} – {last}"


def counted(count: int, noun: str) -> str:
    """As in `1 day`, `3 days`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def columns_in_words(names: Sequence[str]) -> str:
    """The first few of some columns by name."""
    listed = ", ".join(f"'{name}'" for name in names[:NAMED])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"column{'' if len(names) == 1 else 's'} {listed}{more}"


def rows_in_words(more: int) -> str:
    """As in `12 rows more`."""
    return f"{counted(abs(more), 'row')} {'more' if more > 0 else 'fewer'}"


def duration_in_words(microseconds: int) -> str:
    """As in `1d12h`."""
    parts: list[str] = []
    for unit, length in (("d", DAY), ("h", DAY // 24), ("m", DAY // 1_440), ("s", 1_000_000), ("us", 1)):
        count, microseconds = divmod(microseconds, length)
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0"
