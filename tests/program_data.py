"""The programs of `tests/programs` in a folder of their own, with data as they read them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl

PROGRAMS = Path(__file__).parent / "programs"


def write_program(folder: Path, name: str) -> Path:
    """A program and its data; the path of the program."""
    (folder / "data").mkdir(parents=True)
    shutil.copyfile(PROGRAMS / f"{name}.py", folder / f"{name}.py")
    DATA[name](folder / "data")
    return folder / f"{name}.py"


def _ames(folder: Path) -> None:
    shutil.copyfile(PROGRAMS / "data" / "ames.parquet", folder / "ames.parquet")


def _digits(folder: Path) -> None:
    """Digits as numbers."""
    scans = pl.read_parquet(PROGRAMS / "data" / "optdigits.parquet")
    scans.with_columns(pl.col("digit").str.strip_prefix("d").cast(pl.Int64)).write_parquet(folder / "optdigits.parquet")


DATA: dict[str, Callable[[Path], None]] = {"ames": _ames, "digits": _digits}
