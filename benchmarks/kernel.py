"""All of the kernel: trivial steps, big tables, a second run, start-up, edits and kills, each as its own benchmark has it, and one summary.

`--repeats` counts where figures are compared; edits are made once and kills are 50. With `--quick` there is one kill, and no second run of the
example, whose first run trains. `--peers` names the environment of the other systems.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

from benchmarks import cached_run, kernel_edits, kernel_kills, kernel_steps, kernel_tables, start_up
from benchmarks._measure import Finding, Options, read_options, tell, tell_together
from benchmarks._peers import NEEDED

PARTS: dict[str, tuple[Callable[[Options], Finding], int | None]] = {
    "kernel_steps": (kernel_steps.measure, None),
    "kernel_tables": (kernel_tables.measure, None),
    "cached_run": (cached_run.measure, None),
    "start_up": (start_up.measure, None),
    "kernel_edits": (kernel_edits.measure, 1),
    "kernel_kills": (kernel_kills.measure, kernel_kills.KILLS),
}
"""What measures, and how often where that is not for `--repeats` to say."""


def measure(options: Options) -> dict[str, tuple[Finding, Options]]:
    """One after the other; what each found is told at once, unless it is to be one object."""
    found: dict[str, tuple[Finding, Options]] = {}
    for name, (part, often) in PARTS.items():
        if options.quick and name == "cached_run":
            continue
        mine = replace(options, repeats=1 if options.quick else often or options.repeats)
        found[name] = (part(mine), mine)
        if not options.as_json:
            sys.stdout.write(f"{name}\n")
            tell(*found[name])
            sys.stdout.write("\n")
            sys.stdout.flush()
    return found


def main() -> None:
    """Measure and tell."""
    options = read_options(__doc__, repeats=5, sizes=True, peers=NEEDED)
    tell_together(measure(options), as_json=options.as_json)


if __name__ == "__main__":
    main()
