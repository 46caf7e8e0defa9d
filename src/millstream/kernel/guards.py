"""What must still be so for a fingerprint to hold: each thing is the same object as when it was looked up, and each value has the same content."""

from __future__ import annotations

import abc
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final, cast

from millstream.kernel.content import content_of
from millstream.kernel.members import attributes_of, slots_of


class _Absent:
    """What a name stands for that is not there."""

    def __repr__(self) -> str:
        return "not there"


ABSENT: Final = _Absent()


class Guards:
    """Gathered while a fingerprint is taken; `hold` asks them all again in a few microseconds."""

    def __init__(self) -> None:
        """Nothing is guarded yet."""
        self._same: list[tuple[Callable[[], object], object]] = []
        self._equal: list[tuple[Callable[[], object], object]] = []
        self._contents: list[tuple[object, str]] = []
        self._may_change = False

    def name(self, namespace: Mapping[str, object], name: str, value: object) -> None:
        """A name of a namespace stands for this object, or is not there."""
        self._same.append((partial(namespace.get, name, ABSENT), value))

    def attribute(self, holder: object, name: str, value: object) -> None:
        """An attribute of an object is this object."""
        self._same.append((partial(getattr, holder, name, ABSENT), value))

    def members(self, namespace: Mapping[str, object]) -> None:
        """A namespace has these names, and no others."""
        for name, value in namespace.items():
            self.name(namespace, name, value)
        self.same_size(namespace)

    def items(self, collection: Collection[object]) -> None:
        """A collection holds these objects, and no others."""
        if isinstance(collection, Mapping):
            self.members(cast("Mapping[str, object]", collection))
            return
        for place, item in enumerate(collection):
            if isinstance(collection, Sequence):
                self._same.append((partial(collection.__getitem__, place), item))
            else:
                self._same.append((partial(collection.__contains__, item), True))
        self.same_size(collection)

    def own(self, value: object) -> None:
        """An object has these attributes, and no others."""
        for name in slots_of(type(value)):
            self.attribute(value, name, getattr(value, name, ABSENT))
        held: dict[str, object] = getattr(value, "__dict__", {})
        for name, part in attributes_of(value):
            if name in held:
                self.name(held, name, part)
        self.same_size(held)

    def same_size(self, holder: Collection[object]) -> None:
        """A namespace or collection holds as many things as now."""
        self._equal.append((holder.__len__, len(holder)))

    def function(self, function: types.FunctionType) -> None:
        """A function has this code, these defaults, captured values and attributes."""
        for name in ("__code__", "__defaults__", "__kwdefaults__"):
            self.attribute(function, name, getattr(function, name))
        if function.__kwdefaults__:
            self.members(function.__kwdefaults__)
        if function.__dict__:
            self.members(function.__dict__)
        for cell in function.__closure__ or ():
            self.cell(cell)

    def cell(self, cell: types.CellType) -> None:
        """A captured variable stands for this object."""
        try:
            self._same.append((partial(getattr, cell, "cell_contents"), cell.cell_contents))
        except ValueError:
            self.never()

    def registered(self) -> None:
        """No class was registered with an abstract one since."""
        token = abc.get_cache_token()
        if not self._equal or self._equal[0][0] is not abc.get_cache_token:
            self._equal.insert(0, (abc.get_cache_token, token))

    def content(self, value: object, text: str) -> None:
        """Plain data that can change has this content."""
        self._contents.append((value, text))

    def never(self) -> None:
        """Something was taken in that cannot be guarded: it is to be looked at every time."""
        self._may_change = True

    def hold(self) -> bool:
        """Whether all is as it was."""
        if self._may_change:
            return False
        try:
            for read, value in self._same:
                if read() is not value:
                    return False
            return all(read() == size for read, size in self._equal) and all(content_of(value) == text for value, text in self._contents)
        except Exception:  # noqa: BLE001  whatever a user's object does when it is asked: then it is looked at again
            return False
