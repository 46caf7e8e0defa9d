"""What a run draws on a terminal: a live table of what is running, above it what is settled."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from command import PARCELS_AS_OF, start
from terminal import open_terminal, read_all, screen

COLUMNS = 120


def draw(folder: Path, more: Mapping[str, str] | None = None) -> str:
    """All that a run writes to the terminal that its stderr is."""
    ours, theirs = open_terminal(COLUMNS)
    with start(folder, "run", "--as-of", PARCELS_AS_OF, stderr=theirs, more=more) as process:
        os.close(theirs)
        drawn = read_all(ours)
    os.close(ours)
    assert process.returncode == 0, drawn
    return drawn


@pytest.fixture(scope="module")
def drawn(parcels_that_ran: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a first run draws."""
    folder = tmp_path_factory.mktemp("drawn") / "parcels"
    shutil.copytree(parcels_that_ran, folder, ignore=shutil.ignore_patterns(".millstream"))
    return draw(folder)


def test_final_state(drawn: str) -> None:
    """In the end each step stands there once, as settled, and nothing is left of those that were running."""
    steps = [line.split() for line in screen(drawn) if not line.startswith("note: ")]

    assert {words[0] for words in steps} == {"ran"}
    assert len(steps) == len({words[1] for words in steps}) == 16


def test_running_steps_are_shown(drawn: str) -> None:
    """While steps run they are listed below, and drawn anew whenever something happens; settled ones are coloured."""
    shown = set(re.findall(r"^ {2}\.\.\. +(\S+)", drawn, re.MULTILINE))

    assert {"parcels", "wind", "delays/linear/fold_1", "delays/bundle"} <= shown
    assert all(len(line) < COLUMNS for line in screen(drawn) if not line.startswith("note: "))
    assert "\x1b[32mran" in drawn


def test_cached_steps_leave_no_line(parcels: Path) -> None:
    """A run with nothing to do leaves only its notes."""
    assert [line for line in screen(draw(parcels)) if not line.startswith("note: ")] == []


def test_no_color(new_parcels: Path) -> None:
    """With NO_COLOR, and in CI, a terminal gets the same plain lines as a file."""
    assert "\x1b" not in draw(new_parcels, {"NO_COLOR": "1"})
    assert "\x1b" not in draw(new_parcels, {"CI": "true"})
