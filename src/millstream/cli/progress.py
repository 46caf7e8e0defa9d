"""A live table of steps on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import os
import sys
import time
from collections import OrderedDict

import click

from millstream.kernel.graph import Node
from millstream.kernel.records import StepReport

SHOWN = 12


class Progress:
    """Listens to a run."""

    def __init__(self, *, quiet: bool = False, settled: bool = True) -> None:
        """`quiet` says nothing, as for `--json`; without `settled`, steps that went well leave no line."""
        self._quiet = quiet
        self._settled = settled
        self._live = sys.stderr.isatty() and "NO_COLOR" not in os.environ and "CI" not in os.environ
        self._running: OrderedDict[str, float] = OrderedDict()
        self._drawn = 0
        self.cached = 0
        self.ran = 0

    def __call__(self, event: StepReport | Node) -> None:
        """Take in that a step began, or what became of it."""
        if self._quiet:
            return
        self._erase()
        if isinstance(event, Node):
            self._running[event.name] = time.monotonic()
        else:
            self._running.pop(event.name, None)
            self._settle(event)
        self._draw()

    def close(self) -> None:
        """Leave only what is settled."""
        if not self._quiet:
            self._erase()

    def _settle(self, report: StepReport) -> None:
        if report.status == "cached":
            self.cached += 1
            return
        self.ran += report.status == "ran"
        if report.status == "skipped" or (report.status == "ran" and not self._settled):
            return
        colour = {"ran": "green", "failed": "red"}.get(report.status, "yellow")
        status = click.style(f"{report.status:<7}", fg=colour) if self._live else f"{report.status:<7}"
        rows = f"{report.rows:>10,} rows" if report.rows else " " * 15
        click.echo(f"{status} {report.name:<32} {report.seconds:>6.2f} s {rows}  {report.why}", err=True)

    def _draw(self) -> None:
        if not self._live:
            return
        now = time.monotonic()
        lines = [f"  ...   {name:<32} {now - started:>6.1f} s" for name, started in list(self._running.items())[-SHOWN:]]
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()
        self._drawn = len(lines)

    def _erase(self) -> None:
        if self._drawn:
            sys.stderr.write(f"\x1b[{self._drawn}F\x1b[J")
            self._drawn = 0
