"""Options that several commands share, and the project that they open."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from millstream.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from millstream.project import Project

Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])


def as_json(function: Wrapped) -> Wrapped:
    """`--json`: one JSON object on stdout instead of text."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(function)


def in_file(function: Wrapped) -> Wrapped:
    """`--file`: the user's file, where the command's argument names something else."""
    return click.option("--file", "-f", "file", type=click.Path(), help="The file to use; default: the only one of this folder.")(function)


def as_of(function: Wrapped) -> Wrapped:
    """`--as-of`: the moment at which everything is seen."""
    return click.option("--as-of", "moment", metavar="MOMENT", help="See everything as of this moment (ISO, UTC); default: now.")(function)


def set_options(function: Wrapped) -> Wrapped:
    """`--set`: settings of steps for this call."""
    return click.option("--set", "settings", multiple=True, metavar="STEP.SETTING=VALUE", help="A setting for this call; may be repeated.")(function)


def microseconds_as_of(moment: str | None) -> int:
    """The as-of moment in microseconds: now, if none is given."""
    if moment is None:
        return time.time_ns() // 1_000
    from millstream.kernel.availability import parse_moment

    return parse_moment(moment)


def open_project(file: str | None, settings: Sequence[str] = ()) -> Project:
    """The project of a file; threads are capped before anything native is loaded."""
    from millstream.kernel.threads import cap_threads

    cap_threads()
    from millstream.project import Project

    pairs: dict[str, str] = {}
    for text in settings:
        path, equals, value = text.partition("=")
        if not equals:
            raise ConfigurationError(f"--set {text}: write STEP.SETTING=VALUE", hint="as in --set late.minutes=30")
        pairs[path] = value
    return Project(file, settings=pairs)


def store_of(file: str | None) -> Path:
    """The folder of a file's store, whatever the file declares; raises NotFoundError if nothing has been run yet."""
    from pathlib import Path

    from millstream.errors import NotFoundError
    from millstream.kernel.user_file import find_file
    from millstream.project import folder_of

    folder = folder_of(find_file(Path(file) if file is not None else None).parent)
    if not folder.exists():
        raise NotFoundError(f"there is no store {folder}", hint="`millstream run` makes it")
    return folder
