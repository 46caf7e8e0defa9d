"""The training set of 336,776 flights, stored, costs at most 2.5 times the CPU of a hand-written polars script that stores it too."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from benchmarks._measure import Case, Finding, Options, Spent, flights_folder, in_turns, read_options, spent_here, tell

MOST = 2.5
AS_OF = "2014-02-01"
TOLERANCE = 1e-9


def by_millstream(folder: Path) -> Spent:
    """The step of the training set alone: read its inputs, join, digest, store."""
    from benchmarks._feature_run import make_features, restore_store  # noqa: PLC0415  `--help` need not wait for polars

    restore_store(folder)
    executed: list[str] = []
    spent = spent_here(lambda: executed.extend(make_features(folder / "flights.py", as_of=AS_OF).executed))
    if executed != ["examples"]:
        raise RuntimeError(f"only the training set was to be made, but also: {executed} (did the source of millstream change meanwhile?)")
    return spent


def by_hand(folder: Path, *, stored: bool) -> Spent:
    """Read the files, join, and store the result if that is wanted."""
    from benchmarks._plain_flights import features_of, read_tables  # noqa: PLC0415

    def act() -> None:
        frame = features_of(read_tables(folder))
        if stored:
            frame.write_parquet(folder / "plain.parquet")

    return spent_here(act)


def agreement(folder: Path) -> tuple[int, float]:
    """The rows of our training set, and the share of them that the script answers alike in every column."""
    from benchmarks._feature_run import make_features  # noqa: PLC0415
    from benchmarks._plain_flights import LEVELS, NUMBERS, features_of, read_tables  # noqa: PLC0415

    ours = make_features(folder / "flights.py", as_of=AS_OF).table("examples")
    pairs = ours.join(features_of(read_tables(folder)), on="flight", how="left", suffix="_plain", maintain_order="left")
    same = [pl.col(name).eq_missing(pl.col(f"{name}_plain")) for name in LEVELS]
    near = [
        ((pl.col(name) - pl.col(f"{name}_plain")).abs() <= TOLERANCE).fill_null(pl.col(name).is_null() & pl.col(f"{name}_plain").is_null())
        for name in NUMBERS
    ]
    return ours.height, float(pairs.select(pl.all_horizontal(*same, *near).mean()).item())


def measure(options: Options) -> Finding:
    """Everything before the training set is made once; then both sides in turns."""
    from benchmarks._feature_run import keep_store, make_features, restore_store  # noqa: PLC0415

    with flights_folder() as folder:
        make_features(folder / "flights.py", as_of=AS_OF, inputs_only=True)
        keep_store(folder)
        sides = {
            "ours": lambda: by_millstream(folder),
            "stored": lambda: by_hand(folder, stored=True),
            "memory": lambda: by_hand(folder, stored=False),
        }
        gave = in_turns(sides, options.repeats)
        restore_store(folder)
        rows, share = agreement(folder)
    if share < 1.0:
        raise RuntimeError(f"availability is monotone here, so all answers must be alike, but only {share:.4%} of {rows:,} rows are")
    cpu, wall = ({name: [getattr(each, kind) for each in spent] for name, spent in gave.items()} for kind in ("cpu", "wall"))
    cases = [
        Case("training set / script that stores it", "CPU s", cpu["ours"], cpu["stored"]),
        Case("training set / script that stores it", "s", wall["ours"], wall["stored"]),
        Case("training set / script in memory", "CPU s", cpu["ours"], cpu["memory"]),
        Case("training set / script in memory", "s", wall["ours"], wall["memory"]),
    ]
    claim = f"the training set costs at most {MOST} times the CPU of a hand-written script"
    return Finding(claim, cases[0].ratio <= MOST, cases, {"rows": rows, "rows that agree": f"{share:.2%}"})


def main() -> None:
    """Measure and tell."""
    options = read_options(__doc__, repeats=5)
    tell(measure(options), options)


if __name__ == "__main__":
    main()
