"""What commands print: data on stdout, progress on stderr, errors in at most eight lines or as JSON."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import click
import msgspec

from millstream.errors import MillstreamError

MOST_LINES = 8
_before: list[Callable[[], None]] = []


def print_json(value: object) -> None:
    """One JSON object on stdout; numbers that cannot be told are null."""
    sys.stdout.write(msgspec.json.encode(value, order="deterministic", enc_hook=str).decode() + "\n")
    sys.stdout.flush()


def say(text: str = "") -> None:
    """A line on stdout."""
    click.echo(text)


def tell(text: str) -> None:
    """A line on stderr."""
    click.echo(text, err=True)


def before_last_words(action: Callable[[], None]) -> None:
    """Do something before an error is told or the process is left: whoever draws on the terminal leaves it in order."""
    _before.append(action)


def report_error(error: Exception, *, as_json: bool) -> int:
    """Tell an error and give its exit code; what is not a user's error keeps its traceback."""
    message, code = _explain(error)
    _tidy()
    if as_json:
        print_json({"error": _as_record(error, message), "exit_code": code})
    else:
        tell(message)
    return code


def leave_at_once() -> NoReturn:
    """Crash-only: what is finished is on record, what is not is made again by the next run."""
    _tidy()
    sys.stdout.flush()
    tell("interrupted: what is finished is kept, the next run goes on from there")
    sys.stderr.flush()
    os._exit(130)


def _tidy() -> None:
    while _before:
        _before.pop()()


def _explain(error: Exception) -> tuple[str, int]:
    if isinstance(error, click.ClickException):
        return _short(_click_message(error)), 2
    if isinstance(error, MillstreamError):
        return _short(f"error: {error}"), error.exit_code
    lines = traceback.format_exception(error)
    return f"{''.join(lines)}\nThis is a defect of millstream: please report it with the lines above.", 1


def _click_message(error: click.ClickException) -> str:
    message = error.format_message()
    context = getattr(error, "ctx", None)
    hint = f"\n  try `{context.command_path} --help`" if context else ""
    return f"error: {message[:1].lower()}{message[1:]}{hint}"


def _short(message: str) -> str:
    lines = message.splitlines()
    return "\n".join(lines if len(lines) <= MOST_LINES else [*lines[: MOST_LINES - 1], "  …"])


def _as_record(error: Exception, message: str) -> dict[str, Any]:
    if isinstance(error, MillstreamError):
        return {"kind": type(error).__name__, "message": error.message, "where": error.where, "hint": error.hint}
    return {"kind": type(error).__name__, "message": message, "where": None, "hint": None}
