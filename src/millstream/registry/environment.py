"""What a version was made with: Python, platform and the distributions that matter."""

from __future__ import annotations

import platform
from importlib import metadata

DISTRIBUTIONS = ("millstream", "polars", "polars-runtime-32", "numpy", "scipy", "lightgbm", "scikit-learn", "msgspec")


def environment() -> tuple[tuple[str, str], ...]:
    """Names and versions, sorted by name."""
    found = {"python": platform.python_version(), "platform": platform.platform(terse=True)}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return tuple(sorted(found.items()))
