"""The page of all names is the one that its script writes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from rivers import python_environment

import millstream as ms

ROOT = Path(__file__).parents[2]


def test_reference_is_fresh() -> None:
    """`python scripts/reference.py` would write what is there."""
    check = [sys.executable, str(ROOT / "scripts" / "reference.py"), "--check"]

    assert subprocess.run(check, env=python_environment(), capture_output=True, text=True, check=False).stderr == ""


def test_reference_has_every_name() -> None:
    """Every public name has a heading, and every member of a namespace."""
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    namespaces = {"methods": ms.methods, "prepare": ms.prepare, "split": ms.split, "gate": ms.gate, "rest": ms.rest}
    members = {f"{namespace}.{name}" for namespace, module in namespaces.items() for name in module.__all__}

    assert set(re.findall(r"^### (\S+)$", page, re.MULTILINE)) == set(ms.__all__)
    assert set(re.findall(r"^#### (\S+)$", page, re.MULTILINE)) == members
