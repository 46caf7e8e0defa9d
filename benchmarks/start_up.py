"""Start-up: `millstream --help` and `import millstream` cost at most 0.15 CPU s each, against an empty python and `import polars`."""

from __future__ import annotations

import statistics

from benchmarks._measure import MILLSTREAM, Case, Finding, Options, in_turns, process_of, read_options, tell

MOST = 0.15
SIDES = {
    "help": (*MILLSTREAM, "--help"),
    "import": ("-c", "import millstream"),
    "empty": ("-c", "pass"),
    "polars": ("-c", "import polars"),
}


def measure(options: Options) -> Finding:
    """CPU seconds of four processes, in turns."""
    gave = in_turns({name: process_of(*arguments) for name, arguments in SIDES.items()}, options.repeats)
    spent = {name: [each.cpu for each in processes] for name, processes in gave.items()}
    cases = [
        Case("millstream --help / python -c pass", "CPU s", spent["help"], spent["empty"]),
        Case("millstream --help / import polars", "CPU s", spent["help"], spent["polars"]),
        Case("import millstream / python -c pass", "CPU s", spent["import"], spent["empty"]),
        Case("import millstream / import polars", "CPU s", spent["import"], spent["polars"]),
    ]
    holds = all(statistics.median(spent[name]) <= MOST for name in ("help", "import"))
    return Finding(f"`millstream --help` and `import millstream` cost at most {MOST} CPU s each", holds, cases, {})


def main() -> None:
    """Measure and tell."""
    options = read_options(__doc__, repeats=15)
    tell(measure(options), options)


if __name__ == "__main__":
    main()
