"""101 trivial steps, persisted and recorded: at most 1.0 CPU ms a step above plain calls, 0.1 if cached; beside Hamilton and Kedro.

A chain of 50, 50 that read its end, and one that joins them; once of steps that return a number, once of steps that return a table of ten rows.
A turn takes a module that no turn before has seen, so that its source is read and parsed. "Again" opens store and ledger anew in the same process.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

from benchmarks._measure import Case, Finding, Options, in_turns, load_file, read_options, spent_here, tell
from benchmarks._peers import NEEDED, Peer, installed, run_peer
from benchmarks._trivial_steps import KINDS, module_text

MOST_FRESH = 1.0
MOST_AGAIN = 0.1
LONG, SHORT = 50, 10
OURS, PLAIN = "millstream", "plain calls"


@dataclass(frozen=True, slots=True)
class Turn:
    """CPU milliseconds a step, of everything anew and then again."""

    fresh: float
    again: float


class Steps:
    """Modules of one kind of trivial steps, each in a folder of its own."""

    def __init__(self, folder: Path, kind: str, long: int) -> None:
        """Modules with a chain of `long` steps, as many side by side, and a join."""
        self.kind, self.count = kind, 2 * long + 1
        self._folder, self._text, self._numbers = folder, module_text(kind, long=long), itertools.count()

    def written(self) -> Path:
        """A module under a name that was not used before."""
        folder = self._folder / f"{self.kind}_{next(self._numbers)}"
        folder.mkdir()
        file = folder / f"{folder.name}.py"
        file.write_text(self._text, encoding="utf-8")
        return file

    def module(self) -> ModuleType:
        """A module that was not seen before, imported."""
        return load_file(self.written())

    def by_millstream(self) -> Turn:
        """Everything, then nothing."""
        from benchmarks._kernel_graph import run_graph, steps_of  # noqa: PLC0415  `--help` need not wait for polars

        module = self.module()
        steps, store = steps_of(module), Path(str(module.__file__)).parent / "store"
        fresh = spent_here(lambda: self._expect(run_graph(steps, store).ran))
        again = spent_here(lambda: self._expect(run_graph(steps, store).reused))
        return self._turn(fresh.cpu, again.cpu)

    def plainly(self) -> Turn:
        """One call after the other, twice."""
        from benchmarks._kernel_graph import call_plainly, steps_of  # noqa: PLC0415

        steps = steps_of(self.module())
        return self._turn(*(spent_here(lambda: call_plainly(steps)).cpu for _ in range(2)))

    def by(self, peer: Peer, python: str) -> Turn:
        """The same functions as steps of another system, in a process of its own."""
        turn = run_peer(peer, python, self.written(), kind=self.kind)
        return self._turn(turn.fresh, turn.again)

    def sides(self, peers: Sequence[Peer], python: str | None) -> dict[str, Callable[[], Turn]]:
        """All that take turns."""
        others = {peer.name: partial(self.by, peer, python) for peer in peers} if python else {}
        return {OURS: self.by_millstream, PLAIN: self.plainly, **others}

    def _turn(self, fresh: float, again: float) -> Turn:
        return Turn(1e3 * fresh / self.count, 1e3 * again / self.count)

    def _expect(self, count: int) -> None:
        if count != self.count:
            raise RuntimeError(f"{count} of {self.count} {self.kind} were made")


def same_result(made: Steps) -> bool:
    """Whether the graph gives what the calls give, fresh and from the store."""
    from benchmarks._kernel_graph import call_plainly, run_graph, steps_of  # noqa: PLC0415

    module = made.module()
    steps, store = steps_of(module), Path(str(module.__file__)).parent / "store"
    plain = str(call_plainly(steps))
    return all(str(run_graph(steps, store).last) == plain for _ in range(2))


def measure(options: Options) -> Finding:
    """Both kinds, ours and the others in turns."""
    peers, versions = installed(options.peers)
    with tempfile.TemporaryDirectory(prefix="millstream-benchmark.") as name:
        kinds = [Steps(Path(name).resolve(), kind, SHORT if options.quick else LONG) for kind in KINDS]
        wrong = [each.kind for each in kinds if not same_result(each)]
        if wrong:
            raise RuntimeError(f"the graph does not give what plain calls give: {', '.join(wrong)}")
        gave = in_turns({(each.kind, who): act for each in kinds for who, act in each.sides(peers, options.peers).items()}, options.repeats)
    cases: list[Case] = []
    net: dict[str, dict[str, float]] = {}
    for kind in KINDS:
        ours, plain = gave[kind, OURS], gave[kind, PLAIN]
        for who in (PLAIN, *(peer.name for peer in peers)):
            cases += _cases(kind, who, ours, gave[kind, who])
        net[kind] = {"fresh": _net(ours, plain), "again": round(statistics.median(each.again for each in ours), 3)}
    holds = all(each["fresh"] <= MOST_FRESH and each["again"] <= MOST_AGAIN for each in net.values())
    claim = f"{kinds[0].count} trivial steps cost at most {MOST_FRESH} CPU ms a step above plain calls, {MOST_AGAIN} if nothing changed"
    return Finding(claim, holds, cases, {"CPU ms a step above plain calls": net, **versions})


def _cases(kind: str, who: str, ours: Sequence[Turn], other: Sequence[Turn]) -> list[Case]:
    unit = "CPU ms a step"
    return [
        Case(f"{kind}, fresh / {who}", unit, [each.fresh for each in ours], [each.fresh for each in other]),
        Case(f"{kind}, again / {who}", unit, [each.again for each in ours], [each.again for each in other]),
    ]


def _net(ours: Sequence[Turn], plain: Sequence[Turn]) -> float:
    return round(statistics.median(mine.fresh - other.fresh for mine, other in zip(ours, plain, strict=True)), 3)


def main() -> None:
    """Measure and tell."""
    options = read_options(__doc__, repeats=7, sizes=True, peers=NEEDED)
    tell(measure(options), options)


if __name__ == "__main__":
    main()
