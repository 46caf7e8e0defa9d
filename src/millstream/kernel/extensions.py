"""The user's code that hangs on classes of other people: namespaces registered with polars or pandas, and methods put onto their classes."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Iterator

from millstream.kernel.distributions import in_project
from millstream.kernel.guards import ABSENT, Guards
from millstream.kernel.names import is_own_function

_EXTENDED = {"polars": ("Expr", "DataFrame", "LazyFrame", "Series"), "pandas": ("DataFrame", "Series", "Index")}
_HOLDERS = ("_ns", "_accessor")
"""Where the descriptor of a registered namespace keeps the class."""


def extensions(attributes: Iterable[str], guards: Guards) -> Iterator[tuple[str, object]]:
    """What the user has hung on those classes under one of the attributes that a function reads."""
    for library, names in _EXTENDED.items():
        module = sys.modules.get(library)
        for name in names if module is not None else ():
            kind = getattr(module, name, None)
            if not isinstance(kind, type):
                continue
            guards.same_size(vars(kind))
            for attribute in sorted(attributes):
                member = vars(kind).get(attribute, ABSENT)
                found = _own(member)
                if found is not None:
                    guards.name(vars(kind), attribute, member)
                    yield f"{library}.{name}.{attribute}", found


def _own(member: object) -> object | None:
    if isinstance(member, types.FunctionType):
        return member if is_own_function(member) else None
    held = next((vars(member).get(each) for each in _HOLDERS if each in getattr(member, "__dict__", {})), None)
    return held if isinstance(held, type) and in_project(held.__module__) else None
