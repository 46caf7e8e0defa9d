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
from types import ModuleType
from typing import NamedTuple, cast

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}{f' -O{sys.flags.optimize}' if sys.flags.optimize else ''}"
OTHER_NAMES = {"PIL": "pillow", "attr": "attrs", "cv2": "opencv-python", "dateutil": "python-dateutil", "sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Distributions that are not called after their module; a guess to begin with, as all are checked."""
_STANDARD = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120  compared as text with the files of modules
_PACKAGES = re.compile(r".*?[/\\](site|dist)-packages(?=[/\\])")
_REQUIRED = re.compile(r"^Requires-Dist: *([\w.-]+)([^\n]*)$", re.MULTILINE)
_own_modules: dict[str, tuple[ModuleType | None, bool]] = {}
_own_files: dict[str, bool] = {}
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
    if top == "millstream":
        return False
    loaded = sys.modules.get(top)
    known = _own_modules.get(module)
    if known is not None and known[0] is loaded and loaded is not None:
        return known[1]
    place = _place(top) or _place(module)
    own = is_own_file(place) if place is not None else top not in sys.stdlib_module_names
    _own_modules[module] = (loaded, own)
    return own


def is_own_file(file: str) -> bool:
    """Whether a file of code is the user's own."""
    known = _own_files.get(file)
    if known is None:
        known = _own_files[file] = not _is_installed(file)
    return known


def version_of(distribution: str) -> str:
    """The version of an installed distribution."""
    found = _find(distribution, sys.path)
    return found.version if found is not None else "unknown"


def versions_behind(module: str) -> dict[str, str]:
    """The distributions that a module is of, and those that they require, each with its version; nothing if it is of none."""
    known = _behind.get(module)
    if known is None:
        owners = _owners(module)
        required = (_find(name, [str(each.folder.parent), *sys.path]) for each in owners for name in _requirements(each.folder))
        known = {each.name: _exact(each) for each in (*owners, *required) if each is not None}
        if owners:
            _behind[module] = known
    return known


def _place(module: str) -> str | None:
    """The file of a module that is loaded, or of a top-level one that could be; of a namespace its folder."""
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
    packages = _PACKAGES.match(file)
    if packages is None:
        if file.startswith(_STANDARD):
            return True
        real = os.path.realpath(file)
        packages = _PACKAGES.match(real)
        if packages is None:
            return real.startswith(os.path.realpath(_STANDARD) + os.sep) or _is_beside_metadata(file)
        file = real
    root = packages.group()
    owners = _owners_in(root, file[len(root) + 1 :].replace(os.sep, "/").partition("/")[0].partition(".")[0])
    return not any("dir_info" in _origin(each.folder) for each in owners)


def _is_beside_metadata(file: str) -> bool:
    """Whether it was installed into a folder of the path (`pip install --target`)."""
    path = Path(file)
    folders = [folder for folder in path.parents if str(folder) in sys.path]
    return any(_owners_in(str(folder), path.relative_to(folder).parts[0].partition(".")[0]) for folder in folders)


def _owners(module: str) -> tuple[Distribution, ...]:
    """The distributions that installed a module: those of its top-level name, of a namespace package those of its longest part."""
    parts = module.split(".")
    place = _place(parts[0])
    is_shared = parts[0] in sys.modules and getattr(sys.modules[parts[0]], "__file__", None) is None
    packages = _PACKAGES.match(place) if place is not None else None
    for length in range(len(parts), 0, -1) if is_shared else (1,):
        for entry in [packages.group()] if packages is not None and not is_shared else sys.path:
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


def _find(distribution: str, folders: list[str]) -> Distribution | None:
    name = _normal(distribution)
    return next((found for entry in folders if (found := _listed(entry, _changed(entry)).get(name))), None)


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
    is_for_packages = folder.name in ("site-packages", "dist-packages")
    for name in sorted(os.listdir(folder)):  # noqa: PTH208  of a thousand names a few become paths
        if name.endswith(".dist-info") or (name.endswith(".egg-info") and is_for_packages):
            parts = name.rpartition(".")[0].split("-")
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
    return name.replace("_", "-").replace(".", "-").lower()
