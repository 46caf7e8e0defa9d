"""The flights from Newark, trained through the command line once, copied for every test."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
from commands import Folder
from flight_data import FLIGHTS, QUICK, WEATHER, write_flights


def from_newark(frame: pl.DataFrame) -> pl.DataFrame:
    """One airport of three, one winter: enough for a quick run."""
    return frame.filter(pl.col("origin") == "EWR")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The flights from Newark, trained once."""
    folder = tmp_path_factory.mktemp("newark") / "flights"
    write_flights(folder, program=QUICK, changes={FLIGHTS: from_newark, WEATHER: from_newark})
    done = Folder(folder).run()
    assert done.code == 0, done.errors
    return Folder(folder)


@pytest.fixture
def flights(trained: Folder, tmp_path: Path) -> Folder:
    """A copy of the trained project that a test may change."""
    return Folder(shutil.copytree(trained.path, tmp_path / "flights"))


@pytest.fixture
def untrained(trained: Folder, tmp_path: Path) -> Folder:
    """A copy of the project in which nothing has run."""
    return Folder(shutil.copytree(trained.path, tmp_path / "untrained", ignore=shutil.ignore_patterns(".millstream")))
