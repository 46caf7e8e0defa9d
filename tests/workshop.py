"""A module of the user's with other modules of the same project beside it, imported afresh for each text."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from types import ModuleType

from millstream.kernel.fingerprint import Fingerprint, fingerprint
from millstream.kernel.user_file import load_module

HELPERS = """
LIMIT = 3


def clean(x):
    return x > LIMIT


def unrelated(x):
    return x


class Rule:
    def apply(self, x):
        return x + 1
"""
OTHER = """
def clean(x):
    return -x
"""
PROJECT = ("steps", "helpers", "other", "pricing", "shop")


@dataclass(frozen=True)
class Workshop:
    """A folder with `steps.py` and what it may import: `helpers` (also as `shop.helpers`) and `other`."""

    folder: Path
    written: dict[str, str] = field(default_factory=dict[str, str])

    def load(self, text: str, helpers: str = HELPERS) -> ModuleType:
        """The module `steps` of a text, imported afresh with all that it imports."""
        (self.folder / "shop").mkdir(exist_ok=True)
        texts = {"steps": text, "helpers": helpers, "shop/helpers": helpers, "shop/__init__": "", "other": OTHER}
        for name in [name for name, each in texts.items() if self.written.get(name) != each]:
            self.written[name] = texts[name]
            (self.folder / f"{name}.py").write_text(dedent(texts[name]), encoding="utf-8")
        forget()
        return load_module(self.folder / "steps.py")[0]

    def __call__(self, text: str, helpers: str = HELPERS) -> Fingerprint:
        """The fingerprint of the function `step` of a text."""
        return fingerprint(self.load(text, helpers).step)


def forget() -> None:
    """The project's modules are imported again."""
    for name in list(sys.modules):
        if name.partition(".")[0] in PROJECT:
            del sys.modules[name]
