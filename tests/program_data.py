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


def _bikes(folder: Path) -> None:
    """Each hour counted five minutes after its end; forecasts six and thirty hours ahead that were right; holidays by date."""
    rows = pl.read_parquet(PROGRAMS / "data" / "bike_hourly.parquet")
    hour = (pl.col("dteday") + pl.duration(hours=pl.col("hr"))).dt.replace_time_zone("UTC")
    hours = rows.with_columns(hour=hour, counted=hour + pl.duration(minutes=65))
    hours.select("hour", "counted", "cnt").write_parquet(folder / "bike_hourly.parquet")
    forecasts = [
        hours.select("hour", issued=pl.col("hour") - pl.duration(hours=ahead), temperature=pl.col("temp") + ahead, rain="hum", wind="windspeed")
        for ahead in (6, 30)
    ]
    pl.concat(forecasts).write_parquet(folder / "forecasts.parquet")
    hours.filter(pl.col("holiday") == 1).select(date=pl.col("hour").dt.date()).unique().sort("date").write_csv(folder / "holidays.csv")
    hours.select(asked="hour").write_parquet(folder / "clock.parquet")


DATA: dict[str, Callable[[Path], None]] = {"ames": _ames, "digits": _digits, "bikes": _bikes}
