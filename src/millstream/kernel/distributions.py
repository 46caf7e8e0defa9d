"""Installed distributions: which one a module belongs to, its version, and which code is the user's own.

Metadata is looked up by the names of folders, as `importlib.metadata` parses the whole of it only to say a version.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}{f' -O{sys.flags.optimize}' if sys.flags.optimize else ''}"
ABSENT = "not there"
OTHER_NAMES = {"PIL": "pillow", "attr": "attrs", "cv2": "opencv-python", "dateutil": "python-dateutil", "sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Distributions that are not called after their module; a guess to begin with, as all are checked."""
_STANDARD = os.path.realpath(os.path.dirname(os.__file__))  # noqa: PTH120  compared as text with thousands of files
_REQUIRED = re.compile(r"^Requires-Dist: *([\w.-]+)([^\n]*)$", re.MULTILINE)
_installed: dict[str, bool] = {}
_behind: dict[str, dict[str, str]] = {}


class Distribution(NamedTuple):
    """An installed distribution; `folder` holds its metadata."""

    name: str
    version: str
    folder: Path


def in_project(module: str | None) -> bool:
    """Whether a module is the user's own: neither the standard library nor an installed package.

    What is installed in place (editable) or from a folder counts as the user's own, and so does what no file is known of.
    """
    if not module or module == "__main__":
        return bool(module)
    top = module.partition(".")[0]
    if top == "millstream" or module in sys.builtin_module_names:
        return False
    place = _place(module) or _place(top)
    if place is None:
        return top not in sys.stdlib_module_names
    return is_own_file(place)


def is_own_file(file: str) -> bool:
    """Whether a file of code is the user's own."""
    known = _installed.get(file)
    if known is None:
        known = _installed[file] = _is_installed(file)
    return not known


def version_of(distribution: str) -> str:
    """The version of an installed distribution."""
    found = _find(distribution)
    return found.version if found is not None else "unknown"


def versions_behind(module: str) -> dict[str, str]:
    """The distributions that a module is of, and those that they require, each with its version."""
    known = _behind.get(module)
    if known is None:
        owners = _owners(module)
        required = (_find(name) for each in owners for name in _requirements(each.folder))
        known = {each.name: _exact(each) for each in (*owners, *required) if each is not None}
        if owners:
            _behind[module] = known
    return known


def _place(module: str) -> str | None:
    """The file or folder of a module that is loaded, or of a top-level one that could be."""
    loaded = sys.modules.get(module)
    if loaded is not None:
        return getattr(loaded, "__file__", None) or next(iter(getattr(loaded, "__path__", ())), None)
    if "." in module:
        return None
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    if found is None:
        return None
    return found.origin if found.has_location else next(iter(found.submodule_search_locations or ()), None)


def _is_installed(file: str) -> bool:
    path = Path(os.path.realpath(file))
    packages = next((parent for parent in path.parents if parent.name in ("site-packages", "dist-packages")), None)
    if packages is None and path.is_relative_to(_STANDARD):
        return True
    entries = _real(tuple(sys.path))
    for root in [packages] if packages is not None else [each for each in path.parents if str(each) in entries]:
        top = path.relative_to(root).parts[0].partition(".")[0]
        owners = _owners_in(str(root), top)
        if owners:
            return not any("dir_info" in _origin(each.folder) for each in owners)
    return packages is not None


@functools.lru_cache(maxsize=16)
def _real(entries: tuple[str, ...]) -> frozenset[str]:
    return frozenset(os.path.realpath(entry) for entry in entries)


def _owners(module: str) -> tuple[Distribution, ...]:
    """The distributions that installed a module: those of its top-level name, of a namespace package those of its longest part."""
    parts = module.split(".")
    loaded = sys.modules.get(parts[0])
    shared = loaded is not None and getattr(loaded, "__file__", None) is None
    for length in range(len(parts), 0, -1) if shared else (1,):
        for entry in sys.path:
            found = _owners_in(entry, "/".join(parts[:length]))
            if found:
                return found
    return ()


def _owners_in(folder: str, path: str) -> tuple[Distribution, ...]:
    listed = _listed(folder, _changed(folder))
    guess = listed.get(_normal(OTHER_NAMES.get(path, path)))
    if guess is not None and _owns(guess.folder, path):
        return (guess,)
    return tuple(each for each in listed.values() if _owns(each.folder, path))


@functools.lru_cache(maxsize=4096)
def _owns(folder: Path, path: str) -> bool:
    files = "\n" + _text(folder / "RECORD")
    if f"\n{path}/" in files or f"\n{path}." in files:
        return True
    return path in _text(folder / "top_level.txt").split()


def _find(distribution: str) -> Distribution | None:
    name = _normal(distribution)
    return next((found for entry in sys.path if (found := _listed(entry, _changed(entry)).get(name))), None)


def _changed(folder: str) -> int:
    try:
        return os.stat(folder or ".").st_mtime_ns  # noqa: PTH116  asked for each entry of the path
    except OSError:
        return 0


@functools.lru_cache(maxsize=64)
def _listed(folder: str, changed: int) -> dict[str, Distribution]:
    """The distributions of a folder as it is since it `changed`."""
    return {each.name: each for each in _metadata(Path(folder or "."))} if changed and Path(folder or ".").is_dir() else {}


def _metadata(folder: Path) -> Iterator[Distribution]:
    inside = any(part in ("site-packages", "dist-packages") for part in folder.parts)
    for name in sorted(os.listdir(folder)):  # noqa: PTH208  of a thousand names a few become paths
        stem, kind = os.path.splitext(name)  # noqa: PTH122
        if kind == ".dist-info" or (kind == ".egg-info" and inside):
            parts = stem.split("-")
            yield Distribution(_normal(parts[0]), parts[1] if len(parts) > 1 else _told_version(folder / name), folder / name)


def _told_version(folder: Path) -> str:
    found = re.search(r"^Version: *(\S+)", _text(folder / "PKG-INFO"), re.MULTILINE)
    return found.group(1) if found else "unknown"


@functools.cache
def _requirements(folder: Path) -> tuple[str, ...]:
    """The names that a distribution requires without extras."""
    head = (_text(folder / "METADATA") or _text(folder / "PKG-INFO")).partition("\n\n")[0]
    return tuple(found.group(1) for found in _REQUIRED.finditer(head) if "extra" not in found.group(2).partition(";")[2])


def _exact(distribution: Distribution) -> str:
    """The version; of what came from a repository or an archive also which state of it."""
    origin = _origin(distribution.folder)
    state = cast("dict[str, object]", origin.get("vcs_info") or origin.get("archive_info") or {})
    mark = state.get("commit_id") or state.get("hash")
    return f"{distribution.version} {mark}" if mark else distribution.version


@functools.cache
def _origin(folder: Path) -> dict[str, object]:
    """What `direct_url.json` says of where a distribution came from; empty if it came from an index."""
    text = _text(folder / "direct_url.json")
    return cast("dict[str, object]", json.loads(text)) if text else {}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
