"""A new day in a folder of 365 day files: its run processes at most 3 % of all rows; CPU against everything anew, and a script."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks._measure import Case, Finding, Options, flights_folder, in_turns, read_options, spent_here, tell

MOST = 0.03
BY_DAY = {
    '    "data/flights.parquet",\n': '    "data/flights",\n',
    'ms.source("data/flights.parquet"': 'ms.source("data/flights"',
    'ms.source("data/weather.parquet"': 'ms.source("data/weather"',
    'known_at="decided")': 'known_at="decided", partition="1d", lookback="1d")',
    'max_age="3h")': 'max_age="3h", partition="1d")',
}
"""The template over folders, with its label and its view in pieces of a day."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """What a run took, and the rows that it processed."""

    cpu: float
    rows: int = 0


def write_days(folder: Path) -> None:
    """A file of flights and one of weather for every day in New York, in place of the two files."""
    import polars as pl  # noqa: PLC0415  `--help` need not wait for it

    for name, column in (("flights", "scheduled"), ("weather", "observed")):
        whole = folder / "data" / f"{name}.parquet"
        frame = pl.read_parquet(whole)
        days = frame.select(pl.col(column).dt.convert_time_zone("America/New_York").dt.date()).to_series()
        (folder / "data" / name).mkdir()
        for (day,), rows in frame.with_columns(days.alias("day")).partition_by("day", as_dict=True, include_key=False).items():
            rows.write_parquet(folder / "data" / name / f"{day}.parquet")
        whole.unlink()


def newest(folder: Path) -> Sequence[Path]:
    """The files of the last day."""
    return [max((folder / "data" / name).glob("*.parquet")) for name in ("flights", "weather")]


def run(folder: Path) -> Repeat:
    """Bring training set and label up to date."""
    from benchmarks._feature_run import make_features  # noqa: PLC0415

    rows: list[int] = []
    spent = spent_here(lambda: rows.append(make_features(folder / "flights.py", as_of=None).rows))
    return Repeat(spent.cpu, rows[0])


def run_new_day(folder: Path) -> Repeat:
    """The day's files come into a folder whose other days are done."""
    from benchmarks._feature_run import restore_store  # noqa: PLC0415

    restore_store(folder)
    return run(folder)


def run_all(folder: Path) -> Repeat:
    """Everything from nothing."""
    from benchmarks._feature_run import restore_store  # noqa: PLC0415

    restore_store(folder, empty=True)
    return run(folder)


def by_hand(folder: Path) -> Repeat:
    """What a script without a memory does on every day: read all files, join, store."""
    from benchmarks._plain_flights import features_of, read_tables, with_label  # noqa: PLC0415

    def act() -> None:
        tables = read_tables(folder)
        with_label(features_of(tables), tables, datetime.now(UTC)).write_parquet(folder / "plain.parquet")

    return Repeat(spent_here(act).cpu)


def make_all_but_one(folder: Path) -> None:
    """Run without the newest files, remember the store, and put the files there."""
    from benchmarks._feature_run import keep_store  # noqa: PLC0415

    hidden = [(path, folder / f"{path.parent.name}-{path.name}") for path in newest(folder)]
    for path, elsewhere in hidden:
        shutil.move(path, elsewhere)
    run(folder)
    keep_store(folder)
    for path, elsewhere in hidden:
        shutil.move(elsewhere, path)


def measure(options: Options) -> Finding:
    """The last day's run, a run of everything, and the script, in turns."""
    with flights_folder(BY_DAY) as folder:
        write_days(folder)
        files = len(list((folder / "data" / "flights").iterdir()))
        make_all_but_one(folder)
        sides = {"day": lambda: run_new_day(folder), "all": lambda: run_all(folder), "script": lambda: by_hand(folder)}
        gave = in_turns(sides, options.repeats)
    rows = {name: [repeat.rows for repeat in gave[name]] for name in ("day", "all")}
    cpu = {name: [repeat.cpu for repeat in repeats] for name, repeats in gave.items()}
    cases = [
        Case("the new day / everything anew", "rows", rows["day"], rows["all"]),
        Case("the new day / everything anew", "CPU s", cpu["day"], cpu["all"]),
        Case("the new day / script, everything", "CPU s", cpu["day"], cpu["script"]),
        Case("everything anew / script, everything", "CPU s", cpu["all"], cpu["script"]),
    ]
    claim = f"the run of a new day in a folder of {files} day files processes at most {MOST:.0%} of all rows"
    return Finding(claim, cases[0].ratio <= MOST, cases, {"day files of flights": files})


def main() -> None:
    """Measure and tell."""
    options = read_options(__doc__, repeats=3)
    tell(measure(options), options)


if __name__ == "__main__":
    main()
