"""What a version was made with: Python, platform and the distributions that matter."""

from __future__ import annotations

import platform
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from millstream.kernel.threads import cores

DISTRIBUTIONS = ("millstream", "polars", "polars-runtime-32", "numpy", "scipy", "lightgbm", "scikit-learn", "msgspec")


def environment() -> tuple[tuple[str, str], ...]:
    """Names and versions, sorted by name."""
    found = {"python": platform.python_version(), "platform": platform.platform(terse=True), "threads": str(cores())}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return tuple(sorted(found.items()))


def project_files(root: Path) -> dict[str, str]:
    """The texts of the modules of a project that are loaded, by their paths under its root."""
    installed = [Path(each).resolve() for each in {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}]
    found: dict[str, str] = {}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not file or not file.endswith(".py"):
            continue
        path = Path(file)
        if path.is_relative_to(root) and not any(path.is_relative_to(each) for each in installed) and path.is_file():
            found[str(path.relative_to(root))] = path.read_text(encoding="utf-8", errors="replace")
    return found


def git_state(root: Path) -> dict[str, str]:
    """The commit that a folder's git repository is at, and whether its files differ from it; nothing where there is none."""
    if not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return {}
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--match=", "--dirty=+"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()  # noqa: S603  our own words
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"git commit": told.removesuffix("+"), "git": "with changes that are not committed" if told.endswith("+") else "clean"}
